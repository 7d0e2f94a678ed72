"""Month-end snapshots of contracts, each as it was known then (fact_contract_month of CONTRACT D)."""

from datetime import date
from functools import cache
from typing import Any

from tests.oracles.allocation import NOTHING
from tests.oracles.days import DAY, first_day, month_ends, months_apart
from tests.oracles.ledger import Ledger
from tests.oracles.outcomes import client_debt_group, debt_group
from tests.oracles.positions import UNKNOWN, Book, Contract


class Months:
    """Books of all month ends of a ledger up to a business date, and of the business date itself."""

    def __init__(self, ledger: Ledger, business_date: date, terms: Any) -> None:
        self.ledger, self.business_date, self.terms = ledger, business_date, terms
        self.release = Book(ledger, business_date, terms)
        self.book = cache(lambda as_of: Book(ledger, as_of, terms))

    def as_of(self, month_on: date) -> date:
        return min(month_on, self.business_date)

    def month_ons(self) -> list[date]:
        """Months from the first start date that has come."""
        starts = [contract.row["start_date"] for contract in self.release.contracts.values()]
        return month_ends(min(starts), self.business_date) if starts and min(starts) <= self.business_date else []

    def current_map(self, region_id: str) -> str:
        """Where a region is on today's map: follow its successors."""
        rows, seen = self.release.region_rows, set()
        while region_id in rows and rows[region_id]["successor_region_id"] is not None and region_id not in seen:
            seen.add(region_id)
            region_id = rows[region_id]["successor_region_id"]
        return region_id if region_id in rows else UNKNOWN

    def contract_months(self) -> list[dict[str, Any]]:
        rows = []
        for month_on in self.month_ons():
            book = self.book(self.as_of(month_on))
            before = self.book(first_day(month_on) - DAY)
            for number, contract in book.contracts.items():
                if has_row(contract, before.contracts.get(number), month_on):
                    rows.append(self._row(book, contract, month_on))
        return rows

    def _row(self, book: Book, contract: Contract, month_on: date) -> dict[str, Any]:
        region = book.region(contract.row["client_id"], book.as_of)
        due = [i for i in contract.installments if contract.is_due(i) and first_day(month_on) <= i.due_date <= month_on]
        charged = [amount for _, _, day, amount in contract.penalties() if first_day(month_on) <= day <= month_on]
        dpd = contract.dpd(book.as_of)
        return {
            "contract_number": contract.row["contract_number"],
            "month_on": month_on,
            "client_id": contract.row["client_id"],
            "product_code": contract.product_code,
            "product_type_id": contract.product_type_id,
            "as_of_on": book.as_of,
            "status": contract.now.status,
            "dpd": dpd,
            "dpd_bucket": bucket(dpd),
            "max_dpd": contract.max_dpd(first_day(month_on) - DAY, book.as_of),
            "mob": months_apart(month_on, contract.row["start_date"]),
            "outstanding_principal_amount": contract.outstanding_principal_amount,
            "overdue_amount": contract.overdue_amount,
            "due_amount": sum((i.due_amount for i in due), NOTHING),
            "paid_amount": sum((i.paid_amount for i in due), NOTHING),
            "penalty_amount": sum(charged, NOTHING),
            "written_off_principal_amount": contract.lost_principal("Written Off"),
            "region_at_origination_id": contract.region_at_origination_id,
            "region_as_of_month_id": region,
            "region_current_map_id": self.current_map(region),
            "ended_status": contract.now.end_status,
            "vn_debt_group": debt_group(dpd),
            "client_vn_debt_group": client_debt_group(book, contract),
            "ended_on": contract.now.ended_on,
        }


def has_row(contract: Contract, before: Contract | None, month_on: date) -> bool:
    """Started and not ended before the month; or its end became known in the month."""
    if contract.row["start_date"] > contract.as_of:
        return False
    ended_on = contract.now.ended_on
    if ended_on is None or ended_on >= first_day(month_on):
        return True
    return before is None or before.now.ended_on is None


def bucket(dpd: int) -> str:
    """The dpd bucket's name."""
    for name, edge in (("90_plus", 90), ("60_89", 60), ("30_59", 30), ("1_29", 1)):
        if dpd >= edge:
            return name
    return "0"
