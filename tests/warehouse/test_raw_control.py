"""Control totals: what the sender says of a file against what was read of it."""

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from warehouse.raw.delivery import DeliveryError, FileChanged
from warehouse.raw.verify import VerifiedDelivery, verify_delivery
from warehouse.sources.dialect import Dialect

REPAYMENTS = (
    "repayment_id,repayment_date,repayment_amount,contract_number\nY1,2024-01-01,10.50,L1\nY2,2024-01-01,-2,L1\nY3,2024-01-01,abc,L1\nY4\n"
)
CLIENTS = "client_id,region_id\nC1,R1\n"


def verify(tmp_path: Path, files: Mapping[str, str], dialects: Mapping[str, Dialect] | None = None, known: str = "") -> VerifiedDelivery:
    folder, work = tmp_path / "delivered", tmp_path / "work"
    folder.mkdir()
    work.mkdir()
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    return verify_delivery(folder, lambda table, sha256: table == known, work, dialects)


@pytest.mark.parametrize("name", ["control_totals.csv", "raw_Control_Totals.csv", "manifest.csv"])
def test_files_that_agree_with_their_control_totals_are_taken(tmp_path: Path, name: str) -> None:
    sha256 = hashlib.sha256(CLIENTS.encode()).hexdigest()
    control = f"File,Rows,SHA256\nclients.csv,1,{sha256.upper()}\nREPAYMENTS.csv,4,\nnotes.txt,1,\n"
    delivery = verify(tmp_path, {name: control, "clients.csv": CLIENTS, "repayments.csv": REPAYMENTS, "notes.txt": "x"})
    assert [file.error for file in delivery.files] == [None, None]
    assert [name for name, _ in delivery.unknown] == ["notes.txt"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("repayments.csv,5,,,", "expects rows 5, found 4"),
        (f"repayments.csv,4,{'0' * 64},,", f"expects SHA-256 {'0' * 64}, found "),
        ("repayments.csv,4,,repayment_amount,8.51", "expects sum of repayment_amount 8.51, found 8.50 (1 values are no numbers)"),
    ],
)
def test_a_file_that_differs_is_rejected_with_both_values(tmp_path: Path, line: str, why: str) -> None:
    control = f"file,rows,sha256,column,total\n{line}\n"
    delivery = verify(tmp_path, {"control_totals.csv": control, "repayments.csv": REPAYMENTS, "clients.csv": CLIENTS})
    clients, repayments = delivery.files
    assert clients.is_new
    assert repayments.error is not None
    assert f"control_totals.csv {why}" in repayments.error
    assert repayments.rows == 4


def test_sums_are_exact_and_one_file_may_have_several(tmp_path: Path) -> None:
    header = "contract_number,client_id,product_code,principal_amount,tenor,start_date,status\n"
    contracts = header + "".join(f"L{number},C1,P1,0.1,12,2024-01-01,Active\n" for number in range(1000))
    control = "file,rows,column,total\ncontracts.csv,1000,Principal Amount,100\ncontracts.csv,1000,tenor,12000\n"
    (file,) = verify(tmp_path, {"control_totals.csv": control, "contracts.csv": contracts}).files
    assert file.error is None


def test_sums_are_read_by_the_dialect(tmp_path: Path) -> None:
    repayments = "repayment_id;repayment_date;repayment_amount;contract_number\nY1;01/02/2024;1.234.567,50;L1\nY2;01/02/2024;0,5;L1\n"
    control = "file;rows;column;total\nrepayments.csv;2;repayment_amount;1.234.568,00\n"
    dialect = Dialect(delimiter=";", decimal=",", thousands=".")
    dialects = {"repayments": dialect, "control_totals": dialect}
    (file,) = verify(tmp_path, {"control_totals.csv": control, "repayments.csv": repayments}, dialects).files
    assert file.error is None
    assert file.spooled is not None
    assert file.spooled.marks == '{"decimal":",","thousands":"."}'


def test_a_file_that_was_taken_before_is_compared_too(tmp_path: Path) -> None:
    files = {"control_totals.csv": "file,rows\nclients.csv,2\n", "clients.csv": CLIENTS}
    (file,) = verify(tmp_path, files, known="clients").files
    assert (file.is_new, file.error is None) == (False, False)


@pytest.mark.parametrize(
    ("control", "why"),
    [
        ("", "has the columns nothing; it must have file and rows"),
        ("file,count\nclients.csv,1\n", "has the columns file, count; it must have file and rows"),
        ("file,rows\nclients.csv,1,x\n", "line 2: has 3 fields, its header 2"),
        ("file,rows\nclients.csv,1.0\n", "line 2: rows '1.0' must be a whole number"),
        ("file,rows\nregions.csv,1\n", "line 2: lists regions.csv, which is not there"),
        ("file,rows,sha256\nclients.csv,1,ab\n", "line 2: sha256 'ab' must have 64 hexadecimal digits"),
        ("file,rows,column,total\nclients.csv,1,region_id,1\n", "'region_id' of clients has no sum; its columns of numbers: credit_score"),
        ("file,rows,column,total\nclients.csv,1,,1\n", "line 2: column and total go together"),
        ("file,rows,column,total\nclients.csv,1,credit_score,1e5\n", "line 2: total '1e5' is no number"),
        ("file,rows\nclients.csv,1\nclients.csv,2\n", "line 3: clients.csv is listed twice with different values"),
        ('file,rows\n"clients.csv,1\n', "unexpected end of data"),
    ],
)  # fmt: skip
def test_control_totals_that_cannot_be_read_refuse_the_delivery(tmp_path: Path, control: str, why: str) -> None:
    with pytest.raises(DeliveryError) as refused:
        verify(tmp_path, {"control_totals.csv": control, "clients.csv": CLIENTS})
    assert str(refused.value).startswith("control_totals.csv")
    assert why in str(refused.value)


def test_e17_a_file_that_changes_while_it_is_read_refuses_the_delivery(tmp_path: Path) -> None:
    path = tmp_path / "clients.csv"
    path.write_text(CLIENTS)

    def is_delivered(table: str, sha256: str) -> bool:
        with path.open("a") as file:  # between hashing and reading
            file.write("C2,R1\n")
        return False

    with pytest.raises(FileChanged, match=r"clients.csv: changed while it was read; deliver it when it is complete"):
        verify_delivery(path, is_delivered, tmp_path)


def test_dialect_numbers() -> None:
    dialect = Dialect(decimal=",", thousands=".")
    texts = {"1.234.567,00": Decimal("1234567.00"), "1234,5": Decimal("1234.5"), "-0,1": Decimal("-0.1"), "1.234": Decimal(1234)}
    assert {text: dialect.number(text) for text in texts} == texts
    assert [dialect.number(text) for text in ("1.23.456", "1.2345", "12.34,5", "1,2,3", ".123", "1.", "1,", "", "١", "1\n")] == [None] * 10
