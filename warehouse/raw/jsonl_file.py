"""Read JSON Lines: one object a line; numbers stay the text that was delivered, so that the number rules see `1e5` and not 100000."""

import json
import unicodedata
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from warehouse.raw.header import FileRejected, Header, match_header
from warehouse.raw.text import open_lines
from warehouse.sources import SourceTable

CHUNK_ROWS = 50_000


class _Unusable(ValueError):
    """A line that is no flat object; the text is the rule that it broke."""


def jsonl_header(path: Path, source: SourceTable) -> Header:
    """The columns of a JSON Lines file: the union of the names of its objects. A file without objects has no columns and is accepted.

    Raises:
        FileRejected: the text is damaged, or no object has a required column.
    """
    titles: dict[str, None] = {}
    count = 0
    for _, line in _lines(path):
        count += 1
        try:
            titles.update(dict.fromkeys(_parsed(line)))
        except _Unusable:
            continue
    if not count:
        return Header((), (), source.version_of(()))
    try:
        return match_header(list(titles), source)
    except FileRejected as rejected:
        rejected.rows_read = count
        raise


def jsonl_chunks(path: Path, header: Header) -> Iterator[pa.Table]:
    """The rows of a JSON Lines file, some at a time; columns as csv_chunks gives them.

    Raises:
        FileRejected: the text is damaged.
    """
    columns = dict(zip(header.delivered, header.names, strict=True))
    schema = pa.schema(
        [("source_row_number", pa.int64()), ("extra_values", pa.string()), ("read_fault", pa.string())]
        + [(name, pa.string()) for name in header.names if name]
    )
    lines = _lines(path)
    while rows := [_row(number, line, columns) for number, line in islice(lines, CHUNK_ROWS)]:
        yield pa.Table.from_pylist(rows, schema)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines that hold something, with their numbers."""
    with open_lines(path) as lines:
        for line in lines:
            if line.strip():
                yield lines.number, line


def _row(number: int, line: str, columns: dict[str, str | None]) -> dict[str, Any]:
    try:
        parsed = _parsed(line)
        row: dict[str, Any] = {"source_row_number": number}
        extra = {}
        for title, value in parsed.items():
            name = columns[title.strip()]
            if name is None:
                extra[title] = value
            else:
                row[name] = _text(value)
        if extra:
            row["extra_values"] = json.dumps(extra, ensure_ascii=False)
    except _Unusable as fault:
        return {"source_row_number": number, "read_fault": str(fault), "extra_values": json.dumps(line.strip())}
    return row


def _parsed(line: str) -> dict[str, Any]:
    """The object on a line, with numbers as text."""
    try:
        parsed = json.loads(line, parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_once)
    except (json.JSONDecodeError, RecursionError):
        raise _Unusable("bad_json") from None
    if not isinstance(parsed, dict):
        raise _Unusable("bad_json")
    return parsed


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = {unicodedata.normalize("NFC", name.strip()): value for name, value in pairs}
    if len(result) < len(pairs):
        raise _Unusable("duplicate_field")
    return result


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
