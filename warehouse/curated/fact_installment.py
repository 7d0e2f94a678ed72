"""curated.fact_installment: every installment as of the release's business date, due or not."""

import ibis.expr.types as ir

from warehouse.curated.installments import STATES
from warehouse.table import MONEY, TableSpec, columns

FACT_INSTALLMENT = TableSpec(
    name="curated.fact_installment",
    description="Installments with what is paid of them, as of the release's business date.",
    grain=("installment_id",),
    columns=columns(
        (
            ("installment_id", "string", "Installment key."),
            ("contract_number", "string", "Contract key."),
            ("client_id", "string", "Client who owes it."),
            ("installment_number", "int32", "Position in the schedule, from 1."),
            ("due_date", "date", "Day on which it is due."),
            ("original_due_date", "date", "Day on which it was due when first delivered."),
            ("principal_due_amount", MONEY, "Principal due.", {"bounds": (0, None)}),
            ("interest_due_amount", MONEY, "Interest due.", {"bounds": (0, None)}),
            ("fee_due_amount", MONEY, "Fee due.", {"bounds": (0, None)}),
            ("due_amount", MONEY, "Sum of the three; without penalty.", {"bounds": (0, None)}),
            ("paid_amount", MONEY, "Allocated to it, without penalty.", {"bounds": (0, None)}),
            ("unpaid_amount", MONEY, "Due and not paid.", {"bounds": (0, None)}),
            ("penalty_amount", MONEY, "Penalties charged on it.", {"bounds": (0, None)}),
            ("settled_on", "date?", "First day on which it was paid up to the tolerance."),
            ("days_late", "int64", "Days from the due date to settlement, or while due and unsettled to the business date or the end."),
            ("is_late", "bool", "Due and later than the grace days."),
            ("is_skipped", "bool", "Due and hardly paid by the next due date."),
            ("is_paid_early", "bool", "Settled before its due date."),
            ("state", "string", "One of nine states; docs/lending-terms.md.", {"values": STATES}),
            ("is_due", "bool", "Fallen due, of a disbursed contract that had not ended before."),
            ("is_skip_eligible", "bool", "Due, and so is the installment after it."),
        )
    ),
)


def fact_installment(installments: ir.Table) -> ir.Table:
    """Installments as of one date.

    Grain: one row per installment_id.

    Args:
        installments: of Positions, one as_of_on.

    Returns:
        the columns of FACT_INSTALLMENT.
    """
    return installments.select(FACT_INSTALLMENT.column_names)
