"""The worked contract of DOMAIN A17 and its variations: allocation, days past due, skipping and first payment default, day by day."""

from decimal import Decimal

import ibis
import pytest

from tests.warehouse.staging_rows import at, by, contract, installment, repayment, staged
from warehouse.curated.positions import Positions, peak_dpd
from warehouse.terms import Terms

DAYS = (
    "2024-01-31",
    "2024-02-01",
    "2024-02-29",
    "2024-03-01",
    "2024-03-02",
    "2024-03-03",
    "2024-03-05",
    "2024-03-20",
    "2024-03-31",
    "2024-04-01",
    "2024-04-09",
    "2024-04-10",
)
DUE = ("2024-01-31", "2024-02-29", "2024-03-31")


def golden(number: str, second: dict | None = None, *more: dict) -> dict[str, list]:
    """Three times 1,000,000; payments of 600,000, 1,500,000 (P2) and 1,000,000."""
    paid = [
        repayment(f"{number}P1", "2024-02-05", 600_000, number),
        repayment(f"{number}P2", "2024-03-02", 1_500_000, number, **(second or {})),
        repayment(f"{number}P3", "2024-04-10", 1_000_000, number),
    ]
    return {
        "contracts": [contract(number)],
        "installments": [installment(index, day, contract_number=number) for index, day in enumerate(DUE, start=1)],
        "repayments": [*paid, *more],
    }


REVERSAL = repayment("BACK-R", "2024-03-20", -1_500_000, "BACK", reverses_repayment_id="BACKP2")
BOOKS = (golden("NOW"), golden("LATE", {"booked_at": "2024-03-05"}), golden("BACK", None, REVERSAL))


@pytest.fixture(scope="module")
def then() -> Positions:
    rows: dict[str, list] = {}
    for book in BOOKS:
        for name, part in book.items():
            rows.setdefault(name, []).extend(part)
    return at(staged(**rows), *DAYS)


@pytest.fixture(scope="module")
def contracts(then):
    return by(then.contracts, "as_of_on", "contract_number")


@pytest.fixture(scope="module")
def installments(then):
    return by(then.installments, "as_of_on", "installment_id")


def test_allocation(then):
    found = by(then.repayments.filter(then.repayments.as_of_on == DAYS[-1]), "repayment_id", "allocation_number")
    paid = {key: (row["installment_id"], int(row["allocated_amount"])) for key, row in found.items() if key[0].startswith("NOW")}
    assert paid == {
        ("NOWP1", 1): ("NOW-1", 600_000),
        ("NOWP2", 1): ("NOW-1", 400_000),
        ("NOWP2", 2): ("NOW-2", 1_000_000),
        ("NOWP2", 3): ("NOW-3", 100_000),
        ("NOWP3", 1): ("NOW-3", 900_000),
        ("NOWP3", 2): (None, 100_000),  # the overpayment, last
    }
    assert found["NOWP3", 2]["principal_amount"] == 0


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        # Due today is not past due; the thirtieth day is 03-01; the day of payment counts as cured.
        ("NOW", (0, 1, 29, 30, 0, 0, 0, 0, 0, 1, 9, 0)),
        # Booked on 03-05, so on 03-02 and 03-03 nobody knew: 31 and 32 days, then cured.
        ("LATE", (0, 1, 29, 30, 31, 32, 0, 0, 0, 1, 9, 0)),
        # Reversed, and known so from 03-20: 49 days again. The payment of 04-10 then settles the first and leaves the second (02-29).
        ("BACK", (0, 1, 29, 30, 0, 0, 0, 49, 60, 61, 69, 41)),
    ],
)
def test_dpd_day_by_day(contracts, number, expected):
    assert tuple(contracts[day, number]["dpd"] for day in DAYS) == expected


def test_the_worst_day_lies_between_month_ends(then, contracts):
    # Daily 30, at month ends 29: a snapshot of month ends would miss the thirtieth day.
    mine = then.contracts.filter(then.contracts.contract_number == "NOW")
    windows = mine.select("as_of_on", "contract_number", from_on=ibis.date("2023-12-31"), to_on=mine.as_of_on)
    peaks = by(peak_dpd(then, windows), "as_of_on")
    assert peaks["2024-03-31"]["max_dpd"] == 30
    assert max(contracts[day, "NOW"]["dpd"] for day in ("2024-01-31", "2024-02-29", "2024-03-31")) == 29


def test_settlement_days_and_lateness(installments):
    rows = [installments["2024-04-10", f"NOW-{number}"] for number in (1, 2, 3)]
    assert [row["settled_on"].isoformat() for row in rows] == ["2024-03-02", "2024-03-02", "2024-04-10"]
    assert [row["days_late"] for row in rows] == [31, 2, 10]
    assert [row["state"] for row in rows] == ["PAID_LATE"] * 3
    assert all(row["is_late"] for row in rows)


def test_nothing_is_skipped(installments):
    # 60 % of the first was there by 02-29, the second was settled before 03-31; the third's next due date is a month after its own.
    assert not any(row["is_skipped"] for key, row in installments.items() if key[1].startswith("NOW"))
    assert installments["2024-02-29", "NOW-1"]["state"] == "PARTIAL_OPEN"
    assert installments["2024-02-29", "NOW-1"]["is_skip_eligible"]
    assert installments["2024-04-10", "NOW-3"]["next_due_on"].isoformat() == "2024-04-30"
    assert not installments["2024-04-10", "NOW-3"]["is_skip_eligible"]


def test_skipped_once_nothing_counts(installments):
    # Without P2 the second installment had nothing by its next due date; the payment of 04-10 pays part of it and changes nothing.
    assert installments["2024-03-31", "BACK-2"]["state"] == "SKIPPED_OPEN"
    assert installments["2024-04-10", "BACK-2"]["state"] == "SKIPPED_OPEN"
    assert installments["2024-04-10", "BACK-2"]["paid_amount"] == 600_000


def test_first_payment_default(contracts):
    # 29 days: cannot be known. 30 days reached: true, and true for good although paid the day after.
    assert [contracts[day, "NOW"]["is_fpd30"] for day in ("2024-02-29", "2024-03-01", "2024-03-02", "2024-04-10")] == [
        None,
        True,
        True,
        True,
    ]


def test_a_reversal_leaves_one_row_each(then):
    rows = by(then.repayments.filter(then.repayments.contract_number == "BACK"), "as_of_on", "repayment_id", "allocation_number")
    assert rows["2024-03-05", "BACKP2", 1]["installment_id"] == "BACK-1"  # not known to be reversed yet
    last = {key[1:]: row for key, row in rows.items() if key[0] == "2024-03-20"}
    undone = last["BACKP2", 1]
    assert (undone["installment_id"], undone["allocated_amount"], undone["is_reversed"]) == (None, 1_500_000, True)
    assert undone["principal_amount"] == undone["interest_amount"] == undone["fee_amount"] == undone["penalty_amount"] == 0
    assert (last["BACK-R", 1]["allocated_amount"], last["BACK-R", 1]["is_reversed"]) == (Decimal("-1500000.00"), False)
    assert ("BACKP2", 2) not in last


def test_grace_days_are_exclusive():
    # 31, 2 and exactly 10 days late: with 10 days of grace only the first is late.
    found = by(at(staged(**BOOKS[0]), "2024-04-10", terms=Terms(grace_days=10)).installments, "installment_id")
    assert [found[f"NOW-{number}"]["is_late"] for number in (1, 2, 3)] == [True, False, False]
    assert [found[f"NOW-{number}"]["state"] for number in (1, 2, 3)] == ["PAID_LATE", "PAID_ON_TIME", "PAID_ON_TIME"]


def test_tolerance_edge():
    # A tolerance of 10,000: missing 10,000 settles, a cent more does not.
    missing = {"A": "9999", "B": "10000", "C": "10000.01", "D": "10001"}
    terms = Terms(settlement_tolerance_amount=Decimal(10_000), settlement_tolerance_ratio=Decimal("0.001"))
    rows = staged(
        contracts=[contract(name, tenor=1) for name in missing],
        installments=[installment(1, "2024-01-31", contract_number=name) for name in missing],
        repayments=[repayment(f"P{name}", "2024-01-31", 1_000_000 - Decimal(amount), name) for name, amount in missing.items()],
    )
    found = by(at(rows, "2024-02-29", terms=terms).installments, "installment_id")
    assert {name: found[f"{name}-1"]["settled_on"] is not None for name in missing} == {"A": True, "B": True, "C": False, "D": False}
    assert {name: found[f"{name}-1"]["unpaid_amount"] for name in missing} == {name: Decimal(amount) for name, amount in missing.items()}


def test_the_tolerance_ratio_is_not_rounded():
    # 1 % of 333.33 is 3.3333: 3.33 missing settles, 3.34 does not.
    rows = staged(
        contracts=[contract("A", tenor=1), contract("B", tenor=1)],
        installments=[installment(1, "2024-01-31", "333.33", name) for name in "AB"],
        repayments=[repayment("PA", "2024-01-31", "330.00", "A"), repayment("PB", "2024-01-31", "329.99", "B")],
    )
    found = by(at(rows, "2024-01-31").installments, "installment_id")
    assert [found[f"{name}-1"]["settled_on"] is not None for name in "AB"] == [True, False]


def test_next_due_date_after_the_last_installment_clamps_to_the_month():
    rows = staged(contracts=[contract(tenor=1)], installments=[installment(1, "2023-01-31")])
    found = by(at(rows, "2024-02-29").installments, "installment_id")["K1-1"]
    assert found["next_due_on"].isoformat() == "2023-02-28"  # no leap year
