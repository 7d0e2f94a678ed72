"""curated.fact_contract_month_version: what was known later of contracts at month ends, by the day on which it became known.

fact_contract_month keeps what was known at each month end and never changes. A row here is the next version of such a row: the same
contract and month end with the knowledge of a later day. Together they say what was known of a month on any day since, and what is known
now.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import TYPE_CHECKING

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.clock import as_of_dates, month_end, month_end_on, month_ends
from warehouse.curated.fact_contract_month import FACT_CONTRACT_MONTH, with_current_region
from warehouse.curated.fact_installment import FACT_INSTALLMENT
from warehouse.curated.late_facts import late_contracts, settlement_days
from warehouse.curated.late_months import late_months
from warehouse.curated.regions import current_map
from warehouse.curated.staged import Staged
from warehouse.recipe import recipe
from warehouse.table import Column, TableSpec, columns
from warehouse.terms import Terms

if TYPE_CHECKING:
    from warehouse.lake import Candidate

MONTH = ("contract_number", "month_on")
VALUES = tuple(name for name in FACT_CONTRACT_MONTH.column_names if name not in MONTH)
COMPARED = tuple(name for name in VALUES if name != "region_current_map_id")  # follows from another column and today's map


def _columns() -> Iterator[Column]:
    declared = {column.name: column for column in FACT_CONTRACT_MONTH.columns}
    yield from (declared[name] for name in MONTH)
    yield from columns(
        (
            ("known_on", "date", "Business date on which this became known, after month_on."),
            ("is_counted", "boolean", "The contract ran in the month, as known then; if not, the values are those of the version before."),
        )
    )
    yield from (declared[name] for name in VALUES)
    yield from columns([("known_month_on", "date", "Last day of the month of known_on.")])


FACT_CONTRACT_MONTH_VERSION = TableSpec(
    name="curated.fact_contract_month_version",
    description="Later versions of the rows of fact_contract_month for complete months, each from the day on which it became known.",
    grain=(*MONTH, "known_on"),
    columns=tuple(_columns()),
    partition_by="known_month_on",
)


def fact_contract_month_version(
    fact_contract_month: ir.Table, found: ir.Table, regions_now: ir.Table, stored: ir.Table | None = None
) -> ir.Table:
    """Versions of month rows that differ from the one before.

    Grain: one row per (contract_number, month_on, known_on).

    Args:
        fact_contract_month: curated.fact_contract_month; the first version of each month.
        found: of `warehouse.curated.late_months.late_months`.
        regions_now: region_id, region_current_map_id, as known at the release's business date.
        stored: versions of earlier days than those found; None for none.

    Returns:
        the columns of FACT_CONTRACT_MONTH_VERSION.
    """
    names, types = FACT_CONTRACT_MONTH_VERSION.column_names, FACT_CONTRACT_MONTH_VERSION.nullable_schema()
    concerned = found.select(MONTH).distinct()
    before = [first_known(fact_contract_month)] + ([] if stored is None else [stored.select(names)])
    held = [rows.semi_join(concerned, MONTH).cast(types).mutate(is_new=False) for rows in before]
    in_order = ibis.window(group_by=MONTH, order_by="known_on")
    dated = found.mutate(known_month_on=month_end_on(_.known_on))
    chain = ibis.union(dated.select(names).cast(types).mutate(is_new=True), *held)
    beside = chain.mutate(
        was_counted=_.is_counted.lag().over(in_order).fill_null(False),
        **{f"{name}_before": _[name].lag().over(in_order) for name in COMPARED},
    )
    is_same = ibis.and_(*(_[name].identical_to(_[f"{name}_before"]) for name in COMPARED)) | ~_.is_counted
    news = (
        beside.filter(_.is_new, ~((_.is_counted == _.was_counted) & is_same))
        .mutate(**{name: ibis.ifelse(_.is_counted, _[name], _[f"{name}_before"]) for name in COMPARED})
        .drop("region_current_map_id")
    )
    return with_current_region(news, regions_now).select(names)


def months_as_known(fact_contract_month: ir.Table, fact_contract_month_version: ir.Table, known_by: ir.DateValue | None = None) -> ir.Table:
    """Contracts that ran in each month, as known now or on an earlier day.

    A contract has a row in a month if it had started and had not ended before it. A row of fact_contract_month whose contract had ended
    before the month (its end became known late) is not among them: the month of the end has it.

    Grain: one row per (contract_number, month_on).

    Args:
        fact_contract_month: curated.fact_contract_month.
        fact_contract_month_version: curated.fact_contract_month_version.
        known_by: leave out what became known later; a month that had not ended by then is not there. None for all that is known.

    Returns:
        the columns of FACT_CONTRACT_MONTH.
    """
    first = first_known(fact_contract_month)
    later = fact_contract_month_version.select(first.columns)
    rows = first.union(later)
    if known_by is not None:
        rows = rows.filter(_.known_on <= known_by)
    in_order = ibis.window(group_by=MONTH, order_by="known_on")
    newest = rows.mutate(is_newest=_.known_on.lead().over(in_order).isnull()).filter(_.is_newest, _.is_counted)
    return newest.select(FACT_CONTRACT_MONTH.column_names)


def months_as_known_now(fact_contract_month: ir.Table, fact_contract_month_version: ir.Table) -> ir.Table:
    """months_as_known with all that is known."""
    return months_as_known(fact_contract_month, fact_contract_month_version)


def first_known(fact_contract_month: ir.Table) -> ir.Table:
    """Rows of fact_contract_month as first versions: known on their as-of date, and counted if the contract had not ended before the month.

    Grain: as the input.

    Returns:
        the columns of FACT_CONTRACT_MONTH_VERSION.
    """
    is_counted = _.ended_on.isnull() | (_.ended_on.truncate("M") >= _.month_on.truncate("M"))
    return fact_contract_month.mutate(known_on=_.as_of_on, is_counted=is_counted, known_month_on=_.month_on).select(
        FACT_CONTRACT_MONTH_VERSION.column_names
    )


def write_versions(candidate: "Candidate", staged: Staged, business_date: date, terms: Terms, changed_on: date | None = date.min) -> int:
    """Write and audit the table, from a candidate's fact_contract_month and fact_installment.

    What became known on a day depends on what was known by the end of it, so versions of days before the first changed one stand.

    Args:
        candidate: of kind release.
        staged: the staging tables; rows known after the business date left out.
        business_date: of the release.
        terms: what the lender sets about its definitions.
        changed_on: of `warehouse.changes.first_changed_on`; the earliest date there is to compute all.

    Returns:
        Rows written.
    """
    spec, since = FACT_CONTRACT_MONTH_VERSION, _first_stale(candidate, business_date, terms, changed_on)
    settled = settlement_days(candidate.table(FACT_INSTALLMENT.name), terms)
    found = late_months(staged, late_contracts(staged, settled, terms, since).cache(), terms)
    regions_now = current_map(staged, as_of_dates([business_date], terms.time_zone)).drop("as_of_on").cache()
    months, made = candidate.table(FACT_CONTRACT_MONTH.name), recipe(spec, terms, __name__)
    if since is None:
        written = candidate.write(spec, fact_contract_month_version(months, found, regions_now), recipe=made)
    else:
        kept = candidate.table(spec.name).filter(_.known_on < since)
        news = fact_contract_month_version(months, found, regions_now, kept)
        stale = _stale_partitions(candidate, since, business_date, regions_now)
        again = with_current_region(kept.filter(_.known_month_on.isin(stale)).drop("region_current_map_id"), regions_now)
        rows = news.union(again.select(spec.column_names).cast(spec.nullable_schema())).cache()
        written = candidate.write(spec, rows, replace=stale, recipe=made)
    candidate.audit(spec)
    return written


def _first_stale(candidate: "Candidate", business_date: date, terms: Terms, changed_on: date | None) -> date | None:
    """The first day of knowledge that the candidate does not hold as a build of now would compute it; None for all."""
    spec, base = FACT_CONTRACT_MONTH_VERSION, candidate.base
    if base is None or base.business_date > business_date or candidate.recipe(spec.name) != recipe(spec, terms, __name__):
        return None
    return min(changed_on or date.max, base.business_date + timedelta(days=1))


def _stale_partitions(candidate: "Candidate", since: date, business_date: date, regions_now: ir.Table) -> list[date]:
    """Partitions of days of knowledge from one on, and those with a region that belongs to another one today than it did."""
    held = candidate.table(FACT_CONTRACT_MONTH_VERSION.name)
    mapped = with_current_region(held.rename(held_id="region_current_map_id"), regions_now)
    wrong = mapped.filter((_.region_current_map_id != _.held_id) | (_.known_on >= since))
    found = wrong.select("known_month_on").distinct().to_pyarrow()["known_month_on"].to_pylist()
    return sorted({*found, *month_ends(min(since, business_date), month_end(business_date))})
