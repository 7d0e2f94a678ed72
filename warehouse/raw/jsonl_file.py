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

TEXTS = {str, type(None)}


class _Unusable(ValueError):
    """A line that is no flat object; the text is the rule that it broke."""


class JsonlFile:
    """The rows of a JSON Lines file, some at a time; iterate once.

    Attributes:
        header: the union of the names of its objects; known after the last chunk. A file without objects has no columns and is accepted.
    """

    def __init__(self, path: Path, source: SourceTable, dialect: Dialect) -> None:
        self._path, self._source, self._dialect = path, source, dialect
        self._titles: dict[str, None] = {}
        self._shapes: dict[tuple[str, ...], _Shape] = {}
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
                    chunk = self._chunk(block)
                    if len(chunk):
                        yield chunk
                    done += len(chunk)
            if done:
                self.header = match_header(list(self._titles), self._source)
        except FileRejected as rejected:
            rejected.rows_read += done
            raise

    def _chunk(self, block: Block) -> pa.Table:
        rows: dict[tuple[str, ...], _Rows] = {}
        faulty = _Rows(_Shape(("read_fault", "extra_values"), ("read_fault", "extra_values")))
        for number, line in _lines(block):
            try:
                names, values = _parsed(line)
                taken = rows.get(names)
                if taken is None:
                    taken = rows[names] = _Rows(self._shape(names))
                taken.add(number, values, has_escape="\\" in line)
            except _Unusable as fault:
                if str(fault) == "bad_json" and block.is_open and not line.endswith(("\n", "\r")):
                    message = f"line {number}: the file ends within this row (no complete JSON object, no line end)"
                    raise FileRejected(f"{message}; deliver the whole file again", sum(map(len, (faulty, *rows.values())))) from None
                faulty.add(number, (str(fault), json.dumps(line.strip())))
        tables = [some.table() for some in (*rows.values(), faulty)]
        return pa.concat_tables(tables, promote_options="default")

    def _shape(self, names: tuple[str, ...]) -> "_Shape":
        """Where the values of objects with these names go; most files have one such shape."""
        if names not in self._shapes:
            self._titles.update(dict.fromkeys(names))
            self._shapes[names] = _Shape(names, tuple(self._declared.get(plain_name(name)) for name in names))
        return self._shapes[names]


class _Shape:
    """The names of an object in their order, and the contract's column of each, None for one that it does not declare."""

    def __init__(self, names: tuple[str, ...], columns: tuple[str | None, ...]) -> None:
        self.names, self.columns = names, columns
        self.extra = [place for place, column in enumerate(columns) if column is None]


class _Rows:
    """Rows of one shape on their way to Arrow."""

    def __init__(self, shape: _Shape) -> None:
        self._shape = shape
        self._numbers: list[int] = []
        self._values: list[tuple[str | None, ...]] = []
        self._extra: list[str | None] = []

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, number: int, values: tuple[Any, ...], has_escape: bool = True) -> None:
        """Take a row; without an escape on its line, no text in it can be one that is not stored."""
        shape = self._shape
        extra = None
        if shape.extra:
            extra = _text(json.dumps({shape.names[place]: _plain(values[place]) for place in shape.extra}, ensure_ascii=False))
            values = tuple("" if column is None else value for value, column in zip(values, shape.columns, strict=True))
        is_text = not has_escape and {*map(type, values)} <= TEXTS
        self._values.append(values if is_text else tuple(map(_text, values)))
        self._numbers.append(number)
        self._extra.append(extra)

    def table(self) -> pa.Table:
        columns: dict[str, pa.Array] = {"source_row_number": pa.array(self._numbers, pa.int64())}
        by_place = zip(*self._values, strict=True) if self._values else [()] * len(self._shape.columns)
        columns |= {name: pa.array(values, pa.string()) for name, values in zip(self._shape.columns, by_place, strict=True) if name}
        if self._shape.extra:
            columns["extra_values"] = pa.array(self._extra, pa.string())
        return pa.table(columns)


def _lines(block: Block) -> Iterator[tuple[int, str]]:
    """Lines that hold something, with their numbers."""
    for number, line in enumerate(io.StringIO(block.data.decode(), newline=""), start=block.line):
        if len(line) >= MAX_LINE:
            raise FileRejected(f"line {number}: longer than {MAX_LINE} characters; no row of a table is, deliver the file again")
        if not line.isspace():
            yield number, line


def _parsed(line: str) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """The names and values of the object on a line, with numbers as text."""
    text = line.strip(" \t\r\n")
    try:
        parsed, end = _DECODER.raw_decode(text)
    except (json.JSONDecodeError, RecursionError):
        raise _Unusable("bad_json") from None
    if not isinstance(parsed, _Object) or end < len(text):
        raise _Unusable("bad_json")
    if not parsed:
        return (), ()
    names, values = zip(*parsed, strict=True)
    return _names(names), values


class _Object(list[tuple[str, Any]]):
    """An object as pairs, so that names that are there twice are seen."""


@lru_cache(maxsize=1000)
def _names(delivered: tuple[str, ...]) -> tuple[str, ...]:
    """Names as a header would have them, each once."""
    names = tuple(unicodedata.normalize("NFC", (_text(name) or "").strip()) for name in delivered)
    if len(set(names)) < len(names):
        raise _Unusable("duplicate_field")
    return names


_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_Object)


def _plain(value: Any) -> Any:
    """A value with objects as json.dumps takes them."""
    if isinstance(value, _Object):
        return dict(zip(_names(tuple(name for name, _ in value)), (_plain(inner) for _, inner in value), strict=True))
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


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
