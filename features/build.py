"""Writing the feature tables into a candidate: whole as-of dates at a time, each replaced as a partition.

A date is computed with the knowledge of that date whenever it is computed, so writing it again gives the same values. One day more costs
as much as the clients that changed: the rows of all others are those of the day before, under the new date.
"""

from collections.abc import Callable, Sequence
from datetime import date
from itertools import chain
from typing import TYPE_CHECKING

import ibis
import ibis.expr.types as ir

from features.asof import stamped
from features.declare import window_months
from features.incremental import can_follow, touched_clients
from features.region import CLIENT_REGION_SPEC, client_region
from features.tables import CLIENT_REPAYMENT, CLIENT_REPAYMENT_SPEC, client_repayment
from warehouse import clock
from warehouse.curated.books import OpenBooks, open_books
from warehouse.curated.keep import in_engine
from warehouse.curated.staged import Staged
from warehouse.curated.values import nullable
from warehouse.parts import ROWS_AT_ONCE, first_start, parts
from warehouse.recipe import recipe
from warehouse.table import TableSpec
from warehouse.terms import Terms

if TYPE_CHECKING:
    from warehouse.lake import Candidate

FEATURE_TABLES = (CLIENT_REPAYMENT_SPEC, CLIENT_REGION_SPEC)


def build_features(
    candidate: "Candidate",
    days: Sequence[date],
    terms: Terms,
    rows_at_once: int = ROWS_AT_ONCE,
    opened: OpenBooks | None = None,
    changed_on: date | None = date.min,
) -> int:
    """Write and audit the feature tables for some as-of dates.

    Args:
        candidate: holds the staging tables.
        days: as-of dates; their rows are replaced, all others stay.
        terms: the lender's definitions.
        rows_at_once: installments x dates of one computation.
        opened: books of the candidate, if a step before has made them; used if they answer all days.
        changed_on: the first date of which held rows may not be what would be computed now, as `stale_days` takes it; one day that
            follows an earlier one of its month is made from that one. The earliest date there is to rely on nothing that is held.

    Returns:
        Rows written to features.client_repayment.
    """
    if not days:
        return 0
    held = opened if opened is not None and opened.answer(candidate, days) else None
    staged = held.staged if held else Staged.read(candidate.table)
    since = day_before(candidate, staged, days, terms, changed_on)
    cut = list(parts(days, staged, rows_at_once))
    if since is not None:
        rows = _write(candidate, CLIENT_REPAYMENT_SPEC, cut, terms, lambda part: _following(candidate, staged, since, part[0], terms, held))
    else:
        made = held or open_books(candidate, staged, days, terms)
        rows = _write(candidate, CLIENT_REPAYMENT_SPEC, cut, terms, lambda part: client_repayment(staged, part, terms, made.books))
    snapshots = candidate.table(CLIENT_REPAYMENT_SPEC.name)
    _write(candidate, CLIENT_REGION_SPEC, cut, terms, lambda part: client_region(snapshots, staged, part, terms))
    for spec in FEATURE_TABLES:
        candidate.audit(spec)
    return rows


def stale_days(candidate: "Candidate", business_date: date, changed_on: date | None, terms: Terms) -> list[date]:
    """As-of dates whose snapshots a candidate lacks, or holds otherwise than a build of now would compute them.

    Args:
        candidate: before features were computed for it.
        business_date: the last as-of date.
        changed_on: of `warehouse.changes.first_changed_on`; the earliest date there is to compute all snapshots.
        terms: the lender's definitions.
    """
    wanted = set(history_days(first_start(candidate.table("staging.contracts"), business_date), business_date))
    held = {spec: candidate.partitions(spec.name) for spec in FEATURE_TABLES}
    wanted = wanted.union(*held.values())
    if any(candidate.recipe(spec.name) != recipe(spec, terms, __name__) for spec in FEATURE_TABLES):
        return sorted(wanted)
    return sorted(day for day in wanted if any(day not in days for days in held.values()) or (changed_on is not None and day >= changed_on))


def history_days(first: date, business_date: date) -> list[date]:
    """The as-of dates of a build: month ends of all time and the business date.

    Args:
        first: the first start date of a contract.
        business_date: the last as-of date.
    """
    return sorted({*clock.month_ends(first, business_date), business_date})


def day_before(candidate: "Candidate", staged: Staged, days: Sequence[date], terms: Terms, changed_on: date | None) -> date | None:
    """The date whose rows the asked date can be made from; None if all clients have to be computed.

    Args:
        candidate: before the dates are computed.
        staged: its staging tables.
        days: asked dates; several share one computation.
        terms: the lender's definitions.
        changed_on: as build_features takes it.
    """
    if len(set(days)) > 1 or candidate.recipe(CLIENT_REPAYMENT_SPEC.name) != recipe(CLIENT_REPAYMENT_SPEC, terms, __name__):
        return None
    day = days[0]
    relied_on = {
        held for held in candidate.partitions(CLIENT_REPAYMENT_SPEC.name) if held < day and (changed_on is None or held < changed_on)
    }
    since = max(relied_on, default=None)
    return since if since is not None and can_follow(staged, since, day, terms) else None


def _write(
    candidate: "Candidate", spec: TableSpec, cut: Sequence[list[date]], terms: Terms, compute: Callable[[list[date]], ir.Table]
) -> int:
    """Replace dates of a table, part by part; the number of rows."""
    made, rows = recipe(spec, terms, __name__), 0
    is_one = candidate.recipe(spec.name) == made or set(chain(*cut)).issuperset(candidate.partitions(spec.name))
    for part in cut:
        # Sorted files: a lookup of some clients skips most of each file.
        snapshot = compute(part).order_by("client_id", "event_timestamp")
        # Only the last part says by what the table was computed: a run that ends before it has to begin anew.
        rows += candidate.write(spec, snapshot, replace=part, recipe=made if is_one and part is cut[-1] else None)
    return rows


def _following(candidate: "Candidate", staged: Staged, since: date, day: date, terms: Terms, held: OpenBooks | None) -> ir.Table:
    """The rows of a date: those of clients that may have changed are computed, those of all others are the rows of the date before."""
    table = candidate.table(CLIENT_REPAYMENT_SPEC.name, since=since)
    before = table.filter(table.as_of_on == since)
    touched = in_engine(touched_clients(staged, before, since, day, terms, window_months(CLIENT_REPAYMENT)))
    made = held or open_books(candidate, staged.of_clients(touched), [day], terms)
    computed = client_repayment(staged, [day], terms, made.books, touched)
    kept = stamped(before.anti_join(touched, "client_id").mutate(as_of_on=ibis.literal(day)), terms.time_zone).select(computed.columns)
    return nullable(computed).union(nullable(kept))
