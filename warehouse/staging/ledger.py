"""ops.delivery_ledger: every file of every delivery, and what became of its rows.

Arrival is recorded once (order, time, run); the counts follow from the judged rows and change when rows do, as when a parked row finds
its parent. rows_in = accepted + duplicate + quarantined + parked + rejected, for every file, always.
"""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.sources import SOURCES
from warehouse.table import TIMESTAMP, TableSpec, columns

INGESTED, REJECTED, REFUSED, BLOCKED, UNKNOWN_FILE = "ingested", "rejected", "refused", "blocked", "unknown_file"
DISPOSITIONS = ("accepted", "duplicate", "quarantined", "parked")
COUNTS = (*DISPOSITIONS, "rejected")

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
    """The files whose rows are in raw, numbered: file_number, table_name, business_date, source_sha256, source_file, delivery_seq.

    Grain: one row per (table_name, business_date, source_sha256), since the same content for the same date is taken once.
    """
    order = [ledger.table_name, ledger.delivery_seq, ledger.source_file]
    taken = ledger.filter(_.status == INGESTED)
    return taken.select(
        "table_name", "business_date", "source_sha256", "source_file", "delivery_seq", file_number=ibis.row_number().over(order_by=order)
    )


def counted(dispositions: ir.Table) -> ir.Table:
    """Rows by file and disposition.

    Grain: one row per file_number.

    Args:
        dispositions: file_number and disposition of some rows of raw.
    """
    each = dispositions.disposition
    return dispositions.group_by("file_number").agg(**{name: each.count(where=each == name).cast("int64") for name in DISPOSITIONS})


def recounted(ledger: ir.Table, files: ir.Table, gained: ir.Table, lost: ir.Table, warned: ir.Table) -> ir.Table:
    """The ledger with the counts of its files changed by what became of rows.

    Grain: as ops.delivery_ledger.

    Args:
        ledger: with the counts of before; 0 for new files.
        files: accepted_files.
        gained: `counted` of the rows that were judged, by what they are now.
        lost: `counted` of those of them that had been judged before, by what they were.
        warned: warned by file_number, of all files.
    """
    ledger = completed(ledger)
    numbers = files.select("file_number", of_table="table_name", of_date="business_date", of_file="source_sha256")
    changed = numbers
    for prefix, counts in (("gained", gained), ("lost", lost), ("now", warned)):
        named = counts.rename(f"{prefix}_{{name}}")
        changed = changed.left_join(named, changed.file_number == named[f"{prefix}_file_number"])
    joined = ledger.left_join(
        changed,
        [
            ledger.status == INGESTED,
            ledger.table_name == changed.of_table,
            ledger.business_date == changed.of_date,
            ledger.source_sha256 == changed.of_file,
        ],
    )
    values = {name: joined[name] + joined[f"gained_{name}"].fill_null(0) - joined[f"lost_{name}"].fill_null(0) for name in DISPOSITIONS}
    return joined.mutate(**values, warned=joined.now_warned.fill_null(0)).select(*DELIVERY_LEDGER.column_names)


def completed(ledger: ir.Table) -> ir.Table:
    """The ledger with the columns that it gained since it was last written."""
    missing = {name: ibis.null(dtype) for name, dtype in DELIVERY_LEDGER.nullable_schema().items() if name not in ledger.columns}
    return ledger.mutate(**missing).select(*DELIVERY_LEDGER.column_names)


def unbalanced(ledger: ir.Table) -> ir.Table:
    """Files whose rows are not all accounted for; always empty."""
    return ledger.filter(ledger.rows_in != sum((ledger[name] for name in COUNTS[1:]), ledger[COUNTS[0]]))


def missing_tables(ledger: ir.Table) -> list[str]:
    """Mandatory source tables that no delivery has brought yet, in the order of the sources; executes."""
    held = set(ledger.filter(_.status == INGESTED).select("table_name").distinct().to_pyarrow()["table_name"].to_pylist())
    return [source.name for source in SOURCES if source.mandatory and source.name not in held]
