"""Reading files: encodings, line ends, quotes, headers, formats; rows that do not fit are kept with their line."""

import gzip
import json
import math
import unicodedata
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warehouse.raw import text
from warehouse.raw.delivery import DeliveredFile, source_of
from warehouse.raw.header import FileRejected
from warehouse.raw.reader import read_file

HEADER = "client_id,region_id,client_name\n"


def read(path: Path) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Rows in the order of the file, without absent values, and unknown columns."""
    match = source_of(path.name)
    assert match is not None
    spooled = read_file(DeliveredFile(path.name, path, *match), path.with_suffix(".spool"))
    rows = pq.read_table(spooled.path).to_pylist()
    assert len(rows) == spooled.rows
    kept = [{name: value for name, value in row.items() if value is not None} for row in rows]
    return sorted(kept, key=lambda row: row["source_row_number"]), spooled.header.unknown


def clients(tmp_path: Path, content: str | bytes) -> list[dict[str, Any]]:
    path = tmp_path / "clients.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read(path)[0]


ANNA = {"source_row_number": 2, "client_id": "C1", "region_id": "R1", "client_name": "Anna"}
BOB = {"source_row_number": 3, "client_id": "C2", "region_id": "R2", "client_name": "Bob"}
TEXT = HEADER + "C1,R1,Anna\nC2,R2,Bob\n"


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        TEXT.rstrip("\n").encode(),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\n", "\r").encode(),
        TEXT.replace("Anna\n", "Anna\r\n").encode(),
        b"\xef\xbb\xbf" + TEXT.encode(),
        TEXT.encode("utf-16"),
        TEXT.replace("client_id", " Client ID ").replace("region_id", "REGION-ID").encode(),
        TEXT.replace("C1,R1,Anna", '"C1","R1","Anna"').encode(),
    ],
    ids=["lf", "no_final_newline", "crlf", "cr", "mixed", "bom", "utf16", "header_spelling", "quoted"],
)
def test_the_same_rows_however_they_are_written(tmp_path: Path, content: bytes) -> None:
    assert clients(tmp_path, content) == [ANNA, BOB]


def test_quotes_may_hold_marks_and_line_ends(tmp_path: Path) -> None:
    rows = clients(tmp_path, HEADER + 'C1,R1,"An\nna, ""A"""\nC2,R2,Bob\n')
    assert rows == [ANNA | {"client_name": 'An\nna, "A"'}, BOB | {"source_row_number": 4}]


def test_blank_lines_are_no_rows_and_lines_keep_their_numbers(tmp_path: Path) -> None:
    assert clients(tmp_path, HEADER + "\nC1,R1,Anna\n\n  \nC2,R2,Bob\n\n") == [
        ANNA | {"source_row_number": 3},
        BOB | {"source_row_number": 6},
    ]


def test_ragged_rows_are_kept_with_their_line(tmp_path: Path) -> None:
    rows = clients(tmp_path, HEADER + "C1,R1,Anna\nC9,R9\nC2,R2,Bob,x\nC2,R2,Bob\n")
    assert rows[0] == ANNA
    assert rows[1:3] == [
        {"source_row_number": 3, "read_fault": "ragged_row", "extra_values": '["C9", "R9"]'},
        {"source_row_number": 4, "read_fault": "ragged_row", "extra_values": '["C2", "R2", "Bob", "x"]'},
    ]
    assert rows[3] == BOB | {"source_row_number": 5}


def test_a_nul_character_costs_its_row_only(tmp_path: Path) -> None:
    rows = clients(tmp_path, HEADER + "C1,R1,Anna\nC2,R2,B\0b\nC2,R2,Bob\n")
    assert [row.get("read_fault") for row in rows] == [None, "nul_character", None]


def test_two_spellings_of_a_vietnamese_name_are_one(tmp_path: Path) -> None:
    composed, decomposed = "Nguyễn", "Nguye\u0302\u0303n"
    names = [row["client_name"] for row in clients(tmp_path, f"{HEADER}C1,R1,{composed}\nC2,R2,{decomposed}\n")]
    assert names == [composed, composed]


def test_undeclared_columns_are_kept_and_reported(tmp_path: Path) -> None:
    path = tmp_path / "clients.csv"
    path.write_text("note,client_id,,region_id\nhello,C1,x,R1\n")
    rows, unknown = read(path)
    assert rows == [
        {"source_row_number": 2, "client_id": "C1", "region_id": "R1", "extra_values": '{"note": "hello", "column_3": "x"}'},
    ]
    assert unknown == ("note", "column_3")


def test_renamed_columns_are_mapped(tmp_path: Path) -> None:
    path = tmp_path / "installments.csv"
    path.write_text("instalment_id,contract_number,installment_number,due_date,inst_amt_principal,late_fee\nI1,L1,1,2024-01-01,5,2\n")
    (row,) = read(path)[0]
    assert (row["installment_id"], row["penalty_amount"]) == ("I1", "2")


@pytest.mark.parametrize(
    ("content", "message", "rows"),
    [
        (b"", "the file is empty", 0),
        (b"client_id\nC1\nC2\n", "required column region_id is missing; deliver clients with it", 2),
        (b"client_id;region_id\nC1;R1\n", "separated by ';', deliver them separated by commas", 1),
        (b"client_id,region_id,Client Id\nC1,R1,C1\n", "column client_id is there more than once", 1),
        (HEADER.encode() + b"C1,R1,Anna\nC2,R2,B\xf3b\n", "line 3: byte 0xf3 is not utf-8; deliver the file as UTF-8", 0),
        (HEADER.encode() + b'C1,R1,"Anna\nC2,R2,Bob\n', "near line 3: unexpected end of data", 0),
        (HEADER.encode() + b'C1,R1,"An"na\nC2,R2,Bob\n', "near line 2: ',' expected after '\"'", 0),
        (HEADER.encode() + b"C1,R1," + b"x" * 200_000 + b"\n", "field larger than field limit", 0),
    ],
    ids=["empty", "required", "semicolon", "twice", "latin1", "open_quote", "stray_quote", "huge_field"],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, content: bytes, message: str, rows: int) -> None:
    with pytest.raises(FileRejected) as rejected:
        clients(tmp_path, content)
    assert message in str(rejected.value)
    assert rejected.value.rows_read == rows


def test_either_reference_of_a_repayment_will_do(tmp_path: Path) -> None:
    path = tmp_path / "repayments.csv"
    path.write_text("repayment_id,repayment_date,repayment_amount\nY1,2024-01-01,5\n")
    with pytest.raises(FileRejected, match="required column installment_id or contract_number is missing"):
        read(path)
    path.write_text("repayment_id,repayment_date,repayment_amount,contract_number\nY1,2024-01-01,5,L1\n")
    assert read(path)[0][0]["contract_number"] == "L1"


def test_a_cut_gzip_is_rejected_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "clients.csv.gz"
    packed = gzip.compress((HEADER + "".join(f"C{number},R{number % 7},Name {number * 7919}\n" for number in range(30_000))).encode())
    path.write_bytes(packed)
    assert len(read(path)[0]) == 30_000
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(FileRejected, match=r"cut or damaged after line \d+") as rejected:
        read(path)
    assert 0 < rejected.value.rows_read < 30_000


def test_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "repayments.jsonl"
    good = {"repayment_id": "Y1", "Repayment Date": "2024-01-01", "repayment_amount": 12.5, "contract_number": "L1"} | {"tags": [{"a": {}}]}
    lines = [
        json.dumps(good),
        "",
        '{"repayment_id": "Y2", "repayment_amount": 1e5, "installment_id": null}',
        '{"repayment_id": "Y3", "repayment_id": "Y4"}',
        '{"repayment_id": {"a": 1}}',
        '{"repayment_id": "Y5", "tags": {"a": 1, "a": 2}}',
        '{"tags": "\\ud800"}',
        "[1]",
        "{broken",
        '{"repayment_id": "\\ud800"}',
    ]
    path.write_text("\n".join(lines))
    rows, unknown = read(path)
    assert rows[0] == {
        "source_row_number": 1,
        "repayment_id": "Y1",
        "repayment_date": "2024-01-01",
        "repayment_amount": "12.5",
        "contract_number": "L1",
        "extra_values": '{"tags": [{"a": {}}]}',
    }
    assert rows[1] == {"source_row_number": 3, "repayment_id": "Y2", "repayment_amount": "1e5"}  # as written, for the number rules
    faults = {row["source_row_number"]: row["read_fault"] for row in rows[2:]}
    assert [faults[number] for number in (4, 5, 6, 7, 8, 9, 10)] == [
        "duplicate_field", "nested_value", "duplicate_field", "nul_character", "bad_json", "bad_json", "nul_character",
    ]  # fmt: skip
    assert unknown == ("tags",)


def test_json_lines_of_several_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns that come late are null before, and their names count for the header."""
    monkeypatch.setattr(text, "BLOCK_BYTES", 64)
    path = tmp_path / "clients.jsonl"
    lines = [json.dumps({"client_id": f"C{number}", "region_id": "R"} | ({"note": 1} if number == 40 else {})) for number in range(50)]
    path.write_text("\n".join(lines) + "\n")
    rows, unknown = read(path)
    assert [row["client_id"] for row in rows] == [f"C{number}" for number in range(50)]
    assert [row["source_row_number"] for row in rows if "extra_values" in row] == [41]
    assert unknown == ("note",)
    path.write_text('{"client_id": "C1"}\n' * 30 + '{"client_id": "C1", "Client Id": "C1", "region_id": "R"}')
    with pytest.raises(FileRejected, match="column client_id is there more than once") as rejected:
        read(path)
    assert rejected.value.rows_read == 31


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("clients.csv", HEADER + "C1,R1,Anna\nC2,R", 3),
        ("clients.csv", HEADER + 'C1,R1,Anna\n"C2","R2"', 3),
        ("clients.csv", HEADER + 'C1,R1,"An\nna"\nC2', 4),
        ("clients.csv", HEADER + "C1,R1,Anna\rC2", 3),
        ("clients.jsonl", '{"client_id": "C1", "region_id": "R1"}\n{"client_id": "C2", "reg', 2),
    ],
)
def test_e03_a_file_that_ends_within_a_row_is_rejected(tmp_path: Path, name: str, content: str, line: int) -> None:
    path = tmp_path / name
    path.write_text(content, newline="")
    with pytest.raises(FileRejected, match=f"^line {line}: the file ends within this row .*; deliver the whole file again$") as rejected:
        read(path)
    assert rejected.value.rows_read == 1


@pytest.mark.parametrize(
    ("name", "content", "faults"),
    [
        ("clients.csv", HEADER + "C1,R1,Anna\nC2,R2,", [None, None]),
        ("clients.csv", HEADER + "C1,R1,Anna\nC2,R2,B,x", [None, "ragged_row"]),
        ("clients.csv", HEADER + "C1,R1,Anna\n  ", [None]),
        ("clients.csv", HEADER + "C1,R1,Anna\nC2\n", [None, "ragged_row"]),
        ("clients.csv", HEADER[:-1], []),
        ("clients.jsonl", '{"client_id": "C1", "region_id": "R1"}', [None]),
        ("clients.jsonl", '{"client_id": "C1", "region_id": "R1"}\n{"client_id": "C2"\n', [None, "bad_json"]),
    ],
)
def test_a_last_line_without_its_end_is_a_row(tmp_path: Path, name: str, content: str, faults: list[str | None]) -> None:
    path = tmp_path / name
    path.write_text(content)
    assert [row.get("read_fault") for row in read(path)[0]] == faults


def test_parquet_values_become_the_text_of_a_csv(tmp_path: Path) -> None:
    path = tmp_path / "repayments.parquet"
    columns = {
        "repayment_id": pa.array([1, 2]),
        "repayment_date": pa.array([date(2024, 1, 31), None]),
        "repayment_amount": pa.array([Decimal("12.50"), Decimal("0.00")], pa.decimal128(18, 2)),
        "contract_number": pa.array(["L1", "L1"]).dictionary_encode(),
        "booked_at": pa.array([datetime(2024, 1, 31, 10)] * 2, pa.timestamp("us", "UTC")),
        "updated_at": pa.array([datetime(2024, 1, 31)] * 2, pa.timestamp("ns")),
        "fee": pa.array([1e22, float("nan")]),
    }
    pq.write_table(pa.table(columns), path)
    rows, unknown = read(path)
    assert rows[0]["repayment_id"] == "1"
    assert rows[0]["repayment_date"] == "2024-01-31"
    assert rows[0]["repayment_amount"] == "12.50"
    assert rows[0]["booked_at"] == "2024-01-31 10:00:00.000000Z"
    assert rows[0]["updated_at"] == "2024-01-31 00:00:00.000000000"
    assert "repayment_date" not in rows[1]
    assert rows[1]["extra_values"] == '{"fee": null}'
    assert unknown == ("fee",)


def test_parquet_floats_have_no_exponent(tmp_path: Path) -> None:
    path = tmp_path / "clients.parquet"
    pq.write_table(pa.table({"client_id": ["a", "b", "c"], "region_id": ["R"] * 3, "credit_score": [1e22, float("nan"), 0.1]}), path)
    assert [row.get("credit_score") for row in read(path)[0]] == ["10000000000000000000000", None, "0.1"]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.floats(), st.floats(-1e6, 1e6).map(lambda value: round(value, 2))), max_size=5),
    st.lists(st.one_of(st.none(), st.integers(-(10**17), 10**17), st.integers(-20, 20)), max_size=5),
    st.integers(0, 12),
    st.booleans(),
)
def test_parquet_numbers_are_written_as_python_writes_them(
    tmp_path_factory: pytest.TempPathFactory, floats: list[float | None], integers: list[int | None], scale: int, is_single: bool
) -> None:
    count = max(len(floats), len(integers))
    decimals = [None if number is None else Decimal(number).scaleb(-scale) for number in integers]
    columns = {
        "client_id": pa.array(floats + [None] * (count - len(floats)), pa.float32() if is_single else pa.float64()),
        "region_id": pa.array(decimals + [None] * (count - len(decimals)), pa.decimal128(30, scale)),
    }
    path = tmp_path_factory.mktemp("parquet") / "clients.parquet"
    pq.write_table(pa.table(columns), path)

    found = [(row.get("client_id"), row.get("region_id")) for row in read(path)[0]]

    def digits(number: float | None) -> str | None:
        if number is None or math.isnan(number):
            return None
        return format(Decimal(repr(number)), "f") if math.isfinite(number) else repr(number)

    single, exact = columns["client_id"].to_pylist(), columns["region_id"].to_pylist()
    assert found == [(digits(one), None if other is None else format(other, "f")) for one, other in zip(single, exact, strict=True)]


def test_parquet_of_a_type_without_text_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "clients.parquet"
    pq.write_table(pa.table({"client_id": ["C1"], "region_id": [["R1"]]}), path)
    with pytest.raises(FileRejected, match=r"column region_id has the type list<.*>; deliver it as text") as rejected:
        read(path)
    assert rejected.value.rows_read == 1
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(FileRejected, match="no readable Parquet file"):
        read(path)


FIELD = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=8)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(FIELD, FIELD, FIELD), max_size=8), st.sampled_from(["\n", "\r\n", "\r"]))
def test_no_row_is_lost_or_shifted(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]], end: str) -> None:
    """Whatever quoted text holds, every row comes back as it was, in Unicode's composed form."""
    quoted = ["client_id,region_id,client_name", *(",".join('"' + field.replace('"', '""') + '"' for field in row) for row in rows)]
    found = clients(tmp_path_factory.mktemp("csv"), end.join(quoted) + end)
    expected = [tuple(unicodedata.normalize("NFC", field) for field in row) for row in rows]
    assert [(row["client_id"], row["region_id"], row["client_name"]) for row in found] == expected
