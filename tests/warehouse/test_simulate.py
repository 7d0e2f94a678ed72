"""The generated lender: known answers of its parts, the same bytes every time, and a ledger that finds every dirty row."""

import csv
import hashlib
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from warehouse.clock import add_months
from warehouse.simulate import CLEAN, PROFILES, Profile, Rates, Simulation, simulate
from warehouse.simulate import dates as simulated_dates
from warehouse.simulate.draws import Draws, philox
from warehouse.simulate.schedule import Terms, amounts, balance

TINY = PROFILES["tiny"]
SEED = 7


@pytest.fixture(scope="module")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    return simulate(TINY, SEED, tmp_path_factory.mktemp("lender"))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    return simulate("demo", SEED, tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    return simulate(replace(TINY, rates=CLEAN), SEED, tmp_path_factory.mktemp("clean"))


def rows_of(folder: Path, table: str) -> list[dict[str, str]]:
    path = folder / f"{table}.csv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def hashes(simulation: Simulation) -> dict[str, str]:
    root = simulation.delivery.parent
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(root.rglob("*.*"))}


def latest(simulation: Simulation, table: str, *key: str) -> dict[tuple[str, ...], dict[str, str]]:
    """Last delivered version of each key, deleted ones left out."""
    held: dict[tuple[str, ...], dict[str, str]] = {}
    for _, folder in simulation.deliveries:
        for row in rows_of(folder, table):
            held[tuple(row[name] for name in key)] = row
    return {name: row for name, row in held.items() if row.get("op") != "D"}


# ---- random numbers -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [  # published test vectors of Random123 for philox4x32-10
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_published_words(counter: tuple[int, ...], key: tuple[int, int], words: tuple[int, ...]) -> None:
    result = philox(tuple(np.array([word], dtype=np.uint64) for word in counter), key)

    assert tuple(int(word[0]) for word in result) == words


def test_a_draw_depends_on_its_entity_alone() -> None:
    draws = Draws(1, "example")

    together = draws.uniform(np.arange(1000), at=3, lane=1)
    alone = [draws.uniform(np.array([number]), at=3, lane=1)[0] for number in (0, 17, 999)]

    assert together[[0, 17, 999]].tolist() == alone


def test_draws_differ_by_seed_stream_occasion_and_lane_and_are_uniform() -> None:
    entity = np.arange(20_000)
    drawn = [
        Draws(1, "a").uniform(entity),
        Draws(2, "a").uniform(entity),
        Draws(1, "b").uniform(entity),
        Draws(1, "a").uniform(entity, at=1),
        Draws(1, "a").uniform(entity, lane=1),
    ]

    assert np.abs(np.corrcoef(drawn) - np.eye(5)).max() < 0.03
    assert all(abs(one.mean() - 0.5) < 0.01 and one.min() >= 0 and one.max() < 1 for one in drawn)


# ---- calendar and schedules -----------------------------------------------------------------------------------------------------


def test_months_clamp_as_everywhere_in_the_warehouse() -> None:
    start = date(2024, 1, 1)
    every = [start + timedelta(days=number) for number in range(0, 800, 7)] + [date(2024, 1, 31), date(2024, 2, 29)]
    for months in (-13, -1, 0, 1, 12):
        found = simulated_dates.add_months(simulated_dates.days(every), np.full(len(every), months))
        assert found.tolist() == [add_months(one, months) for one in every]


def test_annuity_has_the_known_installment_and_balance() -> None:
    terms = Terms(*(np.array([value]) for value in (10_000_000, 12, 0.025, 0)), simulated_dates.days(["2024-01-31"]))

    first = amounts(terms, np.array([1]))

    assert first.total.tolist() == [974_871]  # 974,871.27
    assert balance(terms, np.array([6])).tolist() == [5_369_713]


@pytest.mark.parametrize("rate", [0.0, 0.03])
def test_principal_parts_sum_to_the_loan(rate: float) -> None:
    tenor = 7
    terms = Terms(*(np.full(tenor, value) for value in (1_000_001, tenor, rate, 5)), simulated_dates.days(["2024-01-31"] * tenor))

    parts = amounts(terms, np.arange(1, tenor + 1))

    assert parts.principal.sum() == 1_000_001
    assert (parts.principal > 0).all()
    assert (parts.interest >= 0).all()


# ---- the same bytes -------------------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes_for_any_chunk_size(lender: Simulation, tmp_path: Path) -> None:
    again = simulate(replace(TINY, chunk_clients=37), SEED, tmp_path)

    assert hashes(again) == hashes(lender)


def test_another_seed_is_another_lender(lender: Simulation, tmp_path: Path) -> None:
    other = simulate(TINY, SEED + 1, tmp_path)

    assert other.row_counts["repayments"] != lender.row_counts["repayments"]


def test_a_folder_that_is_in_use_is_refused(lender: Simulation) -> None:
    with pytest.raises(FileExistsError, match=r"delivery exists; delete it"):
        simulate(TINY, SEED, lender.delivery.parent)


def test_an_unknown_profile_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'huge' does not exist; there are tiny, demo"):
        simulate("huge", SEED, tmp_path)


def test_a_profile_without_room_for_its_days_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        Profile("short", clients=10, months=2, days=90)


# ---- what is delivered ----------------------------------------------------------------------------------------------------------


def test_deliveries_are_an_opening_and_daily_ones_that_end_on_the_fixed_day(lender: Simulation) -> None:
    assert lender.opening_date == date(2025, 6, 23)
    assert lender.business_dates[-1] == date(2025, 6, 30)
    assert sorted(folder.name for folder in lender.delivery.iterdir()) == [day.isoformat() for day in lender.business_dates]
    opening = {path.stem for path in (lender.delivery / "2025-06-23").iterdir()}
    assert opening >= {"regions", "product_types", "products", "clients", "contracts", "installments", "repayments"}
    assert opening == {*opening, "contract_status_history", "penalties"}


def test_the_ledger_names_every_dirty_row_at_its_line(lender: Simulation) -> None:
    lines: dict[tuple[str, str], list[list[str]]] = {}
    with (lender.truth / "defects.csv").open(encoding="utf-8", newline="") as text:
        ledger = list(csv.DictReader(text))
    for entry in ledger:
        place = (entry["business_date"], entry["file"])
        if place not in lines:
            with (lender.delivery / place[0] / place[1]).open(encoding="utf-8", newline="") as text:
                lines[place] = list(csv.reader(text))
        row = lines[place][int(entry["line"]) - 1]
        assert entry["key"] in row
        if entry["column"]:
            assert row[lines[place][0].index(entry["column"])] != entry["original_value"]

    assert len(ledger) == lender.defect_count > 0


def test_what_is_not_in_the_ledger_is_in_order(lender: Simulation) -> None:
    with (lender.truth / "defects.csv").open(encoding="utf-8", newline="") as text:
        dirty = {(entry["business_date"], entry["file"], int(entry["line"])) for entry in csv.DictReader(text)}
    for business_date, folder in lender.deliveries:
        seen: Counter[str] = Counter()
        for line, row in enumerate(rows_of(folder, "repayments"), start=2):
            if (business_date.isoformat(), "repayments.csv", line) in dirty:
                continue
            seen[row["repayment_id"]] += 1
            assert date.fromisoformat(row["repayment_date"]) <= business_date
            assert int(row["repayment_amount"]) > 0 or row["reverses_repayment_id"]
            assert row["installment_id"] or row["contract_number"]
        assert set(seen.values()) <= {1}


def test_demo_has_every_kind_of_defect(demo: Simulation) -> None:
    with (demo.truth / "defects.csv").open(encoding="utf-8", newline="") as text:
        found = Counter(entry["defect_id"] for entry in csv.DictReader(text))

    assert set(found) == {"D01", "D02", "D03", "D05", "D06", "D08", "D09", "D10", "D11", "D13"}


def test_orphans_wait_for_a_parent_of_the_next_day(demo: Simulation) -> None:
    first: dict[str, dict[str, str]] = {"clients": {}, "contracts": {}}
    for day, folder in demo.deliveries:
        for table, key in (("clients", "client_id"), ("contracts", "contract_number")):
            for row in rows_of(folder, table):
                first[table].setdefault(row[key], day.isoformat())
    client_of = {row["contract_number"]: row["client_id"] for _, folder in demo.deliveries for row in rows_of(folder, "contracts")}
    with (demo.truth / "defects.csv").open(encoding="utf-8", newline="") as text:
        waiting = [entry for entry in csv.DictReader(text) if entry["defect_id"] == "D10"]

    for entry in waiting:
        contract = entry["key"].partition("-")[0]
        ready = max(first["contracts"][contract], first["clients"][client_of[contract]])
        assert date.fromisoformat(entry["business_date"]) + timedelta(days=1) == date.fromisoformat(ready)


def test_daily_deliveries_hold_only_news(clean: Simulation) -> None:
    held: dict[str, dict[tuple[str, ...], dict[str, str]]] = defaultdict(dict)
    keys = {"contracts": ("contract_number",), "installments": ("installment_id",), "repayments": ("repayment_id",)}
    for day, folder in clean.deliveries:
        for table, key in keys.items():
            for row in rows_of(folder, table):
                name = tuple(row[column] for column in key)
                assert held[table].get(name) != row, f"{table} {name} is repeated on {day}"
                held[table][name] = row


def test_without_defects_every_reference_resolves(clean: Simulation) -> None:
    held: dict[str, set[str]] = {"client_id": set(), "contract_number": set(), "installment_id": set(), "repayment_id": set()}
    own = {"clients": "client_id", "contracts": "contract_number", "installments": "installment_id", "repayments": "repayment_id"}
    for _, folder in clean.deliveries:
        for table in ("clients", "contracts", "contract_status_history", "installments", "repayments", "penalties"):
            delivered = rows_of(folder, table)
            held.get(own.get(table, ""), set()).update(row[own[table]] for row in delivered if table in own)
            for row in delivered:
                for column, known in held.items():
                    assert not row.get(column) or row[column] in known
                assert not row.get("reverses_repayment_id") or row["reverses_repayment_id"] in held["repayment_id"]
    assert clean.defect_count == 0


def test_schedules_are_complete_and_sum_to_the_loan(clean: Simulation) -> None:
    contracts = latest(clean, "contracts", "contract_number")
    principal: Counter[str] = Counter()
    count: Counter[str] = Counter()
    first: dict[str, dict[str, str]] = {}
    for _, folder in clean.deliveries:
        for row in rows_of(folder, "installments"):
            first.setdefault(row["installment_id"], row)
    for row in first.values():
        principal[row["contract_number"]] += int(row["inst_amt_principal"])
        count[row["contract_number"]] += 1

    for (number,), contract in contracts.items():
        if date.fromisoformat(contract["start_date"]) <= clean.business_dates[-1]:
            assert principal[number] == int(contract["principal_amount"])
            assert count[number] == int(contract["tenor"])
        else:
            assert count[number] == 0


def test_true_settlements_follow_from_the_money_delivered(clean: Simulation) -> None:
    """Where each repayment names its installment, money paid in full by a day means settled by that day, and the other way round."""
    installments = latest(clean, "installments", "installment_id")
    repayments = latest(clean, "repayments", "repayment_id")
    reversed_ids = {row["reverses_repayment_id"] for row in repayments.values()} - {""}
    paid: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    for (repayment_id,), row in repayments.items():
        if row["installment_id"] and repayment_id not in reversed_ids:
            paid[row["installment_id"]].append((row["repayment_date"], int(row["repayment_amount"])))
    truth = pq.read_table(clean.truth / "installments.parquet").to_pylist()
    by_contract = {
        row["contract_number"] for row in pq.read_table(clean.truth / "contracts.parquet").to_pylist() if row["pays_by_contract"]
    }

    compared = 0
    for one in truth:
        row = installments.get((one["installment_id"],))
        if row is None or row["contract_number"] in by_contract or one["settled_on"] is None or row["status"] != "Paid":
            continue
        owed = sum(int(row[name]) for name in ("inst_amt_principal", "inst_amt_interest", "inst_amt_fee"))
        by_then = sum(amount for day, amount in paid[one["installment_id"]] if day <= one["settled_on"].isoformat())
        before = sum(amount for day, amount in paid[one["installment_id"]] if day < one["settled_on"].isoformat())
        assert by_then >= owed * 0.99
        assert before < owed * 0.99
        compared += 1
    assert compared > 1000


def test_every_behaviour_is_there(demo: Simulation) -> None:
    contracts = pq.read_table(demo.truth / "contracts.parquet").to_pylist()
    last = demo.business_dates[-1]
    ends = Counter(row["end"] for row in contracts if row["end"] == "open" or row["ended_on"] <= last)
    statuses = {row["status"] for row in latest(demo, "contracts", "contract_number").values()}
    clients = Counter(row["client_id"] for row in contracts)
    moved = [row for row in rows_of(demo.deliveries[1][1], "clients") if row["updated_at"] != row["join_date"]]
    histories = {row["contract_number"] for row in rows_of(demo.deliveries[0][1], "contract_status_history")}
    deleted = [row for _, folder in demo.deliveries for row in rows_of(folder, "installments") if row["op"] == "D"]

    assert set(ends) == {"open", "paid", "settled", "written_off", "sold", "cancelled"}
    assert statuses >= {"New", "Active", "Paid-off", "Written Off", "Sold", "Cancel", "Close"}
    assert max(clients.values()) > 2
    assert any(row["is_refinancing"] for row in contracts)
    assert len(histories) < len(contracts)
    assert {row["region_id"] for row in rows_of(demo.deliveries[0][1], "clients")} >= {"01", "02", "03", "04", "05"}
    assert moved or deleted


# ---- plausibility ---------------------------------------------------------------------------------------------------------------


def test_demo_book_is_plausible_and_enough_to_train_on(demo: Simulation) -> None:
    assert demo.card.outside() == []
    assert demo.card.counts["defaults"] > 500
    assert demo.card.counts["cohorts"] >= 20


def test_past_lateness_predicts_default(demo: Simulation) -> None:
    """One crude feature must separate well, or no model can be trained; it must not separate perfectly, or the truth leaks."""
    months = [row for row in pq.read_table(demo.truth / "client_months.parquet").to_pylist() if row["outcome"] in ("good", "default")]
    bad = np.array([row["outcome"] == "default" for row in months])
    lateness = np.array([row["late_ratio"] + row["dpd"] / 60 for row in months])

    order = np.argsort(np.argsort(lateness, kind="stable"), kind="stable")
    auc = (order[bad].sum() - bad.sum() * (bad.sum() - 1) / 2) / (bad.sum() * (~bad).sum())

    assert 0.70 < auc < 0.90


def test_outcomes_need_a_full_year_and_a_month(demo: Simulation) -> None:
    months = pq.read_table(demo.truth / "client_months.parquet").to_pylist()

    known = {row["month_on"] for row in months if row["outcome"] != "immature"}

    assert max(known) == date(2024, 5, 31)
    assert not {row["month_on"] for row in months if row["outcome"] == "immature"} & known


def test_the_card_can_be_read(lender: Simulation) -> None:
    assert "par30_ratio" in str(lender.card)
    assert str(lender.card).splitlines()[0].split() == ["clients", "200"]


# ---- the platform finds what was done -------------------------------------------------------------------------------------------


@pytest.mark.integration
def test_the_platform_judges_every_dirty_row_as_the_ledger_says(tmp_path: Path) -> None:
    """Four small, very dirty deliveries through the real intake; what is parked for a late parent is in order in the end."""
    from warehouse.ingest import ingest_delivery
    from warehouse.lake import Lake
    from warehouse.settings import Settings

    rates = Rates(duplicate=0.01, key_conflict=0.004, missing=0.004, garbage=0.004, bad_date=0.003, negative=0.003, orphan=0.002)
    profile = Profile("dirty", clients=400, months=6, days=3, last=date(2025, 6, 27), rates=replace(rates, late_parent=1.0))
    simulation = simulate(profile, SEED, tmp_path / "lender")
    lake = Lake(Settings.from_env({"LENDING_HOME": str(tmp_path / "home")}))
    for business_date, folder in simulation.deliveries:
        ingest_delivery(lake, lake.settings, folder, business_date, f"ingest-{business_date}")
    intake = lake.intake()
    assert intake is not None
    judged = intake.table("ops.quarantine").to_pyarrow().to_pylist()
    files = intake.table("ops.delivery_ledger").to_pyarrow().to_pylist()
    with (simulation.truth / "defects.csv").open(encoding="utf-8", newline="") as text:
        ledger = list(csv.DictReader(text))

    found = {(row["business_date"].isoformat(), row["source_file"], row["source_row_number"], row["rule"]) for row in judged}
    expected = {
        (entry["business_date"], entry["file"], int(entry["line"]), entry["expected_rule"])
        for entry in ledger
        if entry["defect_id"] not in {"D01", "D10"} and entry["expected_rule"]
    }
    assert found == expected
    assert {row["disposition"] for row in judged} == {"quarantined", "parked", "accepted"}
    assert any(entry["defect_id"] == "D10" for entry in ledger)
    duplicates = Counter((entry["business_date"], entry["table"]) for entry in ledger if entry["defect_id"] == "D01")
    assert {(str(row["business_date"]), row["table_name"]): row["duplicate"] for row in files if row["duplicate"]} == duplicates
