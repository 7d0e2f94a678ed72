"""curated.fact_contract: every accepted contract as of the release's business date."""

import ibis.expr.types as ir
from ibis import _

from warehouse.curated.values import lookup
from warehouse.table import MONEY, TableSpec, columns
from warehouse.terms import STATUSES, UNKNOWN

FACT_CONTRACT = TableSpec(
    name="curated.fact_contract",
    description="Loan contracts as of the release's business date.",
    grain=("contract_number",),
    columns=columns(
        (
            ("contract_number", "string", "Contract key."),
            ("client_id", "string", "Client who owes the loan."),
            ("product_code", "string", "Product sold; Unknown if no delivery has named it."),
            ("product_type_id", "string", "Kind of product; Unknown if no delivery has named it."),
            ("principal_amount", MONEY, "Amount disbursed."),
            ("interest_amount", f"{MONEY}?", "Interest over the whole tenor, if delivered."),
            ("fee_amount", f"{MONEY}?", "Fees over the whole tenor, if delivered."),
            ("tenor_months", "int32", "Contractual length in months."),
            ("start_date", "date", "Day of disbursement."),
            ("first_due_date", "date?", "First due date of the original schedule."),
            ("last_due_date", "date?", "Last due date of the original schedule."),
            ("installment_count", "int64", "Installments held."),
            ("status", "string", "Status as of the business date; New before the start date.", {"values": STATUSES}),
            ("status_on", "date", "Date of the status event."),
            ("ended_on", "date?", "Date of the event that ended the contract."),
            ("close_reason", "string?", "What a Close means.", {"values": ("paid", "written_off", "sold", "cancel", "unknown")}),
            ("is_early_settled", "bool", "Whether all was settled well before the original last due date."),
            ("early_settled_on", "date?", "Day of the early settlement."),
            ("is_refinanced", "bool", "Whether another contract of the client began around the early settlement."),
            ("is_fpd30", "bool?", "Whether the first installment reached 30 days past due; empty while that cannot be known."),
            ("dpd", "int64", "Days past due."),
            ("overdue_amount", MONEY, "Due before the business date and unpaid, of an open contract."),
            ("outstanding_principal_amount", MONEY, "Principal not paid back, of an open contract."),
            ("written_off_principal_amount", MONEY, "Principal not paid back when the contract was written off."),
            ("sold_principal_amount", MONEY, "Principal not paid back when the contract was sold."),
            ("vintage_month", "date", "First day of the month of disbursement."),
            ("region_at_origination_id", "string", "Region of the client on the start date."),
        )
    ),
)


def fact_contract(contracts: ir.Table, origins: ir.Table) -> ir.Table:
    """Contracts as of one date.

    Grain: one row per contract_number.

    Args:
        contracts: of Positions, one as_of_on.
        origins: as_of_on, client_id, start_date, region_id; of `warehouse.curated.regions.regions_on`.

    Returns:
        the columns of FACT_CONTRACT.
    """
    return (
        lookup(contracts, origins, ("as_of_on", "client_id", "start_date"))
        .mutate(
            vintage_month=_.start_date.truncate("M").cast("date"),
            region_at_origination_id=_.region_id.fill_null(UNKNOWN),
        )
        .select(FACT_CONTRACT.column_names)
    )
