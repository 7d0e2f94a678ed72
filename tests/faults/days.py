"""Deliveries of a lender, day by day, that anybody can work out: day n brings payment n, now and then a loan, a correction, a bad row.

Loans come in a newer schema version than the opening delivery.

What staging must hold in the end is written here too, in plain Python, apart from the code under test.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from tests.faults.book import OPENING, Row, client, contract, installment, penalty, repayment, with_rows, write_csv

LOAN_DAYS, CORRECTION_DAYS, BAD_DAYS, PENALTY_DAYS = 5, 4, 3, 6  # every so many days


def day_of(number: int) -> date:
    """Business date of a delivery; 0 is the opening."""
    return OPENING + timedelta(days=number)


def delivery(number: int) -> dict[str, list[Row]]:
    """Rows of a delivery by table."""
    if number == 0:
        return with_rows({"repayments": [paid(0)]})
    tables: dict[str, list[Row]] = {"repayments": [paid(number), paid(number)]}
    if number % CORRECTION_DAYS == 0:
        tables["repayments"].append(paid(number - 1, corrected=True))
    if number % BAD_DAYS == 0:
        tables["repayments"].append(repayment(f"bad-{number}", repayment_amount="12O0"))
    if number % PENALTY_DAYS == 0:
        tables["penalties"] = [penalty(f"F{number}", penalty_date=day_of(number).isoformat())]
    if number % LOAN_DAYS == 0:
        of = f"L{number}"
        tables["clients"] = [client(f"C{number}")]
        tables["contracts"] = [contract(of, client_id=f"C{number}", start_date=day_of(number).isoformat(), channel="shop")]  # version 2
        dues = {place: (day_of(number) + timedelta(days=30 * place)).isoformat() for place in (1, 2)}
        tables["installments"] = [installment(f"{of}-{place}", of, str(place), due_date=due, late_fee="0") for place, due in dues.items()]
    return tables


def paid(number: int, corrected: bool = False) -> Row:
    """Payment of a day: one more than its number, and a hundredth more once it is corrected."""
    amount = f"{number + 1}.01" if corrected else f"{number + 1}"
    return repayment(f"Y{number}", repayment_date=day_of(number).isoformat(), repayment_amount=amount)


def write(folder: Path, number: int) -> Path:
    """The files of a delivery, written once: another run may be reading them."""
    place = folder / f"{number:04d}"
    return place if place.is_dir() else write_csv(place, delivery(number))


def expected_payments(numbers: Iterable[int]) -> set[tuple[str, date, Decimal]]:
    """Rows of staging.repayments as (key, business date, amount) once these deliveries were taken."""
    taken = set(numbers)
    rows = {(f"Y{number}", day_of(number), Decimal(number + 1)) for number in taken}
    corrected = {number for number in taken if number and number % CORRECTION_DAYS == 0}
    return rows | {(f"Y{number - 1}", day_of(number), Decimal(number) + Decimal("0.01")) for number in corrected}


def expected_rows_in(numbers: Iterable[int]) -> int:
    """Rows of all files of these deliveries."""
    return sum(len(rows) for number in set(numbers) for rows in delivery(number).values())
