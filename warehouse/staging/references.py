"""Reference rules: what a row names must be held, or the row waits; and the day of the event that a row tells of.

A row is judged by the version of its parent that was delivered up to its own business date, or by the parent's first version if that
came later. So a row that was accepted once is never judged anew by what a later delivery says about its parent.
"""

from collections.abc import Mapping
from datetime import date
from typing import Protocol

import ibis
import ibis.expr.types as ir

from warehouse.clock import BEGINNING
from warehouse.staging.rules import broken
from warehouse.staging.scratch import Scratch

FOREVER = date(9999, 12, 31)


class Context(Protocol):
    """What the rows of one source table are judged by, besides themselves."""

    @property
    def files(self) -> ir.Table:
        """Delivered files of the table: file_number, delivery_seq, business_date, source_sha256, source_file."""
        ...

    @property
    def held(self) -> ir.Table:
        """Versions of the judged keys from before the business dates that are judged."""
        ...

    def parent(self, name: str) -> ir.Table:
        """staging.<name> with what this intake has added; empty if nothing was ever delivered for it."""
        ...

    def before(self) -> ir.Table:
        """Rows of the table's own staging that are not judged: of other keys, or of earlier business dates."""
        ...

    def is_narrow(self) -> bool:
        """Whether few rows are judged, so that it pays to look at their parents only."""
        ...

    def has_one_date(self, name: str) -> bool:
        """Whether all rows of staging.<name> have one business date, so that every key has one version."""
        ...


def look_up(rows: ir.Table, reference: str, context: Context, parent: str, key: str, columns: Mapping[str, str]) -> ir.Table:
    """Rows with columns of the parent version that counts for them.

    Args:
        rows: with business_date.
        reference: column that names the parent.
        context: gives the held staging tables.
        parent: name of the parent's source table.
        key: its key column.
        columns: new name -> column, to take along.

    Returns:
        rows with the new columns and parent_key, all null where there is no parent.
    """
    held = context.parent(parent)
    if context.is_narrow():
        named = rows.filter(rows[reference].notnull()).select(named=reference).distinct()
        held = held.semi_join(named, held[key] == named.named)
    if context.has_one_date(parent):
        versions = _taken(held.filter(~held.is_deleted), key, columns)
        return rows.left_join(versions, rows[reference] == versions.parent_key)
    return counting(rows, reference, versions_of(held, key, columns))


def counting(rows: ir.Table, reference: str, versions: ir.Table) -> ir.Table:
    """Rows with the columns of the version that counts for their business date, null where there is none, as is parent_key."""
    return rows.left_join(
        versions,
        [
            rows[reference] == versions.parent_key,
            rows.business_date >= versions.counts_from,
            rows.business_date < versions.counts_to,
        ],
    ).drop("counts_from", "counts_to")


def versions_of(held: ir.Table, key: str, columns: Mapping[str, str]) -> ir.Table:
    """Held versions of a parent with the business dates for which each one counts.

    Grain: one row per (parent_key, counts_from). Tombstones are left out: a row that names a deleted parent finds the version before.

    Args:
        held: with business_date and is_deleted.
        key: its key column.
        columns: new name -> column, to take along.
    """
    of_key = ibis.window(group_by=held[key], order_by=held.business_date)
    return _taken(
        held.filter(~held.is_deleted),
        key,
        columns,
        counts_from=ibis.ifelse(ibis.row_number().over(of_key) == 0, ibis.date(BEGINNING), held.business_date),
        counts_to=held.business_date.lead().over(of_key).fill_null(ibis.date(FOREVER)),
    )


def _taken(held: ir.Table, key: str, columns: Mapping[str, str], **more: ir.Value) -> ir.Table:
    return held.select(parent_key=held[key], **more, **{new: held[column] for new, column in columns.items()})


def is_missing(rows: ir.Table, reference: str) -> ir.BooleanValue:
    """After a look-up: whether a row names a parent that is not held."""
    return rows[reference].notnull() & rows.parent_key.isnull()


def first_known(rows: ir.Table, context: Context, scratch: Scratch) -> ir.Table:
    """Regions and product_types: no references; the first value holds for all earlier dates."""
    return scratch.keep(rows.mutate(event_on=ibis.date(BEGINNING)))


def products(rows: ir.Table, context: Context, scratch: Scratch) -> ir.Table:
    """Products: an unknown product type is a warning."""
    found = look_up(rows, "product_type_id", context, "product_types", "product_type_id", {})
    return scratch.keep(
        found.mutate(
            event_on=ibis.date(BEGINNING),
            warnings=found.warnings + broken(is_missing(found, "product_type_id"), "unknown_product_type", "product_type_id"),
        ).drop("parent_key")
    )


def clients(rows: ir.Table, context: Context, scratch: Scratch) -> ir.Table:
    """Clients: an unknown region is a warning, no region is none."""
    found = look_up(rows, "region_id", context, "regions", "region_id", {})
    return scratch.keep(
        found.mutate(
            event_on=ibis.date(BEGINNING),
            warnings=found.warnings + broken(is_missing(found, "region_id"), "unknown_region", "region_id"),
        ).drop("parent_key")
    )


def contracts(rows: ir.Table, context: Context, scratch: Scratch) -> ir.Table:
    """Contracts wait for their client; an unknown product or terms outside its range are warnings."""
    found = look_up(rows, "client_id", context, "clients", "client_id", {})
    waiting = found.mutate(
        event_on=found.start_date,
        waits=found.waits + broken(is_missing(found, "client_id"), "orphan", "client_id"),
    ).drop("parent_key")
    ranges = {"least_tenor": "min_tenor", "most_tenor": "max_tenor", "least_amount": "min_amount", "most_amount": "max_amount"}
    priced = look_up(waiting, "product_code", context, "products", "product_code", ranges)
    tenor_is_off = (priced.tenor < priced.least_tenor).fill_null(False) | (priced.tenor > priced.most_tenor).fill_null(False)
    amount = priced.principal_amount
    amount_is_off = (amount < priced.least_amount).fill_null(False) | (amount > priced.most_amount).fill_null(False)
    return scratch.keep(
        priced.mutate(
            warnings=priced.warnings
            + broken(is_missing(priced, "product_code"), "unknown_product", "product_code")
            + broken(tenor_is_off, "tenor_out_of_range", "tenor")
            + broken(amount_is_off, "amount_out_of_range", "principal_amount")
        ).drop("parent_key", *ranges)
    )


def installments(rows: ir.Table, context: Context, scratch: Scratch) -> ir.Table:
    """Installments wait for their contract; the schedule is known from the contract's start, not from the due date."""
    found = look_up(rows, "contract_number", context, "contracts", "contract_number", {"event_on": "start_date"})
    return scratch.keep(
        found.mutate(waits=found.waits + broken(is_missing(found, "contract_number"), "orphan", "contract_number")).drop("parent_key")
    )


def penalties(rows: ir.Table, context: Context, scratch: Scratch) -> ir.Table:
    """Penalties wait for their installment."""
    found = look_up(rows, "installment_id", context, "installments", "installment_id", {})
    return scratch.keep(
        found.mutate(
            event_on=found.penalty_date,
            waits=found.waits + broken(is_missing(found, "installment_id"), "orphan", "installment_id"),
        ).drop("parent_key")
    )
