"""raw.<name> to typed rows: every row of raw, its typed values, and the marks of the rules that its own values break."""

from functools import reduce
from operator import and_

import ibis
import ibis.expr.types as ir

from warehouse.clock import instant_at
from warehouse.sources import SourceColumn, SourceTable
from warehouse.staging.rules import broken, marks
from warehouse.staging.scratch import Scratch
from warehouse.staging.values import Parsed, is_plain, is_wall_time, parse, plain_value
from warehouse.table import TIMESTAMP

PLACE = ("file_number", "source_row_number")  # identifies a row of raw while it is judged


def typed(raw: ir.Table, source: SourceTable, time_zone: str, scratch: Scratch) -> ir.Table:
    """Type the delivered text of one source table.

    Grain: one row per row of raw.

    A tombstone (op = D) needs its key only; its other values are not read. Of a row that could not be read nothing is.
    A row of which every value is spelled plainly breaks no rule of its values, so for most rows the rules are not looked at.

    Args:
        raw: rows of raw.<name> with file_number.
        source: the table's contract.
        time_zone: of wall times.
        scratch: for what several columns are made of.

    Returns:
        file_number, source_row_number, business_date; the declared columns, typed; updated_at, is_deleted; faults and warnings (marks of
        warehouse.staging.rules).
    """
    named = _trimmed(raw, source, scratch)
    is_deleted = ibis.ifelse(named.is_plain, False, (named["op"].upper() == "D").fill_null(False))
    parsed = {column.name: parse(named[column.name], column) for column in source.all_columns}
    faults = marks(*(_judged(source, name, value, is_deleted) for name, value in parsed.items()), _empty(named, source, is_deleted))
    warnings = marks(*(value.warnings for value in parsed.values()))
    is_read = named.read_fault.isnull()
    rows = scratch.name(
        named.select(
            *PLACE,
            "business_date",
            **{
                column.name: ibis.ifelse(
                    named.is_plain,
                    plain_value(named[column.name], column),
                    _kept(source, column.name, parsed[column.name], is_deleted),
                )
                for column in source.all_columns
                if column.name != "op"
            },
            **{f"{name}_is_wall": is_wall_time(named[name]) for name in _times(source)},
            is_deleted=is_deleted,
            faults=ibis.ifelse(named.is_plain, "", ibis.ifelse(is_read, faults, named.read_fault + ": ")),
            warnings=ibis.ifelse(named.is_plain | ~is_read | is_deleted, "", warnings),
        )
    )
    return _zoned(rows, source, time_zone)


def _trimmed(raw: ir.Table, source: SourceTable, scratch: Scratch) -> ir.Table:
    """Rows of raw with is_plain, their text trimmed and null where there is none; a plain text has nothing to trim."""
    names = [column.name for column in source.all_columns]
    flagged = scratch.name(raw.mutate(is_plain=_is_plain(raw, source)))
    texts = {name: ibis.ifelse(flagged.is_plain, flagged[name], flagged[name].strip()).nullif("") for name in names}
    return scratch.name(flagged.mutate(**texts))


def key_text(raw: ir.Table, column: SourceColumn) -> ir.StringValue:
    """The typed value of a key or a reference column of raw, which is text; empty where there is none."""
    text = raw[column.name].strip()
    return (text.re_replace(*column.rewrite) if column.rewrite else text).fill_null("")


def is_sound(rows: ir.Table) -> ir.BooleanValue:
    """Whether a row breaks no rule that rejects or parks; the key rules are not among them."""
    return (rows.faults == "") & (rows.waits == "")


def _is_plain(raw: ir.Table, source: SourceTable) -> ir.BooleanValue:
    """Whether all values are plain, all that a row needs are there, and it is no tombstone."""
    is_empty = {column.name: (raw[column.name] == "").fill_null(True) for column in source.all_columns}
    plain = [is_empty[column.name] | is_plain(raw[column.name], column) for column in source.all_columns if column.name != "op"]
    filled = [~is_empty[column.name] for column in source.columns if column.filled]
    one_of = [ibis.or_(*(~is_empty[name] for name in source.one_of))] if source.one_of else []
    is_update = is_empty["op"] | (raw["op"] == "U")
    return reduce(and_, [raw.read_fault.isnull(), is_update, *filled, *one_of, *plain])


def _zoned(rows: ir.Table, source: SourceTable, time_zone: str) -> ir.Table:
    """Typed rows with their timestamps as instants: a wall time is one of the lender's zone."""
    instants = {
        name: ibis.ifelse(rows[f"{name}_is_wall"], instant_at(rows[name], time_zone), rows[name].cast(TIMESTAMP)) for name in _times(source)
    }
    return rows.mutate(**instants).drop(*(f"{name}_is_wall" for name in instants))


def _times(source: SourceTable) -> list[str]:
    return [column.name for column in source.all_columns if column.kind == "timestamp"]


def _judged(source: SourceTable, name: str, value: Parsed, is_deleted: ir.BooleanValue) -> ir.StringValue:
    """The faults of a column, which a tombstone has only in its key, op and updated_at."""
    if name in (*source.key, "op", "updated_at"):
        return value.faults
    return ibis.ifelse(is_deleted, "", value.faults)


def _kept(source: SourceTable, name: str, value: Parsed, is_deleted: ir.BooleanValue) -> ir.Value:
    """The value of a column, which a tombstone has only in its key and updated_at."""
    if name in (*source.key, "updated_at"):
        return value.value
    return ibis.ifelse(is_deleted, ibis.null(value.value.type()), value.value)


def _empty(trimmed: ir.Table, source: SourceTable, is_deleted: ir.BooleanValue) -> ir.StringValue:
    """Marks of values that every row needs."""
    missing = [
        broken(
            trimmed[column.name].isnull() & (~is_deleted if column.name not in source.key else True), "required_value_missing", column.name
        )
        for column in source.columns
        if column.filled
    ]
    if source.one_of:
        nothing = ibis.and_(*(trimmed[name].isnull() for name in source.one_of))
        if "reverses_repayment_id" in trimmed.columns:  # a reversal names what it cancels
            nothing = nothing & trimmed.reverses_repayment_id.isnull()
        missing.append(broken(nothing & ~is_deleted, "required_value_missing", source.one_of[0]))
    return marks(*missing)
