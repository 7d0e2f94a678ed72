"""Deliveries through the whole intake, with a real lake: exit codes, ledger, repetition, refusal, arrival in any order."""

import gzip
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from warehouse.ingest import ingest_delivery, undelivered
from warehouse.lake import Lake
from warehouse.settings import Settings
from warehouse.sources import SOURCES
from warehouse.sources.clients import CLIENTS
from warehouse.staging.outcome import NOTHING_CHANGED, IngestResult

OPENING, NEXT, LATER = date(2024, 6, 30), date(2024, 7, 1), date(2024, 7, 2)
BOOK = {
    "regions.csv": "region_id,region_name\nR1,Hà Nội\n",
    "product_types.csv": "product_type_id,product_type_name\nT1,Cash loan\n",
    "products.csv": "product_code,product_name,product_type_id\nP1,Cash,T1\n",
    "raw_customers.csv": "client_id,region_id,client_name,phone\nC1,R1,Nguyễn Văn An,0901\nC2,R1,Trần Bình,\nC3,R1\n",
    "contracts.csv": "contract_number,client_id,product_code,principal_amount,tenor,start_date,status\n"
    "L1,C1,P1,100,2,2024-01-10,Active\nL2,C9,P1,100,2,2024-01-10,Active\n",
    "installments.csv": "installment_id,contract_number,installment_number,due_date,inst_amt_principal\n"
    "I1,L1,1,2024-02-10,50\nI2,L1,2,2024-03-10,50\n",
    "repayments.csv": "repayment_id,repayment_date,repayment_amount,installment_id\n"
    "Y1,2024-02-10,50,I1\nY1,2024-02-10,50,I1\nY2,2024-02-30,50,I1\n",
}
MORE = {
    "clients.csv": "client_id,region_id\nC9,R1\n",
    "repayments.csv": "repayment_id,repayment_date,repayment_amount,installment_id\nY3,2024-03-10,50,I2\n",
}
COUNTS = ("rows_in", "accepted", "duplicate", "quarantined", "parked", "rejected")


@pytest.fixture
def lake(settings: Settings) -> Iterator[Lake]:
    with Lake(settings) as opened:
        yield opened


class Intake:
    """Deliveries of one test, each under a run of its own."""

    def __init__(self, lake: Lake, settings: Settings, folder: Path) -> None:
        self.lake, self.settings, self._folder, self._runs = lake, settings, folder, 0

    def write(self, files: Mapping[str, str | bytes]) -> Path:
        self._runs += 1
        folder = self._folder / f"delivery-{self._runs}"
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder

    def take(self, files: Mapping[str, str | bytes] | Path, day: date, allow_partial: bool = False) -> IngestResult:
        path = files if isinstance(files, Path) else self.write(files)
        self._runs += 1
        return ingest_delivery(self.lake, self.settings, path, day, f"run-{self._runs}", allow_partial)

    def rows(self, name: str) -> list[dict[str, Any]]:
        intake = self.lake.intake()
        assert intake is not None
        return self.lake.con.to_pyarrow(intake.table(name)).to_pylist()

    def staging(self) -> dict[str, list[tuple[str, ...]]]:
        """All staging tables, in one order."""
        names = [source.staging_spec().name for source in SOURCES]
        return {name: sorted(tuple(map(str, row.values())) for row in self.rows(name)) for name in names}


@pytest.fixture
def intake(lake: Lake, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Intake:
    return Intake(lake, settings, tmp_path_factory.mktemp("delivered"))


def counts(result: IngestResult) -> dict[str | None, tuple[int, ...]]:
    return {file.table_name: tuple(getattr(file, name) for name in COUNTS) for file in result.files}


def test_a_delivery_from_its_zip_to_the_ledger(intake: Intake) -> None:
    folder = intake.write({**BOOK, "readme.txt": "x"})
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as packed:
        for path in folder.iterdir():
            packed.write(path, f"inner/{path.name}")
    result = intake.take(archive, OPENING)
    assert (result.exit_code, result.delivery_seq) == (0, 1)
    assert counts(result) == {
        "regions": (1, 1, 0, 0, 0, 0),
        "product_types": (1, 1, 0, 0, 0, 0),
        "products": (1, 1, 0, 0, 0, 0),
        "clients": (3, 2, 0, 1, 0, 0),
        "contracts": (2, 1, 0, 0, 1, 0),
        "installments": (2, 2, 0, 0, 0, 0),
        "repayments": (3, 1, 1, 1, 0, 0),
        None: (0, 0, 0, 0, 0, 0),
    }
    assert "clients raw_customers.csv 3 2 0 1 0 0 (columns not in the contract: phone)" in result.summary
    assert sorted(path.name for path in (intake.settings.landing / "2024-06-30").iterdir()) == sorted(BOOK)
    assert intake.rows("staging.penalties") == []  # there, though never delivered
    assert undelivered(intake.lake, intake.settings.landing / "2024-06-30", OPENING) == []
    _check_again(intake, archive)
    _check_released(intake)


def _check_again(intake: Intake, archive: Path) -> None:
    """The same again changes nothing, from the zip and from the landing folder."""
    head = intake.lake.intake()
    for path in (archive, intake.settings.landing / "2024-06-30"):
        again = intake.take(path, OPENING)
        assert (again.exit_code, again.message, again.changed) == (0, NOTHING_CHANGED, False)
    assert head is not None
    now = intake.lake.intake()
    assert now is not None
    assert now.release.release_id == head.release.release_id


def _check_released(intake: Intake) -> None:
    """The parked contract is accepted when its client arrives, and the ledger of its file follows; names stay out of the quarantine."""
    result = intake.take(MORE, NEXT)
    assert counts(result) == {"clients": (1, 1, 0, 0, 0, 0), "repayments": (1, 1, 0, 0, 0, 0)}
    ledger = {(row["business_date"], row["table_name"]): row for row in intake.rows("ops.delivery_ledger")}
    assert [ledger[OPENING, "contracts"][name] for name in COUNTS] == [2, 2, 0, 0, 0, 0]
    for row in ledger.values():
        assert row["rows_in"] == sum(row[name] for name in COUNTS[1:])
    assert {row["rule"] for row in intake.rows("ops.quarantine")} == {"ragged_row", "bad_date"}
    assert "Nguyễn" not in str(intake.rows("ops.quarantine")) + str(ledger)
    same = intake.take(MORE, LATER)  # same content, another date
    assert counts(same) == {"clients": (1, 0, 1, 0, 0, 0), "repayments": (1, 0, 1, 0, 0, 0)}


def test_arrival_in_any_order_gives_equal_staging(tmp_path_factory: pytest.TempPathFactory) -> None:
    changed = {"contracts.csv": BOOK["contracts.csv"].replace("Active", "Paid-off")}
    book = {name: BOOK[name] for name in ("raw_customers.csv", "contracts.csv", "installments.csv", "repayments.csv")}
    days = [(book, OPENING), (MORE, NEXT), (changed, LATER)]
    found = []
    for order in (days, [days[2], days[0], days[1]]):
        home = tmp_path_factory.mktemp("home")
        settings = Settings(home=home, catalog_uri=f"sqlite:///{home}/catalog.db")
        with Lake(settings) as lake:
            intake = Intake(lake, settings, tmp_path_factory.mktemp("delivered"))
            for files, day in order:
                assert intake.take(files, day).exit_code == 0
            found.append(intake.staging())
            head = lake.intake()
            assert head is not None
            assert head.release.business_date == LATER
    assert found[0] == found[1]


def test_a_bad_file_refuses_the_delivery_and_leaves_a_ledger_row(intake: Intake) -> None:
    bad = {**BOOK, "installments.csv": "installment_id,contract_number\nI1,L1\n", "repayments.csv.gz": gzip.compress(b"x" * 1000)[:-5]}
    result = intake.take(bad, OPENING)
    assert result.exit_code == 1
    assert result.error is not None
    assert "installments.csv: required column installment_number, due_date, inst_amt_principal is missing" in result.error
    assert "repayments.csv.gz: cut or damaged" in result.error
    head = intake.lake.intake()
    assert head is not None
    assert head.tables() == ["ops.delivery_ledger"]
    ledger = {row["source_file"]: row for row in intake.rows("ops.delivery_ledger")}
    assert {row["status"] for row in ledger.values()} == {"rejected", "refused"}
    assert ledger["installments.csv"]["rejected"] == ledger["installments.csv"]["rows_in"] == 1
    assert ledger["raw_customers.csv"]["message"].startswith("nothing of this delivery was taken because of installments.csv")
    assert not intake.settings.landing.exists()
    again = intake.take(bad, OPENING)
    assert (again.exit_code, again.delivery_seq) == (1, None)  # no second row for the same refusal
    partial = intake.take(bad, OPENING, allow_partial=True)
    assert (partial.exit_code, partial.delivery_seq) == (3, 2)
    assert len(intake.rows("staging.clients")) == 2
    repeated = intake.take(bad, OPENING, allow_partial=True)
    assert (repeated.exit_code, repeated.changed) == (3, False)
    mended = intake.take(BOOK, OPENING)
    assert counts(mended)["installments"] == (2, 2, 0, 0, 0, 0)
    assert mended.exit_code == 0


def test_an_unreadable_delivery_is_refused(intake: Intake) -> None:
    path = intake.write({}) / "june.zip"
    path.write_bytes(b"PK no zip")
    result = intake.take(path, OPENING)
    assert result.exit_code == 1
    assert result.error is not None
    assert "june.zip: the zip cannot be read" in result.error
    (row,) = intake.rows("ops.delivery_ledger")
    assert (row["source_file"], row["status"], row["table_name"], row["rows_in"]) == ("june.zip", "refused", None, 0)
    with pytest.raises(FileNotFoundError):
        intake.take(path.with_name("absent.zip"), OPENING)


def test_two_deliveries_of_a_date_keep_both_files(intake: Intake) -> None:
    first, second = "region_id,region_name\nR1,A\n", "region_id,region_name\nR1,B\n"
    intake.take({"regions.csv": first}, OPENING)
    result = intake.take({"regions.csv": second, "RAW_regions_2.csv": second}, OPENING)
    assert [file.status for file in result.files] == ["ingested", "already_delivered"]
    assert [(row["region_name"], row["business_date"]) for row in intake.rows("staging.regions")] == [("B", OPENING)]
    landed = {path.read_text() for path in (intake.settings.landing / "2024-06-30").rglob("*.csv")}
    assert landed == {first, second}


def test_only_a_header_is_a_delivery(intake: Intake) -> None:
    header = "penalty_id,installment_id,penalty_date,penalty_amount\n"
    result = intake.take({"penalties.csv": header}, OPENING)
    assert (result.exit_code, counts(result)) == (0, {"penalties": (0, 0, 0, 0, 0, 0)})
    assert intake.take({"penalties.csv": header}, OPENING).message == NOTHING_CHANGED


def test_undelivered_lists_landed_files_once(intake: Intake) -> None:
    folder = intake.settings.landing / OPENING.isoformat()
    assert undelivered(intake.lake, folder, OPENING) == []
    folder.mkdir(parents=True)
    (folder / "regions.csv").write_text(BOOK["regions.csv"])
    (folder / "readme.txt").write_text("x")
    assert undelivered(intake.lake, folder, OPENING) == [folder / "regions.csv"]
    intake.take(folder, OPENING)
    assert undelivered(intake.lake, folder, OPENING) == []
    (folder / "clients.csv").write_text("client_id\nC1\n")  # refused, and then not asked again
    intake.take(folder, OPENING)
    assert undelivered(intake.lake, folder, OPENING) == []


def test_a_table_of_an_older_contract_gains_its_columns_before_it_is_read(intake: Intake) -> None:
    spec = CLIENTS.staging_spec()
    older = replace(spec, columns=tuple(column for column in spec.columns if column.name != "commune_code"))
    candidate = intake.lake.candidate("intake", "older")
    candidate.write(older, intake.lake.reader.empty(older))
    candidate.audit(older)
    candidate.publish(OPENING)
    assert intake.take(BOOK, OPENING).exit_code == 0
    assert intake.take(MORE, NEXT).exit_code == 0
    assert {row["commune_code"] for row in intake.rows("staging.clients")} == {None}
