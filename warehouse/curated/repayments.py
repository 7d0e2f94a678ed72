"""Repayments as of each date, one row per installment that a repayment pays."""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.curated.ledger import ERA
from warehouse.curated.statuses import AT
from warehouse.curated.values import ZERO

COLUMNS = (
    "repayment_id",
    "allocation_number",
    "installment_id",
    "repayment_date",
    "allocated_amount",
    "principal_amount",
    "interest_amount",
    "fee_amount",
    "penalty_amount",
    "is_reversed",
    "is_reversal",
    "booked_at",
    "known_at",
)


def repayments_at(allocated: ir.Table, cancelled: ir.Table, contracts: ir.Table) -> ir.Table:
    """Allocated repayments, reversed ones and reversals as of each date.

    Grain: one row per (as_of_on, repayment_id, allocation_number).

    Args:
        allocated: of allocations.
        cancelled: of Ledger.cancelled; each has one row with its full amount and no parts.
        contracts: per (as_of_on, contract_number): era_on, client_id.
    """
    whole = cancelled.mutate(
        allocation_number=ibis.literal(1, "int32"),
        installment_id=ibis.null("string"),
        allocated_amount=_.amount,
        principal_amount=ZERO,
        interest_amount=ZERO,
        fee_amount=ZERO,
        penalty_amount=ZERO,
        is_reversal=~_.is_reversed,
    ).select(*ERA, *COLUMNS)
    rows = allocated.mutate(is_reversed=False, is_reversal=False).select(*ERA, *COLUMNS).union(whole)
    return (
        contracts.select("as_of_on", *ERA, "client_id")
        .join(rows, ERA)
        .filter(_.repayment_date <= _.as_of_on)
        .select(*AT, "client_id", *COLUMNS)
    )
