"""Arrow columns straight into packed rows, without a Python object per value."""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.online.packed import FIXED, NEVER, Column, PackedSchema, encode

ToMessages = Callable[[str, pa.Array], Sequence[bytes]]


def encode_arrow(
    schema: PackedSchema, rows: pa.RecordBatch, event: str, created: str | None, messages: ToMessages | None = None
) -> list[bytes]:
    """Pack the rows of a batch.

    Args:
        schema: the layout; the batch has a column of each of its names.
        rows: the batch.
        event: column of event times.
        created: column of created times; None if there is none.
        messages: makes serialized values of the features whose type has no packed form of its own.

    Raises:
        ValueError: a value does not fit its declared type, or an event time is missing.
    """
    columns = [_column(name, kind, rows.column(name), messages) for name, kind in schema.fields]
    if rows.column(event).null_count:
        raise ValueError(f"column {event}: a row has no event time, so its age would be unknown")
    held = np.full(rows.num_rows, NEVER) if created is None else _instants(rows.column(created))
    return encode(schema, columns, _instants(rows.column(event)), held)


def _column(name: str, kind: str, values: pa.Array, messages: ToMessages | None) -> Column:
    """One feature for the packed layout."""
    is_null = values.is_null().to_numpy(zero_copy_only=False)
    if kind == "proto":
        if messages is None:
            raise ValueError(f"feature {name}: its type has no packed form, and nothing was given to serialize it")
        return messages(name, values), is_null
    if kind not in FIXED:
        return [text or b"" for text in values.cast(pa.large_binary()).to_pylist()], is_null
    if kind == "timestamp":
        whole = pc.floor_temporal(values, unit="second") if pa.types.is_timestamp(values.type) else values
        values = whole.cast(pa.timestamp("s", getattr(values.type, "tz", None))).cast(pa.int64())
    target = pa.bool_() if kind == "bool" else pa.from_numpy_dtype(np.dtype(FIXED[kind]))
    try:
        return values.cast(target).fill_null(False if kind == "bool" else 0).to_numpy(zero_copy_only=False), is_null
    except pa.ArrowInvalid as error:
        raise ValueError(f"feature {name}: a value of the {values.type} column does not fit the declared {kind}: {error}") from error


def _instants(times: pa.Array) -> np.ndarray:
    """Times as microseconds since 1970, rounded down; NEVER where there is none."""
    micros = pc.floor_temporal(times, unit="microsecond").cast(pa.timestamp("us", times.type.tz)).cast(pa.int64())
    return micros.fill_null(NEVER).to_numpy(zero_copy_only=False)
