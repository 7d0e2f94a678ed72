"""ops.delivery_ledger: every file of every delivery, and what became of its rows.

Arrival is recorded once (order, time, run); the counts follow from the judged rows and change when rows do, as when a parked row finds
its parent. rows_in = accepted + duplicate + quarantined + parked + rejected, for every file, always.
"""

from collections.abc import Mapping

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.sources import SOURCES
from warehouse.table import TIMESTAMP, TableSpec, columns

INGESTED, REJECTED, REFUSED, BLOCKED, UNKNOWN_FILE = "ingested", "rejected", "refused", "blocked", "unknown_file"
COUNTS = ("accepted", "duplicate", "quarantined", "parked", "rejected")

DELIVERY_LEDGER = TableSpec(
    name="ops.delivery_ledger",
    description="Files of deliveries in the order of arrival, and what became of their rows.",
    grain=("delivery_seq", "source_file"),
    columns=columns(
        [
            ("delivery_seq", "int64", "Order of arrival of the delivery, from 1."),
            ("business_date", "date", "Business date of the delivery."),
            ("table_name", "string?", "Source table; null if the name stands for none."),
            ("source_file", "string", "Name of the file in the delivery; of the delivery itself if that could not be opened."),
            ("source_sha256", "string", "SHA-256 of the file."),
            ("schema_version", "string?", "Version of the data contract that the file's columns match."),
            ("rows_in", "int64", "Rows of the file, as far as it could be read."),
            ("accepted", "int64", "Rows that are a version in staging."),
            ("duplicate", "int64", "Rows that repeat or are replaced by another row of their key."),
            ("quarantined", "int64", "Rows that broke a rule."),
            ("parked", "int64", "Rows that wait for another row."),
            ("rejected", "int64", "Rows of a file that was not taken."),
            ("status", "string", "What became of the file.", {"values": (INGESTED, REJECTED, REFUSED, BLOCKED, UNKNOWN_FILE)}),
            ("message", "string?", "Why the file was not taken and what to do, or which rule of deliveries was set aside to take it."),
            ("unknown_columns", "string?", "Columns that the contract does not declare; kept in raw."),
            ("ingested_at", TIMESTAMP, "When the platform took the file."),
            ("run_id", "string", "Run that took it."),
            ("warned", "int64", "Accepted rows with a warning."),
            ("column_profile", "string?", "JSON object: filled values by column of the file; amounts with one value only."),
        ]
    ),
)


def accepted_files(ledger: ir.Table) -> ir.Table:
    """The files whose rows are in raw: table_name, business_date, source_sha256, delivery_seq.

    Grain: one row per (table_name, business_date, source_sha256), since the same content for the same date is taken once.
    """
    return ledger.filter(_.status == INGESTED).select("table_name", "business_date", "source_sha256", "delivery_seq")


def counted(judged: Mapping[str, ir.Table]) -> ir.Table:
    """Dispositions by file, of the tables that were judged (at least one).

    Grain: one row per (table_name, business_date, source_sha256).
    """
    first, *others = (_counts(rows, name) for name, rows in judged.items())
    return ibis.union(first, *others) if others else first


def recounted(ledger: ir.Table, judged: Mapping[str, ir.Table]) -> ir.Table:
    """The ledger with new counts for the files of the judged tables; a file without rows has zeros.

    Grain: as ops.delivery_ledger.
    """
    if not judged:
        return ledger
    fresh = counted(judged).rename(
        of_table="table_name", of_date="business_date", of_file="source_sha256", **{f"new_{n}": n for n in _COUNTED}
    )
    joined = ledger.left_join(
        fresh,
        [ledger.table_name == fresh.of_table, ledger.business_date == fresh.of_date, ledger.source_sha256 == fresh.of_file],
    )
    is_judged = (joined.status == INGESTED) & joined.table_name.isin(tuple(judged))
    values = {name: ibis.ifelse(is_judged, joined[f"new_{name}"].fill_null(0), joined[name]) for name in _COUNTED}
    return joined.mutate(**values).select(*DELIVERY_LEDGER.column_names)


def unbalanced(ledger: ir.Table) -> ir.Table:
    """Files whose rows are not all accounted for; always empty."""
    return ledger.filter(ledger.rows_in != sum((ledger[name] for name in COUNTS[1:]), ledger[COUNTS[0]]))


_COUNTED = ("accepted", "duplicate", "quarantined", "parked", "warned")


def _counts(judged: ir.Table, table: str) -> ir.Table:
    counts = {name: judged.disposition.count(where=judged.disposition == name).cast("int64") for name in _COUNTED[:-1]}
    warned = judged.disposition.count(where=(judged.disposition == "accepted") & (judged.warnings != "")).cast("int64")
    return (
        judged.group_by("business_date", "source_sha256")
        .agg(**counts, warned=warned)
        .mutate(table_name=ibis.literal(table))
        .select("table_name", "business_date", "source_sha256", *_COUNTED)
    )


def missing_tables(ledger: ir.Table) -> list[str]:
    """Mandatory source tables that no delivery has brought yet, in the order of the sources; executes."""
    held = set(ledger.filter(_.status == INGESTED).select("table_name").distinct().to_pyarrow()["table_name"].to_pylist())
    return [source.name for source in SOURCES if source.mandatory and source.name not in held]
