"""Versions of rows with what they replace, and which of them are late: known after the end of a month that they change.

A row that was known by the end of every month it can change is no news to any month end. The rules of `late_facts` may call a row late that
changes nothing; that costs time. They must never miss one.
"""

from collections.abc import Sequence
from datetime import date, timedelta

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.clock import BEGINNING, business_date_at, end_of_day, month_end_on

EVER = ibis.literal(BEGINNING)  # from when a row counts that changes all months of its contracts
BEFORE = "_before"
FURTHEST_EAST = 14  # hours that a time zone may be ahead of UTC


def versions(table: ir.Table, key: Sequence[str], meant: Sequence[str], since: date | None, time_zone: str) -> ir.Table:
    """Versions of a staging table that say something new, each beside the version that it replaces.

    A row of the opening delivery is the first version of its key, so only keys with other rows are put in order.

    Grain: one row per (key, business_date), fewer than the table.

    Args:
        table: a staging table.
        key: columns of the key.
        meant: columns that are looked at; a version that changes none of them is left out.
        since: leave out versions known before this business date; None for none.
        time_zone: of the lender.

    Returns:
        key, meant, is_deleted, known_at, business_date, is_first, and each column that is meant of the version before, and its is_deleted,
        with the suffix _before (null for the first).
    """
    meant = tuple(dict.fromkeys((*meant, "is_deleted")))
    recent = table if since is None else table.filter(_.known_at > end_of_day(since - timedelta(days=1), time_zone))
    later = recent.filter(~_.is_opening)
    in_order = ibis.window(group_by=key, order_by="business_date")
    columns = tuple(dict.fromkeys((*key, *meant, "known_at", "business_date")))
    chains = table.semi_join(later, key).select(
        *columns,
        "is_opening",
        is_first=ibis.row_number().over(in_order) == 0,
        **{f"{name}{BEFORE}": _[name].lag().over(in_order) for name in meant},
    )
    same = ibis.and_(*(_[name].identical_to(_[f"{name}{BEFORE}"]) for name in meant))
    replacing = chains.filter(~_.is_opening, _.is_first | ~same)
    if since is not None:
        replacing = replacing.semi_join(later, (*key, "business_date"))
    opening = recent.filter(_.is_opening).select(
        *columns, is_first=ibis.literal(True), **{f"{name}{BEFORE}": ibis.null(table[name].type().copy(nullable=True)) for name in meant}
    )
    return opening.union(replacing.select(opening.columns))


def changed(*names: str) -> ir.BooleanValue:
    """Whether a version differs from the one before it in one of some columns."""
    return ibis.or_(*(~_[name].identical_to(_[f"{name}{BEFORE}"]) for name in names))


def earlier(name: str) -> ir.DateValue:
    """A date of a version, or that of the version before it if it was earlier."""
    return ibis.least(_[name], ibis.coalesce(_[f"{name}{BEFORE}"], _[name]))


def maybe_late(rows: ir.Table, event: str) -> ir.Table:
    """Rows that may have become known in a later month than that of their event; cheap, and never leaves out a late one."""
    in_zone = _.known_at + ibis.interval(hours=FURTHEST_EAST)
    return rows.filter(in_zone.cast("date").truncate("M") > _[event].truncate("M"))


def late(rows: ir.Table, event: str, time_zone: str) -> ir.Table:
    """Rows known after the end of the month of their event, with known_on, the business date on which they became known."""
    known = maybe_late(rows, event).mutate(known_on=business_date_at(_.known_at, time_zone))
    return known.filter(month_end_on(_[event]) < _.known_on)
