"""E01 to E20, files as they should not be: through the real intake, which takes a delivery whole or says which file is wrong and why.

Three deliveries hold most cases, one file a case; each test reads what became of its own.
"""

import gzip
import stat
import unicodedata
import zipfile
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestration.commands.reading import sheet_safe, sql
from tests.warehouse.lake_book import DAYS, stage
from tests.warehouse.test_ingest import BOOK, NEXT, OPENING, Intake
from warehouse import ingest
from warehouse.ingest import undelivered
from warehouse.lake import Lake
from warehouse.raw.delivery import DeliveredFile, source_of
from warehouse.raw.header import FileRejected
from warehouse.raw.reader import Spooled, read_file
from warehouse.settings import Settings
from warehouse.staging.outcome import NOTHING_CHANGED, IngestResult


@dataclass
class Taken:
    """A lender's home and what one delivery did to it."""

    intake: Intake
    result: IngestResult

    def rows(self, table: str, **like: Any) -> list[dict[str, Any]]:
        return [row for row in self.intake.rows(table) if like.items() <= row.items()]

    def of(self, name: str) -> Any:
        """The outcome of a file."""
        return next(file for file in self.result.files if file.source_file == name)


def home(tmp_path_factory: pytest.TempPathFactory, **more: Any) -> tuple[Lake, Intake]:
    folder = tmp_path_factory.mktemp("home")
    settings = Settings(home=folder, catalog_uri=f"sqlite:///{folder}/catalog.db", **more)
    lake = Lake(settings)
    return lake, Intake(lake, settings, tmp_path_factory.mktemp("delivered"))


def read(path: Path) -> Spooled:
    match = source_of(path.name)
    assert match is not None
    return read_file(DeliveredFile(path.name, path, *match), path.with_suffix(".spool"))


COMPOSED, DECOMPOSED = unicodedata.normalize("NFC", "Nguyễn Thị Mỹ"), unicodedata.normalize("NFD", "Nguyễn Thị Mỹ")
ODD = {
    "penalties.csv": "penalty_id,installment_id,penalty_date,penalty_amount\n",  # E02
    "regions.csv": "\ufeffregion_id,region_name\nR1,Hà Nội\n",  # E04
    "product_types.csv": "product_type_id,product_type_name\nT1,Cash loan\n".encode("utf-16"),  # E04
    "products.csv": "base_interest_rate,Product-Name,PRODUCT CODE,product_type_id,colour\r\n"
    "0.1,Cash,P1,T1,red\r0.25,Cash 2,P2,T1,\r\n",  # E07, E13
    "clients_1.csv": f"client_id,region_id,client_name,join_date\nC1,R1,{COMPOSED},\nC2,R1,{DECOMPOSED},\n",  # E06
    "clients_2.csv": 'client_id,region_id,client_name,join_date\nC3,R1,"Lê, ""Tí""\nVăn",\nC4,R1\n\n'
    "C5,R1,N\0m,\nC6,R1,Hoa,2024-13-01\n",  # E08, E10, E11
    "contracts.csv": "contract_number,client_id,product_code,principal_amount,tenor,start_date,status\n"
    "L1,C1,P1,100,2,2024-01-10,Active\nL2,C2,P1,100.50,2.0,2024-01-10,Active\nL3,C2,P1,100,2.5,2024-01-10,Active\n",  # E14
    ".clients_3.csv.swp": "x",  # E17
    "clients_4.csv.part": "client_id,region_id\nC9,R1\n",
    "clients_5.csv.filepart": "client_id,region_id\nC9,R1\n",
    "repayments.tmp": "x",
}  # fmt: skip


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taken]:
    """Files that are written in unusual ways and are taken, save single rows."""
    lake, intake = home(tmp_path_factory)
    with lake:
        yield Taken(intake, intake.take(ODD, OPENING))


CUT = BOOK["repayments.csv"][:-10]
BAD = {
    "regions.csv": "",  # E01
    "raw_customers.csv": "client_id,region_id\nC1,R1\nC2,R9\nC",  # E03
    "contracts.csv.gz": gzip.compress(BOOK["contracts.csv"].encode())[:-12],  # E03
    "products.csv": "product_code,product_name,product_type_id\nP1,Vay ti\xeau d\xf9ng,T1\n".encode("latin-1"),  # E05
    "installments.csv": "installment_id,contract_number,installment_number,due_date,inst_amt_principal,status\n"
    'I1,L1,1,2024-02-10,50,"Paid\nI2,L1,2,2024-03-10,50,Open\nI3,L1,3,2024-04-10,50,"\n',  # E09
    "contract_status_history.csv": "contract_number,status\nL1,Active\nL1,Sold\n",  # E13b
    "penalties.csv": "penalty_id,penalty,installment_id,penalty_date\nX1,5,I1,2024-03-01\n",  # E13c
    "repayments_1.csv": "repayment_id,repayment_date,repayment_amount,contract_number\nY7,2024-06-30,5,L1\n",  # a clean cut
    "repayments_2.csv": "repayment_id,repayment_date,repayment_amount,contract_number\nY8,2024-06-30,5,L1\n",  # the only good one
    "control_totals.csv": "file,rows,column,total\ninstallments.csv,3,inst_amt_principal,150\n"
    "repayments_1.csv,2,repayment_amount,10\nrepayments_2.csv,1,repayment_amount,5.00\n",
}  # fmt: skip


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taken]:
    """A book, and a day later a delivery of which one file can be used; first refused as a whole, then taken in part."""
    lake, intake = home(tmp_path_factory)
    with lake:
        assert intake.take(BOOK, OPENING).exit_code == 0
        before = intake.staging()
        folder = intake.write(BAD)
        refused = intake.take(folder, NEXT)
        assert (refused.exit_code, intake.staging() == before) == (1, True)
        taken = Taken(intake, intake.take(folder, NEXT, allow_partial=True))
        assert taken.result.exit_code == 3
        after = intake.staging()
        changed = {name for name in before if before[name] != after[name]}
        assert changed == {"staging.repayments"}
        assert {row["repayment_id"] for row in taken.rows("staging.repayments", business_date=NEXT)} == {"Y8"}
        yield taken


def test_e01_an_empty_file_is_rejected(bad: Taken) -> None:
    file = bad.of("regions.csv")
    assert (file.status, file.rows_in, file.message) == ("rejected", 0, "the file is empty; deliver at least its header line")


def test_e02_only_a_header_is_a_file_without_rows(odd: Taken) -> None:
    file = odd.of("penalties.csv")
    assert (odd.result.exit_code, file.status, file.rows_in, file.message) == (0, "ingested", 0, None)


def test_e03_a_cut_file_is_rejected_and_deletes_nothing(bad: Taken) -> None:
    cut, packed = bad.of("raw_customers.csv"), bad.of("contracts.csv.gz")
    assert cut.message == "line 4: the file ends within this row (1 of 2 fields, no line end); deliver the whole file again"
    assert (cut.status, cut.rows_in, cut.rejected) == ("rejected", 2, 2)
    assert packed.message.startswith("cut or damaged after line ")
    held = {row["client_id"]: row["region_id"] for row in bad.rows("staging.clients", is_deleted=False)}
    assert held == {"C1": "R1", "C2": "R1"}


def test_e04_a_byte_order_mark_is_no_part_of_a_name(odd: Taken) -> None:
    assert [row["region_name"] for row in odd.rows("staging.regions")] == ["Hà Nội"]
    assert [row["product_type_id"] for row in odd.rows("staging.product_types")] == ["T1"]
    assert odd.of("regions.csv").unknown_columns is None


def test_e05_other_encodings_are_rejected_with_the_line(bad: Taken) -> None:
    assert bad.of("products.csv").message.startswith("line 2: byte 0xea is not utf-8; deliver the file as UTF-8 or declare its encoding")


def test_e06_a_decomposed_name_is_the_composed_one(odd: Taken) -> None:
    names = {row["client_name"] for row in odd.rows("staging.clients") if row["client_id"] in ("C1", "C2")}
    assert names == {COMPOSED}


def test_e07_line_ends_of_any_kind(odd: Taken) -> None:
    assert {row["product_code"]: row["base_interest_rate"] for row in odd.rows("staging.products")} == {
        "P1": Decimal("0.100000"),
        "P2": Decimal("0.250000"),
    }


def test_e08_quoted_fields_hold_marks_and_line_ends(odd: Taken) -> None:
    (row,) = odd.rows("staging.clients", client_id="C3")
    assert (row["client_name"], row["source_row_number"]) == ('Lê, "Tí"\nVăn', 2)


def test_e09_rows_that_a_quote_swallowed_are_missed_in_the_control_totals(bad: Taken) -> None:
    file = bad.of("installments.csv")  # one row of the right width by the file alone
    assert file.message.startswith("control_totals.csv expects rows 3, found 1; deliver the file again")
    assert bad.of("repayments_1.csv").message.startswith("control_totals.csv expects rows 2, found 1")
    assert bad.of("repayments_2.csv").status == "ingested"
    assert not any(file.source_file == "control_totals.csv" for file in bad.result.files)


def test_e10_a_ragged_row_is_quarantined_with_its_line(odd: Taken) -> None:
    found = odd.rows("ops.quarantine", rule="ragged_row")
    assert [(row["source_file"], row["source_row_number"]) for row in found] == [("clients_2.csv", 4)]
    assert odd.of("clients_2.csv").rows_in == 4  # the blank line is none


def test_e11_a_nul_character_costs_its_row(odd: Taken) -> None:
    found = odd.rows("ops.quarantine", rule="nul_character")
    assert [(row["source_file"], row["source_row_number"]) for row in found] == [("clients_2.csv", 6)]


def test_e12_a_declared_dialect_gives_the_book_of_the_plain_files(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Semicolons, decimal commas, points between thousands and days first, beside the same in the plain form."""
    plain = {
        "clients.csv": "client_id,region_id\nC1,R1\n",
        "contracts.csv": "contract_number,client_id,product_code,principal_amount,tenor,start_date,status\n"
        "L1,C1,P1,1234567.50,12,2024-01-10,Active\n",
        "repayments.csv": "repayment_id,repayment_date,repayment_amount,contract_number,booked_at\n"
        "Y1,2024-02-10,1234567.50,L1,2024-02-10 09:30:00\nY2,2024-02-11,0.50,L1,\n",
    }
    written = {
        "clients.csv": plain["clients.csv"],
        "contracts.csv": plain["contracts.csv"].replace(",", ";").replace("1234567.50", "1.234.567,50").replace("2024-01-10", "10/01/2024"),
        "repayments.csv": "repayment_id\trepayment_date\trepayment_amount\tcontract_number\tbooked_at\n"
        "Y1\t10.2.2024\t1234567,50\tL1\t10.2.2024 09:30:00\nY2\t11.2.2024\t0,50\tL1\t\n"
        "Y3\t2024-02-11\t0,50\tL1\t\nY4\t31.4.2024\t1\tL1\t\nY5\t11.2.2024\t0.50\tL1\t\n",
    }
    declared = tmp_path_factory.mktemp("declared") / "lender.toml"
    declared.write_text(
        '[contracts]\ndelimiter = ";"\ndecimal = ","\nthousands = "."\ndate = "DD/MM/YYYY"\n'
        '[repayments]\ndelimiter = "\\t"\ndecimal = ","\ndate = ["D.M.YYYY"]\ntimestamp = "D.M.YYYY HH:MM:SS"\n'
    )
    books = []
    for files, dialects in ((plain, None), (written, declared)):
        lake, intake = home(tmp_path_factory, dialects=dialects)
        with lake:
            assert intake.take(files, OPENING).exit_code == 0
            books.append([_facts(intake, name) for name in ("contracts", "repayments")])
            quarantine = {
                (row["source_row_number"], row["rule"]) for row in intake.rows("ops.quarantine") if row["table_name"] == "repayments"
            }
            raw = {(row["repayment_id"], row["repayment_amount"], row["dialect"] is None) for row in intake.rows("raw.repayments")}
    assert books[0] == books[1]
    assert quarantine == {(4, "bad_date"), (5, "bad_date"), (6, "bad_number")}
    assert ("Y1", "1234567,50", False) in raw  # as delivered


def _facts(intake: Intake, source: str) -> list[dict[str, str]]:
    """Staged rows without where they came from."""
    place = ("source_sha256", "source_row_number")
    rows = [{name: str(value) for name, value in row.items() if name not in place} for row in intake.rows(f"staging.{source}")]
    return sorted(rows, key=str)


def test_e13_columns_in_another_order_or_spelling_and_more_of_them(odd: Taken) -> None:
    file = odd.of("products.csv")
    assert (file.accepted, file.unknown_columns) == (2, "colour")
    assert {row["extra_values"] for row in odd.rows("raw.products")} == {'{"colour": "red"}', '{"colour": ""}'}


def test_e13a_an_optional_column_that_is_missing_is_null(odd: Taken) -> None:
    assert {row["min_tenor"] for row in odd.rows("staging.products")} == {None}
    (entry,) = odd.rows("ops.delivery_ledger", source_file="products.csv")
    assert entry["schema_version"] == "v1"


def test_e13b_a_required_column_that_is_missing_rejects_the_file(bad: Taken) -> None:
    file = bad.of("contract_status_history.csv")
    assert file.message.startswith(
        "required column status_date is missing; deliver contract_status_history with it (found: contract_number"
    )
    assert (file.rows_in, file.rejected) == (2, 2)


def test_e13c_a_renamed_column_needs_to_be_declared(bad: Taken, tmp_path: Path) -> None:
    assert bad.of("penalties.csv").message.startswith("required column penalty_amount is missing")
    renamed = tmp_path / "installments.csv"  # late_fee is declared, as the name since version 2
    renamed.write_text("installment_id,contract_number,installment_number,due_date,inst_amt_principal,late_fee\nI1,L1,1,2024-02-10,5,2\n")
    spooled = read(renamed)
    assert spooled.header.schema_version == "v2"
    assert pq.read_table(spooled.path)["penalty_amount"].to_pylist() == ["2"]


def test_e13_a_column_that_is_there_twice_rejects_the_file(tmp_path: Path) -> None:
    path = tmp_path / "clients.csv"
    path.write_text("client_id,region_id,Region ID\nC1,R1,R2\n")
    with pytest.raises(FileRejected, match="column region_id is there more than once"):
        read(path)


def test_e14_whole_numbers_may_become_decimals_but_not_where_only_whole_ones_fit(odd: Taken, tmp_path: Path) -> None:
    assert {row["contract_number"]: row["principal_amount"] for row in odd.rows("staging.contracts")} == {
        "L1": Decimal("100.00"),
        "L2": Decimal("100.50"),
    }
    (entry,) = odd.rows("ops.quarantine", table_name="contracts")
    assert (entry["rule"], entry["source_row_number"]) == ("bad_integer", 4)
    texts = []
    for values in (pa.array([100]), pa.array([Decimal("100.00")], pa.decimal128(9, 2)), pa.array([100.5])):
        path = tmp_path / "clients.parquet"  # a writer that changes the type of a column from one day to the next
        pq.write_table(pa.table({"client_id": ["C1"], "region_id": values}), path)
        texts += pq.read_table(read(path).path)["region_id"].to_pylist()
        path.with_suffix(".spool").unlink()
    assert texts == ["100", "100.00", "100.5"]


def test_e15_and_e16_the_same_file_again_and_the_same_name_with_other_content(tmp_path_factory: pytest.TempPathFactory) -> None:
    lake, intake = home(tmp_path_factory)
    first, second = "region_id,region_name\nR1,A\nR2,A\n", "region_id,region_name\nR1,B\n"
    with lake:
        assert intake.take({"regions.csv": first}, OPENING).exit_code == 0
        again = intake.take({"regions.csv": first}, OPENING)
        assert (again.exit_code, again.message, again.delivery_seq) == (0, NOTHING_CHANGED, None)
        other = intake.take({"regions.csv": second}, OPENING)
        (file,) = other.files
        assert file.message == ("a file of this name with other content was taken in delivery 1; rows of this one replace its, key by key")
        assert file.message in other.summary
        ledger = [(row["delivery_seq"], row["source_file"], row["status"]) for row in intake.rows("ops.delivery_ledger")]
        assert sorted(ledger) == [(1, "regions.csv", "ingested"), (2, "regions.csv", "ingested")]
        assert {row["region_id"]: row["region_name"] for row in intake.rows("staging.regions")} == {"R1": "B", "R2": "A"}
        assert len(list((intake.settings.landing / OPENING.isoformat()).rglob("regions.csv"))) == 2


def test_e17_files_that_are_still_written_are_no_part_of_a_delivery(odd: Taken) -> None:
    """Hidden files and the names that programs give to what they have not finished; the sensor waits for the others to settle."""
    names = {file.source_file for file in odd.result.files}
    assert not names & {".clients_3.csv.swp", "clients_4.csv.part", "clients_5.csv.filepart", "repayments.tmp"}
    assert not odd.rows("staging.clients", client_id="C9")
    landing = odd.intake.settings.landing / OPENING.isoformat()
    (landing / "clients_6.csv.part").write_text("client_id,region_id\nC9,R1\n")
    assert undelivered(odd.intake.lake, landing, OPENING) == []


def test_e17_a_file_that_changes_after_it_was_read_is_not_taken(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, intake = home(tmp_path_factory)
    folder = intake.write({"regions.csv": "region_id,region_name\nR1,A\n"})

    def append(*arguments: Any) -> Any:
        with (folder / "regions.csv").open("a") as file:
            file.write("R2,B\n")
        return append_raw(*arguments)

    append_raw = ingest.append_raw
    monkeypatch.setattr(ingest, "append_raw", append)
    with lake:
        result = intake.take(folder, OPENING)
        assert result.exit_code == 1
        assert "regions.csv: changed while it was read; deliver it when it is complete" in result.message
        head = lake.intake()
        assert head is not None
        assert head.tables() == ["ops.delivery_ledger"]
        monkeypatch.undo()
        assert intake.take(folder, OPENING).exit_code == 0
        assert len(intake.rows("staging.regions")) == 2


def _zip(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def test_e18_and_e19_archives_that_fill_the_disk_or_lead_out_of_the_delivery(tmp_path_factory: pytest.TempPathFactory) -> None:
    lake, intake = home(tmp_path_factory)
    folder = tmp_path_factory.mktemp("archives")
    link = zipfile.ZipInfo("clients.csv")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    linked = tmp_path_factory.mktemp("linked")
    (linked / "clients.csv").symlink_to("/etc/passwd")
    cases = {
        _zip(folder / "bomb.zip", ("clients.csv", b"0" * 80_000_000)): "unpacks to more than 400 times its size",
        _zip(folder / "up.zip", ("../clients.csv", b"x")): "leads out of the delivery",
        _zip(folder / "root.zip", ("/etc/clients.csv", b"x")): "leads out of the delivery",
        _zip(folder / "link.zip", (link, b"/etc/passwd")): "symbolic link",
        linked: "symbolic link",
    }
    with lake:
        for path, why in cases.items():
            result = intake.take(path, OPENING)
            assert result.exit_code == 1
            assert why in result.message
        assert {row["status"] for row in intake.rows("ops.delivery_ledger")} == {"refused"}
        assert not list((intake.settings.home / "work").iterdir())
    assert not intake.settings.landing.exists()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"client_id,region_id\nC1," + b"x" * 40_000_000, "line 2: longer than 4194304 characters"),
        (b"client_id,region_id\nC1," + b"x" * 131_073 + b"\n", "field larger than field limit"),
        (b"client_id,region_id\n" + b"C1,R1\n" * 14_000_000, "unpacks to more than 400 times its size"),
    ],
    ids=["line", "field", "bomb"],
)
def test_e18_a_packed_file_is_given_up_before_it_fills_memory(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "clients.csv.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(FileRejected, match=why):
        read(path)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_e20_a_cell_that_a_sheet_would_run_is_text_in_every_export(start: str) -> None:
    assert sheet_safe(f"{start}cmd|' /C calc'!A0") == f"'{start}cmd|' /C calc'!A0"


def test_e20_the_export_of_a_query(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    with Lake(settings) as lake:
        stage(lake, "first", 1).publish(DAYS[0])
    query = "select distinct '=1+1' as \"@a\", cast(-5 as decimal(9, 2)) as amount, '-x' as b from marts.balances"
    assert sql(Namespace(query=query, csv=True, json=False), settings) == 0
    assert capsys.readouterr().out == "'@a,amount,b\n'=1+1,-5.00,'-x\n"
    assert sql(Namespace(query=query, csv=False, json=True), settings) == 0  # JSON is for programs, which run no cells
    assert capsys.readouterr().out == '{"columns": ["@a", "amount", "b"], "rows": [["=1+1", "-5.00", "-x"]]}\n'


def test_e20_numbers_stay_numbers() -> None:
    values = ["-5.00", "+7", -5, -0.5, None, "A=1", "", "0901"]
    assert [sheet_safe(value) for value in values] == values
