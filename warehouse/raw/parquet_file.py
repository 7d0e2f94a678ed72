"""Read Parquet: typed values become the text that a csv file would have held, so that one set of rules judges every format.

Floats are written with their shortest digits and without an exponent; NaN means missing there, as pandas writes it.
"""

import json
import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pat

from warehouse.raw.header import FileRejected, Header, match_header
from warehouse.sources import SourceTable
from warehouse.sources.dialect import Dialect

CHUNK_ROWS = 50_000
ARROW_SCALE = 6  # with more decimals Arrow writes small numbers with an exponent
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


class ParquetFile:
    """The rows of a Parquet file, some at a time, numbered from 1.

    Attributes:
        header: where its columns go; known after the first chunk.
        marks: None, since typed values have no marks and become plain text.
    """

    marks = None

    def __init__(self, path: Path, source: SourceTable, dialect: Dialect) -> None:
        self._path, self._source = path, source
        self.header = Header((), (), source.version_of(()))

    def __iter__(self) -> Iterator[pa.Table]:
        """Chunks of rows; columns as CsvFile gives them.

        Raises:
            FileRejected: the file or a block of it is damaged, a required column is missing, or a declared one has a type without a
                text form.
        """
        rows = done = 0
        try:
            with pq.ParquetFile(self._path) as file:
                rows = file.metadata.num_rows
                self.header = _header(file.schema_arrow, self._source)
                rows = 0
                for batch in file.iter_batches(CHUNK_ROWS):
                    yield _chunk(batch, self.header, done)
                    done += batch.num_rows
        except FileRejected as rejected:
            rejected.rows_read = rows
            raise
        except (pa.ArrowException, OSError) as error:
            place = f"damaged after row {done}" if done else "no readable Parquet file"
            raise FileRejected(f"{place} ({error}); deliver it again", done) from error


def _header(schema: pa.Schema, source: SourceTable) -> Header:
    header = match_header(schema.names, source)
    for name, field in zip(header.names, schema, strict=True):
        if name and not _has_text(field.type):
            raise FileRejected(f"column {field.name} has the type {field.type}; deliver it as text, number, date or timestamp")
    return header


def _chunk(batch: pa.RecordBatch, header: Header, done: int) -> pa.Table:
    columns = {"source_row_number": pa.array(np.arange(done + 1, done + batch.num_rows + 1), pa.int64())}
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
    if pat.is_decimal(dtype) and not 0 <= dtype.scale <= ARROW_SCALE:
        return pa.array([None if value is None else format(value, "f") for value in array.to_pylist()], pa.string())
    if pat.is_floating(dtype):
        return _floats(array)
    return array.cast(pa.string())


def _floats(array: pa.Array) -> pa.Array:
    """Shortest digits that give the number again; Arrow's are the same, save for exponents and for `.0` behind whole numbers."""
    numbers = array.cast(pa.float64())
    texts = numbers.cast(pa.string())
    if pc.any(pc.or_kleene(pc.is_nan(numbers), pc.match_substring_regex(texts, "[^0-9.-]")), min_count=0).as_py():
        return pa.array([_digits(value) for value in numbers.to_pylist()], pa.string())
    is_whole = pc.invert(pc.match_substring(texts, "."))
    return pc.if_else(is_whole, pc.binary_join_element_wise(texts, "0", "."), texts)


def _digits(value: float | None) -> str | None:
    if value is None or math.isnan(value):
        return None
    return format(Decimal(repr(value)), "f") if math.isfinite(value) else repr(value)
