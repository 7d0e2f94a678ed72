"""Read one delivered file into a spool: a Parquet file of text columns with row numbers, written in chunks so that memory stays bounded."""

import hashlib
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from warehouse.raw.csv_file import CsvFile
from warehouse.raw.delivery import DeliveredFile
from warehouse.raw.header import FileRejected, Header
from warehouse.raw.jsonl_file import JsonlFile
from warehouse.raw.parquet_file import ParquetFile
from warehouse.sources import SourceTable
from warehouse.sources.dialect import Dialect


class RowsOfFile(Protocol):
    """Chunks of rows of one file; iterate once. The header is known when all were read."""

    @property
    def header(self) -> Header:
        """Where the columns go."""

    @property
    def marks(self) -> str | None:
        """Marks of numbers and dates in the rows, as raw holds them."""

    def __iter__(self) -> Iterator[pa.Table]:
        """The chunks."""


READERS: Mapping[str, Callable[[Path, SourceTable, Dialect], RowsOfFile]] = {
    ".csv": CsvFile,
    ".csv.gz": CsvFile,
    ".jsonl": JsonlFile,
    ".parquet": ParquetFile,
}


SAMPLE_ROWS, REPEATED = 10_000, 0.3  # a dictionary pays if at most this share of the first rows differ


@dataclass(frozen=True)
class Spooled:
    """A file that was read to its end: the spool, its header, its number of rows and the marks of its numbers and dates."""

    path: Path
    header: Header
    rows: int
    marks: str | None = None


def fingerprint(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as binary:
        return hashlib.file_digest(binary, "sha256").hexdigest()


def read_file(file: DeliveredFile, spool: Path, dialect: Dialect | None = None) -> Spooled:
    """Read a file whole; nothing of it is used unless its last row was read.

    The spool has source_row_number, extra_values, read_fault and all columns of the contract, absent ones null. Text is brought to
    Unicode's composed form (NFC), since two spellings of one Vietnamese name would be two names; nothing else is changed.

    Args:
        file: to read.
        spool: where its rows go; no file is there yet.
        dialect: how the file is written; None for the plain form.

    Raises:
        FileRejected: the file cannot be used; the message does not name the file.
    """
    chunks = READERS[file.format](file.path, file.source, dialect or Dialect())
    with _Spool(spool, _spool_schema(file.source)) as spooled:
        for chunk in chunks:
            spooled.write(chunk)
    return Spooled(spool, chunks.header, spooled.rows, chunks.marks)


class _Spool:
    """The spool while it is written."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path, self._schema = path, schema
        self._writer: pq.ParquetWriter | None = None
        self.rows = 0

    def __enter__(self) -> "_Spool":
        return self

    def __exit__(self, *raised: object) -> None:
        if self._writer is None:
            self._open(self._schema.empty_table())
        self._writer.close()  # type: ignore[union-attr]

    def write(self, chunk: pa.Table) -> None:
        complete = _complete(chunk, self._schema)
        if self._writer is None:
            self._open(complete)
        self._writer.write_table(complete)  # type: ignore[union-attr]
        self.rows += len(chunk)

    def _open(self, first: pa.Table) -> None:
        """Statistics are left out, since the spool is read once and whole; so are dictionaries of columns that hardly repeat a value."""
        sample = first.slice(0, SAMPLE_ROWS)
        repeat = [name for name in self._schema.names if pc.count_distinct(sample[name]).as_py() <= REPEATED * len(sample)]
        self._writer = pq.ParquetWriter(self._path, self._schema, compression="snappy", write_statistics=False, use_dictionary=repeat)


def _spool_schema(source: SourceTable) -> pa.Schema:
    text = ["extra_values", "read_fault", *(column.name for column in source.all_columns)]
    return pa.schema([pa.field("source_row_number", pa.int64()), *(pa.field(name, pa.string()) for name in text)])


def _complete(chunk: pa.Table, schema: pa.Schema) -> pa.Table:
    """All columns of the spool, text composed."""
    columns = []
    for field in schema:
        if field.name not in chunk.column_names:
            columns.append(pa.nulls(len(chunk), field.type))
        elif field.type == pa.string():
            columns.append(_composed(chunk[field.name]))
        else:
            columns.append(chunk[field.name])
    return pa.table(columns, schema=schema)


def _composed(texts: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """Text in NFC; Arrow's own utf8_normalize leaves it decomposed."""
    if all(map(_is_composed, texts.chunks)):
        return texts
    return pa.array([text and unicodedata.normalize("NFC", text) for text in texts.to_pylist()], pa.string())


def _is_composed(texts: pa.Array) -> bool:
    """Whether all texts are in NFC: they are if they are one behind the other, since a part of a text in NFC is in NFC."""
    joined = _joined(texts)
    return joined.isascii() or unicodedata.is_normalized("NFC", joined.decode())


def _joined(texts: pa.Array) -> bytes:
    """The bytes of all texts."""
    offsets, data = texts.buffers()[1:3]
    if data is None or not len(texts):
        return b""
    places = memoryview(offsets).cast("i")
    return data[places[texts.offset] : places[texts.offset + len(texts)]].to_pybytes()


__all__ = ["FileRejected", "Spooled", "fingerprint", "read_file"]
