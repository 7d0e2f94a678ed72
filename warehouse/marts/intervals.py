"""How much a share says: Wilson bounds beside shares of counts, and the small-cell rule.

A share of few cases is mostly chance, and a cell of few clients tells about persons. Rows are kept either way, since sums over regions are
the portfolio; the flags say what may be ranked and what may leave the house. Bounds are of counts: shares of amounts have none.
"""

from collections.abc import Iterable

import ibis
import ibis.expr.types as ir

from warehouse.curated.values import when
from warehouse.marts.measures import RATIO, ratio
from warehouse.terms import MIN_CLIENTS, MIN_OBSERVATIONS, WILSON_Z

FLAGS = (
    ("is_small_sample", "boolean", f"A share of the row rests on fewer than {MIN_OBSERVATIONS} cases, so that chance may rule it."),
    ("is_few_clients", "boolean", f"Fewer than {MIN_CLIENTS} clients: leave the row out of what is given to others."),
)


def wilson(part: ir.IntegerValue, whole: ir.IntegerValue) -> tuple[ir.FloatingValue, ir.FloatingValue]:
    """Lower and upper 95 % bound of a share of counts; null when there is nothing to share.

    Args:
        part: cases that count; more than whole is taken as whole.
        whole: all cases.

    Reference:
        Wilson (1927): (p + z²/2n ± z·sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n).
    """
    n, square = whole.cast("float64").nullif(0), WILSON_Z**2
    share = ibis.least(part.cast("float64"), n) / n
    center = share + square / (n * 2.0)
    spread = WILSON_Z * (share * (1.0 - share) / n + square / (n * n * 4.0)).sqrt()
    scale = 1.0 + square / n
    # At a share of 0 or 1 rounding may pass the edge. Engines pass over null in greatest and least, which a null bound must not become.
    low, high = ibis.greatest((center - spread) / scale, 0.0), ibis.least((center + spread) / scale, 1.0)
    return when(part.notnull() & n.notnull(), low), when(part.notnull() & n.notnull(), high)


def with_shares(rows: ir.Table, shares: Iterable[tuple[str, str, str]]) -> ir.Table:
    """Rows with shares of counts and their bounds: NAME, NAME_low, NAME_high.

    Args:
        rows: has the counts.
        shares: name, name of the count that is the part, name of the count that is the whole.
    """
    added: dict[str, ir.FloatingValue] = {}
    for name, part, whole in shares:
        low, high = wilson(rows[part], rows[whole])
        added |= {name: ratio(rows[part], rows[whole]), f"{name}_low": low, f"{name}_high": high}
    return rows.mutate(**added)


def with_flags(rows: ir.Table, wholes: Iterable[str], clients: str = "client_count") -> ir.Table:
    """Rows with the flags of the small-cell rule.

    Args:
        rows: has the counts.
        wholes: names of the denominators; one of 0 belongs to a share that is null and makes no sample.
        clients: name of the count of clients.
    """
    small = ibis.or_(*((rows[name] > 0) & (rows[name] < MIN_OBSERVATIONS) for name in wholes))
    return rows.mutate(is_small_sample=small, is_few_clients=rows[clients] < MIN_CLIENTS)


def bounds_columns(*names: str) -> list[tuple]:
    """Declarations of the bounds of some shares."""
    return [
        (f"{name}_{end}", "float64?", f"{side} 95 % bound of {name} (Wilson).", RATIO)
        for name in names
        for end, side in (("low", "Lower"), ("high", "Upper"))
    ]
