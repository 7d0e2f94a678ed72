"""Folders in the order of arrival, what happens to whole files, and which version of its tables the lender writes when."""

import csv
import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from tests.warehouse.simulated import ledger_of, rows_of
from warehouse.simulate import CLEAN, PROFILES, FileRates, Profile, Simulation, read_arrivals, simulate
from warehouse.simulate.profiles import NO_MISHAPS

SEED = 7
EVERYTHING = FileRates(
    repeated=0.2, byte_order_mark=0.1, carriage_return=0.1, truncated=0.05, other_encoding=0.3, swapped=0.2, missing_days=30.0
)
HISTORY = Profile("history", clients=900, months=32, days=6, last=date(2025, 7, 6), opening=date(2023, 1, 31), rates=CLEAN)


@pytest.fixture(scope="module")
def orderly(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    return simulate(HISTORY, SEED, tmp_path_factory.mktemp("orderly"))


@pytest.fixture(scope="module")
def unlucky(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    return simulate(replace(HISTORY, rates=replace(CLEAN, files=EVERYTHING)), SEED, tmp_path_factory.mktemp("unlucky"))


def header(simulation: Simulation, day: str, table: str) -> list[str]:
    return list(rows_of(simulation.delivery / day, table)[0])


# ---- arrivals -------------------------------------------------------------------------------------------------------------------


def test_without_mishaps_folders_arrive_in_the_order_of_their_dates(orderly: Simulation) -> None:
    assert [folder.name for _, folder in orderly.deliveries] == sorted(folder.name for _, folder in orderly.deliveries)
    assert not any(arrival.note for arrival in orderly.arrivals)


def test_arrivals_csv_says_what_the_simulation_says(unlucky: Simulation) -> None:
    with (unlucky.delivery / "arrivals.csv").open(encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))

    assert [int(row["arrival"]) for row in rows] == list(range(1, len(rows) + 1))
    assert [(row["business_date"], row["folder"], row["note"]) for row in rows] == [
        (str(day), folder, note) for day, folder, note in unlucky.arrivals
    ]
    assert tuple(read_arrivals(unlucky.delivery)) == unlucky.deliveries
    assert {row["folder"] for row in rows} == {path.name for path in unlucky.delivery.iterdir()} - {"arrivals.csv"}


def test_some_folders_arrive_late_and_the_opening_one_is_in_order(orderly: Simulation, unlucky: Simulation) -> None:
    order = [day for day, folder in unlucky.deliveries if not folder.name.endswith("_2")]
    opening = orderly.delivery / "2023-01-31"

    assert order != sorted(order)
    assert unlucky.arrivals[0] == (date(2023, 1, 31), "2023-01-31", "")
    assert all((unlucky.delivery / "2023-01-31" / path.name).read_bytes() == path.read_bytes() for path in opening.iterdir())


# ---- files ----------------------------------------------------------------------------------------------------------------------


def test_mishaps_lose_nothing(orderly: Simulation, unlucky: Simulation) -> None:
    """Whatever happens, each file of the orderly lender arrives with its content; a damaged one comes again at once."""
    damaged = {(entry["folder"], entry["file"]) for entry in ledger_of(unlucky) if entry["expected_disposition"] == "rejected"}
    for path in orderly.delivery.glob("*/*.csv"):
        day = path.parent.name
        folder = f"{day}_2" if (day, path.name) in damaged else day
        content = (unlucky.delivery / folder / path.name).read_bytes().removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
        assert content == path.read_bytes()
    assert damaged


def test_damaged_files_cannot_be_read(unlucky: Simulation) -> None:
    kinds = set()
    for entry in ledger_of(unlucky):
        if entry["expected_disposition"] == "rejected":
            path = unlucky.delivery / entry["folder"] / entry["file"]
            with pytest.raises((csv.Error, UnicodeDecodeError)), path.open(encoding="utf-8", newline="") as text:
                list(csv.reader(text, strict=True))
            kinds.add(entry["defect_id"])

    assert kinds == {"D14", "D15"}


def test_a_second_arrival_is_the_whole_day_again_right_after_the_first(unlucky: Simulation) -> None:
    folders = [folder for _, folder in unlucky.deliveries]
    again = [folder for folder in folders if folder.name.endswith("_2")]

    for folder in again:
        first = folders[folders.index(folder) - 1]
        assert folder.name == f"{first.name}_2"
        assert {path.name for path in folder.iterdir()} == {path.name for path in first.iterdir()}
    assert again


def test_a_repeated_file_is_the_same_bytes_as_the_day_before(unlucky: Simulation) -> None:
    """A copy is made before its original may be damaged, and only where the next day has no news of its rows."""
    names = [path.name for path in sorted(unlucky.delivery.iterdir()) if path.is_dir() and not path.name.endswith("_2")]
    copies = [path for path in unlucky.delivery.glob("*/*_2.csv") if path.parent.name in names]
    for copy in copies:
        before = names[names.index(copy.parent.name) - 1]
        original = copy.name.replace("_2.csv", ".csv")
        good = unlucky.delivery / f"{before}_2" / original
        candidates = {path.read_bytes() for path in (good, unlucky.delivery / before / original) if path.exists()}
        assert copy.read_bytes() in candidates
    assert copies


def test_a_truncated_parquet_file_has_no_end(tmp_path: Path) -> None:
    profile = replace(HISTORY, clients=20, file_format="parquet", rates=replace(CLEAN, files=EVERYTHING))

    simulation = simulate(profile, SEED, tmp_path)

    damaged = [entry for entry in ledger_of(simulation) if entry["defect_id"] == "D15"]
    assert damaged
    for entry in damaged:
        assert not (simulation.delivery / entry["folder"] / entry["file"]).read_bytes().endswith(b"PAR1")
        assert (simulation.delivery / f"{entry['folder']}_2" / entry["file"]).read_bytes().endswith(b"PAR1")


def test_profiles_of_one_calm_month_have_no_mishaps() -> None:
    assert {name for name, profile in PROFILES.items() if profile.rates.files != NO_MISHAPS} == {"history"}


# ---- versions -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "clients", "has_channel", "penalty", "client_id", "amount"),
    [
        ("2023-02-28", ["client_name", "district_code"], False, "penalty_amount", r"^[0-9]{8}$", r"^[0-9]+$"),
        ("2023-03-31", ["client_name", "district_code"], True, "late_fee", r"^[0-9]{8}$", r"^[0-9]+$"),
        ("2024-05-31", ["client_name", "district_code"], True, "late_fee", r"^[0-9]{8}$", r"^[0-9]+$"),
        ("2024-06-30", ["family_name", "given_name", "district_code"], True, "late_fee", r"^KH-[0-9]{8}$", r"^[0-9]+[.]00$"),
        ("2025-06-30", ["family_name", "given_name", "district_code"], True, "late_fee", r"^KH-[0-9]{8}$", r"^[0-9]+[.]00$"),
        ("2025-07-01", ["family_name", "given_name", "commune_code"], True, "late_fee", r"^KH-[0-9]{8}$", r"^[0-9]+[.]00$"),
    ],
)
def test_files_have_the_columns_and_spelling_of_their_day(
    orderly: Simulation, day: str, clients: list[str], has_channel: bool, penalty: str, client_id: str, amount: str
) -> None:
    folder = orderly.delivery / day
    changing = {"client_name", "family_name", "given_name", "district_code", "commune_code"}
    assert [name for name in header(orderly, day, "clients") if name in changing] == clients
    assert ("channel" in header(orderly, day, "contracts")) == has_channel
    assert {"penalty_amount", "late_fee"} & set(header(orderly, day, "installments")) == {penalty}
    for row in rows_of(folder, "contracts"):
        assert re.match(client_id, row["client_id"])
        assert re.match(amount, row["principal_amount"])
    for row in rows_of(folder, "repayments"):
        assert re.match(amount, row["repayment_amount"].removeprefix("-"))


def test_the_map_of_regions_comes_at_first_and_after_the_merger(orderly: Simulation) -> None:
    maps = {folder.name: rows_of(folder, "regions") for _, folder in orderly.deliveries if rows_of(folder, "regions")}

    assert list(maps) == ["2023-01-31", "2025-07-01"]
    assert not any(row["successor_region_id"] for row in maps["2023-01-31"])
    assert sum(bool(row["successor_region_id"]) for row in maps["2025-07-01"]) == 52


def test_one_delivery_has_one_version_of_a_key(orderly: Simulation) -> None:
    """Between month ends much changes; a month end brings what is true then."""
    for _, folder in orderly.deliveries:
        for table, key in (("contracts", "contract_number"), ("installments", "installment_id"), ("clients", "client_id")):
            keys = [row[key] for row in rows_of(folder, table)]
            assert len(keys) == len(set(keys))
