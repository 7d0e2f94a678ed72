"""What the generated lender delivers: news only, references that resolve, schedules that sum up, and money that settles them."""

from collections import Counter, defaultdict
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.warehouse.simulated import latest, rows_of
from warehouse.simulate import CLEAN, PROFILES, Profile, Simulation, simulate

TINY = PROFILES["tiny"]
SEED = 7


def amount(text: str) -> int:
    """Whole dong, with or without decimals."""
    return int(text.removesuffix(".00"))


@pytest.fixture(scope="module")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    return simulate(TINY, SEED, tmp_path_factory.mktemp("lender"))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    return simulate("demo", SEED, tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    return simulate(replace(TINY, rates=CLEAN), SEED, tmp_path_factory.mktemp("clean"))


def test_deliveries_are_an_opening_and_daily_ones_that_end_on_the_fixed_day(lender: Simulation) -> None:
    assert lender.opening_date == date(2025, 6, 23)
    assert lender.business_dates[-1] == date(2025, 6, 30)
    assert [folder.name for _, folder in lender.deliveries] == [day.isoformat() for day in lender.business_dates]
    assert {path.name for path in lender.delivery.iterdir()} == {*(folder.name for _, folder in lender.deliveries), "arrivals.csv"}
    opening = {path.stem for path in (lender.delivery / "2025-06-23").iterdir()}
    assert opening >= {"regions", "product_types", "products", "clients", "contracts", "installments", "repayments"}
    assert opening == {*opening, "contract_status_history", "penalties"}


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
        principal[row["contract_number"]] += amount(row["inst_amt_principal"])
        count[row["contract_number"]] += 1

    for (number,), contract in contracts.items():
        if date.fromisoformat(contract["start_date"]) <= clean.business_dates[-1]:
            assert principal[number] == amount(contract["principal_amount"])
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
            paid[row["installment_id"]].append((row["repayment_date"], amount(row["repayment_amount"])))
    truth = pq.read_table(clean.truth / "installments.parquet").to_pylist()
    by_contract = {
        row["contract_number"] for row in pq.read_table(clean.truth / "contracts.parquet").to_pylist() if row["pays_by_contract"]
    }

    compared = 0
    for one in truth:
        row = installments.get((one["installment_id"],))
        if row is None or row["contract_number"] in by_contract or one["settled_on"] is None or row["status"] != "Paid":
            continue
        owed = sum(amount(row[name]) for name in ("inst_amt_principal", "inst_amt_interest", "inst_amt_fee"))
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
    assert {row["region_id"] for row in rows_of(demo.deliveries[0][1], "clients")} >= {"01", "31", "48", "79"}
    assert moved or deleted


def test_a_folder_that_is_in_use_is_refused(lender: Simulation) -> None:
    with pytest.raises(FileExistsError, match=r"delivery exists; delete it"):
        simulate(TINY, SEED, lender.delivery.parent)


def test_an_unknown_profile_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'huge' does not exist; there are tiny, demo"):
        simulate("huge", SEED, tmp_path)


def test_a_profile_without_room_for_its_days_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        Profile("short", clients=10, months=2, days=90)
