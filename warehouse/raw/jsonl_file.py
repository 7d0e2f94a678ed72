"""Read JSON Lines: one object a line; numbers stay the text that was delivered, so that the number rules see `1e5` and not 100000."""

import io
import json
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from warehouse.raw.header import FileRejected, Header, match_header
from warehouse.raw.text import MAX_LINE, Block, open_text
from warehouse.sources import SourceTable
from warehouse.sources.contract import plain_name
from warehouse.sources.dialect import Dialect


class _Unusable(ValueError):
    """A line that is no flat object; the text is the rule that it broke."""


class JsonlFile:
    """The rows of a JSON Lines file, some at a time; iterate once.

    Attributes:
        header: the union of the names of its objects; known after the last chunk. A file without objects has no columns and is accepted.
    """

    def __init__(self, path: Path, source: SourceTable, dialect: Dialect) -> None:
        self._path, self._source, self._dialect = path, source, dialect
        self._titles: dict[str, str | None] = {}  # delivered name -> the contract's
        self._declared = {plain_name(name): column.name for column in source.all_columns for name in (column.name, *column.aliases)}
        self.header = Header((), (), source.version_of(()))

    @property
    def marks(self) -> str | None:
        """Marks of dates in the rows, as raw holds them; numbers of JSON have JSON's form."""
        return self._dialect.marks(numbers=False)

    def __iter__(self) -> Iterator[pa.Table]:
        """Chunks of rows; columns as CsvFile gives them.

        Raises:
            FileRejected: the text is damaged or cut, or no object has a required column.
        """
        done = 0
        try:
            with open_text(self._path, self._dialect.encoding) as text:
                for block in text.blocks():
                    chunk = self._chunk(block, done)
                    if len(chunk):
                        yield chunk
                    done += len(chunk)
            if done:
                self.header = match_header(list(self._titles), self._source)
        except FileRejected as rejected:
            rejected.rows_read = done
            raise

    def _chunk(self, block: Block, done: int) -> pa.Table:
        rows = _Columns()
        for number, line in _lines(block):
            try:
                self._add(rows, number, _parsed(line))
            except _Unusable as fault:
                if str(fault) == "bad_json" and block.is_open and not line.endswith(("\n", "\r")):
                    raise FileRejected(
                        f"line {number}: the file ends within this row (no complete JSON object, no line end); deliver the whole file again"
                    ) from None
                rows.add(number, {"read_fault": str(fault), "extra_values": json.dumps(line.strip())})
        return rows.table()

    def _add(self, rows: "_Columns", number: int, parsed: dict[str, Any]) -> None:
        for title in parsed:
            if title not in self._titles:
                self._titles[title] = self._declared.get(plain_name(title))
        row: dict[str, str | None] = {}
        extra = {}
        for title, value in parsed.items():
            name = self._titles[title]
            if name is None:
                extra[title] = value
            else:
                row[name] = value if type(value) is str and value.isascii() and "\0" not in value else _text(value)
        if extra:
            row["extra_values"] = _text(json.dumps(extra, ensure_ascii=False))
        rows.add(number, row)


class _Columns:
    """Rows on their way to Arrow, by column."""

    def __init__(self) -> None:
        self._numbers: list[int] = []
        self._columns: dict[str, list[str | None]] = {}

    def add(self, number: int, row: dict[str, str | None]) -> None:
        for name, value in row.items():
            column = self._columns.get(name)
            if column is None:
                column = self._columns[name] = []
            if len(column) < len(self._numbers):
                column.extend([None] * (len(self._numbers) - len(column)))
            column.append(value)
        self._numbers.append(number)

    def table(self) -> pa.Table:
        count = len(self._numbers)
        columns = {name: pa.array(values + [None] * (count - len(values)), pa.string()) for name, values in self._columns.items()}
        return pa.table({"source_row_number": pa.array(self._numbers, pa.int64()), **columns})


def _lines(block: Block) -> Iterator[tuple[int, str]]:
    """Lines that hold something, with their numbers."""
    for number, line in enumerate(io.StringIO(block.data.decode(), newline=""), start=block.line):
        if len(line) >= MAX_LINE:
            raise FileRejected(f"line {number}: longer than {MAX_LINE} characters; no row of a table is, deliver the file again")
        if not line.isspace():
            yield number, line


def _parsed(line: str) -> dict[str, Any]:
    """The object on a line, with numbers as text."""
    try:
        parsed = _DECODER.decode(line)
    except (json.JSONDecodeError, RecursionError):
        raise _Unusable("bad_json") from None
    if not isinstance(parsed, dict):
        raise _Unusable("bad_json")
    return parsed


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = {_name(name): value for name, value in pairs}
    if len(result) < len(pairs):
        raise _Unusable("duplicate_field")
    return result


@lru_cache(maxsize=1000)
def _name(name: str) -> str:
    return unicodedata.normalize("NFC", (_text(name) or "").strip())


_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_once)


def _text(value: Any) -> str | None:
    """A value as text; nested ones have none."""
    if value is None or isinstance(value, str):
        if value and ("\0" in value or not _encodable(value)):
            raise _Unusable("nul_character")
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    raise _Unusable("nested_value")


def _encodable(value: str) -> bool:
    """Whether the text holds no half of a surrogate pair, which JSON can write and UTF-8 cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
