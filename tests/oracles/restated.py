"""Month rows as known on later days, contract by contract and day by day (fact_contract_month_version and what is known now)."""

from collections.abc import Iterator
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from tests.oracles.days import first_day, month_ends
from tests.oracles.ledger import Ledger
from tests.oracles.months import Months
from tests.oracles.positions import Book

Key = tuple[str, date]


class Restated:
    """Complete months of a ledger with the knowledge of every day up to a business date."""

    def __init__(self, ledger: Ledger, business_date: date, terms: Any) -> None:
        self.months = Months(ledger, business_date, terms)
        self.ledger, self.business_date, self.terms = ledger, business_date, terms
        zone = ZoneInfo(terms.time_zone)
        known = {row["known_at"].astimezone(zone).date() for rows in ledger.rows.values() for row in rows}
        self.days = sorted(day for day in known if day <= business_date)

    def complete_months(self) -> list[date]:
        """Months from the first start date of all that was ever told, so also of contracts that have been deleted since."""
        starts = [row["start_date"] for row in self.ledger.rows["contracts"]]
        return [month_on for month_on in month_ends(min(starts), self.business_date) if month_on <= self.business_date] if starts else []

    def as_known(self, month_on: date, day: date) -> dict[Key, dict[str, Any]]:
        """Contracts that had started and had not ended before the month, by what was known by the end of a day."""
        book = Book(self.ledger, month_on, self.terms, day)
        return {
            (number, month_on): self.months._row(book, contract, month_on)
            for number, contract in book.contracts.items()
            if contract.row["start_date"] <= month_on and (contract.now.ended_on is None or contract.now.ended_on >= first_day(month_on))
        }

    def known_now(self) -> dict[Key, dict[str, Any]]:
        """Complete months by all that is known on the business date."""
        return {key: row for month_on in self.complete_months() for key, row in self.as_known(month_on, self.business_date).items()}

    def versions(self) -> dict[tuple[str, date, date], dict[str, Any]]:
        """What differs from the version before, by contract, month and day; a contract that ran no more keeps the values it had."""
        return {
            (*key, day): {**row, "known_on": day, "is_counted": is_counted}
            for month_on in self.complete_months()
            for key, day, row, is_counted in self._changes(month_on)
        }

    def _changes(self, month_on: date) -> Iterator[tuple[Key, date, dict[str, Any], bool]]:
        before = self.as_known(month_on, month_on)
        for day in (day for day in self.days if day > month_on):
            after = self.as_known(month_on, day)
            for key in before.keys() | after.keys():
                if before.get(key) != after.get(key):
                    yield key, day, after.get(key) or before[key], key in after
            before = after

    def restatement(self) -> dict[tuple, dict[str, Any]]:
        """Changes of cells by the day on which they became known, with what a cell was worth before and after; months as in other marts."""
        found: dict[tuple, dict[str, Any]] = {}
        for month_on in (month_on for month_on in self.months.month_ons() if month_on <= self.business_date):
            before = self.as_known(month_on, month_on)
            for day in (day for day in self.days if day > month_on):
                after = self.as_known(month_on, day)
                if after != before:
                    found |= {(day, *place): row for place, row in _compared(before, after).items()}
                before = after
        return found


def _compared(before: dict[Key, dict[str, Any]], after: dict[Key, dict[str, Any]]) -> dict[tuple, dict[str, Any]]:
    """Cells and measures to which some contract's part differs."""
    parts = [{(key, *place): value for key, row in rows.items() for place, value in _parts(row)} for rows in (before, after)]
    moved = {place for place in parts[0].keys() | parts[1].keys() if parts[0].get(place, 0) != parts[1].get(place, 0)}
    cells = {place[1:] for place in moved}
    sums = [{cell: sum(value for place, value in part.items() if place[1:] == cell) for cell in cells} for part in parts]
    return {
        cell: {
            "value_before": sums[0][cell],
            "value_after": sums[1][cell],
            "change_amount": sums[1][cell] - sums[0][cell],
            "contract_count": sum(place[1:] == cell for place in moved),
        }
        for cell in cells
    }


def _parts(row: dict[str, Any]) -> Iterator[tuple[tuple, Any]]:
    """What a month row adds to each measure of its cell, where it adds anything."""
    cell = (row["month_on"], row["region_as_of_month_id"], row["product_type_id"])
    owed = row["outstanding_principal_amount"]
    measures = {"written_off_principal_amount": row["written_off_principal_amount"]}
    if row["status"] == "Active":
        measures |= {"open_contract_count": 1, "outstanding_principal_amount": owed, "overdue_amount": row["overdue_amount"]}
        measures |= {f"par{days}_amount": owed for days in (30, 60, 90) if row["dpd"] >= days}
        measures |= {"npl_amount": owed} if row["client_vn_debt_group"] >= 3 else {}
    yield from (((*cell, name), value) for name, value in measures.items() if value)
