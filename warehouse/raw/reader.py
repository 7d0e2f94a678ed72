"""Read one delivered file into a spool: a Parquet file of text columns with row numbers, written in chunks so that memory stays bounded."""

import hashlib
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from warehouse.raw.csv_file import csv_chunks, csv_header
from warehouse.raw.delivery import DeliveredFile
from warehouse.raw.header import FileRejected, Header
from warehouse.raw.jsonl_file import jsonl_chunks, jsonl_header
from warehouse.raw.parquet_file import parquet_chunks, parquet_header
from warehouse.sources import SourceTable

Chunks = Callable[[Path, Header], Iterator[pa.Table]]
READERS: dict[str, tuple[Callable[[Path, SourceTable], Header], Chunks]] = {
    ".csv": (csv_header, csv_chunks),
    ".csv.gz": (csv_header, csv_chunks),
    ".jsonl": (jsonl_header, jsonl_chunks),
    ".parquet": (parquet_header, parquet_chunks),
}


@dataclass(frozen=True)
class Spooled:
    """A file that was read to its end: the spool, its header and its number of rows."""

    path: Path
    header: Header
    rows: int


def fingerprint(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as binary:
        return hashlib.file_digest(binary, "sha256").hexdigest()


def read_file(file: DeliveredFile, spool: Path) -> Spooled:
    """Read a file whole; nothing of it is used unless its last row was read.

    The spool has source_row_number, extra_values, read_fault and all columns of the contract, absent ones null. Text is brought to
    Unicode's composed form (NFC), since two spellings of one Vietnamese name would be two names; nothing else is changed.

    Raises:
        FileRejected: the file cannot be used; the message does not name the file.
    """
    read_header, read_chunks = READERS[file.format]
    header = read_header(file.path, file.source)
    schema = _spool_schema(file.source)
    rows = 0
    with pq.ParquetWriter(spool, schema, compression="snappy") as writer:
        for chunk in read_chunks(file.path, header):
            writer.write_table(_complete(chunk, schema))
            rows += chunk.num_rows
    return Spooled(spool, header, rows)


def _spool_schema(source: SourceTable) -> pa.Schema:
    text = ["extra_values", "read_fault", *(column.name for column in source.all_columns)]
    return pa.schema([pa.field("source_row_number", pa.int64()), *(pa.field(name, pa.string()) for name in text)])


def _complete(chunk: pa.Table, schema: pa.Schema) -> pa.Table:
    """All columns of the spool, text composed."""
    columns = []
    for field in schema:
        if field.name not in chunk.column_names:
            columns.append(pa.nulls(chunk.num_rows, field.type))
        elif field.type == pa.string():
            columns.append(_composed(chunk[field.name]))
        else:
            columns.append(chunk[field.name])
    return pa.table(columns, schema=schema)


def _composed(texts: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """Text in NFC; Arrow's own utf8_normalize leaves it decomposed."""
    if pc.all(pc.string_is_ascii(texts), min_count=0).as_py():
        return texts
    return pa.array([text and unicodedata.normalize("NFC", text) for text in texts.to_pylist()], pa.string())


__all__ = ["FileRejected", "Spooled", "fingerprint", "read_file"]
