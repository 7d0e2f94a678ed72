"""Later versions of months: which days of knowledge the base release holds already, and the others worked out from what is late.

What became known on a day depends on what was known by the end of it, so versions of days before the first changed one stand as they are.
"""

from datetime import date, timedelta
from typing import TYPE_CHECKING

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.clock import as_of_dates, month_end, month_ends
from warehouse.curated.fact_contract_month import FACT_CONTRACT_MONTH, contract_months, with_current_region
from warehouse.curated.fact_contract_month_version import FACT_CONTRACT_MONTH_VERSION, fact_contract_month_version
from warehouse.curated.fact_installment import FACT_INSTALLMENT
from warehouse.curated.late_facts import late_contracts, settlement_days
from warehouse.curated.late_months import asked_months, late_months, no_late_months
from warehouse.curated.regions import current_map
from warehouse.curated.staged import Staged
from warehouse.parts import ROWS_AT_ONCE
from warehouse.recipe import recipe
from warehouse.terms import Terms

if TYPE_CHECKING:
    from warehouse.lake import Candidate


def write_versions(candidate: "Candidate", staged: Staged, business_date: date, terms: Terms, changed_on: date | None = date.min) -> int:
    """Write and audit fact_contract_month_version, from a candidate's fact_contract_month and fact_installment.

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
    found = all_late_months(staged, late_contracts(staged, settled, terms, since).cache(), terms)
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


def all_late_months(staged: Staged, late: ir.Table, terms: Terms, rows_at_once: int = ROWS_AT_ONCE) -> ir.Table:
    """late_months of all that is late, some clients at a time.

    Grain: one row per (contract_number, month_on, known_on).

    Args:
        staged: the staging tables.
        late: of late_contracts, kept in the engine.
        terms: what the lender sets about its definitions.
        rows_at_once: installments x months x days of knowledge worked out at a time.
    """
    span = late.agg(first=_.from_on.min(), last=_.known_on.max()).to_pyarrow().to_pylist()[0]
    if span["first"] is None:
        return no_late_months()
    asked = asked_months(late, contract_months(month_ends(span["first"], span["last"]))).cache()
    rows = staged.installments.group_by("contract_number").agg(rows=_.count()).join(asked, "contract_number").rows.sum()
    count = 1 + (rows.to_pyarrow().as_py() or 0) // rows_at_once
    mine = (asked.filter((_.client_id.hash() % count + count) % count == number).cache() for number in range(count))
    found = [
        late_months(staged, share, days, _days(share, "known_on"), terms).cache() for share in mine if (days := _days(share, "month_on"))
    ]
    return ibis.union(found[0], *found[1:], distinct=True) if len(found) > 1 else found[0]


def _days(rows: ir.Table, column: str) -> list[date]:
    """Dates in a column, oldest first."""
    return sorted(rows.select(column).distinct().to_pyarrow()[column].to_pylist())


def _first_stale(candidate: "Candidate", business_date: date, terms: Terms, changed_on: date | None) -> date | None:
    """The first day of knowledge that the candidate does not hold as a build of now would compute it; None for all."""
    spec, base = FACT_CONTRACT_MONTH_VERSION, candidate.base
    if changed_on == date.min or base is None or base.business_date > business_date:
        return None
    if candidate.recipe(spec.name) != recipe(spec, terms, __name__):
        return None
    return min(changed_on or date.max, base.business_date + timedelta(days=1))


def _stale_partitions(candidate: "Candidate", since: date, business_date: date, regions_now: ir.Table) -> list[date]:
    """Partitions of days of knowledge from one on, and those with a region that belongs to another one today than it did."""
    held = candidate.table(FACT_CONTRACT_MONTH_VERSION.name)
    mapped = with_current_region(held.rename(held_id="region_current_map_id"), regions_now)
    wrong = mapped.filter((_.region_current_map_id != _.held_id) | (_.known_on >= since))
    return sorted({*_days(wrong, "known_month_on"), *month_ends(min(since, business_date), month_end(business_date))})
