"""Aggregates of one table over several windows.

Windows of 3, 6 and 12 months and all time lie in one another, so a row that counts in one counts in up to four, and as many aggregates as
windows would look at every row. Instead a client's rows are first reduced between one window's start and the next, and a window then adds
up the few rows that it consists of. Sums, counts, least and greatest values allow this; means and deviations are made from sums.
"""

from collections.abc import Callable, Sequence
from typing import Any

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir

from features.asof import KEY, WITHIN, belongs
from features.declare import Feature

Combine = Callable[[ops.Reduction], ops.Value]


def aggregated(rows: ir.Table, features: Sequence[Feature]) -> ir.Table:
    """The values of features of one table.

    Grain: one row per (as_of_on, client_id) with any row.

    Args:
        rows: of `features.asof.past`, of these features.
        features: each is a reduction of the rows of its ledger and window.

    Returns:
        as_of_on, client_id and one column per feature; null where a window holds no row.

    Raises:
        ValueError: a feature of a table with several windows reduces rows in a way that cannot be put together from parts.
    """
    windows = {feature.window and feature.window.count for feature in features}
    if len(windows - {None}) <= 1:
        return _at_once(rows, features)
    return _by_parts(rows, features)


def _at_once(rows: ir.Table, features: Sequence[Feature]) -> ir.Table:
    """Each feature reduces the rows themselves."""

    def combine(feature: Feature) -> Combine:
        return lambda node: _conditional(node, rows[belongs(feature.ledger)], *_inside(rows, feature))

    return rows.group_by(*KEY).agg(**{feature.name: _replaced(feature.expr(rows), combine(feature)) for feature in features})


def _by_parts(rows: ir.Table, features: Sequence[Feature]) -> ir.Table:
    """Each feature reduces what the rows between two starts of windows were reduced to."""
    parts: dict[ops.Value, str] = {}

    def named(node: ops.Reduction) -> str:
        return parts.setdefault(node, f"part_{len(parts)}")

    for feature in features:
        for node in feature.expr(rows).op().find(ops.Reduction, filter=ops.Value):
            reduced = _conditional(node, rows[belongs(feature.ledger)])
            named(reduced)
            if isinstance(reduced, ops.ArgMin):
                named(_key_of(reduced))
    split = rows.group_by(*KEY, WITHIN).agg(**{name: node.to_expr() for node, name in parts.items()})

    def combine(feature: Feature) -> Combine:
        def combined(node: ops.Reduction) -> ops.Value:
            reduced = _conditional(node, rows[belongs(feature.ledger)])
            over = split[parts[reduced]]
            if isinstance(reduced, ops.ArgMin):
                return _conditional(ops.ArgMin(over, split[parts[_key_of(reduced)]]), *_inside(split, feature))
            if type(reduced) not in COMBINED:
                raise ValueError(
                    f"{feature.name}: {type(reduced).__name__} over several windows cannot be put together from their parts; "
                    f"use sum, count, min, max or argmin, and make means and deviations from sums"
                )
            return _conditional(COMBINED[type(reduced)](over), *_inside(split, feature))

        return combined

    return split.group_by(*KEY).agg(**{feature.name: _replaced(feature.expr(rows), combine(feature)) for feature in features})


# What the results of a reduction of parts of some rows are reduced by, to give the reduction of all of them.
COMBINED: dict[type[ops.Reduction], type[ops.Reduction]] = {ops.Sum: ops.Sum, ops.CountStar: ops.Sum, ops.Min: ops.Min, ops.Max: ops.Max}


def _key_of(node: ops.ArgMin) -> ops.Min:
    """The least key, by which the parts of an argmin are compared."""
    return ops.Min(node.key, where=node.where)


def _inside(rows: ir.Table, feature: Feature) -> tuple[ir.BooleanValue, ...]:
    """The condition of rows in the feature's window; none if it has no start."""
    return (rows[WITHIN] <= feature.window.count,) if feature.window and feature.window.count else ()


def _conditional(node: ops.Reduction, *conditions: ir.BooleanValue) -> ops.Reduction:
    """A reduction of the rows that meet its own condition and some more."""
    given = dict(zip(node.argnames, node.args, strict=True))
    wanted = [*([] if node.where is None else [node.where.to_expr()]), *conditions]
    return node.copy(**given | {"where": ibis.and_(*wanted).op()}) if wanted else node


def _replaced(expr: ir.Value, combine: Combine) -> ir.Value:
    """A feature with its reductions replaced."""

    def replace(node: ops.Node, arguments: dict[str, Any] | None) -> ops.Node:
        if isinstance(node, ops.Reduction):
            return combine(node)
        return node.__recreate__(arguments) if arguments else node

    return expr.op().replace(replace, filter=ops.Value).to_expr()
