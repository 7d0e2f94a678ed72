"""The features of the view client_region: how other clients of the client's region pay, by what was known a month before."""

from datetime import date
from fractions import Fraction
from typing import Any

from tests.oracles.days import DAY, add_months, first_day, last_day, window_start
from tests.oracles.features import client_repayment
from tests.oracles.features_numbers import share
from tests.oracles.positions import UNKNOWN, Book, valid_from

PRIOR = 200  # installments of the whole book that stand in for a region's own while it has few


def month_before(day: date) -> date:
    """M: the last day of the month before."""
    return first_day(day) - DAY


def quarter_before(day: date) -> date:
    """The month end three months before M."""
    return last_day(add_months(month_before(day), -3))


def days(as_of: date) -> tuple[date, date, date]:
    """T, M and the month end three months before M."""
    return as_of, month_before(as_of), quarter_before(as_of)


def client_region(now: Book, month: Book, quarter: Book) -> dict[str, dict[str, Any]]:
    """Features by client_id.

    Args:
        now: the book at T.
        month: the book at M, by what was known at M.
        quarter: the same of the month end three months before M.
    """
    assert (now.as_of, month.as_of, quarter.as_of) == days(now.as_of)
    latest, earlier = Snapshot(month), Snapshot(quarter)
    return {client_id: of_client(now, client_id, latest, earlier) for client_id in client_repayment(now)}


class Snapshot:
    """The clients with a row at a month end, their region then and what the region's features add up."""

    def __init__(self, book: Book) -> None:
        self.rows = client_repayment(book)
        self.regions = {client_id: book.region(client_id, book.as_of) for client_id in self.rows}

    def at_risk(self, region_id: str) -> Fraction | None:
        """Share of the region's outstanding principal that is 30 or more days past due."""
        rows = [row for client_id, row in self.rows.items() if self.regions[client_id] == region_id]
        risk, outstanding = (sum(Fraction(row[name]) for row in rows) for name in ("par30_amount", "outstanding_principal_amount"))
        return risk / outstanding if outstanding else None

    def late(self, client_id: str, region_id: str) -> float | None:
        """Share of late installments of the region's other clients, drawn towards that of all other clients."""
        others = {other: row for other, row in self.rows.items() if other != client_id}
        everywhere = [row for _, row in others.items()]
        there = [row for other, row in others.items() if self.regions[other] == region_id]
        due = sum(row["installments_due_count_12m"] for row in everywhere)
        if not due:
            return None
        portfolio = Fraction(sum(row["late_count_12m"] for row in everywhere), due)
        late = sum(row["late_count_12m"] for row in there) + PRIOR * portfolio
        return share(late, sum(row["installments_due_count_12m"] for row in there) + PRIOR)


def of_client(now: Book, client_id: str, latest: Snapshot, earlier: Snapshot) -> dict[str, Any]:
    region_id = now.region(client_id, now.as_of)
    risk, before = latest.at_risk(region_id), earlier.at_risk(region_id)
    return {
        "region_late_pay_ratio_12m": latest.late(client_id, region_id),
        "region_par30_ratio": None if risk is None else float(risk),
        "region_par30_ratio_change_3m": None if risk is None or before is None else float(risk - before),
        "moved_region_count_12m": moves(now, client_id),
    }


def moves(now: Book, client_id: str) -> int:
    """Days of twelve months on which the client lived in another place than the day before; Unknown is no place."""
    chain = now.client_versions.get(client_id, [])
    changed_on = {valid_from(version, now.terms.time_zone) for version in chain}
    window = [day for day in changed_on if window_start(now.as_of, 12) < day <= now.as_of]
    steps = [(now.region(client_id, day - DAY), now.region(client_id, day)) for day in window]
    return sum(UNKNOWN not in step and place(now, step[0]) != place(now, step[1]) for step in steps)


def place(now: Book, region_id: str) -> str:
    """The region that a region is part of: its successor, that one's successor, and so on."""
    seen = {region_id}
    while region_id in now.region_rows:
        successor = now.region_rows[region_id]["successor_region_id"]
        if successor is None or successor in seen:
            return region_id
        seen.add(successor)
        region_id = successor
    return UNKNOWN
