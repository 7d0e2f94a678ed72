"""The rows that a feature may see: positions as of a date, cut to a window that ends on it.

This is the only feature module that compares times with the as-of date; feature functions never see it and so cannot look ahead. A
window (start, T] leaves its start out, so that the windows of successive month ends tile. A table is read once, whatever the number of
ledgers and windows cut from it.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import ibis
import ibis.expr.types as ir
from ibis import _

from features.declare import Feature, window_months
from features.weights import decayed
from warehouse import clock
from warehouse.curated.positions import Positions, peak_by_run
from warehouse.curated.values import when
from warehouse.table import TIMESTAMP

KEY = ("as_of_on", "client_id")
CONTRACT = ("as_of_on", "contract_number")
WITHIN = "within_months"
RECENT = 12  # how many months back the installments are numbered from the newest


class Ledger(NamedTuple):
    """Rows of one subject, and what decides whether a feature receives them.

    Attributes:
        rows: the table; ledgers of one table are read together.
        event_on: the column with the day by which a window takes or leaves rows; None where no feature has a window.
        holds: whether a row belongs to the ledger; None if all do.
        is_apart: whether its features are computed on their own. In one statement with another ledger of installments, an engine would
            hold all installments with all columns, to read them twice.
    """

    rows: Callable[[Positions], ir.Table]
    event_on: str | None
    holds: Callable[[ir.Table], ir.BooleanValue] | None = None
    is_apart: bool = False


def spine(positions: Positions) -> ir.Table:
    """Clients that have a feature row.

    Grain: one row per (as_of_on, client_id) with at least one disbursed contract.
    """
    return positions.contracts.filter(_.is_disbursed).select(*KEY).distinct()


def stamped(values: ir.Table, time_zone: str) -> ir.Table:
    """Rows with their times: both are the end of the as-of date, the knowledge cut; computed_at is the clock.

    Grain: as the input.

    Args:
        values: has as_of_on.
        time_zone: the lender's.
    """
    end = clock.end_of_day_at(values.as_of_on, time_zone)
    return values.mutate(event_timestamp=end, created_timestamp=end, computed_at=ibis.now().cast(TIMESTAMP))


def ledger_of(feature: Feature) -> Ledger:
    """The ledger that a feature is declared on.

    Raises:
        ValueError: the ledger does not exist.
    """
    if feature.ledger not in LEDGERS:
        raise ValueError(f"{feature.name}: ledger {feature.ledger!r} does not exist; a feature declares one of {', '.join(LEDGERS)}")
    return LEDGERS[feature.ledger]


def past(positions: Positions, features: Sequence[Feature]) -> ir.Table:
    """The rows that some features reduce, each with what decides which of the features receive it.

    Args:
        positions: the state as of each asked date, which holds nothing that was not known by then.
        features: declared on ledgers of one table.

    Returns:
        the table's rows, as_of_on and client_id among the columns; per ledger the column of `belongs`, whether the row belongs to it and
        its event has happened; and WITHIN, the months of the shortest asked window that holds the event, null outside of all.

    Raises:
        ValueError: a ledger does not exist.
    """
    ledgers = {feature.ledger: ledger_of(feature) for feature in features}
    months = window_months(features)
    event_on = next((ledger.event_on for ledger in ledgers.values() if ledger.event_on), None)
    # A start is calendar arithmetic: once a date, not once a row.
    rows = ledger_of(features[0]).rows(positions).join(_dates(positions, months), "as_of_on")
    within = ibis.cases(*((rows[event_on] > rows[_start(count)], count) for count in months)) if months else ibis.null("int64")
    rows = rows.mutate(**{belongs(name): _belongs(rows, ledger) for name, ledger in ledgers.items()}, **{WITHIN: within})
    ends = all(feature.window and feature.window.count for feature in features)
    return rows.filter(_[WITHIN].notnull()) if ends else rows


def belongs(ledger: str) -> str:
    """Name of the column that says whether a row belongs to a ledger."""
    return f"in_{ledger}"


def _belongs(rows: ir.Table, ledger: Ledger) -> ir.BooleanValue:
    """Whether a row belongs to a ledger and its event has happened by the as-of date."""
    holds = ibis.literal(True) if ledger.holds is None else ledger.holds(rows)
    return holds if ledger.event_on is None else holds & (rows[ledger.event_on] <= rows.as_of_on)


def _dates(positions: Positions, months: Iterable[int]) -> ir.Table:
    """The as-of dates, the exclusive start of each window, and the last day of the month ahead (which keeps month ends too)."""
    dates = positions.contracts.select("as_of_on").distinct()
    starts = {_start(count): clock.window_start_on(dates.as_of_on, count) for count in months}
    return dates.mutate(**starts, next_on=clock.window_start_on(dates.as_of_on, -1))


def _start(months: int) -> str:
    """Name of the column with the start of a window."""
    return f"start_{months}m"


def _installments(positions: Positions) -> ir.Table:
    """Installments of disbursed contracts, due or not, with what is known of the contract and of the time since they fell due."""
    contracts = _contracts(positions).select(*CONTRACT, "is_open", "is_latest")
    late_on = (_.due_date + _.days_late.as_interval("D")).cast("date")
    return positions.installments.join(contracts, CONTRACT).select(
        *KEY,
        "due_date",
        "due_amount",
        "paid_amount",
        "penalty_amount",
        "days_late",
        "is_due",
        "is_late",
        "is_skip_eligible",
        "is_skipped",
        "is_paid_early",
        "is_open",
        "is_latest",
        is_settled=_.settled_on.notnull(),
        late_days=ibis.greatest(_.days_late, 0),
        # Most installments are settled in time: what is said of late ones alone, and of the latest contract, is worked out for those.
        late_amount_days=ibis.ifelse(_.days_late > 0, _.due_amount * _.days_late, 0),
        late_months=when(_.is_late, clock.months_between(_.as_of_on, late_on)),
        weight=decayed(_.due_date, _.as_of_on),
        place=when(_.is_latest, _.installment_number.cast("string").lpad(10, "0") + _.installment_id),
    )


def _is_scheduled(rows: ir.Table) -> ir.BooleanValue:
    """Whether an installment of an open contract falls due in the month ahead."""
    return rows.is_open & (rows.due_date > rows.as_of_on) & (rows.due_date <= rows.next_on)


def _recent(positions: Positions) -> ir.Table:
    """Due installments of the last twelve months of all contracts; recency counts them from 1, the newest."""
    order = [ibis.desc(name) for name in ("due_date", "contract_number", "installment_number", "installment_id")]
    due = positions.installments.filter(_.is_due).join(_dates(positions, (RECENT,)), "as_of_on").filter(_.due_date > _[_start(RECENT)])
    return due.select(
        *KEY,
        "due_date",
        "days_late",
        "is_late",
        recency=ibis.row_number().over(ibis.window(group_by=KEY, order_by=order)) + 1,
    )


def _contracts(positions: Positions) -> ir.Table:
    """Disbursed contracts with their months on book and whether each is the client's latest."""
    order = ibis.window(group_by=KEY, order_by=[ibis.desc("start_date"), ibis.desc("contract_number")])
    return positions.contracts.filter(_.is_disbursed).mutate(
        mob=clock.months_between(_.as_of_on, _.start_date),
        is_latest=ibis.row_number().over(order) == 0,
    )


def _early_settlements(positions: Positions) -> ir.Table:
    """Contracts settled early and not refinanced."""
    return positions.contracts.filter(_.is_early_settled, ~_.is_refinanced)


def _repayments(positions: Positions) -> ir.Table:
    """Repayments that count, one row each however many installments they pay."""
    return positions.repayments.filter(_.allocation_number == 1, _.allocated_amount > 0, ~_.is_reversed, ~_.is_reversal)


def _penalties(positions: Positions) -> ir.Table:
    """Penalties charged."""
    return positions.penalties


def _peaks(positions: Positions) -> ir.Table:
    """Runs of days past due with the greatest dpd of each, reached on its last day; so spells begun before a window count."""
    return peak_by_run(positions)


LEDGERS: dict[str, Ledger] = {
    "due": Ledger(_installments, "due_date", lambda rows: rows.is_due),
    "scheduled": Ledger(_installments, None, _is_scheduled),
    "latest": Ledger(_installments, None, lambda rows: rows.is_latest),
    "recent": Ledger(_recent, "due_date", is_apart=True),
    "contracts": Ledger(_contracts, "start_date"),
    "early_settlements": Ledger(_early_settlements, "early_settled_on"),
    "repayments": Ledger(_repayments, "repayment_date"),
    "penalties": Ledger(_penalties, "penalty_on"),
    "peaks": Ledger(_peaks, "last_on"),
}
