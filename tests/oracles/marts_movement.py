"""Movements of the outstanding principal, day by day and contract by contract, and what later became known of each month end."""

from collections import defaultdict
from datetime import date
from decimal import Decimal

from tests.oracles.allocation import NOTHING
from tests.oracles.days import DAY, first_day, last_day
from tests.oracles.marts import Cell
from tests.oracles.months import Months
from tests.oracles.positions import Book, Contract

AMOUNTS = (
    "opening_principal_amount",
    "new_principal_amount",
    "principal_paid_amount",
    "written_off_principal_amount",
    "sold_principal_amount",
    "released_principal_amount",
    "returned_principal_amount",
    "redated_amount",
    "correction_amount",
    "outstanding_principal_amount",
    "restated_amount",
)


def outstanding_movement_by_month(months: Months) -> dict[tuple, Cell]:
    """Cells by month_on."""
    moved: dict[date, dict[str, Decimal]] = defaultdict(lambda: dict.fromkeys(AMOUNTS, NOTHING))
    for contract in months.release.contracts.values():
        follow(contract, moved)
    before = dict.fromkeys(AMOUNTS, NOTHING)
    cells = {}
    for month_on in months.month_ons():
        cell: Cell = moved[month_on]
        reported, now = (
            sum(amounts(book).values(), NOTHING) for book in (months.book(months.as_of(month_on)), known_now(months, month_on))
        )
        cell["outstanding_principal_amount"], cell["restated_amount"] = reported, now - reported
        cell["opening_principal_amount"] = before["outstanding_principal_amount"]
        cell["correction_amount"] = before["restated_amount"] - cell["restated_amount"]
        cell["redated_amount"] = not_said_by_events(months, month_on) - not_said_by_events(months, first_day(month_on) - DAY)
        before = dict(cell)
        if any(cell[name] for name in AMOUNTS):
            cells[(month_on,)] = cell | {"as_of_on": months.as_of(month_on), "is_complete_month": month_on <= months.business_date}
    return cells


def known_now(months: Months, month_on: date) -> Book:
    """The book of a month end by what the release knows."""
    return Book(months.ledger, months.as_of(month_on), months.terms, known_on=months.business_date)


def not_said_by_events(months: Months, day: date) -> Decimal:
    """What a day's book, by all that is known now, owes more than the release's contracts on that day."""
    total, release = NOTHING, months.release
    if day < min(months.month_ons()).replace(day=1):
        return total
    book = known_now(months, day)
    for number in {*book.contracts, *release.contracts}:
        there = book.contracts[number].outstanding_principal_amount if number in book.contracts else NOTHING
        contract = release.contracts.get(number)
        here = owed_on(contract, book.as_of) if contract else NOTHING
        if there != here:
            assert contract is not None
            assert is_movable(contract), (number, day, there, here)
        total += there - here
    return total


def owed_on(contract: Contract, day: date) -> Decimal:
    """Outstanding principal on a day of the past, by the events that the release knows."""
    return contract.unpaid_principal(day) if contract.standing(day).status == "Active" else NOTHING


def is_movable(contract: Contract) -> bool:
    """A repayment was reversed, or an end follows from contract rows."""
    ended = any(event.is_derived and event.status in ("Paid-off", "Close") for event in contract.events)
    return ended or any(row["is_reversed"] for row in contract.repayments)


def amounts(book: Book) -> dict[str, Decimal]:
    """Outstanding principal by contract."""
    return {number: contract.outstanding_principal_amount for number, contract in book.contracts.items()}


def follow(contract: Contract, moved: dict[date, dict[str, Decimal]]) -> None:
    """Add the movements of one contract to their months."""
    start, day = contract.row["start_date"], contract.row["start_date"]
    if start > contract.as_of:
        return
    moved[last_day(start)]["new_principal_amount"] += contract.row["principal_amount"]
    in_book = False  # the new principal has not met the book yet
    expected = contract.row["principal_amount"]  # what came in by the start and is still to be seen in the open book
    while day <= contract.as_of:
        month = moved[last_day(day)]
        owed_before, owed = contract.unpaid_principal(day - DAY), contract.unpaid_principal(day)
        came_in = not in_book and is_open_on(contract, day)
        if came_in and not expected:
            month["returned_principal_amount"] += owed_before
        if came_in or in_book:
            month["principal_paid_amount"] += owed_before - owed
            in_book, expected = True, NOTHING
        elif expected:
            month["released_principal_amount"] += expected
            expected = NOTHING
        lost = NOTHING
        if day == contract.now.ended_on:
            for status, name in (("Written Off", "written_off"), ("Sold", "sold")):
                month[f"{name}_principal_amount"] += contract.lost_principal(status)
                lost += contract.lost_principal(status)
        if in_book and contract.standing(day).status != "Active":
            month["released_principal_amount"] += owed - lost
            in_book, lost = False, NOTHING
        month["returned_principal_amount"] += lost
        day += DAY


def is_open_on(contract: Contract, day: date) -> bool:
    """Whether the contract is open at the end of a day, or became so on the day, or with its start."""
    earlier = [event for event in contract.events if event.day < day]
    was_active = bool(earlier) and earlier[-1].status == "Active"
    return was_active or any(event.day == day and event.status == "Active" for event in contract.events)
