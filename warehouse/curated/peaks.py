"""The greatest days past due of a contract over a window of days, without a row per day.

Days past due on a day are those of the oldest unsettled installment, so within a run of open days each installment peaks on its last
unsettled day. After a write-off or sale the value stays as it was at the end, on every later day.
"""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.clock import days_between
from warehouse.curated.ledger import ERA
from warehouse.curated.statuses import AT
from warehouse.curated.values import lookup, when


def arrears(contracts: ir.Table, overdue: ir.Table, spells: ir.Table) -> ir.Table:
    """Runs of days on which an unsettled installment put its contract past due.

    Grain: one row per (as_of_on, contract_number, installment_id, first_on).

    Args:
        contracts: as of each date, with era_on, run_on, client_id and is_started.
        overdue: of overdue_installments.
        spells: of Standings.spells.

    Returns:
        the grain, client_id, last_on (inclusive), due_date, counted_to_on: on a day of the run, dpd is the days from due_date to that day
        or to counted_to_on, whichever is earlier.
    """
    day = ibis.interval(days=1)
    started = contracts.filter(_.is_started).select("as_of_on", "run_on", *ERA, "client_id")
    unsettled = started.join(overdue, ERA).filter(_.due_date < _.as_of_on)
    settled_by_then = ibis.ifelse(_.settled_on <= _.as_of_on, _.settled_on, ibis.null("date"))
    unsettled = unsettled.mutate(settled_on=settled_by_then).select(*AT, "run_on", "client_id", "installment_id", "due_date", "settled_on")
    owing = spells.filter(_.is_open | _.is_frozen).rename(run_on="as_of_on")
    rows = unsettled.join(owing, ("run_on", "contract_number")).mutate(
        last_on=ibis.ifelse(_.until_on.isnull(), _.as_of_on, (_.until_on - day).cast("date")),
        settled_before_on=(_.settled_on - day).cast("date"),
    )
    is_owed_at_end = (_.due_date < _.ended_on) & (_.settled_on.isnull() | (_.settled_on > _.ended_on))
    open_runs = rows.filter(_.is_open).mutate(
        first_on=ibis.greatest(_.status_date, (_.due_date + day).cast("date")),
        last_on=ibis.least(_.last_on, ibis.coalesce(_.settled_before_on, _.last_on)),
    )
    frozen_runs = rows.filter(_.is_frozen, is_owed_at_end).mutate(first_on=_.status_date)
    columns = (*AT, "client_id", "installment_id", "due_date", "first_on", "last_on")
    return (
        open_runs.select(*columns, counted_to_on="last_on")
        .union(frozen_runs.select(*columns, counted_to_on="ended_on"))
        .filter(_.first_on <= _.last_on)
    )


def peaks_in(windows: ir.Table, runs: ir.Table) -> ir.Table:
    """Add the greatest dpd of the days after from_on up to and including to_on, each with what is known at as_of_on.

    Grain: as the windows.

    Args:
        windows: as_of_on, contract_number, from_on (exclusive), to_on (inclusive, not after as_of_on), both filled, and any others.
        runs: of arrears.

    Returns:
        the windows' columns and max_dpd (int64, 0 if no day was past due).
    """
    key = (*AT, "from_on", "to_on")
    peaks = (
        windows.select(key)
        .distinct()
        .join(runs, AT)
        .filter(_.first_on <= _.to_on, _.last_on > _.from_on)
        .mutate(dpd=_dpd_on(ibis.least(_.last_on, _.to_on)))
        .group_by(key)
        .agg(max_dpd=_.dpd.max())
    )
    return lookup(windows, peaks, key).mutate(max_dpd=_.max_dpd.fill_null(0))


def peak_of(runs: ir.Table) -> ir.Table:
    """Add the greatest dpd of each run, max_dpd; it is reached on the last day, so a window that holds the day has it.

    Grain: as the runs.
    """
    return runs.mutate(max_dpd=_dpd_on(_.last_on))


def worst_days(runs: ir.Table) -> ir.Table:
    """The greatest dpd of all days up to the date, and the first days on which dpd was 30 and 90.

    Ever 30 is `dpd30_on` being filled: month ends would miss a contract that was 30 days past due between two of them.

    Grain: one row per (as_of_on, contract_number) that ever was past due.

    Args:
        runs: of arrears.

    Returns:
        the grain, max_dpd, dpd30_on, dpd90_on.
    """
    return (
        peak_of(runs)
        .mutate(dpd30_on=_reached_on(30), dpd90_on=_reached_on(90))
        .group_by(AT)
        .agg(max_dpd=_.max_dpd.max(), dpd30_on=_.dpd30_on.min(), dpd90_on=_.dpd90_on.min())
    )


def _reached_on(days: int) -> ir.DateValue:
    """The first day of a run on which dpd was at least so many days; frozen runs have it from their first day or never."""
    day = (_.due_date + ibis.interval(days=days)).cast("date")
    return when(_.max_dpd >= days, ibis.greatest(_.first_on, day))


def _dpd_on(day: ir.DateValue) -> ir.IntegerValue:
    """Days past due on a day of a run."""
    return days_between(ibis.least(day, _.counted_to_on), _.due_date)
