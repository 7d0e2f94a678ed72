"""What a delivery that was taken calls for all the same: files that were rejected or replaced, orphans that have waited too long."""

from collections.abc import Iterator
from datetime import datetime

import ibis.expr.types as ir

from orchestration.alerts import Alert
from warehouse.lake import Lake
from warehouse.staging.ledger import DELIVERY_LEDGER, INGESTED, REJECTED
from warehouse.staging.quarantine import QUARANTINE
from warehouse.terms import ORPHAN_ESCALATION_DAYS


def orphans_scope(table: str) -> str:
    """What resolves the alerts of a table's orphans: a look at the quarantine that finds them gone."""
    return f"orphans {table}"


def intake_alerts(lake: Lake, run_id: str, at: datetime) -> Iterator[Alert]:
    """Alerts of the deliveries that a run took, and of the quarantine as it is now.

    Args:
        lake: of this process.
        run_id: of the root run, after which the runs of the ledger are named.
        at: when the run ended.
    """
    intake = lake.intake()
    if intake is None:
        return
    ledger = intake.table(DELIVERY_LEDGER.name)
    mine = ledger.filter(ledger.run_id.startswith(run_id))
    yield from _rejected(mine, run_id, at)
    yield from _replaced(ledger, mine, run_id, at)
    yield from _escalated(intake.table(QUARANTINE.name), run_id, at)


def _rejected(mine: ir.Table, run_id: str, at: datetime) -> Iterator[Alert]:
    rows = mine.filter(mine.status == REJECTED).select("business_date", "source_file", "source_sha256", "message")
    for row in rows.order_by("business_date", "source_file").to_pyarrow().to_pylist():
        subject, detail = f"{row['source_file']} of {row['business_date']}", row["source_sha256"][:12]
        yield Alert("file_rejected", f"delivery {row['business_date']}", subject, row["message"] or "", at, run_id, detail)


def _replaced(ledger: ir.Table, mine: ir.Table, run_id: str, at: datetime) -> Iterator[Alert]:
    """Files that came again for their business date with other content."""
    place = ("business_date", "source_file", "delivery_seq")
    older = ledger.filter(ledger.status == INGESTED).select(*place).rename(older_seq="delivery_seq")
    newer = mine.filter(mine.status == INGESTED).select(*place, "source_sha256")
    joined = newer.join(older, ["business_date", "source_file"])
    again = joined.filter(joined.older_seq < joined.delivery_seq).drop("older_seq").distinct()
    for row in again.order_by("business_date", "source_file").to_pyarrow().to_pylist():
        subject, detail = f"{row['source_file']} of {row['business_date']}", row["source_sha256"][:12]
        why = f"delivery {row['delivery_seq']} has this file with other content than before; its rows go before the earlier ones"
        yield Alert("file_replaced", f"delivery {row['business_date']}", subject, why, at, run_id, detail)


def _escalated(quarantine: ir.Table, run_id: str, at: datetime) -> Iterator[Alert]:
    waiting = quarantine.filter(quarantine.is_escalated)
    counts = waiting.group_by("table_name", "business_date").agg(rows=waiting.count())
    for row in counts.order_by("table_name", "business_date").to_pyarrow().to_pylist():
        subject = f"{row['table_name']} of {row['business_date']}"
        why = (
            f"{row['rows']} rows have waited {ORPHAN_ESCALATION_DAYS} business dates for a row that they name; "
            f"lending quarantine list --table {row['table_name']} --business-date {row['business_date']} --rule orphan says which"
        )
        yield Alert("orphan_escalated", orphans_scope(row["table_name"]), subject, why, at, run_id)
