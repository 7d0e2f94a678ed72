"""curated.fact_contract_status: status events of contracts, delivered or derived."""

import ibis.expr.types as ir

from warehouse.table import TIMESTAMP, TableSpec, columns
from warehouse.terms import STATUSES

FACT_CONTRACT_STATUS = TableSpec(
    name="curated.fact_contract_status",
    description="Status events of contracts up to the release's business date.",
    grain=("contract_number", "status_date", "status"),
    columns=columns(
        (
            ("contract_number", "string", "Contract key."),
            ("status_date", "date", "Day on which the status began."),
            ("status", "string", "Status that began.", {"values": STATUSES}),
            ("is_derived", "bool", "Whether it follows from contract rows instead of a delivered history."),
            ("known_at", TIMESTAMP, "From when the platform could know it."),
        )
    ),
)


def fact_contract_status(events: ir.Table) -> ir.Table:
    """Status events as of one date.

    Grain: one row per (contract_number, status_date, status).

    Args:
        events: of Positions, one as_of_on.

    Returns:
        the columns of FACT_CONTRACT_STATUS.
    """
    return events.select(FACT_CONTRACT_STATUS.column_names)
