"""The platform finds what was done to the deliveries of a generated lender, and holds in the end what a clean lender would have sent."""

from collections import Counter
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.architecture.modules import ROOT
from tests.faults.recall import NOT_NOTICED, duplicates, measures, table, together, unaccounted
from tests.warehouse.simulated import latest, ledger_of
from warehouse.ingest import ingest_delivery
from warehouse.lake import Lake
from warehouse.settings import Settings
from warehouse.simulate import CLEAN, FileRates, Profile, Rates, Simulation, simulate
from warehouse.simulate.catalog import DEFECTS, ELSEWHERE

pytestmark = pytest.mark.integration

SEED = 7
DIRTY = Rates(
    duplicate=0.01, key_conflict=0.004, missing=0.004, garbage=0.004, bad_date=0.003, negative=0.003, before_start=0.002, orphan=0.002,
    late_parent=0.5,
    optional_missing=0.05, unit_error=0.5, transition=0.05, decomposed=0.05, injection=0.02, extreme=0.004, false_penalty=0.003,
    schedule_sum=0.1, mass_days=1,
)  # fmt: skip
MISHAPS = FileRates(0.15, 0.1, 0.1, 0.04, 0.15, 0.3, 0.0)
ONE_MONTH = Profile("dirty", clients=500, months=2, days=3, last=date(2025, 6, 27), rates=DIRTY, shocks=("S1", "S6"), file_format="parquet")
ALL_VERSIONS = Profile(
    "all versions",
    clients=80,
    months=32,
    days=1,
    last=date(2025, 7, 1),
    opening=date(2023, 1, 31),
    months_apart=12,
    rates=replace(DIRTY, daily_factor=2.0, files=MISHAPS),
)


class Taken(NamedTuple):
    """A simulation, and what the platform made of it: ledger, quarantine and staging as plain rows."""

    simulation: Simulation
    dirty: list[dict[str, str]]
    judged: list[dict]
    files: list[dict]
    staging: dict[str, list[dict]]


def taken(profile: Profile, root: Path) -> Taken:
    """Ingest all deliveries in the order of their arrival; what is damaged is left out of its delivery."""
    simulation = simulate(profile, SEED, root / "lender")
    lake = Lake(Settings.from_env({"LENDING_HOME": str(root / "home")}))
    for number, (business_date, folder) in enumerate(simulation.deliveries):
        ingest_delivery(lake, lake.settings, folder, business_date, f"ingest-{number}", allow_partial=True)
    intake = lake.intake()
    assert intake is not None
    judged, files = (intake.table(name).to_pyarrow().to_pylist() for name in ("ops.quarantine", "ops.delivery_ledger"))
    staging = {
        name: intake.table(f"staging.{name}").to_pyarrow().to_pylist() for name in ("clients", "contracts", "installments", "repayments")
    }
    return Taken(simulation, ledger_of(simulation), judged, files, staging)


@pytest.fixture(scope="module")
def one_month(tmp_path_factory: pytest.TempPathFactory) -> Taken:
    return taken(ONE_MONTH, tmp_path_factory.mktemp("one_month"))


@pytest.fixture(scope="module")
def all_versions(tmp_path_factory: pytest.TempPathFactory) -> Taken:
    return taken(ALL_VERSIONS, tmp_path_factory.mktemp("all_versions"))


@pytest.fixture(params=["one_month", "all_versions"])
def platform(request: pytest.FixtureRequest) -> Taken:
    return request.getfixturevalue(request.param)


def test_the_platform_judges_every_dirty_row_as_the_ledger_says(platform: Taken) -> None:
    """What is parked for a late parent (D10) is in order in the end, and a duplicate is counted, not quarantined."""
    found = {
        (row["business_date"].isoformat(), row["source_file"], row["source_row_number"], row["rule"]): row["disposition"]
        for row in platform.judged
    }
    expected = {
        (entry["business_date"], entry["file"], int(entry["line"]), entry["expected_rule"]): entry["expected_disposition"]
        for entry in platform.dirty
        if entry["defect_id"] != "D10" and entry["expected_rule"] and entry["expected_disposition"] != "duplicate"
    }

    assert found == expected
    assert len(expected) > 200
    assert any(entry["defect_id"] == "D10" for entry in platform.dirty)


def test_rows_that_come_twice_are_counted_as_duplicates(one_month: Taken) -> None:
    duplicates = Counter((entry["business_date"], entry["table"]) for entry in one_month.dirty if entry["defect_id"] == "D01")

    assert {(str(row["business_date"]), row["table_name"]): row["duplicate"] for row in one_month.files if row["duplicate"]} == duplicates


def test_precision_and_recall_by_defect(one_month: Taken, all_versions: Taken) -> None:
    """Everything is found and nothing else is named, but for what only the lender could know; docs/faults.md has the figures."""
    parts = [measures(taken.dirty, taken.judged, taken.files) for taken in (one_month, all_versions)]
    measured = together([duplicates(one_month.dirty, one_month.files)], *parts)

    assert {one.defect for one in measured if one.recall < 1} == NOT_NOTICED
    assert {one.precision for one in measured} == {1.0, None}
    assert [unaccounted(taken.files) for taken in (one_month, all_versions)] == [0, 0]
    assert table(measured) in (ROOT / "docs" / "faults.md").read_text()


def test_damaged_files_are_rejected_and_others_are_not(platform: Taken) -> None:
    damaged = {(entry["business_date"], entry["file"]) for entry in platform.dirty if entry["expected_disposition"] == "rejected"}
    rejected = {(str(row["business_date"]), row["source_file"]) for row in platform.files if row["status"] == "rejected"}

    assert rejected == damaged
    assert bool(damaged) == (platform.simulation.profile is ALL_VERSIONS)


def test_files_that_come_again_change_nothing(all_versions: Taken) -> None:
    again = [row for row in all_versions.files if "_2." in row["source_file"]]

    assert again
    assert all(row["accepted"] == 0 and row["rows_in"] > 0 for row in again)


def test_every_defect_occurs(one_month: Taken, all_versions: Taken) -> None:
    found = {entry["defect_id"] for entry in [*one_month.dirty, *all_versions.dirty]}

    assert found == {defect.id for defect in (*DEFECTS, *ELSEWHERE)} | {"D15"}


def test_all_versions_arrive_in_one_history(all_versions: Taken) -> None:
    versions = {(row["table_name"], row["schema_version"]) for row in all_versions.files if row["status"] == "ingested"}

    assert {version for table, version in versions if table == "clients"} == {"v1", "v3", "v4"}
    assert {version for table, version in versions if table == "contracts"} == {"v1", "v2"}
    assert {version for table, version in versions if table == "installments"} == {"v1", "v2"}
    assert not any(row["unknown_columns"] for row in all_versions.files)


def test_staging_holds_what_a_clean_lender_sends_in_one_spelling(platform: Taken, tmp_path: Path) -> None:
    """The same lender without dirt and mishaps, read by hand, has the ids, money and dates that the platform ends up with."""
    profile = platform.simulation.profile
    shocks = tuple(shock for shock in profile.shocks if shock != "S6")
    clean = simulate(replace(profile, rates=CLEAN, shocks=shocks, file_format="csv"), SEED, tmp_path)

    for name, key, columns in (
        ("contracts", "contract_number", ("client_id", "principal_amount", "status", "start_date")),
        ("installments", "installment_id", ("contract_number", "due_date", "inst_amt_principal", "penalty_amount")),
        ("repayments", "repayment_id", ("repayment_date", "repayment_amount")),
        ("clients", "client_id", ("join_date", "credit_score")),
    ):
        expected = {plain(number): as_v1(row, columns) for (number,), row in latest(clean, name, key).items()}
        assert held(platform.staging[name], key, columns) == expected, name


def held(rows: list[dict], key: str, columns: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """The last version of each key in staging, as texts, without deleted ones and without the keys of test entries."""
    newest: dict[str, dict] = {}
    for row in sorted(rows, key=lambda row: row["business_date"]):
        newest[row[key]] = row
    alive = {number: row for number, row in newest.items() if not row["is_deleted"] and "-D" not in number}
    return {number: {name: as_text(row[name]) for name in columns} for number, row in alive.items()}


def as_v1(row: dict[str, str], columns: tuple[str, ...]) -> dict[str, str]:
    """A delivered row of any version as the first one would have it."""
    named = {"penalty_amount": row.get("late_fee", ""), **row}
    return {name: as_text(Decimal(named[name])) if name.endswith("_amount") or "_amt_" in name else plain(named[name]) for name in columns}


def plain(text: str) -> str:
    """A value without the prefix that ids have from version 3 on."""
    return text.removeprefix("KH-")


def as_text(value: object) -> str:
    """A staged value as a file would have it."""
    return f"{value:.2f}" if isinstance(value, Decimal) else str(value)
