"""Asking for many dates at once gives what asking for each alone gives, and nothing known or dated later can be seen."""

from datetime import date, timedelta

import pytest

from tests.conftest import stored
from tests.strategies import calendar, ledger
from tests.warehouse.staging_rows import TERMS, at, by, contract, installment, repayment, staged
from warehouse.clock import as_of_dates, end_of_day
from warehouse.curated.eras import eras
from warehouse.curated.positions import positions
from warehouse.curated.staged import Staged

WHEN = calendar(3)
TABLES = ("contracts", "installments", "repayments", "penalties", "regions", "events", "arrears")


def asked() -> list[date]:
    """Delivery days with the days around them, and some in the past of the opening delivery."""
    around = {day + timedelta(days=shift) for day in WHEN.dates for shift in (-1, 0, 30)}
    return sorted(day for day in around | {WHEN.dates[0] - timedelta(days=100)} if day <= WHEN.last)


@pytest.fixture(scope="module")
def rows(con) -> Staged:
    """Sixty clients with late deliveries, corrections, deletions, reversals and penalties."""
    return stored(con, ledger(WHEN, list(range(60))).rows)


@pytest.fixture(scope="module")
def together(rows):
    return positions(rows, as_of_dates(asked(), TERMS.time_zone), TERMS)


def sorted_rows(con, table) -> list[str]:
    return sorted(repr(row) for row in con.to_pyarrow(table).to_pylist())


@pytest.mark.parametrize("place", [0, 2, -1])
def test_many_dates_are_each_date_alone(con, rows, together, place):
    day = asked()[place]
    alone = positions(rows, as_of_dates([day], TERMS.time_zone), TERMS)
    for name in TABLES:
        many = getattr(together, name)
        mine = many.filter(many.as_of_on == day).select(getattr(alone, name).columns)
        assert sorted_rows(con, mine) == sorted_rows(con, getattr(alone, name)), name


def test_what_is_known_later_changes_nothing(con, rows, together):
    # All rows known after the date are taken away; the answer must not move.
    day = WHEN.dates[1]
    until = end_of_day(day, TERMS.time_zone)
    before = Staged(*(table.filter(table.known_at <= until) for table in rows))
    poorer = positions(before, as_of_dates([day], TERMS.time_zone), TERMS)
    for name in TABLES:
        many = getattr(together, name)
        mine = many.filter(many.as_of_on == day).select(getattr(poorer, name).columns)
        assert sorted_rows(con, mine) == sorted_rows(con, getattr(poorer, name)), name


def test_one_era_is_the_rule():
    # Payments known in time, however many, leave one era; it begins where the schedule is known.
    days = [date(2024, month, 28) for month in range(1, 7)]
    paid = [repayment(f"P{month}", f"2024-{month:02d}-10", 100, on=f"2024-{month:02d}-12") for month in range(1, 7)]
    redelivered = installment(1, "2024-06-10", status="paid", on="2024-03-01")  # its status text is not used and ends no era
    rows = staged(
        "2024-01-02",
        contracts=[contract()],
        installments=[installment(1, "2024-06-10", status="open"), redelivered],
        repayments=paid,
    )
    assert [row["era_on"] for row in eras(rows, as_of_dates(days, TERMS.time_zone)).to_pyarrow().to_pylist()] == [days[-1]]


def test_a_payment_known_after_the_next_asked_date_begins_an_era():
    days = [date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31)]
    rows = staged(
        contracts=[contract()],
        installments=[installment(1, "2024-01-31")],
        repayments=[repayment("P1", "2024-01-20", 600_000), repayment("P2", "2024-01-10", 600_000, on="2024-02-05")],
    )
    found = eras(rows, as_of_dates(days, TERMS.time_zone)).to_pyarrow().to_pylist()
    assert sorted((row["from_on"], row["era_on"]) for row in found) == [(days[0], days[0]), (days[1], days[2])]
    assert sorted(day for day in days for row in found if row["from_on"] <= day <= row["era_on"]) == days  # each date is in one era
    # P2 comes first in the order of payment once it is known, so P1 overflows.
    split = by(at(rows, "2024-01-31", "2024-02-29").repayments, "as_of_on", "repayment_id", "allocation_number")
    assert split["2024-01-31", "P1", 1]["allocated_amount"] == 600_000
    assert split["2024-02-29", "P1", 1]["allocated_amount"] == 400_000
    assert split["2024-02-29", "P1", 2]["installment_id"] is None
