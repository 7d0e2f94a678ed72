"""Read Parquet: typed values become the text that a csv file would have held, so that one set of rules judges every format.

Floats are written with their shortest digits and without an exponent; NaN means missing there, as pandas writes it.
"""

import json
import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pat

from warehouse.raw.header import FileRejected, Header, match_header
from warehouse.sources import SourceTable

CHUNK_ROWS = 50_000
PLAIN: tuple[Callable[[pa.DataType], bool], ...] = (
    pat.is_string,
    pat.is_large_string,
    pat.is_string_view,
    pat.is_integer,
    pat.is_boolean,
    pat.is_date,
    pat.is_timestamp,
    pat.is_null,
)


def parquet_header(path: Path, source: SourceTable) -> Header:
    """The columns of a Parquet file.

    Raises:
        FileRejected: the file is damaged, a required column is missing, or a declared one has a type without a text form.
    """
    rows = 0
    try:
        with pq.ParquetFile(path) as file:
            rows, schema = file.metadata.num_rows, file.schema_arrow
        header = match_header(schema.names, source)
        for name, field in zip(header.names, schema, strict=True):
            if name and not _has_text(field.type):
                raise FileRejected(f"column {field.name} has the type {field.type}; deliver it as text, number, date or timestamp")
    except FileRejected as rejected:
        rejected.rows_read = rows
        raise
    except (pa.ArrowException, OSError) as error:
        raise FileRejected(f"no readable Parquet file ({error}); deliver it again") from error
    return header


def parquet_chunks(path: Path, header: Header) -> Iterator[pa.Table]:
    """The rows of a Parquet file, some at a time; columns as csv_chunks gives them, rows numbered from 1.

    Raises:
        FileRejected: a block of the file is damaged.
    """
    done = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(CHUNK_ROWS):
                yield _chunk(batch, header, done)
                done += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise FileRejected(f"damaged after row {done} ({error}); deliver it again", done) from error


def _chunk(batch: pa.RecordBatch, header: Header, done: int) -> pa.Table:
    columns = {"source_row_number": pa.array(range(done + 1, done + batch.num_rows + 1), pa.int64())}
    extra = {}
    for name, title, array in zip(header.names, header.delivered, batch.columns, strict=True):
        if name:
            columns[name] = _text(array)
        else:
            extra[title] = [None if isinstance(value, float) and not math.isfinite(value) else value for value in array.to_pylist()]
    if extra:
        rows = (dict(zip(extra, values, strict=True)) for values in zip(*extra.values(), strict=True))
        columns["extra_values"] = pa.array([json.dumps(row, default=str, ensure_ascii=False) for row in rows], pa.string())
    return pa.table(columns)


def _has_text(dtype: pa.DataType) -> bool:
    if pat.is_dictionary(dtype):
        return _has_text(dtype.value_type)
    return any(check(dtype) for check in PLAIN) or pat.is_decimal(dtype) or pat.is_floating(dtype)


def _text(array: pa.Array) -> pa.Array:
    dtype = array.type
    if pat.is_dictionary(dtype):
        return _text(array.cast(dtype.value_type))
    if pat.is_decimal(dtype):
        return pa.array([None if value is None else format(value, "f") for value in array.to_pylist()], pa.string())
    if pat.is_floating(dtype):
        return pa.array([_digits(value) for value in array.to_pylist()], pa.string())
    return array.cast(pa.string())


def _digits(value: float | None) -> str | None:
    if value is None or math.isnan(value):
        return None
    return format(Decimal(repr(value)), "f") if math.isfinite(value) else repr(value)
