"""Terms of installments and contracts: one small contract per clause, all worked out in one computation."""

from decimal import Decimal

import ibis
import pytest

from tests.warehouse.staging_rows import at, by, contract, day, installment, joined, repayment, staged
from warehouse.curated.positions import peak_dpd

DAYS = ("2024-02-10", "2024-03-10", "2024-03-11", "2024-04-11", "2024-06-30")
LAST = DAYS[-1]


def book(number, dues, paid=(), status=None, ended=None, history=(), **agreed):
    """A contract with installments as (due date, amounts...) and repayments as (day, amount, more)."""
    row = contract(number, tenor=agreed.pop("tenor", len(dues)), **agreed)
    if status:
        row |= {"status": status, "last_status_change_date": ended}
    return {
        "contracts": [row],
        "installments": [installment(index, due, contract_number=number, **more) for index, (due, more) in enumerate(dues, start=1)],
        "repayments": [repayment(f"{number}-{place}", day, amount, number, **more) for place, (day, amount, more) in enumerate(paid)],
        "contract_status_history": [{"contract_number": number, "status": name, "status_date": day} for name, day in history],
    }


FEB, MAR, APR = "2024-02-10", "2024-03-10", "2024-04-10"
YEAR = [(f"2024-{month:02d}-10", {}) for month in range(2, 13)] + [("2025-01-10", {})]
PARTS = {"inst_amt_interest": 200, "inst_amt_fee": 50, "amount": 1_000}
LOST = [("Active", "2024-01-01"), ("Written Off", MAR)]

BOOK = joined(
    book("UNPAID", [(FEB, {}), (MAR, {})]),
    book("PARTS", [(FEB, PARTS), (MAR, PARTS)], paid=[(FEB, 40, {}), (FEB, 300, {}), (MAR, 2_000, {})], principal_amount=2_000),
    book("TENTH", [(FEB, {}), (MAR, {})], paid=[(MAR, 100_000, {})]),
    book("BELOW_TENTH", [(FEB, {}), (MAR, {})], paid=[(MAR, "99999.99", {}), ("2024-03-20", 2_000_000, {})]),
    book("EARLY", [(FEB, {}), (MAR, {})], paid=[("2024-02-01", 1_000_000, {}), (MAR, 1_000_000, {})]),
    book("PENALTY_ROW", [(FEB, {"penalty_amount": 70})], paid=[("2024-02-20", 1_000_100, {"installment_id": "PENALTY_ROW-1"})]),
    book("PENALTY_OPEN", [(FEB, {"penalty_amount": 70, "on": "2024-03-01"})]),
    book("ENDED", [(FEB, {}), (MAR, {}), (APR, {})], status="Cancel", ended="2024-03-01"),
    book("LOST", [(FEB, {}), (MAR, {}), (APR, {})], paid=[("2024-03-01", 250_000, {}), ("2024-05-01", 500_000, {})], history=LOST),
    book("LOST_CLOSED", [(FEB, {}), (MAR, {})], history=[*LOST, ("Close", "2024-04-01")]),
    book("LOST_REPAID", [(FEB, {}), (MAR, {})], history=[*LOST, ("Paid-off", "2024-04-01")]),
    book("SOLD", [(FEB, {})], status="Sold", ended=MAR),
    book("PAID_OFF", [(FEB, {}), (MAR, {})], paid=[("2024-03-20", 1_999_999, {})], status="Paid-off", ended="2024-03-20"),
    book("SETTLED_SOON", YEAR, paid=[(MAR, 12_000_000, {})], principal_amount=12_000_000),
    book("SETTLED_END", YEAR[:4], paid=[("2024-04-25", 4_000_000, {})], principal_amount=4_000_000),  # last due 05-10, 15 days ahead
    book("SETTLED_BEFORE_END", YEAR[:4], paid=[("2024-04-24", 4_000_000, {})], principal_amount=4_000_000),
    book("SHORT_SCHEDULE", YEAR[:1], paid=[(FEB, 1_000_000, {})], tenor=12),
    book("REFINANCED", YEAR, paid=[(MAR, 12_000_000, {})], client_id="C2"),
    book("REFINANCING", [("2024-08-10", {})], client_id="C2", start_date="2024-03-17"),
    book("TOO_FAR", YEAR, paid=[(MAR, 12_000_000, {})], client_id="C3"),
    book("LATER_LOAN", [("2024-08-10", {})], client_id="C3", start_date="2024-03-18"),
    book("ZEROED", [*YEAR[:1], *[(due, {"amount": 0}) for due, _ in YEAR[1:]]], paid=[(FEB, 1_000_000, {})]),
    book("FPD_LOST", [(FEB, {})], status="Written Off", ended="2024-03-11"),
    book("FPD_CANCELLED", [(FEB, {})], status="Cancel", ended="2024-03-11"),
    book("FPD_PAID", [(FEB, {})], paid=[("2024-03-11", 1_000_000, {})]),
    book("FPD_ENDED", [(FEB, {})], status="Close", ended="2024-03-10"),
    {"clients": [{"client_id": f"C{index}", "region_id": "R1"} for index in (1, 2, 3)]},
    {"penalties": [{"penalty_id": "X", "installment_id": "UNPAID-1", "penalty_date": "2024-03-05", "penalty_amount": 30}]},
)


@pytest.fixture(scope="module")
def then():
    return at(staged(**BOOK), *DAYS)


@pytest.fixture(scope="module")
def contracts(then):
    return by(then.contracts, "as_of_on", "contract_number")


@pytest.fixture(scope="module")
def installments(then):
    return by(then.installments, "as_of_on", "installment_id")


@pytest.mark.parametrize(
    ("day", "installment_id", "expected"),
    [
        # Due today and unpaid: due, not late.
        ("2024-02-10", "UNPAID-1", {"is_due": True, "is_late": False, "days_late": 0, "state": "DUE_OPEN"}),
        ("2024-02-10", "UNPAID-2", {"is_due": False, "days_late": 0, "state": "NOT_DUE"}),
        # On the next due date it has been skipped.
        ("2024-03-10", "UNPAID-1", {"is_late": True, "days_late": 29, "is_skipped": True, "state": "SKIPPED_OPEN"}),
        # Exactly 10 % is not skipped; a cent less is, and paying later does not undo it.
        ("2024-06-30", "TENTH-1", {"is_skipped": False, "state": "PARTIAL_OPEN"}),
        ("2024-06-30", "BELOW_TENTH-1", {"is_skipped": True, "state": "SKIPPED_RECOVERED", "days_late": 39}),
        # Settled before the due date, which need not have passed.
        ("2024-02-10", "EARLY-1", {"is_paid_early": True, "days_late": -9, "state": "PAID_EARLY", "is_due": True}),
        ("2024-03-10", "EARLY-2", {"is_paid_early": False, "days_late": 0, "state": "PAID_ON_TIME"}),
        # What was due by the end of a written-off contract stays due, counted to the end; what fell due after it never is.
        ("2024-06-30", "LOST_CLOSED-1", {"is_due": True, "days_late": 29, "is_late": True, "state": "SKIPPED_OPEN"}),
        ("2024-06-30", "LOST_CLOSED-2", {"is_due": True, "days_late": 0, "is_late": False, "state": "SKIPPED_OPEN"}),
        ("2024-06-30", "LOST-3", {"is_due": False, "is_late": False, "state": "CLOSED"}),
        # A cancelled contract is not disbursed: nothing of it is due.
        ("2024-06-30", "ENDED-1", {"is_due": False, "is_late": False, "is_skipped": False, "state": "CLOSED"}),
    ],
)
def test_installments(installments, day, installment_id, expected):
    row = installments[day, installment_id]
    assert {name: row[name] for name in expected} == expected


def test_fee_then_interest_then_principal(then):
    rows = by(then.repayments.filter(then.repayments.contract_number == "PARTS"), "as_of_on", "repayment_id", "allocation_number")
    parts = {
        key[1:]: tuple(int(row[f"{part}_amount"]) for part in ("fee", "interest", "principal"))
        for key, row in rows.items()
        if key[0] == LAST
    }
    assert parts == {
        ("PARTS-0", 1): (40, 0, 0),
        ("PARTS-1", 1): (10, 200, 90),
        ("PARTS-2", 1): (0, 0, 910),
        ("PARTS-2", 2): (50, 200, 840),
    }


def test_penalties_are_dated_and_paid(then, installments):
    # On the row: dated by the settlement, and paid by the repayment that names the installment.
    paid = by(then.repayments.filter(then.repayments.contract_number == "PENALTY_ROW"), "as_of_on", "allocation_number")
    assert paid[LAST, 1]["penalty_amount"] == 70
    assert paid[LAST, 2]["allocated_amount"] == 30
    assert installments["2024-02-10", "PENALTY_ROW-1"]["penalty_amount"] == 0
    assert installments["2024-03-10", "PENALTY_ROW-1"]["penalty_amount"] == 70
    dates = {
        key[1]: row["penalty_on"].isoformat() for key, row in by(then.penalties, "as_of_on", "installment_id").items() if key[0] == LAST
    }
    # Unsettled: the business date that brought it. In the file: its own date.
    assert dates == {"PENALTY_ROW-1": "2024-02-20", "PENALTY_OPEN-1": "2024-03-01", "UNPAID-1": "2024-03-05"}


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        # Open: from the oldest unsettled due date; the first 1,000,000 of 02-10 was never paid.
        ("UNPAID", {"dpd": 141, "overdue_amount": 2_000_000, "outstanding_principal_amount": 3_000_000}),
        # Written off with 250,000 of 3,000,000 paid; the recovery of 500,000 afterwards does not count. dpd frozen at the end: 29.
        ("LOST", {"dpd": 29, "overdue_amount": 0, "outstanding_principal_amount": 0, "written_off_principal_amount": 2_750_000}),
        ("LOST_CLOSED", {"dpd": 29, "written_off_principal_amount": 3_000_000, "sold_principal_amount": 0}),
        # Paid off after the write-off: no days past due, the loss stays counted.
        ("LOST_REPAID", {"dpd": 0, "written_off_principal_amount": 3_000_000, "ended_status": "Written Off"}),
        ("SOLD", {"dpd": 29, "sold_principal_amount": 3_000_000, "written_off_principal_amount": 0}),
        ("PAID_OFF", {"dpd": 0, "outstanding_principal_amount": 0, "overdue_amount": 0}),
    ],
)
def test_amounts(contracts, number, expected):
    row = contracts[LAST, number]
    assert {name: row[name] for name in expected} == expected


def test_an_early_settlement_needs_more_than_15_days(contracts):
    found = {
        number: contracts[LAST, number] for number in ("SETTLED_SOON", "SETTLED_END", "SETTLED_BEFORE_END", "SHORT_SCHEDULE", "ZEROED")
    }
    assert {number: row["is_early_settled"] for number, row in found.items()} == {
        "SETTLED_SOON": True,
        "SETTLED_END": False,  # 04-25 + 15 days is the last due date
        "SETTLED_BEFORE_END": True,
        "SHORT_SCHEDULE": True,  # one row of a tenor of 12: the last due date is eleven months after the first
        "ZEROED": True,  # nothing is due on the remaining rows, so they hold nothing back
    }
    assert found["SHORT_SCHEDULE"]["last_due_date"].isoformat() == "2025-01-10"
    assert found["ZEROED"]["early_settled_on"].isoformat() == FEB
    assert not contracts[LAST, "ENDED"]["is_early_settled"]


def test_refinanced_within_seven_days(contracts):
    assert contracts[LAST, "REFINANCED"]["is_refinanced"]
    assert not contracts[LAST, "TOO_FAR"]["is_refinanced"]
    assert not contracts[LAST, "SETTLED_SOON"]["is_refinanced"]
    # Before the other contract starts nobody knows of it.
    assert (contracts["2024-03-11", "REFINANCED"]["is_early_settled"], contracts["2024-03-11", "REFINANCED"]["is_refinanced"]) == (
        True,
        False,
    )


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("UNPAID", True),
        ("FPD_LOST", True),  # written off on the very day
        ("FPD_CANCELLED", None),
        ("FPD_PAID", False),  # settled on the day: not unsettled at its end
        ("FPD_ENDED", False),
    ],
)
def test_first_payment_default_on_its_day(contracts, number, expected):
    assert contracts["2024-03-10", "UNPAID"]["is_fpd30"] is None
    assert contracts["2024-03-11", number]["is_fpd30"] is expected


def test_max_dpd_of_windows(then):
    asked = [
        ("UNPAID", "2024-01-01", LAST, 141),
        ("UNPAID", "2024-02-29", "2024-03-31", 50),  # a window that ended before T, by what is known at T
        ("UNPAID", "2024-01-01", "2024-02-10", 0),
        ("LOST", "2024-01-01", LAST, 29),
        ("LOST", "2024-05-31", LAST, 29),  # frozen days count
        ("ENDED", "2024-01-01", LAST, 19),  # the day before the Cancel
        ("PAID_OFF", "2024-01-01", LAST, 38),  # settled within the tolerance on the day it ended
        ("PAID_OFF", "2024-03-19", LAST, 0),
        ("LOST_REPAID", "2024-01-01", LAST, 29),
        ("LOST_REPAID", "2024-03-31", LAST, 0),  # Paid-off from 04-01
    ]
    schema = {"contract_number": "string", "from_on": "date", "to_on": "date", "expected": "int64"}
    rows = [dict(zip(schema, (number, day(after), day(until), worst), strict=True)) for number, after, until, worst in asked]
    windows = ibis.memtable(rows, schema=schema).mutate(as_of_on=ibis.date(LAST))
    found = peak_dpd(then, windows).to_pyarrow().to_pylist()
    assert len(found) == len(asked)
    assert [row for row in found if row["max_dpd"] != row["expected"]] == []


def test_the_rows_of_a_repayment_add_up(then):
    last = then.repayments.filter(then.repayments.as_of_on == ibis.date(LAST))
    sums = by(last.group_by("repayment_id").agg(amount=last.allocated_amount.sum()), "repayment_id")
    delivered = {row["repayment_id"]: Decimal(str(row["repayment_amount"])) for row in BOOK["repayments"]}
    assert {key: row["amount"] for key, row in sums.items()} == delivered
