"""Read csv: every row keeps its line number, and a row that does not fit the header is kept with its fault.

Nothing is dropped, filled or shifted silently: a quote that swallows rows is an error, and so is a file that ends within a row.
"""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from warehouse.raw.csv_block import BlockReader, Rows
from warehouse.raw.csv_strict import Row, strict_rows
from warehouse.raw.header import FileRejected, Header, match_header
from warehouse.raw.text import Text, open_text
from warehouse.sources import SourceTable
from warehouse.sources.dialect import Dialect

_ESCAPED = r'["\\\x00-\x1f]'  # characters that JSON writes in another way


class CsvFile:
    """The rows of a csv file, some at a time; iterate once.

    Attributes:
        header: where its columns go; known after the first chunk.
    """

    def __init__(self, path: Path, source: SourceTable, dialect: Dialect) -> None:
        self._path, self._source, self._dialect = path, source, dialect
        self.header = Header((), (), source.version_of(()))

    @property
    def marks(self) -> str | None:
        """Marks of numbers and dates in the rows, as raw holds them."""
        return self._dialect.marks()

    def __iter__(self) -> Iterator[pa.Table]:
        """Chunks of rows; blank lines are no rows.

        Yields:
            source_row_number and the delivered columns as text; extra_values; read_fault where fields could not be told apart.

        Raises:
            FileRejected: the text is damaged or cut, a quote is out of place or the header does not fit; rows_read says how many rows
                were read, and for the header how many follow it.
        """
        done = 0
        try:
            with open_text(self._path, self._dialect.encoding) as text:
                titles, rest, line = self._titles(text)
                reader = BlockReader(len(titles), self._dialect)
                self.header = self._match(titles, reader, text, rest, line)
                while block := text.more(rest, line):
                    rows = reader.read(block)
                    rest, line = rows.rest, line + rows.lines
                    if rows.cut:
                        raise self._cut(rows.cut, len(rows))
                    if len(rows):
                        yield _chunk(rows, self.header)
                    done += len(rows)
        except FileRejected as rejected:
            rejected.rows_read += done
            raise

    def _titles(self, text: Text) -> tuple[list[str], bytes, int]:
        """The header's titles, the rest of the block behind them, and the line on which that begins."""
        rest = b""
        while block := text.more(rest, 1):
            content = block.data.decode()
            for row in strict_rows(iter(io.StringIO(content, newline="")), 1, self._dialect, block.is_last):
                if row.has_nul:
                    raise FileRejected("line 1: holds a NUL character; correct the header")
                return row.fields, content[row.position :].encode(), 1 + row.lines
            rest = block.data
        raise FileRejected("the file is empty; deliver at least its header line")

    def _match(self, titles: list[str], reader: BlockReader, text: Text, rest: bytes, line: int) -> Header:
        try:
            return match_header(titles, self._source)
        except FileRejected as rejected:
            rejected.rows_read = _count(reader, text, rest, line)
            raise

    def _cut(self, row: Row, rows_read: int) -> FileRejected:
        found, expected = len(row.fields), len(self.header.names)
        message = (
            f"line {row.number}: the file ends within this row ({found} of {expected} fields, no line end); deliver the whole file again"
        )
        return FileRejected(message, rows_read)


def _count(reader: BlockReader, text: Text, rest: bytes, line: int) -> int:
    """Rows from here on, as far as they can be read: the file is rejected for its header already, this is the number for the ledger."""
    count = 0
    try:
        while block := text.more(rest, line):
            rows = reader.read(block)
            rest, line, count = rows.rest, line + rows.lines, count + len(rows)
    except FileRejected as rejected:
        return count + rejected.rows_read
    return count


def _chunk(rows: Rows, header: Header) -> pa.Table:
    parts = [_whole(table, header) for table in rows.tables]
    return pa.concat_tables([*parts, _faulty(rows.others)], promote_options="default")


def _whole(table: pa.Table, header: Header) -> pa.Table:
    columns = {"source_row_number": table["number"]}
    columns |= {name: table[str(place)] for place, name in enumerate(header.names) if name}
    if header.unknown:
        extra = {title: table[str(place)] for place, title in enumerate(header.delivered) if header.names[place] is None}
        columns["extra_values"] = json_objects(extra)
    return pa.table(columns)


def json_objects(columns: dict[str, pa.ChunkedArray]) -> pa.ChunkedArray:
    """Texts of some columns as one JSON object a row, as json.dumps writes it."""
    parts: list[pa.ChunkedArray | str] = []
    for title, texts in columns.items():
        parts += [", " if parts else "{", json.dumps(title, ensure_ascii=False) + ": ", _json_texts(texts)]
    return pc.binary_join_element_wise(*parts, "}", "")


def _json_texts(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    if pc.any(pc.match_substring_regex(texts, _ESCAPED), min_count=0).as_py():
        return pa.chunked_array([pa.array([json.dumps(text, ensure_ascii=False) for text in texts.to_pylist()], pa.string())])
    return pc.binary_join_element_wise('"', texts, '"', "")


def _faulty(rows: list[Row]) -> pa.Table:
    rules = ["nul_character" if row.has_nul else "ragged_row" for row in rows]
    fields = [json.dumps(row.fields, ensure_ascii=False).replace("\0", "\\u0000") for row in rows]
    return pa.table(
        {
            "source_row_number": pa.array([row.number for row in rows], pa.int64()),
            "read_fault": pa.array(rules, pa.string()),
            "extra_values": pa.array(fields, pa.string()),
        }
    )
