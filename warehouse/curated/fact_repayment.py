"""curated.fact_repayment: what each repayment paid, installment by installment."""

import ibis.expr.types as ir

from warehouse.table import MONEY, TIMESTAMP, TableSpec, columns

FACT_REPAYMENT = TableSpec(
    name="curated.fact_repayment",
    description="Repayments allocated to installments, as of the release's business date.",
    grain=("repayment_id", "allocation_number"),
    columns=columns(
        (
            ("repayment_id", "string", "Repayment key."),
            ("allocation_number", "int32", "Order within the repayment, from 1.", {"bounds": (1, None)}),
            ("installment_id", "string?", "Installment paid; empty for an overpayment, a reversed repayment and a reversal."),
            ("contract_number", "string", "Contract paid."),
            ("client_id", "string", "Client who owes the contract."),
            ("repayment_date", "date", "Day on which the money was received."),
            ("allocated_amount", MONEY, "Sum of the four parts, or the overpayment; the rows of a repayment add up to its amount."),
            ("principal_amount", MONEY, "Of it principal."),
            ("interest_amount", MONEY, "Of it interest."),
            ("fee_amount", MONEY, "Of it fee."),
            ("penalty_amount", MONEY, "Of it penalty."),
            ("is_reversed", "bool", "Whether a reversal cancelled the repayment."),
            ("booked_at", f"{TIMESTAMP}?", "When the source system booked it."),
            ("known_at", TIMESTAMP, "From when the platform could use it."),
        )
    ),
)


def fact_repayment(repayments: ir.Table) -> ir.Table:
    """Repayments as of one date.

    Grain: one row per (repayment_id, allocation_number).

    Args:
        repayments: of Positions, one as_of_on.

    Returns:
        the columns of FACT_REPAYMENT.
    """
    return repayments.select(FACT_REPAYMENT.column_names)
