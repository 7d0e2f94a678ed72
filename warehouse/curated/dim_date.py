"""curated.dim_date: the calendar over which the lender's facts lie."""

from datetime import date

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.clock import month_end_on
from warehouse.table import TableSpec, columns

DIM_DATE = TableSpec(
    name="curated.dim_date",
    description="Calendar days.",
    grain=("date",),
    columns=columns(
        (
            ("date", "date", "The day."),
            ("month_on", "date", "Last day of its month."),
            ("month_start_on", "date", "First day of its month."),
            ("year", "int32", "Calendar year."),
            ("month", "int32", "Month of the year, 1 to 12."),
            ("is_month_end", "bool", "Whether it is the last day of its month."),
        )
    ),
)


def dim_date(first: date, last: date) -> ir.Table:
    """All days from one date to another, both included.

    Grain: one row per date.

    Returns:
        the columns of DIM_DATE.
    """
    stop = ibis.date(last) + ibis.interval(days=1)
    days = ibis.range(ibis.date(first).cast("timestamp"), stop.cast("timestamp"), ibis.interval(days=1)).unnest()
    return (
        days.name("date")
        .as_table()
        .mutate(date=_.date.cast("date"))
        .mutate(
            month_on=month_end_on(_.date),
            month_start_on=_.date.truncate("M").cast("date"),
            year=_.date.year().cast("int32"),
            month=_.date.month().cast("int32"),
        )
        .mutate(is_month_end=_.date == _.month_on)
        .select(DIM_DATE.column_names)
    )
