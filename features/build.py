"""Writing the feature table into a candidate: whole as-of dates at a time, each replaced as a partition.

A date is computed with the knowledge of that date whenever it is computed, so writing it again gives the same values.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

from features.tables import CLIENT_REPAYMENT_SPEC, client_repayment
from warehouse import clock
from warehouse.curated.books import OpenBooks, open_books
from warehouse.curated.staged import Staged
from warehouse.parts import ROWS_AT_ONCE, first_start, parts
from warehouse.recipe import recipe
from warehouse.terms import Terms

if TYPE_CHECKING:
    from warehouse.lake import Candidate

DAILY_DAYS = 35  # days before the business date of which daily rows are kept; month ends are kept for all time


def build_features(
    candidate: "Candidate", days: Sequence[date], terms: Terms, rows_at_once: int = ROWS_AT_ONCE, opened: OpenBooks | None = None
) -> int:
    """Write and audit features.client_repayment for some as-of dates.

    Args:
        candidate: holds the staging tables.
        days: as-of dates; their rows are replaced, all others stay.
        terms: the lender's definitions.
        rows_at_once: installments x dates of one computation.
        opened: books of the candidate, if a step before has made them; used if they answer all days.

    Returns:
        Rows written.
    """
    if not days:
        return 0
    if opened is None or not opened.answer(candidate, days):
        opened = open_books(candidate, Staged.read(candidate.table), days, terms)
    made = recipe(CLIENT_REPAYMENT_SPEC, terms, __name__)
    is_one = candidate.recipe(CLIENT_REPAYMENT_SPEC.name) == made or set(days).issuperset(candidate.partitions(CLIENT_REPAYMENT_SPEC.name))
    rows = 0
    for part in parts(days, opened.staged, rows_at_once):
        # Sorted files: a lookup of some clients skips most of each file.
        snapshot = client_repayment(opened.staged, part, terms, opened.books).order_by("client_id", "event_timestamp")
        # Only the last part says by what the table was computed: a run that ends before it has to begin anew.
        is_said = is_one and part[-1] == max(days)
        rows += candidate.write(CLIENT_REPAYMENT_SPEC, snapshot, replace=part, recipe=made if is_said else None)
    candidate.audit(CLIENT_REPAYMENT_SPEC)
    return rows


def stale_days(candidate: "Candidate", business_date: date, changed_on: date | None, terms: Terms) -> list[date]:
    """As-of dates whose snapshot a candidate lacks, or holds otherwise than a build of now would compute it.

    Args:
        candidate: before features were computed for it.
        business_date: the last as-of date.
        changed_on: of `warehouse.changes.first_changed_on`; the earliest date there is to compute all snapshots.
        terms: the lender's definitions.
    """
    wanted = set(history_days(first_start(candidate.table("staging.contracts"), business_date), business_date))
    held = candidate.partitions(CLIENT_REPAYMENT_SPEC.name)
    if candidate.recipe(CLIENT_REPAYMENT_SPEC.name) != recipe(CLIENT_REPAYMENT_SPEC, terms, __name__):
        return sorted(wanted | held)
    return sorted((wanted - held) | {day for day in held if changed_on is not None and day >= changed_on})


def history_days(first: date, business_date: date, daily_days: int = 0) -> list[date]:
    """The as-of dates of a build: month ends of all time, the last days, and the business date.

    Args:
        first: the first start date of a contract.
        business_date: the last as-of date.
        daily_days: how many days before the business date are asked too, at most DAILY_DAYS.
    """
    recent = {business_date - timedelta(days=ago) for ago in range(min(daily_days, DAILY_DAYS) + 1)}
    return sorted({*clock.month_ends(first, business_date), *(day for day in recent if day >= first), business_date})
