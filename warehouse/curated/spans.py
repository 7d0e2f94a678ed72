"""From versions to rows with a validity: which value of a key held on which days, by the latest knowledge.

A version delivered later may hold from an earlier day than the one before it; it then replaces that one from this day on.
"""

from collections.abc import Sequence
from datetime import date

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.clock import BEGINNING

NEVER = date(9999, 12, 31)


def from_business_date(versions: ir.Table) -> ir.Table:
    """Add valid_from: the opening delivery holds for all earlier dates, any later version from its business date."""
    return versions.mutate(valid_from=ibis.ifelse(_.is_opening, ibis.literal(BEGINNING), _.business_date))


def spans(versions: ir.Table, key: str, values: Sequence[str]) -> ir.Table:
    """Rows with a validity, one for each change of a value.

    Grain: one row per (key, valid_from).

    Args:
        versions: key, values, valid_from, business_date, is_deleted, known_at; a deletion ends the row before it.
        key: name of the key column.
        values: names of the columns whose change begins a new row.

    Returns:
        key, values, valid_from, valid_to (exclusive, null while it holds), known_at (of the version that began the row).
    """
    later = ibis.window(group_by=key, order_by="business_date", rows=(1, None))
    in_time = ibis.window(group_by=key, order_by="valid_from")
    standing = versions.mutate(replaced_on=_.valid_from.min().over(later)).filter(_.replaced_on.isnull() | (_.valid_from < _.replaced_on))
    pieces = standing.mutate(valid_to=_.valid_from.lead().over(in_time)).filter(~_.is_deleted)
    return collapsed(pieces, key, values)


def collapsed(pieces: ir.Table, key: str, values: Sequence[str]) -> ir.Table:
    """Join adjoining pieces with the same values into one row.

    Grain: one row per (key, valid_from).

    Args:
        pieces: key, values, valid_from, valid_to (exclusive or null), known_at; pieces of a key do not overlap.
        key: name of the key column.
        values: names of the value columns.

    Returns:
        key, values, valid_from, valid_to, known_at (of the first piece).
    """
    in_time = {"group_by": key, "order_by": "valid_from"}
    before = ibis.window(**in_time)
    adjoins = [_.valid_to.lag().over(before).identical_to(_.valid_from)]
    same = ibis.and_(*adjoins, *(_[name].identical_to(_[name].lag().over(before)) for name in values))
    return (
        pieces.mutate(starts=ibis.ifelse(same, 0, 1))
        .mutate(run=_.starts.sum().over(ibis.cumulative_window(**in_time)), end=_.valid_to.fill_null(ibis.literal(NEVER)))
        .group_by(key, *values, "run")
        .agg(valid_from=_.valid_from.min(), end=_.end.max(), known_at=_.known_at.min())
        .mutate(valid_to=_.end.nullif(ibis.literal(NEVER)))
        .select(key, *values, "valid_from", "valid_to", "known_at")
    )
