"""Month ends of a build: which of them the base release holds already, and the others some at a time, oldest first.

Rows of a month are what was known at its end. So they stay as they are until a delivery brings a row that was known by then; the one
column that looks back from the release, the region of today, is written again from the rows themselves.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

import ibis.expr.types as ir
from ibis import _

from warehouse import clock
from warehouse.curated.books import OpenBooks
from warehouse.curated.fact_contract_month import FACT_CONTRACT_MONTH, contract_months, fact_contract_month, with_current_region
from warehouse.curated.fact_contract_stock import FACT_CONTRACT_STOCK, fact_contract_stock
from warehouse.curated.positions import positions_at
from warehouse.curated.regions import current_map, regions_on
from warehouse.curated.standings import ended_at
from warehouse.parts import MONTH_ROWS_AT_ONCE, parts
from warehouse.recipe import recipe
from warehouse.table import TableSpec
from warehouse.terms import Terms

if TYPE_CHECKING:
    from warehouse.lake import Candidate

MONTHLY = (FACT_CONTRACT_MONTH, FACT_CONTRACT_STOCK)


def month_days(first: date, business_date: date) -> list[date]:
    """The as-of dates of fact_contract_month: every month end from a first date on, and the business date for the open month."""
    return sorted({*clock.month_ends(first, business_date), business_date})


def stale_days(candidate: "Candidate", asked: Sequence[date], changed_on: date | None, terms: Terms) -> list[date]:
    """The asked days from the first on that the candidate does not hold as a build of now would compute it; at least the last one.

    Args:
        candidate: before anything was computed for it.
        asked: of month_days.
        changed_on: the first as-of date whose results differ from those of the base release; None if there is none.
        terms: the lender's definitions.
    """
    base = candidate.base
    if base is None or base.business_date > asked[-1] or any(candidate.recipe(spec.name) != _recipe(spec, terms) for spec in MONTHLY):
        return list(asked)

    def is_held(day: date) -> bool:
        was_asked = day == base.business_date or (day < base.business_date and day == clock.month_end(day))
        return was_asked and (changed_on is None or day < changed_on)

    return next((list(asked[place:]) for place, day in enumerate(asked) if not is_held(day)), list(asked[-1:]))


def days_of_books(asked: Sequence[date], stale: Sequence[date]) -> set[date]:
    """The days that books must answer: the stale ones and the one before them."""
    return {*stale, *_before(asked, stale)}


def build_months(candidate: "Candidate", opened: OpenBooks, asked: Sequence[date], stale: Sequence[date], terms: Terms) -> None:
    """Write and audit fact_contract_month and fact_contract_stock.

    Args:
        candidate: holds the months that are not stale.
        opened: books that answer days_of_books.
        asked: of month_days.
        stale: of stale_days.
        terms: the lender's definitions.
    """
    staged, today = opened.staged, clock.as_of_dates(asked[-1:], terms.time_zone)
    regions_now = current_map(staged, today).drop("as_of_on").cache()
    is_whole = list(stale) == list(asked)
    if not is_whole:
        _map_again(candidate, asked[: len(asked) - len(stale)], regions_now)
    before, cleared = _before(asked, stale), {spec: [] if is_whole else _vanished(candidate, spec, asked) for spec in MONTHLY}
    for days in parts(stale, staged, MONTH_ROWS_AT_ONCE):
        as_ofs = clock.as_of_dates(days, terms.time_zone)
        then = positions_at(staged, opened.books, as_ofs, terms)
        then = then._replace(regions=then.regions.cache())
        origins = regions_on(then.contracts, "start_date", staged, as_ofs, terms)
        ended = ended_at(opened.books.standings, clock.as_of_dates(before, terms.time_zone)).cache() if before else None
        rows = fact_contract_month(then, contract_months(days), origins, regions_now, ended).cache()
        stock = fact_contract_stock(then.contracts, then.regions, origins)
        for spec, table in ((FACT_CONTRACT_MONTH, rows), (FACT_CONTRACT_STOCK, stock)):
            replaced = None if is_whole and days[0] == asked[0] else [*cleared[spec], *_partitions(spec, days)]
            # Only the last part says by what the table was computed: a run that ends before it has to begin anew.
            candidate.write(spec, table, replace=replaced, recipe=_recipe(spec, terms) if days[-1] == stale[-1] else None)
            cleared[spec] = []
        before = days[-1:]
    for spec in MONTHLY:
        candidate.audit(spec)


def _before(asked: Sequence[date], stale: Sequence[date]) -> list[date]:
    """The month end before the first stale day; none if that is the first of all."""
    return [] if stale[0] == asked[0] else [stale[0].replace(day=1) - timedelta(days=1)]


def _recipe(spec: TableSpec, terms: Terms) -> str:
    return recipe(spec, terms, __name__)


def _partitions(spec: TableSpec, days: Sequence[date]) -> list[date]:
    """Partitions in which a table holds some as-of dates."""
    return [clock.month_end(day) for day in days] if spec.partition_by == "month_on" else list(days)


def _vanished(candidate: "Candidate", spec: TableSpec, asked: Sequence[date]) -> list[date]:
    """Partitions that nobody asks for any more, such as the business date of the base release."""
    return sorted(candidate.partitions(spec.name) - set(_partitions(spec, asked)))


def _map_again(candidate: "Candidate", kept: Sequence[date], regions_now: ir.Table) -> None:
    """Write the region of today again in kept months where it has changed."""
    spec = FACT_CONTRACT_MONTH
    rows = candidate.table(spec.name).filter(_.month_on.isin(_partitions(spec, kept)))
    held = rows.rename(held_id="region_current_map_id")
    wrong = with_current_region(held, regions_now).filter(_.region_current_map_id != _.held_id)
    months = wrong.select("month_on").distinct().to_pyarrow()["month_on"].to_pylist()
    if months:
        touched = rows.filter(_.month_on.isin(months)).drop("region_current_map_id")
        candidate.write(spec, with_current_region(touched, regions_now).select(spec.column_names), replace=months)
