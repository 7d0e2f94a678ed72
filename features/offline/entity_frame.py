"""Entity rows of a historical retrieval, in whatever form Feast's callers have them, as one Arrow table with UTC microseconds.

A time without a zone is UTC, as everywhere in Feast, and a text is read as a date or time of that kind.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from feast.errors import EntityTimestampInferenceException, FeastEntityDFMissingColumnsError
from ibis.backends import BaseBackend

EVENT_TIMESTAMP = "event_timestamp"
INSTANT = pa.timestamp("us", "UTC")


@dataclass(frozen=True)
class EntityRows:
    """The rows that features are asked for, in the caller's order.

    Attributes:
        table: all columns of the caller, the time as UTC microseconds.
        at: name of the column with the time.
    """

    table: pa.Table
    at: str

    @property
    def range(self) -> tuple[datetime | None, datetime | None]:
        """Earliest and latest asked time; None of no rows."""
        ends = pc.min_max(self.table[self.at])
        return ends["min"].as_py(), ends["max"].as_py()

    def require(self, join_keys: list[str]) -> None:
        """Check that the join keys are there.

        Raises:
            FeastEntityDFMissingColumnsError: some are not.
        """
        missing = {key for key in join_keys if key not in self.table.column_names}
        if missing:
            raise FeastEntityDFMissingColumnsError({*join_keys, self.at}, missing)


def entity_rows(given: Any, backend: BaseBackend) -> EntityRows:
    """Entity rows from what a caller passed.

    Args:
        given: a pandas frame, anything that Arrow can read as a table, or a query in the backend's SQL.
        backend: where a query runs.

    Raises:
        EntityTimestampInferenceException: no column is named event_timestamp and not exactly one holds times.
        ValueError: the time column holds something that is no time.
    """
    table = _arrow(given, backend)
    at = _time_column(table)
    position = table.column_names.index(at)
    return EntityRows(table.set_column(position, at, utc(table[at], at)), at)


def utc(times: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Times, dates or texts as UTC microseconds, rounded down."""
    kind = times.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _parsed(times, name)
    elif pa.types.is_date(kind) or pa.types.is_null(kind):
        times = times.cast(pa.timestamp("us"))
    elif not pa.types.is_timestamp(kind):
        raise ValueError(f"column {name} of the entity rows: type {kind} holds no time; pass timestamps, dates or ISO 8601 texts")
    if times.type.unit == "ns":
        times = pc.floor_temporal(times, unit="microsecond")
    if times.type.tz is None:
        times = pc.assume_timezone(times.cast(pa.timestamp("us"), safe=False), "UTC")
    return times.cast(INSTANT, safe=False)


def _parsed(texts: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Texts as UTC microseconds; each different text is read once, and by itself.

    pandas.to_datetime is not used: given texts with different offsets, it reads those without one by the offset of another (2.3.3).
    """
    encoded = pc.dictionary_encode(texts.combine_chunks())
    instants = pa.array([_instant(text, name) for text in encoded.dictionary.to_pylist()], INSTANT)
    return pa.chunked_array([instants.take(encoded.indices)])


def _instant(text: str, name: str) -> datetime:
    """One text as an instant."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"column {name} of the entity rows: {text!r} is no ISO 8601 date or time such as 2025-06-30T16:59:59Z") from None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _arrow(given: Any, backend: BaseBackend) -> pa.Table:
    """The caller's rows as Arrow, order and duplicates kept."""
    if isinstance(given, str):
        return backend.sql(given).to_pyarrow()
    if isinstance(given, pd.DataFrame):
        return pa.Table.from_pandas(given, preserve_index=False).replace_schema_metadata()
    if isinstance(given, pa.Table):
        return given
    if isinstance(given, pa.RecordBatch):
        return pa.Table.from_batches([given])
    if hasattr(given, "to_pyarrow"):
        return given.to_pyarrow()
    return pa.table(given)


def _time_column(table: pa.Table) -> str:
    """The column that says as of when features are asked."""
    if EVENT_TIMESTAMP in table.column_names:
        return EVENT_TIMESTAMP
    times = [field.name for field in table.schema if pa.types.is_timestamp(field.type) or pa.types.is_date(field.type)]
    if len(times) != 1:
        raise EntityTimestampInferenceException(EVENT_TIMESTAMP)
    return times[0]
