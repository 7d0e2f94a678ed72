"""Key rules: which row of a key is its version of a business date, and which rows repeat what is held.

One delivery may repeat a key: equal rows are duplicates, else the greatest updated_at wins, else all are quarantined. Of two deliveries
of one business date the later arrival wins. A version equal to the version before it in time is a duplicate; versions are never
compared with any other, because a value may return to an earlier one.
"""

import ibis
import ibis.expr.types as ir

from warehouse.sources import SourceTable
from warehouse.staging.rules import broken

HELD, NOTHING = "=", "-"  # so that no text looks like a missing value
BETWEEN = "\x1f"


def versioned(rows: ir.Table, source: SourceTable) -> ir.Table:
    """Give every row its disposition.

    Grain: one row per row of raw.

    Args:
        rows: typed rows with faults, waits, warnings (marks) and delivery_seq (order of arrival of their delivery).
        source: the contract, for the key and the compared columns.

    Returns:
        rows with disposition: accepted, duplicate, quarantined or parked; key_conflict is added to faults, superseded rows to notes.
    """
    content = _content(rows, source)
    sound = rows.mutate(content=content, is_sound=(rows.faults == "") & (rows.waits == ""))
    judged = _across_time(_across_deliveries(_within_delivery(sound, source.key), source.key), source.key)
    disposition = ibis.cases(
        (judged.is_conflict | (judged.faults != ""), "quarantined"),
        (judged.waits != "", "parked"),
        (judged.is_version, "accepted"),
        else_="duplicate",
    )
    return judged.mutate(
        disposition=disposition,
        faults=judged.faults + broken(judged.is_conflict, "key_conflict"),
        notes=broken(judged.is_beaten, "superseded_in_delivery") + broken(judged.is_replaced, "superseded_by_delivery"),
    ).drop("content", "is_sound", "is_conflict", "is_beaten", "is_first", "is_replaced", "is_current", "is_version")


def _content(rows: ir.Table, source: SourceTable) -> ir.StringValue:
    """The business columns and is_deleted as one text; equal texts are equal rows."""
    names = [column.name for column in source.columns if column.name not in source.key]
    values = [(HELD + rows[name].cast("string")).fill_null(NOTHING) for name in (*names, "is_deleted")]
    return ibis.literal(BETWEEN).join(values)


def _within_delivery(rows: ir.Table, key: tuple[str, ...]) -> ir.Table:
    """is_conflict, is_beaten (other values, a lower updated_at) and is_first (the row of its key in its delivery)."""
    place = [*key, "business_date", "delivery_seq", "is_sound"]
    newest = rows.mutate(newest=rows.updated_at.max().over(ibis.window(group_by=place)))
    is_top = (newest.updated_at == newest.newest) | newest.newest.isnull()
    topped = newest.mutate(is_top=is_top.fill_null(False))
    group = ibis.window(group_by=place)
    ranked = topped.mutate(
        least=topped.content.min(where=topped.is_top).over(group),
        greatest=topped.content.max(where=topped.is_top).over(group),
        position=ibis.row_number().over(
            ibis.window(group_by=place, order_by=[topped.is_top.desc(), topped.source_sha256, topped.source_row_number])
        ),
    )
    is_conflict = ranked.is_sound & (ranked.least != ranked.greatest)
    return ranked.mutate(
        is_conflict=is_conflict,
        is_first=ranked.is_sound & ~is_conflict & (ranked.position == 0),
        is_beaten=ranked.is_sound & ~is_conflict & (ranked.content != ranked.least),
    ).drop("newest", "is_top", "least", "greatest", "position")


def _across_deliveries(rows: ir.Table, key: tuple[str, ...]) -> ir.Table:
    """is_current: the row of its key and business date. A delivery that repeats the one before it changes nothing."""
    place = [*key, "business_date", "is_first"]
    arrival = ibis.window(group_by=place, order_by="delivery_seq")
    changed = rows.mutate(is_change=rows.is_first & (rows.content != rows.content.lag().over(arrival)).fill_null(True))
    later = changed.mutate(last_change=changed.delivery_seq.max(where=changed.is_change).over(ibis.window(group_by=place)))
    is_current = later.is_change & (later.delivery_seq == later.last_change)
    return later.mutate(is_current=is_current, is_replaced=later.is_change & ~is_current).drop("is_change", "last_change")


def _across_time(rows: ir.Table, key: tuple[str, ...]) -> ir.Table:
    """is_version: a current row that differs from the version before it in time."""
    time = ibis.window(group_by=[*key, "is_current"], order_by="business_date")
    return rows.mutate(is_version=rows.is_current & (rows.content != rows.content.lag().over(time)).fill_null(True))
