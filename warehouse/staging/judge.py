"""Rows of raw to judged rows of one source table.

A judged row is a row of raw with its typed values, its disposition and the marks of the rules that it broke. The staging table is the
accepted ones; the quarantine and the ledger's counts come from the same rows, so the three cannot disagree. Which rows are judged is
not decided here (see scope): all of raw, or those that a delivery touches, give the same answer for a row.
"""

from collections.abc import Callable, Mapping

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.sources import SourceTable
from warehouse.staging import references
from warehouse.staging.knowledge import known
from warehouse.staging.references import Context
from warehouse.staging.repayments import repayments
from warehouse.staging.scratch import Scratch
from warehouse.staging.status_history import contract_status_history
from warehouse.staging.typed import typed
from warehouse.staging.versions import versioned

REFERENCES: Mapping[str, Callable[[ir.Table, Context, Scratch], ir.Table]] = {
    "regions": references.first_known,
    "product_types": references.first_known,
    "products": references.products,
    "clients": references.clients,
    "contracts": references.contracts,
    "contract_status_history": contract_status_history,
    "installments": references.installments,
    "repayments": repayments,
    "penalties": references.penalties,
}


def judge(source: SourceTable, raw: ir.Table, context: Context, time_zone: str, scratch: Scratch) -> ir.Table:
    """Judge rows of one source table.

    Grain: one row per row of raw.

    Args:
        source: the table's contract.
        raw: rows of raw.<name> with file_number: all rows of some keys from some business date on.
        context: parents, the table's files, and what is held of those keys from before.
        time_zone: the lender's.
        scratch: for intermediate tables.

    Returns:
        the columns of staging.<name>; file_number, disposition; faults, waits, warnings, notes (marks of warehouse.staging.rules).
    """
    rows = typed(raw, source, time_zone, scratch).mutate(waits=ibis.literal(""), notes=ibis.literal(""))
    referred = REFERENCES[source.name](rows, context, scratch)
    judged = versioned(referred, source, context.files, context.held, scratch)
    return _with_file(known(judged, context.files, time_zone), context.files)


def staged(judged: ir.Table, source: SourceTable) -> ir.Table:
    """staging.<name>: typed and deduplicated.

    Grain: one row per key and business date.
    """
    spec = source.staging_spec()
    return judged.filter(_.disposition == "accepted").select(*spec.column_names).cast(spec.nullable_schema())


def _with_file(judged: ir.Table, files: ir.Table) -> ir.Table:
    """Judged rows with the name and the hash of their file."""
    named = files.select("source_file", "source_sha256", of_file="file_number")
    return judged.join(named, judged.file_number == named.of_file).drop("of_file")
