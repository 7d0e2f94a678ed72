"""The calendar rules, written a second time: ends of days, months that clamp, windows that keep month ends."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)


def end_of_day(day: date, zone: str) -> datetime:
    """One microsecond before the next local midnight, as UTC."""
    midnight = datetime.combine(day + DAY, time(0), ZoneInfo(zone))
    return midnight.astimezone(UTC) - timedelta(microseconds=1)


def last_day(day: date) -> date:
    """The last day of the month."""
    first_of_next = date(day.year + day.month // 12, day.month % 12 + 1, 1)
    return first_of_next - DAY


def first_day(day: date) -> date:
    """The first day of the month."""
    return date(day.year, day.month, 1)


def add_months(day: date, months: int) -> date:
    """The same day of a later or earlier month, or that month's last day where the month is too short."""
    position = day.year * 12 + (day.month - 1) + months
    first = date(position // 12, position % 12 + 1, 1)
    return date(first.year, first.month, min(day.day, last_day(first).day))


def window_start(day: date, months: int) -> date:
    """The day before the window of the last so many months begins; a month end for a month end."""
    start = add_months(day, -months)
    return last_day(start) if day == last_day(day) else start


def outcome_end(day: date, months: int = 12) -> date:
    """The last day of the outcome window that follows a day; a month end for a month end."""
    end = add_months(day, months)
    return last_day(end) if day == last_day(day) else end


def months_apart(later: date, earlier: date) -> int:
    """Calendar months from the month of one date to the month of another."""
    return (later.year - earlier.year) * 12 + (later.month - earlier.month)


def month_ends(first: date, last: date) -> list[date]:
    """Last days of all months from the month of one date to the month of another, both included."""
    ends = [last_day(first)]
    while ends[-1] < last_day(last):
        ends.append(last_day(ends[-1] + DAY))
    return ends
