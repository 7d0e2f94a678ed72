"""Calendar rules: the end of a business date, month arithmetic and window starts, in Python and as Ibis expressions.

`end_of_day` is the one function behind known_at, event_timestamp and created_timestamp. Months clamp to the month's last day, and a
window that ends on a month's last day begins on one; without that second half windows of month ends do not tile.
"""

import calendar
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import ibis
import ibis.expr.types as ir

from warehouse.table import TIMESTAMP

BEGINNING = date(1900, 1, 1)  # from when the first known value of a client, region or product holds
END = date(2100, 1, 1)


def end_of_day(day: date, time_zone: str) -> datetime:
    """The last microsecond of a business date in the lender's time zone, as UTC."""
    return datetime.combine(day, time.max, ZoneInfo(time_zone)).astimezone(UTC)


def business_date(instant: datetime, time_zone: str) -> date:
    """The business date in which an instant falls."""
    return instant.astimezone(ZoneInfo(time_zone)).date()


def add_months(day: date, months: int) -> date:
    """The same day of another month, clamped to that month's last day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def month_end(day: date) -> date:
    """The last day of the month of a date."""
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])


def window_start(day: date, months: int) -> date:
    """The exclusive start of the window of so many months that ends on a date."""
    start = add_months(day, -months)
    return month_end(start) if day == month_end(day) else start


def month_ends(first: date, last: date) -> list[date]:
    """All month ends from the month of one date up to another date, the second included."""
    ends, day = [], month_end(first)
    while day <= last:
        ends.append(day)
        day = month_end(day + timedelta(days=1))
    return ends


def as_of_dates(days: Iterable[date], time_zone: str) -> ir.Table:
    """As-of dates as a table: what is asked, and up to which instant knowledge counts.

    Grain: one row per as_of_on.

    Returns:
        as_of_on (date), known_until (end of that business date, UTC).
    """
    rows = [{"as_of_on": day, "known_until": end_of_day(day, time_zone)} for day in sorted(set(days))]
    return ibis.memtable(rows, schema={"as_of_on": "date", "known_until": TIMESTAMP})


@lru_cache
def _offsets(time_zone: str) -> tuple[tuple[date, timedelta], ...]:
    """UTC offset at the end of each business date, as (first date, offset) steps."""
    zone, day = ZoneInfo(time_zone), BEGINNING
    steps: list[tuple[date, timedelta]] = []
    while day < END:
        offset = datetime.combine(day, time.max, zone).utcoffset()
        if offset is not None and (not steps or steps[-1][1] != offset):
            steps.append((day, offset))
        day += timedelta(days=1)
    return tuple(steps)


def end_of_day_at(day: ir.DateValue, time_zone: str) -> ir.TimestampValue:
    """The expression form of end_of_day: last microsecond of a business date, as UTC."""
    steps = _offsets(time_zone)
    seconds = ibis.cases(
        *((day >= first, int(offset.total_seconds())) for first, offset in reversed(steps)),
        else_=int(steps[0][1].total_seconds()),
    )
    last = (day + ibis.interval(days=1)).cast("timestamp") - ibis.interval(microseconds=1)
    return (last - seconds.as_interval("s")).cast(TIMESTAMP)


def business_date_at(instant: ir.TimestampValue, time_zone: str) -> ir.DateValue:
    """The expression form of business_date: the first day whose end is not before an instant."""
    day = instant.cast("date")
    before, after = ((day + ibis.interval(days=shift)).cast("date") for shift in (-1, 1))
    return ibis.cases(
        (instant <= end_of_day_at(before, time_zone), before),
        (instant <= end_of_day_at(day, time_zone), day),
        (instant.notnull(), after),
    )


@lru_cache
def _changes(time_zone: str) -> tuple[tuple[datetime, timedelta], ...]:
    """Changes of the UTC offset as (wall time up to which the offset before holds, offset from then on)."""
    zone, changes = ZoneInfo(time_zone), []
    for (_, before), (day, after) in pairwise(_offsets(time_zone)):
        low, high = end_of_day(day - timedelta(days=1), time_zone), end_of_day(day, time_zone)
        while high - low > timedelta(seconds=1):
            middle = low + (high - low) / 2
            low, high = (low, middle) if middle.astimezone(zone).utcoffset() == after else (middle, high)
        wall = (high + max(before, after)).replace(tzinfo=None, microsecond=0)
        changes.append((wall, after))
    return tuple(changes)


def instant_at(local: ir.TimestampValue, time_zone: str) -> ir.TimestampValue:
    """The instant, as UTC, of a wall time in the lender's zone; of a wall time that happens twice, the first."""
    seconds = (
        ibis.cases(
            *((local >= ibis.timestamp(wall), int(offset.total_seconds())) for wall, offset in reversed(_changes(time_zone))),
            else_=int(_offsets(time_zone)[0][1].total_seconds()),
        )
        if _changes(time_zone)
        else ibis.literal(int(_offsets(time_zone)[0][1].total_seconds()))
    )
    return (local - seconds.as_interval("s")).cast(TIMESTAMP)


def month_end_on(day: ir.DateValue) -> ir.DateValue:
    """The last day of the month of a date."""
    return ((day.truncate("M") + ibis.interval(months=1)).cast("date") - ibis.interval(days=1)).cast("date")


def add_months_on(day: ir.DateValue, months: ir.IntegerValue | int) -> ir.DateValue:
    """The expression form of add_months."""
    if isinstance(months, int):
        first = (day.truncate("M") + ibis.interval(months=months)).cast("date")
    else:
        first = (day.truncate("M") + months.as_interval("M")).cast("date")
    last = month_end_on(first)
    shift = ibis.least(day.day(), last.day()) - 1
    return (first + shift.as_interval("D")).cast("date")


def window_start_on(day: ir.DateValue, months: int) -> ir.DateValue:
    """The expression form of window_start."""
    start = add_months_on(day, -months)
    return ibis.ifelse(day == month_end_on(day), month_end_on(start), start)


def days_between(later: ir.DateValue, earlier: ir.DateValue) -> ir.IntegerValue:
    """Whole days from one date to another; negative when the first is earlier."""
    return later.delta(earlier, unit="day").cast("int64")


def months_between(later: ir.DateValue, earlier: ir.DateValue) -> ir.IntegerValue:
    """Calendar months from the month of one date to the month of another."""
    return ((later.year() - earlier.year()) * 12 + later.month() - earlier.month()).cast("int64")
