"""The point-in-time join as Ibis expressions: for each asked row the newest feature row that had happened and was known by then.

Newest is by event time, then created time. Both limits include their end: a row at the asked time counts, and so does one exactly as old as
the time to live. Where the backend has an as-of join it is used; elsewhere rows get the interval in which they are the answer, and an
equality join with a range does the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# Backends whose as-of join is the engine's own. Ibis rewrites it on others, raises, or emits text that they may refuse.
ASOF_BACKENDS = frozenset({"duckdb", "clickhouse", "snowflake"})
ROW, AT = "__row", "__at"
_EVENT, _CREATED, _KNOWN_FROM = "__event", "__created", "__known_from"
_INSTANT = "timestamp('UTC', 6)"
_FOREVER = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class ViewRows:
    """Feature rows of one view, and what is asked of them.

    Attributes:
        table: the source rows.
        join_keys: pairs (column of the source, column of the asked rows).
        features: pairs (column of the source, name in the answer).
        event: event time column of the source.
        created: created time column of the source, empty if it has none.
        ttl: how old a row may be, None for any age.
        one_row_per_key_and_time: the source promises that no search among equal times is needed.
        files: the local Parquet files that the table is, if it is.
    """

    table: ir.Table
    join_keys: tuple[tuple[str, str], ...]
    features: tuple[tuple[str, str], ...]
    event: str
    created: str
    ttl: timedelta | None
    one_row_per_key_and_time: bool
    files: tuple[str, ...] = ()


def asked_rows(keys: Mapping[str, pa.ChunkedArray], at: pa.ChunkedArray, views: Sequence[ViewRows]) -> pa.Table:
    """The asked rows as point_in_time needs them.

    What is too old is worked out here and not by the engine: not every one can take a number of microseconds from a time.

    Args:
        keys: join keys by their names in the views.
        at: asked times, UTC microseconds.
        views: what will be asked.
    """
    oldest = {_oldest(view.ttl): pc.subtract(at, pa.scalar(view.ttl, pa.duration("us"))) for view in views if view.ttl is not None}
    return pa.table({**keys, AT: at, **oldest, ROW: np.arange(len(at))})


def point_in_time(asked: ir.Table, views: Sequence[ViewRows], between: tuple[datetime, datetime], use_asof: bool) -> ir.Table:
    """Asked rows with the features of some views.

    Grain: one row per row of asked, in any order.

    Args:
        asked: made by asked_rows.
        views: what is asked.
        between: earliest and latest AT, which bound what is read.
        use_asof: whether the backend's as-of join is used.

    Returns:
        ROW and the features by their names in the answer.
    """
    result = asked
    for view in views:
        rows = candidates(view, asked, between)
        joined = _asof(result, view, rows) if use_asof else _interval(result, view, rows)
        found = {name: _in_time(joined, _feature(position), view.ttl) for position, (_, name) in enumerate(view.features)}
        result = joined.select(*result.columns, **found)
    return result.select(ROW, *(name for view in views for _, name in view.features))


def candidates(view: ViewRows, asked: ir.Table, between: tuple[datetime, datetime]) -> ir.Table:
    """Feature rows that can be an answer, each with the instant from which it is one.

    Grain: one row per (keys, known_from), and with growing known_from the event time never goes back.

    Returns:
        the keys, _EVENT, _KNOWN_FROM, the features, all under names of this module.
    """
    event = utc(view.table[view.event])
    # A row without a created time was known when it happened.
    created = utc(view.table[view.created]).fill_null(event) if view.created else event
    keys = {_key(position): view.table[source] for position, (source, _) in enumerate(view.join_keys)}
    features = {_feature(position): view.table[source] for position, (source, _) in enumerate(view.features)}
    rows = view.table.select(**keys, __event=event, __created=created, __known_from=ibis.greatest(event, created), **features)
    rows = rows.filter(rows[_KNOWN_FROM] <= _literal(between[1]))
    if view.ttl is not None:
        rows = rows.filter(rows[_EVENT] >= _literal(between[0] - view.ttl))
    if view.join_keys:
        wanted = asked.select(**{_key(position): asked[name] for position, (_, name) in enumerate(view.join_keys)}).distinct()
        rows = rows.semi_join(wanted, list(keys))
    if not view.one_row_per_key_and_time:
        rows = _newest_known(rows, list(keys), list(features))
    return rows.select(*keys, _EVENT, _KNOWN_FROM, *features)


def latest(table: ir.Table, keys: Sequence[str], order: Sequence[ir.Value]) -> ir.Table:
    """The newest row of each key.

    Grain: one row per key.

    Args:
        table: rows.
        keys: key columns; without any, the newest row of all.
        order: what says which row is newer, the first counts most; later ones make the choice between equal rows repeatable. A missing
            value is the greatest, as in _newest_known.
    """
    newest_first = [ibis.desc(value, nulls_first=True) for value in order]
    rank = ibis.row_number().over(ibis.window(group_by=list(keys), order_by=newest_first))
    return table.mutate(__rank=rank).filter(lambda rows: rows["__rank"] == 0).drop("__rank")


def utc(time: ir.Value) -> ir.TimestampValue:
    """A time column as UTC; one without a zone, or a date, is UTC already."""
    dtype = time.type()
    if dtype.is_timestamp() and dtype.timezone == "UTC":
        return time
    return time.cast("timestamp").cast(_INSTANT) if dtype.is_date() else time.cast(_INSTANT)


def _newest_known(rows: ir.Table, keys: list[str], features: list[str]) -> ir.Table:
    """Leave out rows that are never the answer: those known later than a newer event, and all but the newest known at one instant.

    In the order in which rows became known, a row is an answer only if its event time reaches the greatest so far. The features are the
    last in the order, so that rows that are equal in all times are chosen the same way in every run.
    """
    order = [rows[_KNOWN_FROM], rows[_EVENT], rows[_CREATED], *(rows[name] for name in features)]
    so_far = ibis.window(group_by=keys, order_by=order, preceding=None, following=0)
    following = rows[_KNOWN_FROM].lead().over(ibis.window(group_by=keys, order_by=order))
    marked = rows.mutate(__greatest=rows[_EVENT].max().over(so_far), __following=following)
    is_last = marked["__following"].isnull() | (marked["__following"] > marked[_KNOWN_FROM])
    return marked.filter(is_last, marked[_EVENT] >= marked["__greatest"])


def _asof(result: ir.Table, view: ViewRows, rows: ir.Table) -> ir.Table:
    """Each row of result beside its feature row, by the backend's as-of join."""
    keys = [result[name] == rows[_key(position)] for position, (_, name) in enumerate(view.join_keys)]
    return result.asof_join(rows, result[AT] >= rows[_KNOWN_FROM], keys)


def _interval(result: ir.Table, view: ViewRows, rows: ir.Table) -> ir.Table:
    """Each row of result beside its feature row, by the interval in which that is the answer."""
    keys = [_key(position) for position in range(len(view.join_keys))]
    until = rows[_KNOWN_FROM].lead().over(ibis.window(group_by=keys, order_by=rows[_KNOWN_FROM]))
    # A row without a successor gets an end too: engines run a comparison in a hash join, but an OR of two as a join of every pair.
    held = rows.mutate(__known_until=until.fill_null(_literal(_FOREVER)))
    matches = [result[name] == held[_key(position)] for position, (_, name) in enumerate(view.join_keys)]
    return result.left_join(held, [*matches, result[AT] >= held[_KNOWN_FROM], result[AT] < held["__known_until"]])


def _in_time(joined: ir.Table, feature: str, ttl: timedelta | None) -> ir.Value:
    """A feature, or null where its row is older than the time to live; exactly as old still counts."""
    if ttl is None:
        return joined[feature]
    return ibis.ifelse(joined[_EVENT] >= joined[_oldest(ttl)], joined[feature], ibis.null(joined[feature].type()))


def _oldest(ttl: timedelta) -> str:
    """Internal name of the column with the oldest event time that counts."""
    return f"__oldest_{ttl // timedelta(microseconds=1)}"


def _literal(at: datetime) -> ir.TimestampScalar:
    """An instant as an expression."""
    return ibis.literal(at, type=_INSTANT)


def _key(position: int) -> str:
    """Internal name of a key column; two underscores keep it apart from the caller's names."""
    return f"__key_{position}"


def _feature(position: int) -> str:
    """Internal name of a feature column, so that names such as `x_right` need no care in joins."""
    return f"__feature_{position}"
