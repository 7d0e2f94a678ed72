"""The rows that a feature may see: positions as of a date, cut to a window that ends on it.

This is the only feature module that compares times with the as-of date; feature functions never see it and so cannot look ahead. A
window (start, T] leaves its start out, so that the windows of successive month ends tile.
"""

from collections.abc import Callable

import ibis
import ibis.expr.types as ir
from ibis import _

from features.declare import Months
from warehouse import clock
from warehouse.curated.positions import Positions, peak_dpd

KEY = ("as_of_on", "client_id")


def spine(positions: Positions) -> ir.Table:
    """Clients that have a feature row.

    Grain: one row per (as_of_on, client_id) with at least one disbursed contract.
    """
    return positions.contracts.filter(_.is_disbursed).select(*KEY).distinct()


def cut(positions: Positions, ledger: str, window: Months | None) -> ir.Table:
    """The rows of a ledger that features over a window receive; as_of_on and client_id are among the columns.

    Args:
        positions: the state as of each asked date, which holds nothing that was not known by then.
        ledger: a key of LEDGERS.
        window: the window, or None for the state on the as-of date.

    Raises:
        ValueError: the ledger does not exist.
    """
    if ledger not in LEDGERS:
        raise ValueError(f"ledger {ledger!r} does not exist; a feature declares one of {', '.join(LEDGERS)}")
    return LEDGERS[ledger](positions, window)


def _due(positions: Positions, window: Months | None) -> ir.Table:
    """Due installments, by due date."""
    return _within(positions.installments.filter(_.is_due), "due_date", window)


def _contracts(positions: Positions, window: Months | None) -> ir.Table:
    """Disbursed contracts, by start date, with their months on book."""
    disbursed = positions.contracts.filter(_.is_disbursed)
    return _within(disbursed, "start_date", window).mutate(mob=clock.months_between(_.as_of_on, _.start_date))


def _early_settlements(positions: Positions, window: Months | None) -> ir.Table:
    """Contracts settled early and not refinanced, by the day of settlement."""
    settled = positions.contracts.filter(_.is_early_settled, ~_.is_refinanced)
    return _within(settled, "early_settled_on", window)


def _penalties(positions: Positions, window: Months | None) -> ir.Table:
    """Penalties, by the day of the charge."""
    return _within(positions.penalties, "penalty_on", window)


def _peaks(positions: Positions, window: Months | None) -> ir.Table:
    """The greatest daily dpd of each contract within the window, spells begun before it included."""
    asked = positions.contracts.select(
        "as_of_on",
        "contract_number",
        "client_id",
        from_on=_start(positions.contracts.as_of_on, window),
        to_on=positions.contracts.as_of_on,
    )
    return peak_dpd(positions, asked)


LEDGERS: dict[str, Callable[[Positions, Months | None], ir.Table]] = {
    "due": _due,
    "contracts": _contracts,
    "early_settlements": _early_settlements,
    "penalties": _penalties,
    "peaks": _peaks,
}


def _within(table: ir.Table, event_on: str, window: Months | None) -> ir.Table:
    """Rows whose event lies in the window that ends on their as-of date."""
    event = table[event_on]
    return table.filter(event > _start(table.as_of_on, window), event <= table.as_of_on)


def _start(as_of_on: ir.DateColumn, window: Months | None) -> ir.DateValue:
    """The exclusive start of the window."""
    if window is None or window.count is None:
        return ibis.literal(clock.BEGINNING)
    return clock.window_start_on(as_of_on, window.count)
