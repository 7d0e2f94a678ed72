"""A view's features for asked rows straight from its local Parquet files: keys and times of all rows first, then features of the answers.

Only columns that are needed are read, and of the features only the row groups that hold an answer.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.offline.entity_frame import utc
from features.offline.key_codes import KeyCodes
from features.offline.merge_join import Asked, History, newest
from features.offline.parquet_rows import CannotMerge, ParquetRows, RowGroup
from features.offline.point_in_time import ViewRows

# Rows within the asked times that are joined in memory, at 20 to 60 bytes each; more are left to the engine, which can spill to disk.
MOST_ROWS = 60_000_000
_MICROSECOND = timedelta(microseconds=1)


def merged(view: ViewRows, keys: Sequence[pa.ChunkedArray], at: pa.ChunkedArray, between: tuple[datetime, datetime]) -> pa.Table:
    """The features of one view, under their names in the answer, in the order of the asked rows.

    Args:
        view: whose rows are in local files.
        keys: columns of the asked rows in the order of view.join_keys, of the source's types.
        at: asked times, UTC microseconds.
        between: earliest and latest of them.

    Raises:
        CannotMerge: the rows need the engine.
    """
    files = ParquetRows(view.files)
    latest = _micros(between[1])
    earliest = None if view.ttl is None else _micros(between[0]) - view.ttl // _MICROSECOND
    groups = files.between(view.event, earliest, latest)
    if sum(group.rows for group in groups) > MOST_ROWS:
        raise CannotMerge(f"more than {MOST_ROWS} rows within the asked times")
    columns = list(dict.fromkeys([*(source for source, _ in view.join_keys), view.event, *filter(None, [view.created])]))
    types = files.types(columns)
    if not all(pa.types.is_timestamp(types[name]) or pa.types.is_date(types[name]) for name in (view.event, view.created) if name):
        raise CannotMerge("times are neither timestamps nor dates")
    codes = KeyCodes(keys or [pa.chunked_array([pa.array(np.zeros(len(at), "i8"))])])
    history = _history(files, groups, columns, view, codes, (earliest, latest))
    asked = Asked(codes.asked, _numbers(at))
    wanted = list(dict.fromkeys(source for source, _ in view.features))

    def ranks(places: np.ndarray) -> np.ndarray:
        return _ranks(files.take(places, wanted))

    places = newest(history, asked, codes.count, None if view.ttl is None else view.ttl // _MICROSECOND, ranks)
    found = files.take(places, wanted)
    return pa.table([found[source] for source, _ in view.features], names=[name for _, name in view.features])


def _history(
    files: ParquetRows,
    groups: Sequence[RowGroup],
    columns: list[str],
    view: ViewRows,
    codes: KeyCodes,
    limits: tuple[int | None, int],
) -> History:
    """The rows of asked keys that can be an answer."""
    earliest, latest = limits

    def kept(group: RowGroup, rows: pa.Table) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray]:
        event, can = _times(rows[view.event], view.event)
        created = event
        if view.created and view.created != view.event:
            created, has_created = _times(rows[view.created], view.created)
            created = np.where(has_created, created, event)
            created = event if np.array_equal(event, created) else created
        found = codes.of([rows[source] for source, _ in view.join_keys]) if view.join_keys else np.zeros(group.rows, "i4")
        can = can & (found >= 0) & (event <= latest)
        if created is not event:
            can &= created <= latest
        if earliest is not None:
            can &= event >= earliest
        if can.all():
            return found, event, None if created is event else created, np.arange(group.first, group.first + group.rows)
        place = np.flatnonzero(can)
        return found[place], event[place], None if created is event else created[place], place + group.first

    parts = list(files.map(groups, columns, kept))
    key, place = (np.concatenate([np.empty(0, kind), *(part[at] for part in parts)]) for at, kind in ((0, "i4"), (3, "i8")))
    event = np.concatenate([np.empty(0, "i8"), *(part[1] for part in parts)])
    if all(part[2] is None for part in parts):
        return History(key, event, event, place)
    return History(key, event, np.concatenate([part[1] if part[2] is None else part[2] for part in parts]), place)


def _times(column: pa.ChunkedArray, name: str) -> tuple[np.ndarray, np.ndarray | bool]:
    """UTC microseconds, and where there are any."""
    return _numbers(column := utc(column, name)), column.is_valid().to_numpy() if column.null_count else True


def _numbers(times: pa.ChunkedArray) -> np.ndarray:
    """UTC microseconds as numbers; far in the past where there is no time, so that nothing is found."""
    numbers = times.cast(pa.int64())
    numbers = pc.fill_null(numbers, -(2**62)) if numbers.null_count else numbers
    return numbers.combine_chunks().to_numpy(zero_copy_only=False) if numbers.num_chunks != 1 else numbers.chunk(0).to_numpy()


def _ranks(features: pa.Table) -> np.ndarray:
    """The place of each row in the order of its features, missing values last."""
    try:
        order = pc.sort_indices(features.rename_columns([str(at) for at in range(features.num_columns)]),
                                sort_keys=[(str(at), "ascending") for at in range(features.num_columns)])  # fmt: skip
    except (pa.ArrowNotImplementedError, pa.ArrowTypeError, pa.ArrowInvalid) as problem:
        raise CannotMerge(f"equal rows have features without an order: {problem}") from problem
    rank = np.empty(len(order), "i8")
    rank[order.to_numpy()] = np.arange(len(order))
    return rank


def _micros(at: datetime) -> int:
    """An instant in UTC microseconds, exactly."""
    return (at - datetime.fromisoformat("1970-01-01T00:00:00+00:00")) // _MICROSECOND
