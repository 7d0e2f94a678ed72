"""The ledger of dirty rows: each line is found in the delivered files with its broken value, and nothing else is broken."""

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.warehouse.simulated import ledger_of, lines_of, rows_of
from warehouse.simulate import PROFILES, Profile, Rates, Simulation, simulate
from warehouse.simulate.profiles import FREQUENT_MISHAPS

SEED = 7
KEYS = {
    "clients": "client_id",
    "contracts": "contract_number",
    "contract_status_history": "contract_number",
    "installments": "installment_id",
    "repayments": "repayment_id",
    "penalties": "penalty_id",
}
DIRTY = Rates(
    duplicate=0.01, key_conflict=0.01, missing=0.01, garbage=0.01, bad_date=0.01, negative=0.01, before_start=0.01, orphan=0.01,
    optional_missing=0.1, unit_error=0.5, transition=0.1, decomposed=0.1, injection=0.05, extreme=0.01, false_penalty=0.01,
    schedule_sum=0.1, unknown_region=0.05, mass_days=1, daily_factor=3.0, files=FREQUENT_MISHAPS,
)  # fmt: skip
LONG = Profile(
    "long", clients=600, months=32, days=5, last=date(2025, 7, 2), opening=date(2023, 1, 31), months_apart=3, rates=DIRTY, shocks=("S6",)
)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    return simulate(PROFILES["demo"], SEED, tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module", params=["csv", "parquet"])
def long(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    return simulate(replace(LONG, file_format=request.param), SEED, tmp_path_factory.mktemp(request.param))


def test_every_line_of_the_ledger_is_found_with_its_broken_value(long: Simulation) -> None:
    """Line 1 is the header of a csv file, the first row of a Parquet file."""
    files: dict[tuple[str, str], list[list[str]]] = {}
    ledger = ledger_of(long)
    for entry in ledger:
        place = (entry["folder"], entry["file"])
        path = long.delivery.joinpath(*place)
        assert path.exists()
        if entry["expected_disposition"] == "rejected" or not entry["key"]:
            continue  # the file as a whole; test_simulate_arrivals.py looks at those
        if place not in files:
            files[place] = lines_of(path)
        lines = files[place]
        row = lines[int(entry["line"]) - (1 if path.suffix == ".csv" else 0)]
        assert row[lines[0].index(KEYS[entry["table"]])] == entry["key"]
        if entry["column"]:
            assert row[lines[0].index(entry["column"])] != entry["original_value"]

    assert len(ledger) == long.defect_count > 500


def test_every_kind_of_defect_is_there(long: Simulation) -> None:
    found = {entry["defect_id"] for entry in ledger_of(long)}

    assert found >= {f"D{number:02}" for number in range(1, 21)} - {"D07"} | {"S6"}  # D07 is rare: test_simulate_platform.py has it


def test_demo_has_what_is_frequent_and_no_damaged_file(demo: Simulation) -> None:
    found = Counter(entry["defect_id"] for entry in ledger_of(demo))

    assert set(found) >= {"D01", "D02", "D03", "D04", "D05", "D06", "D08", "D10", "D11", "D13", "D14", "D17"}
    assert not set(found) & {"D15", "D20", "S6"}
    assert not any(entry["expected_disposition"] == "rejected" for entry in ledger_of(demo))


def test_what_is_not_in_the_ledger_is_in_order(demo: Simulation) -> None:
    dirty = {(entry["folder"], entry["file"], int(entry["line"])) for entry in ledger_of(demo)}
    for business_date, folder in demo.deliveries:
        seen: Counter[str] = Counter()
        for line, row in enumerate(rows_of(folder, "repayments"), start=2):
            if (folder.name, "repayments.csv", line) in dirty:
                continue
            seen[row["repayment_id"]] += 1
            assert date.fromisoformat(row["repayment_date"]) <= business_date
            assert float(row["repayment_amount"]) > 0 or row["reverses_repayment_id"]
            assert row["installment_id"] or row["contract_number"]
        assert set(seen.values()) <= {1}


def test_orphans_wait_for_a_parent_of_the_next_day(demo: Simulation) -> None:
    first: dict[str, dict[str, str]] = {"clients": {}, "contracts": {}}
    for day, folder in demo.deliveries:
        for table, key in (("clients", "client_id"), ("contracts", "contract_number")):
            for row in rows_of(folder, table):
                first[table].setdefault(row[key], day.isoformat())
    client_of = {row["contract_number"]: row["client_id"] for _, folder in demo.deliveries for row in rows_of(folder, "contracts")}
    waiting = [entry for entry in ledger_of(demo) if entry["defect_id"] == "D10"]

    for entry in waiting:
        contract = entry["key"].partition("-")[0]
        ready = max(first["contracts"][contract], first["clients"][client_of[contract]])
        assert date.fromisoformat(entry["business_date"]) + timedelta(days=1) == date.fromisoformat(ready)


def test_a_region_without_dates_has_them_a_day_later(long: Simulation) -> None:
    """D20: all repayments of one region on one day, and each again with its date."""
    lost = {entry["key"]: entry for entry in ledger_of(long) if entry["defect_id"] == "D20"}
    (business_date,) = {entry["business_date"] for entry in lost.values()}
    tomorrow = long.delivery / (date.fromisoformat(business_date) + timedelta(days=1)).isoformat()
    (path,) = tomorrow.glob("repayments.*")
    names, *rows = lines_of(path)
    again = {row[names.index("repayment_id")]: row[names.index("repayment_date")] for row in rows}

    assert {key: again[key] for key in lost} == {key: entry["original_value"] for key, entry in lost.items()}


def test_wrong_amounts_of_a_channel_are_about_a_thousandth(long: Simulation) -> None:
    """Shock S6: the ledger has the right amount, the file the one in thousands."""
    wrong = [entry for entry in ledger_of(long) if entry["defect_id"] == "S6"]
    for entry in wrong:
        path = long.delivery / entry["folder"] / entry["file"]
        lines = lines_of(path)
        row = lines[int(entry["line"]) - (1 if path.suffix == ".csv" else 0)]
        delivered, right = float(row[lines[0].index("repayment_amount")]), float(entry["original_value"])
        assert delivered == pytest.approx(right / 1000, abs=0.51)
    assert wrong


def test_the_path_of_a_ledger_line_is_relative_to_the_delivery(demo: Simulation) -> None:
    assert all(Path(entry["folder"]).name == entry["folder"] == entry["business_date"] for entry in ledger_of(demo))
