"""Write staging, the quarantine and the ledger's counts of everything that changed raw rows affect, in a candidate."""

from collections.abc import Collection
from functools import partial

import ibis
import ibis.expr.types as ir

from warehouse.lake import Candidate, Lake
from warehouse.sources import SOURCES
from warehouse.staging.judge import affected, judge, staged
from warehouse.staging.ledger import DELIVERY_LEDGER, accepted_files, recounted, unbalanced
from warehouse.staging.quarantine import QUARANTINE, escalated, marked, quarantined
from warehouse.table import TableSpec
from warehouse.terms import Terms


class RowsLost(AssertionError):
    """The rows of a file are not all accounted for: a defect of the platform, so nothing is published."""


def restage(lake: Lake, candidate: Candidate, ledger: ir.Table, changed: Collection[str], terms: Terms) -> dict[str, int]:
    """Judge all rows of the tables that changed, and of those that refer to them.

    Every staging table exists afterwards, empty if nothing was delivered for it.

    Args:
        lake: of this process.
        candidate: holds the new raw rows already.
        ledger: ops.delivery_ledger with the new files, their counts still 0.
        changed: names of source tables with new files.
        terms: for the time zone.

    Returns:
        rows written by table.

    Raises:
        RowsLost: rows_in differs from the sum of the dispositions for some file.
    """
    files = accepted_files(ledger)
    written: dict[str, int] = {}
    judged: dict[str, ir.Table] = {}
    entries = []
    for source in affected(changed):
        if not candidate.has(source.raw_spec().name):
            continue  # nothing was ever delivered for it
        raw = candidate.table(source.raw_spec().name)
        rows = judge(source, raw, files, partial(_held_staging, lake, candidate), terms.time_zone, _keep)
        judged[source.name] = rows
        if marked(rows).count().to_pyarrow().as_py():  # asking is much cheaper than the entries, and most deliveries are clean
            entries.append(quarantined(rows, raw, files, source))
        _write(candidate, source.staging_spec(), staged(rows, source), written)
    _write_missing(lake, candidate, written)
    _write(candidate, QUARANTINE, _union(_unaffected(lake, candidate, files, judged), *entries), written)
    _write(candidate, DELIVERY_LEDGER, recounted(ledger, judged), written)
    _check_balance(candidate.table(DELIVERY_LEDGER.name))
    return written


def _union(first: ir.Table, *others: ir.Table) -> ir.Table:
    return ibis.union(first, *others) if others else first


def _keep(rows: ir.Table) -> ir.Table:
    return rows.cache()


def held_or_empty(lake: Lake, candidate: Candidate, spec: TableSpec) -> ir.Table:
    """A table as it would become, empty if it was never written."""
    return candidate.table(spec.name) if candidate.has(spec.name) else lake.reader.empty(spec).cast(spec.nullable_schema())


def _held_staging(lake: Lake, candidate: Candidate, name: str) -> ir.Table:
    return held_or_empty(lake, candidate, next(source for source in SOURCES if source.name == name).staging_spec())


def _unaffected(lake: Lake, candidate: Candidate, files: ir.Table, judged: Collection[str]) -> ir.Table:
    """Quarantine entries of tables that were not judged anew; time passes for parked rows among them."""
    entries = held_or_empty(lake, candidate, QUARANTINE)
    return escalated(entries.filter(entries.table_name.notin(tuple(judged))), files)


def _write(candidate: Candidate, spec: TableSpec, rows: ir.Table, written: dict[str, int]) -> None:
    written[spec.name] = candidate.write(spec, rows)
    candidate.audit(spec)


def _write_missing(lake: Lake, candidate: Candidate, written: dict[str, int]) -> None:
    """Readers find every staging table, whatever the first deliveries lacked."""
    for source in SOURCES:
        if not candidate.has(source.staging_spec().name):
            _write(candidate, source.staging_spec(), held_or_empty(lake, candidate, source.staging_spec()), written)


def _check_balance(ledger: ir.Table) -> None:
    lost = unbalanced(ledger).select("table_name", "source_file", "business_date").to_pyarrow().to_pylist()
    if lost:
        raise RowsLost(
            f"the rows of {len(lost)} files are not all accounted for, first {lost[0]}; nothing was published, report this defect"
        )
