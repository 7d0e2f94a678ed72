"""Reading csv fast: whatever a file holds and wherever its blocks end, the rows are those of Python's csv module over the whole text."""

import csv
import gzip
import io
import json
import unicodedata
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from warehouse.raw import csv_block, text
from warehouse.raw.csv_file import CsvFile, json_objects
from warehouse.raw.delivery import DeliveredFile
from warehouse.raw.header import FileRejected
from warehouse.raw.reader import read_file
from warehouse.sources.dialect import Dialect
from warehouse.sources.regions import REGIONS

TITLES = ("region_id", "region_name", "note")
Found = tuple[list[dict[str, Any]], str | None, int]  # rows, why the file was rejected, rows read by then


def read(path: Path, dialect: Dialect) -> Found:
    rows: list[dict[str, Any]] = []
    try:
        for chunk in CsvFile(path, REGIONS, dialect):
            rows += chunk.to_pylist()
    except FileRejected as rejected:
        return [], str(rejected), rejected.rows_read
    kept = [{name: value for name, value in row.items() if value is not None} for row in rows]
    return sorted(kept, key=lambda row: row["source_row_number"]), None, len(rows)


def expected(content: bytes, dialect: Dialect) -> Found:
    """The rules of a csv file in plain Python: the csv module, row by row."""
    lines = io.StringIO(content.decode("utf-8-sig"), newline="").readlines()
    feed = _Feed(lines)
    options: dict[str, Any] = {"quotechar": dialect.quote} if dialect.quote else {"quoting": csv.QUOTE_NONE, "quotechar": None}
    reader = csv.reader(feed, strict=True, delimiter=dialect.delimiter, **options)
    rows: list[dict[str, Any]] = []
    try:
        next(reader)
        begins, feed.has_nul = reader.line_num + 1, False
        for fields in reader:
            if len(fields) > 1 or (fields and fields[0].strip()):
                if reader.line_num == len(lines) and lines[-1][-1] not in "\r\n" and len(fields) < len(TITLES):
                    message = f"line {begins}: the file ends within this row ({len(fields)} of 3 fields, no line end)"
                    return [], f"{message}; deliver the whole file again", len(rows)
                rows.append({"source_row_number": begins, **_row(fields, feed.has_nul)})
            begins, feed.has_nul = reader.line_num + 1, False
    except csv.Error as error:
        return [], f"near line {reader.line_num}: {error}; a quote or a field there is wrong, deliver the file again", len(rows)
    return rows, None, len(rows)


class _Feed:
    def __init__(self, lines: list[str]) -> None:
        self._lines, self.has_nul = iter(lines), False

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.has_nul = self.has_nul or "\0" in line
        return line


def _row(fields: list[str], has_nul: bool) -> dict[str, str]:
    if len(fields) == len(TITLES) and not has_nul:
        return {"region_id": fields[0], "region_name": fields[1], "extra_values": json.dumps({"note": fields[2]}, ensure_ascii=False)}
    shown = json.dumps(fields, ensure_ascii=False).replace("\0", "\\u0000")
    return {"read_fault": "nul_character" if has_nul else "ragged_row", "extra_values": shown}


MARKS = [",", '"', '""', '","', "\n", "\r\n", "\r", "\0", "\ufeff", "\\", "\x1d", "\u2028", "a,b,c\n", '"a","b","c"\n']
PIECES = st.sampled_from(["a", "0", " ", "é", *MARKS])
LINES = ["a,b,c\n", "a,,\n", ",,\n", '"a","b",""\n', '"a,","b",c\r\n', "\n", "a,b\n", " \n", '"x\ny",b,c\n', '"a""b",c,d\n']
DIALECTS = st.sampled_from([Dialect(), Dialect(delimiter=";"), Dialect(delimiter="\t", quote="'"), Dialect(quote="")])


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.lists(PIECES, max_size=40), st.lists(st.sampled_from(LINES), max_size=30)), st.integers(1, 40), DIALECTS, st.booleans())
@example(["a,b,c\n", "\n", ",,\n"], 1000, Dialect(), False)
@example(['"a"\n'], 1000, Dialect(), False)
@example(["a,b,c\n", "\ufeffa,b,c\n"], 12, Dialect(), True)
def test_rows_are_those_of_the_csv_module(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str], size: int, dialect: Dialect, has_mark: bool
) -> None:
    body = "".join(pieces).replace(",", dialect.delimiter).replace('"', dialect.quote or '"')
    content = ("\ufeff" * has_mark + dialect.delimiter.join(TITLES) + "\n" + body).encode()
    path = tmp_path_factory.getbasetemp() / "regions.csv"
    path.write_bytes(content)
    with patch.object(text, "BLOCK_BYTES", size):
        small = read(path, dialect)
    assert small == expected(content, dialect)
    assert read(path, dialect) == small  # in one block


PLAIN = "region_id,region_name,note\n" + "R1,Hà Nội,\nR2,,x\r\n" * 50
QUOTED = PLAIN.replace("R1", '"R1"').replace("x", '"x, y"')


@pytest.mark.parametrize("content", [PLAIN, QUOTED, PLAIN.rstrip()], ids=["plain", "quoted", "no_final_newline"])
def test_plain_lines_do_not_go_through_the_csv_module(tmp_path: Path, content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "regions.csv"
    path.write_bytes(content.encode())
    whole = expected(content.encode(), Dialect())
    monkeypatch.setattr(csv_block, "strict_rows", None)  # calling it would raise
    assert read(path, Dialect()) == whole
    assert len(whole[0]) == 100


@pytest.mark.parametrize(
    "odd", ["\n", "R1\n", 'R1,"a ""b""",c\n', 'R1,"a\nb",c\n', "R1,\0,c\n"], ids=["blank", "ragged", "escape", "break", "nul"]
)
def test_only_odd_lines_go_through_the_csv_module(tmp_path: Path, odd: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = PLAIN + odd + PLAIN.partition("\n")[2]
    path = tmp_path / "regions.csv"
    path.write_bytes(content.encode())
    monkeypatch.delattr(csv_block.BlockReader, "_strictly")
    assert read(path, Dialect()) == expected(content.encode(), Dialect())


@pytest.mark.parametrize("length", [131_072, 131_073])
@pytest.mark.parametrize("quote", ["", '"'])
def test_a_field_is_as_long_as_the_csv_module_takes(tmp_path: Path, length: int, quote: str) -> None:
    content = f"region_id,region_name,note\nR1,{quote}{'x' * length}{quote},c\n".encode()
    path = tmp_path / "regions.csv"
    path.write_bytes(content)
    assert read(path, Dialect()) == expected(content, Dialect())
    assert (read(path, Dialect())[1] is None) == (length == 131_072)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "cp1258", "latin-1", "gb18030"])
@pytest.mark.parametrize("size", [3, 7, 100_000])
def test_e05_a_declared_encoding_is_undone(tmp_path: Path, encoding: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "BLOCK_BYTES", size)
    content = "region_id,region_name,note\nR1,Café âô,\r\nR2,b,c"
    path = tmp_path / "regions.csv.gz"
    path.write_bytes(gzip.compress(content.encode(encoding)))
    assert read(path, Dialect(encoding=encoding)) == expected(content.encode(), Dialect())


@pytest.mark.parametrize("encoding", ["cp1258", "utf-16", "utf-8"])
def test_e05_bytes_of_another_encoding_are_named_with_their_line(tmp_path: Path, encoding: str) -> None:
    content = "region_id,region_name,note\n" + "R1,b,c\n" * 3000
    damaged = (
        content.encode(encoding)
        + {"cp1258": b"R2,\xd2\xff\x01,\xfe,\xd2\x8d", "utf-16": b"\x00\xd8\x41\x00", "utf-8": b"R2,\xf3,c"}[encoding]
    )
    path = tmp_path / "regions.csv"
    path.write_bytes(damaged + "\n".encode(encoding).removeprefix(b"\xff\xfe"))
    _, message, _ = read(path, Dialect(encoding=encoding))
    assert message is not None
    assert message.startswith("line 3002: byte 0x")
    assert f"is not {encoding}" in message


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.text(st.characters(exclude_categories=("Cs",)), max_size=5), st.sampled_from(["a", ""])), max_size=5))
def test_extra_values_are_what_json_writes(rows: list[tuple[str, str]]) -> None:
    columns = [pa.chunked_array([pa.array([row[place] for row in rows], pa.string())]) for place in (0, 1)]
    assert json_objects({'a "b"': columns[0], "c": columns[1]}).to_pylist() == [
        json.dumps(dict(zip(('a "b"', "c"), row, strict=True)), ensure_ascii=False) for row in rows
    ]


def test_a_text_of_all_scripts_is_composed(tmp_path: Path) -> None:
    """Composing looks at whole columns first; each value must come out as if it stood alone."""
    names = ["a", "\u0301b", "e\u0301", "한".encode().decode(), unicodedata.normalize("NFD", "Nguyễn"), ""]
    path = tmp_path / "regions.csv"
    path.write_text("region_id,region_name\n" + "".join(f"{name},x\n" for name in names))
    spooled = read_file(DeliveredFile(path.name, path, REGIONS, ".csv"), tmp_path / "spool")
    assert pq.read_table(spooled.path)["region_id"].to_pylist() == [unicodedata.normalize("NFC", name) for name in names]
