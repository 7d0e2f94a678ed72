"""Status events of a contract, and where the contract stands on a day."""

from dataclasses import dataclass
from datetime import date

from tests.oracles.ledger import Row

ORDER = ["New", "Active", "Paid-off", "Written Off", "Sold", "Cancel", "Close"]
ENDING = {"Paid-off", "Written Off", "Sold", "Cancel", "Close"}
REASONS = {"Paid-off": "paid", "Written Off": "written_off", "Sold": "sold", "Cancel": "cancel"}


@dataclass(frozen=True)
class Event:
    """A contract took on a status on a day."""

    day: date
    status: str
    is_derived: bool

    @property
    def place(self) -> tuple[date, int]:
        """Place in time; events of one day follow the order of the statuses."""
        return (self.day, ORDER.index(self.status))


@dataclass(frozen=True)
class Standing:
    """Where a contract stands on a day."""

    status: str
    status_on: date
    ended_on: date | None = None
    end_status: str | None = None
    status_before_close: str | None = None
    events_since_active: tuple[Event, ...] = ()


def events(versions: list[Row], history: list[Row], all_settled_on: date | None, as_of: date) -> list[Event]:
    """Status events of one contract up to the as-of date, in order.

    Args:
        versions: known versions of the contract's row, oldest first.
        history: held rows of contract_status_history; a contract with any has its events from there, even if all are dated later.
        all_settled_on: the day on which the last installment was settled, if all are.
        as_of: the as-of date.
    """
    told = from_history(versions, history, all_settled_on, as_of) if history else from_rows(versions, all_settled_on)
    return sorted((event for event in told if event.day <= as_of), key=lambda event: event.place)


def from_history(versions: list[Row], history: list[Row], all_settled_on: date | None, as_of: date) -> set[Event]:
    """Delivered events, and a contract row's status where it told something else than the events delivered by then.

    Such a status is dropped once a later delivery of the history ends with it: the history has caught up.
    """
    told = {told_by(row) for row in history}
    past = [row for row in history if row["status_date"] <= as_of]
    newest = max(past, key=lambda row: told_by(row).place, default=None)
    days = {(event.day, event.status) for event in told}
    own: list[tuple[Event, Row]] = []
    for version in versions:
        status, day = version["status"], version["business_date"]
        if status is None:
            continue
        delivered = {told_by(row) for row in history if row["status_date"] <= day and (row["is_opening"] or row["business_date"] <= day)}
        last = max([*delivered, *(event for event, _ in own)], key=lambda event: event.place, default=None)
        if status != (last.status if last else "New"):
            own.append((Event(dated(version, all_settled_on), status, True), version))
    for event, version in own:
        caught_up = newest is not None and newest["status"] == event.status and newest["business_date"] > version["business_date"]
        if not caught_up and (event.day, event.status) not in days:
            told.add(event)
    return told


def told_by(row: Row) -> Event:
    """The event of a row of the history."""
    return Event(row["status_date"], row["status"], False)


def from_rows(versions: list[Row], all_settled_on: date | None) -> set[Event]:
    """Events where no history was delivered: the beginning, then each status that a contract row told."""
    current = versions[-1]
    delivered = [version for version in versions if version["status"] is not None]
    start_date = current["start_date"]
    if not delivered:
        told = {Event(start_date, "Active", True)}
    else:
        first = delivered[0]
        before = "New" if first["status"] == "New" else "Active"
        told = {Event(min(start_date, dated(first, all_settled_on)), before, True)}
        for version in delivered:
            if version["status"] == before and version["last_status_change_date"] is None:
                continue
            told.add(Event(dated(version, all_settled_on), version["status"], True))
            before = version["status"]
    if current["status"] is None and all_settled_on is not None:
        told.add(Event(all_settled_on, "Paid-off", True))
    return told


def dated(version: Row, all_settled_on: date | None) -> date:
    """The day of a delivered status: its own, else that of the settlement, else the delivery's."""
    if version["last_status_change_date"] is not None:
        return version["last_status_change_date"]
    if version["status"] in ("Paid-off", "Close") and all_settled_on is not None:
        return all_settled_on
    return version["business_date"]


def standing(told: list[Event], start_date: date, day: date) -> Standing:
    """Status, end and what led to it on a day; before its start a contract is New."""
    seen = [event for event in told if event.day <= day]
    if day < start_date or not seen:
        return Standing("New", start_date)
    status, status_on = seen[-1].status, seen[-1].day
    if status in ("New", "Active"):
        return Standing(status, status_on)
    since: list[Event] = []
    for event in seen:
        since = [] if event.status == "Active" else [*since, event]
    end = next(event for event in since if event.status in ENDING)
    others = [event.status for event in seen if event.status != "Close"]
    return Standing(status, status_on, end.day, end.status, others[-1] if status == "Close" and others else None, tuple(since))


def close_reason(now: Standing, all_settled: bool) -> str | None:
    """Why a closed contract was closed; null for every other status."""
    if now.status != "Close":
        return None
    if now.status_before_close in REASONS:
        return REASONS[now.status_before_close]
    return "paid" if all_settled else "unknown"
