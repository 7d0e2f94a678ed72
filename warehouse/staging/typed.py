"""raw.<name> to typed rows: every row of raw, its typed values, and the marks of the rules that its own values break."""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.clock import instant_at
from warehouse.sources import SourceTable
from warehouse.staging.rules import broken, marks
from warehouse.staging.values import Parsed, is_wall_time, parse
from warehouse.table import TIMESTAMP

PLACE = ("business_date", "source_sha256", "source_row_number")  # identifies a row of raw


def typed(raw: ir.Table, source: SourceTable) -> ir.Table:
    """Type the delivered text of one source table; `zoned` finishes its timestamps.

    Grain: one row per row of raw.

    A tombstone (op = D) needs its key only; its other values are not read. Of a row that could not be read nothing is.

    Returns:
        business_date, source_file, source_sha256, source_row_number; the declared columns, typed; updated_at, is_deleted; faults and
        warnings (marks of warehouse.staging.rules); <column>_is_wall for each timestamp.
    """
    trimmed = raw.mutate(**{column.name: raw[column.name].strip().nullif("") for column in source.all_columns})
    is_deleted = (trimmed["op"].upper() == "D").fill_null(False)
    parsed = {column.name: parse(trimmed[column.name], column) for column in source.all_columns}
    faults = marks(*(_judged(source, name, value, is_deleted) for name, value in parsed.items()), _empty(trimmed, source, is_deleted))
    warnings = marks(*(value.warnings for value in parsed.values()))
    is_read = trimmed.read_fault.isnull()
    return trimmed.select(
        *PLACE,
        "source_file",
        **{name: _kept(source, name, value, is_deleted) for name, value in parsed.items() if name != "op"},
        **{f"{name}_is_wall": is_wall_time(trimmed[name]) for name in _times(source)},
        is_deleted=is_deleted,
        faults=ibis.ifelse(is_read, faults, trimmed.read_fault + ": "),
        warnings=ibis.ifelse(is_read & ~is_deleted, warnings, ""),
    )


def zoned(rows: ir.Table, source: SourceTable, time_zone: str) -> ir.Table:
    """Typed rows with their timestamps as instants: a wall time is one of the lender's zone.

    Apart from `typed` because a zone has many offsets, and the text checks would be repeated for each of them.
    """
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


def is_sound(rows: ir.Table) -> ir.Table:
    """Rows that break no rule that rejects or parks and are no tombstone."""
    return rows.filter(_.faults == "", _.waits == "", ~_.is_deleted)
