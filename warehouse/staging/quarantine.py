"""ops.quarantine: every rule that a row broke, with the value, the place and the fix.

Nothing is deleted from here by hand: like staging it is computed from raw, so a row leaves when the row that it waited for arrives or a
correction replaces it. Personal values are masked; raw has them, by file hash and row number.
"""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.sources import SourceTable
from warehouse.staging.rules import RULES
from warehouse.staging.typed import PLACE
from warehouse.table import TableSpec, columns
from warehouse.terms import ORPHAN_ESCALATION_DAYS

MASKED = "***"
ESCAPES = (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"))

QUARANTINE = TableSpec(
    name="ops.quarantine",
    description="Rules that delivered rows broke: rejected, parked or warned of.",
    grain=("business_date", "table_name", "source_sha256", "source_row_number", "rule", "column_name"),
    columns=columns(
        [
            ("business_date", "date", "Business date of the delivery."),
            ("table_name", "string", "Source table."),
            ("source_sha256", "string", "SHA-256 of the file."),
            ("source_row_number", "int64", "Line of the file; in Parquet the row."),
            ("rule", "string", "Rule that was broken.", {"values": tuple(rule.id for rule in RULES)}),
            ("column_name", "string", "Column that broke it; empty if it is the row as a whole."),
            ("severity", "string", "reject, park or warn.", {"values": ("reject", "park", "warn")}),
            ("disposition", "string", "What became of the row.", {"values": ("accepted", "duplicate", "quarantined", "parked")}),
            ("reason", "string", "What is wrong and what to deliver."),
            ("value", "string?", "The value as delivered; masked if it is personal."),
            ("raw_row", "string", "The row as delivered, a JSON object; personal and undeclared values are masked or left out."),
            ("source_file", "string", "File of the row."),
            ("is_escalated", "boolean", f"The row is parked and has waited {ORPHAN_ESCALATION_DAYS} business dates."),
        ]
    ),
)


def quarantined(judged: ir.Table, raw: ir.Table, source: SourceTable) -> ir.Table:
    """Entries of ops.quarantine about judged rows; none is escalated yet.

    Grain: one row per row of raw, rule and column.

    Args:
        judged: result of staging.judge.judge.
        raw: rows of raw.<name> with file_number, the judged ones among them.
        source: the contract.
    """
    return entries_of(_faults(judged), raw, source)


def entries_of(faults: ir.Table, raw: ir.Table, source: SourceTable) -> ir.Table:
    """Faults with the row as it was delivered and what to do about it.

    Grain: as faults.

    Args:
        faults: file_number, source_row_number, source_file, disposition, rule, column_name.
        raw: rows of raw.<name> with file_number, those of all faults among them.
        source: the contract.
    """
    texts = {f"text_{column.name}": raw[column.name] for column in source.all_columns}
    delivered = raw.select("business_date", "source_sha256", **{f"raw_{name}": raw[name] for name in PLACE}, **texts)
    joined = faults.join(delivered, [faults[name] == delivered[f"raw_{name}"] for name in PLACE])
    value = ibis.cases(*((joined.column_name == c.name, _shown(joined, c.name, c.personal)) for c in source.all_columns))
    return joined.select(
        "business_date",
        "source_sha256",
        "source_row_number",
        "rule",
        "column_name",
        "disposition",
        "source_file",
        table_name=ibis.literal(source.name),
        severity=_by_rule(joined.rule, "severity"),
        reason=_place(joined.column_name, value) + _by_rule(joined.rule, "sentence"),
        value=value,
        raw_row=_as_json(joined, source),
        is_escalated=ibis.literal(False),
    ).select(*QUARANTINE.column_names)


def with_age(entries: ir.Table, last_on: ir.DateValue) -> ir.Table:
    """Entries with is_escalated as of the last business date delivered: the row still waits, and has for long enough.

    Grain: as ops.quarantine.
    """
    waited = last_on.delta(entries.business_date, unit="day")
    is_waiting = (entries.disposition == "parked") & (entries.severity == "park")
    return entries.mutate(is_escalated=is_waiting & (waited >= ORPHAN_ESCALATION_DAYS)).select(*QUARANTINE.column_names)


def marked(judged: ir.Table) -> ir.Table:
    """Judged rows that broke a rule, with all their marks; warnings count for rows that are used, notes for all."""
    is_used = judged.disposition == "accepted"
    is_marked = (judged.faults != "") | (judged.waits != "") | (judged.notes != "") | (is_used & (judged.warnings != ""))
    marked_rows = judged.filter(is_marked)
    warnings = ibis.ifelse(marked_rows.disposition == "accepted", marked_rows.warnings, "")
    return marked_rows.mutate(marks=(marked_rows.faults + marked_rows.waits + marked_rows.notes + warnings).strip())


def _faults(judged: ir.Table) -> ir.Table:
    """Rules that rows broke: file_number, source_row_number, source_file, disposition, rule, column_name.

    Grain: one row per row of raw, rule and column.
    """
    return (
        marked(judged)
        .select(*PLACE, "source_file", "disposition", mark=_.marks.split(" ").unnest())
        .mutate(rule=_.mark.split(":")[0], column_name=_.mark.split(":")[1])
        .drop("mark")
        .distinct()
    )


def _by_rule(rule: ir.StringValue, attribute: str) -> ir.StringValue:
    return ibis.cases(*((rule == known.id, getattr(known, attribute)) for known in RULES))


def _place(column: ir.StringValue, value: ir.StringValue) -> ir.StringValue:
    """`column = 'value': `, as far as there is one."""
    shown = ibis.ifelse(value.notnull(), column + " = '" + value.fill_null("") + "': ", column + ": ")
    return ibis.ifelse(column == "", "", shown)


def _shown(joined: ir.Table, name: str, is_personal: bool) -> ir.StringValue:
    """A delivered text, masked if it is about a person."""
    text = joined[f"text_{name}"]
    return ibis.ifelse(text.isnull(), text, MASKED) if is_personal else text


def _as_json(joined: ir.Table, source: SourceTable) -> ir.StringValue:
    """The delivered values as a JSON object, without those that are absent."""
    members = [
        (f'"{column.name}": "' + _escaped(_shown(joined, column.name, column.personal)) + '", ').fill_null("")
        for column in source.all_columns
    ]
    text: ir.StringValue = ibis.literal("{")
    for member in members:
        text = text + member
    return text.re_replace(", $", "") + "}"


def _escaped(text: ir.StringValue) -> ir.StringValue:
    for plain, escaped in ESCAPES:
        text = text.replace(plain, escaped)
    return text.re_replace("[\u0001-\u001f]", " ")
