"""Read csv: every row keeps its line number, and a row that does not fit the header is kept with its fault.

Python's csv module in strict mode is used, because it never drops, fills or shifts a row silently: a quote that swallows rows is an error.
"""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from warehouse.raw.header import FileRejected, Header, match_header
from warehouse.raw.text import Lines, open_lines
from warehouse.sources import SourceTable

CHUNK_ROWS = 50_000


def csv_header(path: Path, source: SourceTable) -> Header:
    """The header of a csv file.

    Raises:
        FileRejected: the file is empty, unreadable, or its header does not fit; rows_read says how many rows follow.
    """
    with open_lines(path) as lines:
        reader = csv.reader(lines, strict=True)
        try:
            titles = next(reader, None)
            if titles is None:
                raise FileRejected("the file is empty; deliver at least its header line")
            return match_header(titles, source)
        except csv.Error as error:
            raise FileRejected(f"line 1: {error}; correct the header") from error
        except FileRejected as rejected:
            rejected.rows_read = _count(reader)
            raise


def csv_chunks(path: Path, header: Header) -> Iterator[pa.Table]:
    """The rows of a csv file, some at a time.

    Grain: one row per row of the file; blank lines are no rows.

    Yields:
        source_row_number and the delivered columns as text; extra_values; read_fault where fields could not be told apart.

    Raises:
        FileRejected: the text is damaged or a quote is out of place.
    """
    chunk, done = _Chunk(header), 0
    try:
        with open_lines(path) as lines:
            reader = csv.reader(lines, strict=True)
            next(reader)
            for number, fields in _rows(reader):
                chunk.add(number, fields, lines)
                if len(chunk) == CHUNK_ROWS:
                    yield chunk.table()
                    chunk, done = _Chunk(header), done + CHUNK_ROWS
    except csv.Error as error:
        message = f"near line {reader.line_num}: {error}; a quote or a field there is wrong, deliver the file again"
        raise FileRejected(message, done + len(chunk)) from error
    except FileRejected as rejected:
        rejected.rows_read = done + len(chunk)
        raise
    yield chunk.table()


def _rows(reader: "csv._reader") -> Iterator[tuple[int, list[str]]]:  # type: ignore[name-defined]
    """Rows with the line on which each begins."""
    begins = reader.line_num + 1
    for fields in reader:
        if len(fields) > 1 or (fields and fields[0].strip()):
            yield begins, fields
        begins = reader.line_num + 1


def _count(reader: "csv._reader") -> int:  # type: ignore[name-defined]
    """Rows that can be read from here on."""
    count = 0
    try:
        for _ in _rows(reader):
            count += 1
    except (csv.Error, FileRejected, UnicodeDecodeError, EOFError, OSError):
        return count  # the file is rejected for its header already; this is the number for the ledger
    return count


class _Chunk:
    """Rows on their way to Arrow: those that fit the header, and those that do not."""

    def __init__(self, header: Header) -> None:
        self._header = header
        self._width = len(header.names)
        self._numbers: list[int] = []
        self._fields: list[list[str]] = []
        self._faults: list[tuple[int, str, str]] = []

    def __len__(self) -> int:
        return len(self._numbers) + len(self._faults)

    def add(self, number: int, fields: list[str], lines: Lines) -> None:
        if len(fields) == self._width and not lines.has_nul:
            self._numbers.append(number)
            self._fields.append(fields)
            return
        rule = "nul_character" if lines.has_nul else "ragged_row"
        lines.has_nul = False
        self._faults.append((number, rule, json.dumps(fields, ensure_ascii=False).replace("\0", "\\u0000")))

    def table(self) -> pa.Table:
        return pa.concat_tables([self._whole(), self._faulty()], promote_options="default")

    def _whole(self) -> pa.Table:
        by_column = list(zip(*self._fields, strict=True)) or [()] * self._width
        columns: dict[str, pa.Array] = {"source_row_number": pa.array(self._numbers, pa.int64())}
        for name, values in zip(self._header.names, by_column, strict=True):
            if name:
                columns[name] = pa.array(values, pa.string())
        if self._header.unknown:
            columns["extra_values"] = self._extra_values(by_column)
        return pa.table(columns)

    def _extra_values(self, by_column: list[tuple[str, ...]]) -> pa.Array:
        extra = [position for position, name in enumerate(self._header.names) if name is None]
        titles = [self._header.delivered[position] for position in extra]
        rows = zip(*(by_column[position] for position in extra), strict=True)
        return pa.array([json.dumps(dict(zip(titles, row, strict=True)), ensure_ascii=False) for row in rows], pa.string())

    def _faulty(self) -> pa.Table:
        numbers, rules, fields = zip(*self._faults, strict=True) if self._faults else ((), (), ())
        return pa.table(
            {
                "source_row_number": pa.array(numbers, pa.int64()),
                "read_fault": pa.array(rules, pa.string()),
                "extra_values": pa.array(fields, pa.string()),
            }
        )
