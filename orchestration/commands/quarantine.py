"""`lending quarantine list|replay`: rows that broke a rule, with what to do; and the rows judged again after a rule was corrected."""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ibis
import ibis.expr.types as ir

from orchestration.cli import DONE, WRONG_USAGE
from orchestration.commands.reading import plain, print_table
from warehouse.settings import Settings
from warehouse.sources import SOURCES
from warehouse.staging.rules import RULES

COLUMNS = [
    "business_date", "table_name", "source_file", "source_row_number", "rule", "severity", "reason",
    "column_name", "disposition", "is_escalated", "source_sha256", "raw_row",
]  # fmt: skip
SUMMARY = ["table_name", "rule", "severity", "disposition", "rows", "escalated", "first_business_date", "last_business_date"]
NEEDS_SOMEBODY = {"severity": ("reject", "park"), "disposition": ("quarantined", "parked")}


def quarantine_list(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print rows that broke a rule, newest business date first; personal values are masked in the table already."""
    if unknown := _unknown(arguments):
        return unknown
    with _entries(settings) as entries:
        found = chosen_entries(entries, arguments)
        count = found.count().to_pyarrow().as_py()
        chosen = (summary(found) if arguments.summary else newest(found, arguments.limit)).to_pyarrow().to_pylist()
    rows = [{name: plain(value) for name, value in row.items()} for row in chosen]
    if arguments.json:
        names = list(rows[0]) if rows else SUMMARY if arguments.summary else COLUMNS
        print(json.dumps({"columns": names, "rows": [list(row.values()) for row in rows], "count": count}))
    elif arguments.summary:
        print_table(SUMMARY, [list(row.values()) for row in rows])
    else:
        for row in rows:
            print(block(row))
        print(f"({len(rows)} of {count} entries{'; --limit shows more' if len(rows) < count else ''})", file=sys.stderr)
    return DONE


def chosen_entries(entries: ir.Table, arguments: argparse.Namespace) -> ir.Table:
    """Entries of ops.quarantine that the arguments ask for; without any, and without --all, those that need somebody.

    Grain: as ops.quarantine.
    """
    asked = {
        "business_date": arguments.business_date,
        "table_name": arguments.table,
        "rule": arguments.rule,
        "severity": getattr(arguments, "severity", None),
        "disposition": getattr(arguments, "disposition", None),
        "source_file": getattr(arguments, "file", None),
    }
    conditions = [entries[name] == (ibis.date(value) if name == "business_date" else value) for name, value in asked.items() if value]
    if not (getattr(arguments, "all", False) or asked["severity"] or asked["disposition"]):
        conditions += [entries[name].isin(values) for name, values in NEEDS_SOMEBODY.items()]
    return entries.filter(conditions) if conditions else entries


def newest(entries: ir.Table, limit: int) -> ir.Table:
    """The newest entries, those that have waited too long first."""
    order = (entries.is_escalated.desc(), entries.business_date.desc(), "table_name", "source_file", "source_row_number", "rule")
    return entries.order_by(order).limit(limit).select(*COLUMNS)


def summary(entries: ir.Table) -> ir.Table:
    """How many rows broke which rule.

    Grain: one row per (table_name, rule, severity, disposition); most rows first.
    """
    place = ("business_date", "source_sha256", "source_row_number")  # a row that breaks a rule in two columns is one row
    rows = entries.select("table_name", "rule", "severity", "disposition", "is_escalated", *place).distinct()
    groups = rows.group_by("table_name", "rule", "severity", "disposition").agg(
        rows=rows.count(),
        escalated=rows.is_escalated.sum(),
        first_business_date=rows.business_date.min(),
        last_business_date=rows.business_date.max(),
    )
    return groups.order_by(groups.rows.desc(), "table_name", "rule", "severity", "disposition").select(*SUMMARY)


def block(row: dict[str, Any]) -> str:
    """An entry for a person: where it is, what is wrong and what to do, and the row as delivered with personal values masked."""
    escalated = ", escalated" if row["is_escalated"] else ""
    place = f"{row['business_date']} {row['table_name']} {row['source_file']} line {row['source_row_number']}"
    lines = [f"{place}: {row['rule']} ({row['severity']}, {row['disposition']}{escalated})", row["reason"], row["raw_row"]]
    return "\n    ".join(_printable(text) for text in lines)


def quarantine_replay(arguments: argparse.Namespace, settings: Settings) -> int:
    """Judge rows in quarantine again and merge those that pass."""
    from orchestration.commands.runs import Runner

    if unknown := _unknown(arguments):
        return unknown
    tables = _tables_to_judge(arguments, settings)
    if not tables and not arguments.everything:
        return _say(arguments, {"released": {}, "changed": False}, "no row in quarantine fits; nothing changed")
    with Runner(settings) as runner:
        runner.run("replay", config={"replay_quarantine": {"tables": tables, "everything": arguments.everything}})
        result = runner.platform.replayed
        if result is None:
            raise RuntimeError("the replay ended without a result")
        facts = {
            "released": dict(result.released),
            "still_quarantined": result.still_quarantined,
            "still_parked": result.still_parked,
            "changed": result.changed,
        }
        still = f"{result.still_parked} still wait, {result.still_quarantined} are still rejected"
        if not result.changed:
            return _say(arguments, facts, f"nothing changed: {still}")
        by_table = ", ".join(f"{count} of {table}" for table, count in result.released.items() if count)
        return _say(arguments, facts, f"{sum(result.released.values())} rows left quarantine ({by_table or 'none'}); {still}")


def _unknown(arguments: argparse.Namespace) -> int:
    """Refuse a table or a rule that does not exist; an empty list would look as if all were well."""
    known = {"table": [source.name for source in SOURCES], "rule": [rule.id for rule in RULES]}
    for option, names in known.items():
        value = getattr(arguments, option)
        if value and value not in names:
            print(f"lending quarantine: --{option} {value!r}: must be one of {', '.join(names)}", file=sys.stderr)
            return WRONG_USAGE
    return DONE


def _tables_to_judge(arguments: argparse.Namespace, settings: Settings) -> list[str] | None:
    """Tables with rows in quarantine that the arguments ask for, in the order of the sources; None for all, when everything is."""
    if arguments.everything:
        return [arguments.table] if arguments.table else None
    with _entries(settings) as entries:
        found = chosen_entries(entries, arguments).select("table_name").distinct().to_pyarrow()["table_name"].to_pylist()
    return [source.name for source in SOURCES if source.name in found]


@contextmanager
def _entries(settings: Settings) -> Iterator[ir.Table]:
    """The quarantine as it is now; empty before the first delivery."""
    from warehouse.lake import Lake
    from warehouse.staging.quarantine import QUARANTINE

    with Lake(settings) as lake:
        intake = lake.intake()
        yield intake.table(QUARANTINE.name) if intake else lake.reader.empty(QUARANTINE)


def _say(arguments: argparse.Namespace, facts: dict[str, Any], line: str) -> int:
    print(json.dumps(facts) if arguments.json else line)
    return DONE


def _printable(text: str) -> str:
    """Text without what could move a terminal's cursor."""
    return "".join(character if character.isprintable() else " " for character in text)
