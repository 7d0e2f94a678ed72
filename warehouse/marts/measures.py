"""Measures: events put into their months, parts of one grain summed into one row, shares with their numerators and denominators."""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from warehouse.clock import BEGINNING, days_between
from warehouse.terms import STATUSES

COUNT = {"bounds": (0, None)}
RATIO = {"bounds": (0, 1)}


def in_month(events: ir.Table, event_on: str, months: ir.Table) -> ir.Table:
    """Events with the month in which they are dated, up to the month's as-of date; events outside the months are left out."""
    numbered = events.mutate(month_number=month_number(events[event_on]))
    placed = numbered.inner_join(months.select("month_on", "as_of_on", month_number=month_number(months.month_on)), "month_number")
    return placed.filter(placed[event_on] <= placed.as_of_on).drop("month_number")


def month_number(day: ir.DateValue) -> ir.IntegerValue:
    """Months counted from the year 0; over millions of rows much cheaper than the month's last day."""
    return (day.year() * 12 + day.month()).cast("int32")


def summed(parts: Sequence[ir.Table], key: Sequence[str]) -> ir.Table:
    """Counts and amounts of several tables in one, added up by the key; a measure that a part does not have is 0 there.

    Grain: one row per key with a measure that is not 0.

    Args:
        parts: each has the key and any number of measures, of the same type where two have the same.
        key: columns that all parts share.
    """
    types = {name: dtype for part in parts for name, dtype in part.schema().items()}
    names = [name for name in types if name not in key]
    zeros = {name: ibis.literal(0).cast(types[name]) for name in names}
    schema = ibis.schema({name: types[name](nullable=True) for name in (*key, *names)})
    aligned = (part.select(*key, **{name: part[name] if name in part.columns else zeros[name] for name in names}) for part in parts)
    rows = ibis.union(*(part.cast(schema) for part in aligned))
    total = rows.group_by(*key).agg(**{name: rows[name].sum().cast(types[name]) for name in names})
    return total.filter(ibis.or_(*(total[name] != 0 for name in names)))


def status_rank(status: ir.StringValue) -> ir.IntegerValue:
    """The order in which events of one day apply."""
    return status.cases(*((name, rank) for rank, name in enumerate(STATUSES)), else_=-1)


def event_order(status_date: ir.DateValue, status: ir.StringValue) -> ir.IntegerValue:
    """The order in which status events apply: by date, on one date by status_rank."""
    return days_between(status_date, ibis.literal(BEGINNING)) * len(STATUSES) + status_rank(status)


def ratio(part: ir.NumericValue, whole: ir.NumericValue) -> ir.FloatingValue:
    """A share as float64, null when there is nothing to share."""
    return part.cast("float64") / whole.cast("float64").nullif(0)
