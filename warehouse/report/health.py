"""Data health of a release: freshness by source, what became of delivered rows, and the rules that rows broke."""

from collections.abc import Callable, Collection

import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from warehouse.staging.ledger import DELIVERY_LEDGER
from warehouse.staging.quarantine import QUARANTINE

LAST_FILES = 25


def health(table: Callable[[str], ir.Table], names: Collection[str]) -> dict[str, pa.Table]:
    """Datasets of the page on data health; one whose table the release does not hold is missing.

    Args:
        table: gives a table of the release by its name.
        names: tables of the release.
    """
    parts: dict[str, ir.Table] = {}
    if DELIVERY_LEDGER.name in names:
        ledger = table(DELIVERY_LEDGER.name)
        parts |= {"freshness": freshness(ledger), "files": last_files(ledger)}
    if QUARANTINE.name in names:
        parts["quarantine"] = quarantine(table(QUARANTINE.name))
    return {name: part.to_pyarrow() for name, part in parts.items()}


def freshness(ledger: ir.Table) -> ir.Table:
    """Grain: one row per source table, with its last business date and what became of all its rows."""
    return (
        ledger.filter(ledger.table_name.notnull())
        .group_by("table_name")
        .agg(
            last_business_date=_.business_date.max(where=_.status == "ingested"),
            files=_.count(),
            rows_in=_.rows_in.sum(),
            accepted=_.accepted.sum(),
            duplicate=_.duplicate.sum(),
            quarantined=_.quarantined.sum(),
            parked=_.parked.sum(),
            rejected=_.rejected.sum(),
        )
        .order_by("table_name")
    )


def last_files(ledger: ir.Table) -> ir.Table:
    """Grain: one row per file, the last ones delivered."""
    shown = (
        "delivery_seq",
        "business_date",
        "source_file",
        "status",
        "rows_in",
        "accepted",
        "duplicate",
        "quarantined",
        "parked",
        "rejected",
    )
    return ledger.order_by(ledger.delivery_seq.desc(), "source_file").limit(LAST_FILES).select(*shown)


def quarantine(entries: ir.Table) -> ir.Table:
    """Grain: one row per (table_name, rule, severity): entries, and rows of them that escalated."""
    return (
        entries.group_by("table_name", "rule", "severity")
        .agg(row_count=_.count(), escalated_count=_.is_escalated.sum().fill_null(0))
        .order_by(_.row_count.desc(), "table_name", "rule")
    )
