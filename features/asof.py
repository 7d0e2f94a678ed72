"""The rows that a feature may see: positions as of a date, cut to a window that ends on it.

This is the only feature module that compares times with the as-of date; feature functions never see it and so cannot look ahead. A
window (start, T] leaves its start out, so that the windows of successive month ends tile. A table is read once, whatever the number of
windows: a window is a condition inside each aggregate.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
from ibis import _

from features.declare import LIFETIME, Feature, Months
from warehouse import clock
from warehouse.curated.positions import Positions, peak_by_run

KEY = ("as_of_on", "client_id")


class Ledger(NamedTuple):
    """Rows of one subject, and the column with the day by which a window takes or leaves them."""

    rows: Callable[[Positions], ir.Table]
    event_on: str


def spine(positions: Positions) -> ir.Table:
    """Clients that have a feature row.

    Grain: one row per (as_of_on, client_id) with at least one disbursed contract.
    """
    return positions.contracts.filter(_.is_disbursed).select(*KEY).distinct()


def past(positions: Positions, ledger: str, windows: Iterable[Months]) -> ir.Table:
    """The rows of a ledger whose event has happened by their as-of date.

    Args:
        positions: the state as of each asked date, which holds nothing that was not known by then.
        ledger: a key of LEDGERS.
        windows: those that will be asked for.

    Returns:
        the ledger's rows, as_of_on and client_id among the columns, and the exclusive start of each window.

    Raises:
        ValueError: the ledger does not exist.
    """
    if ledger not in LEDGERS:
        raise ValueError(f"ledger {ledger!r} does not exist; a feature declares one of {', '.join(LEDGERS)}")
    rows = LEDGERS[ledger].rows(positions)
    # A start is calendar arithmetic: once a date, not once a row.
    dates = positions.contracts.select("as_of_on").distinct()
    starts = dates.mutate(**{_start_of(window): _start(dates.as_of_on, window) for window in windows})
    return rows.filter(rows[LEDGERS[ledger].event_on] <= rows.as_of_on).join(starts, "as_of_on")


def value(rows: ir.Table, feature: Feature) -> ir.Scalar:
    """A feature over the rows whose event lies in its window, as an aggregate of all rows.

    Args:
        rows: of `past`, of the feature's ledger.
        feature: its expression becomes conditional on the window.
    """
    inside = rows[LEDGERS[feature.ledger].event_on] > rows[_start_of(feature.window or LIFETIME)]

    def conditional(node: ops.Node, arguments: dict[str, Any] | None) -> ops.Node:
        if not isinstance(node, ops.Reduction):
            return node.__recreate__(arguments) if arguments else node
        own = (arguments or {}).get("where")
        return node.copy(**(arguments or {}) | {"where": inside.op() if own is None else ops.And(own, inside.op())})

    return feature.expr(rows).op().replace(conditional, filter=ops.Value).to_expr()


def _due(positions: Positions) -> ir.Table:
    """Due installments."""
    return positions.installments.filter(_.is_due)


def _contracts(positions: Positions) -> ir.Table:
    """Disbursed contracts with their months on book."""
    return positions.contracts.filter(_.is_disbursed).mutate(mob=clock.months_between(_.as_of_on, _.start_date))


def _early_settlements(positions: Positions) -> ir.Table:
    """Contracts settled early and not refinanced."""
    return positions.contracts.filter(_.is_early_settled, ~_.is_refinanced)


def _penalties(positions: Positions) -> ir.Table:
    """Penalties charged."""
    return positions.penalties


def _peaks(positions: Positions) -> ir.Table:
    """Runs of days past due with the greatest dpd of each, reached on its last day; so spells begun before a window count."""
    return peak_by_run(positions)


LEDGERS: dict[str, Ledger] = {
    "due": Ledger(_due, "due_date"),
    "contracts": Ledger(_contracts, "start_date"),
    "early_settlements": Ledger(_early_settlements, "early_settled_on"),
    "penalties": Ledger(_penalties, "penalty_on"),
    "peaks": Ledger(_peaks, "last_on"),
}


def _start_of(window: Months) -> str:
    """Name of the column with the start of a window."""
    return f"start{window.suffix}"


def _start(as_of_on: ir.DateColumn, window: Months) -> ir.DateValue:
    """The exclusive start of the window."""
    return ibis.literal(clock.BEGINNING) if window.count is None else clock.window_start_on(as_of_on, window.count)
