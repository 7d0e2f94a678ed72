"""All of raw to judged rows, table by table in the order of the references: staging as a function of raw.

A judged row is a row of raw with its typed values, its disposition and the marks of the rules that it broke. The staging table is the
accepted ones; the quarantine and the ledger's counts come from the same rows, so the three cannot disagree.
"""

from collections.abc import Callable, Collection, Mapping

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.sources import SOURCES, SourceTable
from warehouse.staging import references
from warehouse.staging.knowledge import known
from warehouse.staging.references import Held
from warehouse.staging.repayments import repayments, waiting_reversals
from warehouse.staging.status_history import contract_status_history
from warehouse.staging.typed import typed, zoned
from warehouse.staging.versions import versioned

Keep = Callable[[ir.Table], ir.Table]  # computes a table once, for the steps that read it several times

REFERENCES: Mapping[str, Callable[[ir.Table, Held], ir.Table]] = {
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
AFTERWARDS: Mapping[str, Callable[[ir.Table, Held], ir.Table]] = {
    "installments": references.schedule_warnings,
    "repayments": waiting_reversals,
}
# What a table is judged by, besides its own rows.
PARENTS: Mapping[str, tuple[str, ...]] = {
    "products": ("product_types",),
    "clients": ("regions",),
    "contracts": ("clients", "products"),
    "contract_status_history": ("contracts",),
    "installments": ("contracts",),
    "repayments": ("contracts", "installments"),
    "penalties": ("installments",),
}


def affected(changed: Collection[str]) -> tuple[SourceTable, ...]:
    """The tables to judge anew when the raw rows of some have changed, parents first."""
    names = set(changed)
    for source in SOURCES:  # parents come before children
        if names & set(PARENTS.get(source.name, ())):
            names.add(source.name)
    return tuple(source for source in SOURCES if source.name in names)


def judge(source: SourceTable, raw: ir.Table, files: ir.Table, held: Held, time_zone: str, keep: Keep) -> ir.Table:
    """Judge every row of one source table.

    Grain: one row per row of raw.

    Args:
        source: the table's contract.
        raw: raw.<name>, all business dates.
        files: delivered files (staging.ledger.accepted_files).
        held: gives the staging table of a parent.
        time_zone: the lender's.
        keep: computes an intermediate table once.

    Returns:
        the columns of staging.<name>; disposition; faults, waits, warnings, notes (marks of warehouse.staging.rules).
    """
    rows = zoned(keep(typed(raw, source)), source, time_zone).mutate(waits=ibis.literal(""))
    referred = REFERENCES[source.name](_with_arrival(rows, files, source.name), held)
    judged = versioned(known(referred, files, source.name, time_zone), source)
    after = AFTERWARDS.get(source.name)
    return keep(after(judged, held) if after else judged)


def staged(judged: ir.Table, source: SourceTable) -> ir.Table:
    """staging.<name>: typed and deduplicated.

    Grain: one row per key and business date.
    """
    return judged.filter(_.disposition == "accepted").select(*source.staging_spec().column_names)


def _with_arrival(rows: ir.Table, files: ir.Table, table: str) -> ir.Table:
    """Rows with the order of arrival of their delivery."""
    arrivals = files.filter(files.table_name == table).select(
        "delivery_seq", arrived_on=files.business_date, arrived_sha256=files.source_sha256
    )
    return rows.left_join(arrivals, [rows.business_date == arrivals.arrived_on, rows.source_sha256 == arrivals.arrived_sha256]).drop(
        "arrived_on", "arrived_sha256"
    )
