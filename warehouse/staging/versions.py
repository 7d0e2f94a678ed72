"""Key rules: which row of a key is its version of a business date, and which rows repeat what is held.

One delivery may repeat a key: equal rows are duplicates, else the greatest updated_at wins, else all are quarantined. Of two deliveries
of one business date the later arrival wins. A version equal to the version before it in time is a duplicate; versions are never
compared with any other, because a value may return to an earlier one.
"""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.sources import SourceTable
from warehouse.staging.rules import broken
from warehouse.staging.scratch import Scratch
from warehouse.staging.typed import PLACE, is_sound

HELD, NOTHING = "=", "-"  # so that no text looks like a missing value
BETWEEN = "\x1f"
BEFORE = -1  # place of a version that was held before the rows that are judged


def versioned(rows: ir.Table, source: SourceTable, files: ir.Table, held: ir.Table, scratch: Scratch) -> ir.Table:
    """Give every row its disposition.

    Grain: one row per row of raw.

    Args:
        rows: referred rows: typed, with faults, waits, warnings, notes (marks).
        source: the contract, for the key and the compared columns.
        files: of this table: file_number, delivery_seq (order of arrival), source_sha256.
        held: versions of the keys that were delivered before every row that is judged; the last one counts.
        scratch: for the decisions, which few rows need.

    Returns:
        rows with disposition: accepted, duplicate, quarantined or parked; key_conflict is added to faults, superseded rows to notes.
    """
    decided = scratch.keep(decisions(rows.filter(is_sound(rows)), source, files, held))
    joined = rows.left_join(decided, [rows[name] == decided[f"decided_{name}"] for name in PLACE])
    is_conflict = joined.is_conflict.fill_null(False)
    disposition = ibis.cases(
        (is_conflict | (joined.faults != ""), "quarantined"),
        (joined.waits != "", "parked"),
        (joined.is_version.fill_null(True), "accepted"),
        else_="duplicate",
    )
    return joined.mutate(
        disposition=disposition,
        faults=joined.faults + broken(is_conflict, "key_conflict"),
        notes=joined.notes + broken(joined.is_beaten, "superseded_in_delivery") + broken(joined.is_replaced, "superseded_by_delivery"),
    ).drop(*decided.columns)


def decisions(sound: ir.Table, source: SourceTable, files: ir.Table, held: ir.Table) -> ir.Table:
    """What the key rules say of sound rows whose key occurs more than once or is held; all others are accepted.

    Grain: one row per contested row of raw.

    Returns:
        decided_file_number, decided_source_row_number, is_conflict, is_beaten, is_replaced, is_version.
    """
    key = source.key
    contested = _contested(sound, source, files, held)
    judged = _across_time(_across_deliveries(_within_delivery(contested, key), key), _last(held, source), key)
    return judged.select("is_conflict", "is_beaten", "is_replaced", "is_version", **{f"decided_{name}": judged[name] for name in PLACE})


def _contested(sound: ir.Table, source: SourceTable, files: ir.Table, held: ir.Table) -> ir.Table:
    """Sound rows of keys that occur more than once or are held, with their content; most keys of a first load need no comparison."""
    repeated = sound.group_by(*source.key).agg(times=sound.count()).filter(_.times > 1).select(*source.key)
    narrow = sound.semi_join(repeated.union(held.select(*source.key)), source.key)
    of_file = files.select("delivery_seq", "source_sha256", arrived_in="file_number")
    arrived = narrow.join(of_file, narrow.file_number == of_file.arrived_in)
    return arrived.select(
        *PLACE, *source.key, "business_date", "delivery_seq", "source_sha256", "updated_at", content=_content(arrived, source)
    )


def _content(rows: ir.Table, source: SourceTable) -> ir.StringValue:
    """The business columns and is_deleted as one text; equal texts are equal rows."""
    names = [column.name for column in source.columns if column.name not in source.key]
    values = [(HELD + rows[name].cast("string")).fill_null(NOTHING) for name in (*names, "is_deleted")]
    return ibis.literal(BETWEEN).join(values)


def _last(held: ir.Table, source: SourceTable) -> ir.Table:
    """The last held version of each key, as a row that is current."""
    latest = held.business_date.max().over(ibis.window(group_by=[held[name] for name in source.key]))
    last = held.filter(held.business_date == latest)
    return last.select(*source.key, "business_date", content=_content(last, source))


def _within_delivery(rows: ir.Table, key: tuple[str, ...]) -> ir.Table:
    """is_conflict, is_beaten (other values, a lower updated_at) and is_first (the row of its key in its delivery)."""
    place = [*key, "business_date", "delivery_seq"]
    newest = rows.mutate(newest=rows.updated_at.max().over(ibis.window(group_by=place)))
    topped = newest.mutate(is_top=((newest.updated_at == newest.newest) | newest.newest.isnull()).fill_null(False))
    order = [topped.is_top.desc(), topped.source_sha256, topped.source_row_number]
    group = ibis.window(group_by=place)
    ranked = topped.mutate(
        least=topped.content.min(where=topped.is_top).over(group),
        greatest=topped.content.max(where=topped.is_top).over(group),
        position=ibis.row_number().over(ibis.window(group_by=place, order_by=order)),
    )
    is_conflict = ranked.least != ranked.greatest
    return ranked.mutate(
        is_conflict=is_conflict,
        is_first=~is_conflict & (ranked.position == 0),
        is_beaten=~is_conflict & (ranked.content != ranked.least),
    )


def _across_deliveries(rows: ir.Table, key: tuple[str, ...]) -> ir.Table:
    """is_current: the row of its key and business date. A delivery that repeats the one before it changes nothing."""
    place = [*key, "business_date", "is_first"]
    arrival = ibis.window(group_by=place, order_by="delivery_seq")
    changed = rows.mutate(is_change=rows.is_first & (rows.content != rows.content.lag().over(arrival)).fill_null(True))
    later = changed.mutate(last_change=changed.delivery_seq.max(where=changed.is_change).over(ibis.window(group_by=place)))
    is_current = later.is_change & (later.delivery_seq == later.last_change)
    return later.mutate(is_current=is_current, is_replaced=later.is_change & ~is_current)


def _across_time(rows: ir.Table, last: ir.Table, key: tuple[str, ...]) -> ir.Table:
    """is_version: a current row that differs from the version before it in time."""
    kinds = rows.schema()
    flags = {"is_current": True, "is_conflict": False, "is_beaten": False, "is_replaced": False}
    before = last.mutate(**{name: ibis.literal(BEFORE, kinds[name]) for name in PLACE}, **flags)
    timeline = rows.select(before.columns).union(before)
    time = ibis.window(group_by=[*key, "is_current"], order_by="business_date")
    judged = timeline.mutate(is_version=timeline.is_current & (timeline.content != timeline.content.lag().over(time)).fill_null(True))
    return judged.filter(judged.file_number != BEFORE)
