"""What has become of a contract, day by day: worst days, payment defaults, debt groups, default, recovery and cure."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from tests.oracles.allocation import NOTHING, Installment
from tests.oracles.days import DAY
from tests.oracles.positions import LOST, Book, Contract

Days = dict[date, int]


def past_due(contract: Contract) -> dict[date, int]:
    """Days past due on every day from the first due date to the as-of date."""
    first = min((i.due_date for i in contract.installments), default=contract.as_of)
    days = (first + timedelta(days=number) for number in range(1, (contract.as_of - first).days + 1))
    return {day: contract.dpd(day) for day in days}


def first_day_with(days: Days, dpd: int) -> date | None:
    """The first day with so many days past due."""
    return next((day for day, there in days.items() if there >= dpd), None)


def debt_group(dpd: int) -> int:
    """Group by days past due: below 10, up to 90, up to 180, up to 360, more."""
    if dpd < 10:
        return 1
    if dpd <= 90:
        return 2
    if dpd <= 180:
        return 3
    return 4 if dpd <= 360 else 5


def client_debt_group(book: Book, contract: Contract) -> int:
    """The worst of the contract and of the client's open contracts."""
    others = [other for other in book.of_client(contract.row["client_id"]) if other.is_open]
    return max(debt_group(other.dpd(book.as_of)) for other in [contract, *others])


def payment_default(contract: Contract, place: int) -> bool | None:
    """Whether the installment at a place (1 is the first) reached 30 days past due and none before it did; None while that is open."""
    ordered = sorted(contract.installments, key=lambda i: (i.number, i.due_date, i.installment_id))
    if len(ordered) < place or contract.now.status in ("New", "Cancel"):
        return None
    if any(contract.as_of < i.due_date + timedelta(days=30) for i in ordered[:place]):
        return None
    reached = [reached_30(contract, i) for i in ordered[:place]]
    return reached[-1] and not any(reached[:-1])


def reached_30(contract: Contract, i: Installment) -> bool:
    """Unsettled at the end of the 30th day after it was due, in a running contract or in one lost on that day."""
    day, end = i.due_date + timedelta(days=30), contract.now.ended_on
    if i.settled_on is not None and i.settled_on <= day:
        return False
    return end is None or end > day or (end == day and contract.now.end_status in LOST)


def defaulted_on(contract: Contract, days: Days) -> date | None:
    """The first day with 90 days past due, or the day of the loss if that came first."""
    found = [first_day_with(days, 90)]
    if contract.now.end_status in LOST:
        found.append(contract.now.ended_on)
    return min((day for day in found if day is not None), default=None)


def recovered_amount(contract: Contract) -> Decimal:
    """What installments and their penalties were paid after the day of a write-off, up to the day of a sale."""
    if contract.now.end_status != "Written Off":
        return NOTHING
    sales = [event.day for event in contract.now.events_since_active if event.status == "Sold"]
    last = min(sales, default=contract.as_of)
    paid = [r for r in contract.repayments if r["installment_id"] is not None and contract.now.ended_on < r["repayment_date"] <= last]
    return sum((r["allocated_amount"] for r in paid), NOTHING)


def cured_on(contract: Contract, days: Days) -> date | None:
    """The day on which the third installment in a row was on time, of those due since the contract had no days past due again."""
    bad = [day for day, dpd in days.items() if dpd >= 30]
    if not bad:
        return None
    back_on = bad[-1] + DAY
    while days.get(back_on, 0):
        back_on += DAY
    ordered = sorted(contract.installments, key=lambda i: (i.due_date, i.number, i.installment_id))
    row: list[Installment] = []
    for i in ordered:
        if not contract.is_due(i) or i.due_date < back_on:
            continue
        row = [*row, i] if i.settled_on is not None and not contract.is_late(i) else []
        if len(row) >= 3:
            done = max(day for one in row[-3:] for day in (one.due_date, one.settled_on))
            if done <= (contract.now.ended_on or contract.as_of):
                return done
    return None


def outcome_row(book: Book, contract: Contract) -> dict[str, Any]:
    """The columns that fact_contract adds to positions."""
    days, here = past_due(contract), contract.dpd(contract.as_of)
    worst, lost_on = max(days.values(), default=0), defaulted_on(contract, days)
    return {
        "max_dpd": worst,
        "dpd30_on": first_day_with(days, 30),
        "dpd90_on": first_day_with(days, 90),
        "is_spd30": payment_default(contract, 2),
        "is_tpd30": payment_default(contract, 3),
        "vn_debt_group": debt_group(here),
        "client_vn_debt_group": client_debt_group(book, contract),
        "defaulted_on": lost_on,
        "defaulted_principal_amount": contract.unpaid_principal(lost_on) if lost_on else NOTHING,
        "recovered_amount": recovered_amount(contract),
        "cured_on": cured_on(contract, days),
        "is_back_to_current": contract.is_open and here == 0 and worst >= 30,
    }
