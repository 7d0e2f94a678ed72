"""Reference rules: what a row names must be held, or the row waits; and the day of the event that a row tells of.

A row is judged by the version of its parent that was delivered up to its own business date, or by the parent's first version if that
came later. So a row that was accepted once is never judged anew by what a later delivery says about its parent.
"""

from collections.abc import Callable, Mapping
from datetime import date

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.clock import BEGINNING
from warehouse.staging.rules import broken

FOREVER = date(9999, 12, 31)
Held = Callable[[str], ir.Table]  # name of a source table -> its staging table


def versions_of(held: ir.Table, key: str, columns: Mapping[str, str]) -> ir.Table:
    """Held versions of a parent with the business dates for which each one counts.

    Grain: one row per (parent_key, counts_from). Tombstones are left out: a row that names a deleted parent finds the version before.

    Args:
        held: staging table of the parent.
        key: its key column.
        columns: new name -> column, to take along.
    """
    of_key = ibis.window(group_by=held[key], order_by=held.business_date)
    return held.filter(~held.is_deleted).select(
        parent_key=held[key],
        counts_from=ibis.ifelse(ibis.row_number().over(of_key) == 0, ibis.date(BEGINNING), held.business_date),
        counts_to=held.business_date.lead().over(of_key).fill_null(ibis.date(FOREVER)),
        **{new: held[column] for new, column in columns.items()},
    )


def look_up(rows: ir.Table, reference: str, versions: ir.Table) -> ir.Table:
    """Rows with the columns of the parent version that counts for them, null where there is none, as is parent_key."""
    return rows.left_join(
        versions,
        [
            rows[reference] == versions.parent_key,
            rows.business_date >= versions.counts_from,
            rows.business_date < versions.counts_to,
        ],
    ).drop("counts_from", "counts_to")


def is_missing(rows: ir.Table, reference: str) -> ir.BooleanValue:
    """After look_up: whether a row names a parent that is not held."""
    return rows[reference].notnull() & rows.parent_key.isnull()


def first_known(rows: ir.Table, held: Held) -> ir.Table:
    """Regions and product_types: no references; the first value holds for all earlier dates."""
    return rows.mutate(event_on=ibis.date(BEGINNING))


def products(rows: ir.Table, held: Held) -> ir.Table:
    """Products: an unknown product type is a warning."""
    found = look_up(rows, "product_type_id", versions_of(held("product_types"), "product_type_id", {}))
    return found.mutate(
        event_on=ibis.date(BEGINNING),
        warnings=found.warnings + broken(is_missing(found, "product_type_id"), "unknown_product_type", "product_type_id"),
    ).drop("parent_key")


def clients(rows: ir.Table, held: Held) -> ir.Table:
    """Clients: an unknown region is a warning, no region is none."""
    found = look_up(rows, "region_id", versions_of(held("regions"), "region_id", {}))
    return found.mutate(
        event_on=ibis.date(BEGINNING),
        warnings=found.warnings + broken(is_missing(found, "region_id"), "unknown_region", "region_id"),
    ).drop("parent_key")


def contracts(rows: ir.Table, held: Held) -> ir.Table:
    """Contracts wait for their client; an unknown product or terms outside its range are warnings."""
    found = look_up(rows, "client_id", versions_of(held("clients"), "client_id", {}))
    waiting = found.mutate(
        event_on=found.start_date,
        waits=found.waits + broken(is_missing(found, "client_id"), "orphan", "client_id"),
    ).drop("parent_key")
    ranges = {"least_tenor": "min_tenor", "most_tenor": "max_tenor", "least_amount": "min_amount", "most_amount": "max_amount"}
    priced = look_up(waiting, "product_code", versions_of(held("products"), "product_code", ranges))
    tenor_is_off = (priced.tenor < priced.least_tenor).fill_null(False) | (priced.tenor > priced.most_tenor).fill_null(False)
    amount = priced.principal_amount
    amount_is_off = (amount < priced.least_amount).fill_null(False) | (amount > priced.most_amount).fill_null(False)
    return priced.mutate(
        warnings=priced.warnings
        + broken(is_missing(priced, "product_code"), "unknown_product", "product_code")
        + broken(tenor_is_off, "tenor_out_of_range", "tenor")
        + broken(amount_is_off, "amount_out_of_range", "principal_amount")
    ).drop("parent_key", *ranges)


def installments(rows: ir.Table, held: Held) -> ir.Table:
    """Installments wait for their contract; the schedule is known from the contract's start, not from the due date."""
    found = look_up(rows, "contract_number", versions_of(held("contracts"), "contract_number", {"event_on": "start_date"}))
    return found.mutate(waits=found.waits + broken(is_missing(found, "contract_number"), "orphan", "contract_number")).drop("parent_key")


def penalties(rows: ir.Table, held: Held) -> ir.Table:
    """Penalties wait for their installment."""
    found = look_up(rows, "installment_id", versions_of(held("installments"), "installment_id", {}))
    return found.mutate(
        event_on=found.penalty_date,
        waits=found.waits + broken(is_missing(found, "installment_id"), "orphan", "installment_id"),
    ).drop("parent_key")


def schedule_warnings(judged: ir.Table, held: Held) -> ir.Table:
    """Compare the first delivered schedule of each contract with its tenor and principal, once.

    The warning is on the schedule's first installment. Where the number of installments is off, their sum says nothing.
    """
    live = judged.filter(_.disposition == "accepted", ~_.is_deleted)
    first = live.filter(live.business_date == live.business_date.min().over(ibis.window(group_by=live.contract_number)))
    schedules = first.group_by(["contract_number", "business_date"]).agg(
        count=_.count(),
        total=_.inst_amt_principal.sum(),
        first_id=_.installment_id.argmin(_.installment_number.cast("string").lpad(12, "0") + _.installment_id),
    )
    terms = versions_of(held("contracts"), "contract_number", {"agreed_tenor": "tenor", "agreed_amount": "principal_amount"})
    compared = look_up(schedules, "contract_number", terms)
    off = compared.filter((_["count"] != _.agreed_tenor) | (_.total != _.agreed_amount)).select(
        "first_id", off_on=compared.business_date, is_count=compared["count"] != compared.agreed_tenor
    )
    marked = judged.left_join(off, [judged.installment_id == off.first_id, judged.business_date == off.off_on])
    is_used = marked.disposition == "accepted"
    return marked.mutate(
        warnings=marked.warnings
        + broken(is_used & marked.is_count, "installment_count", "contract_number")
        + broken(is_used & ~marked.is_count, "schedule_sum", "contract_number")
    ).drop(*off.columns)
