"""curated.fact_penalty: penalties charged, from the penalties file and from installment rows alike."""

import ibis.expr.types as ir

from warehouse.table import MONEY, TableSpec, columns

FACT_PENALTY = TableSpec(
    name="curated.fact_penalty",
    description="Penalties charged up to the release's business date, each on the day that counts for it.",
    grain=("installment_id", "penalty_id"),
    columns=columns(
        (
            ("installment_id", "string", "Installment on which it was charged."),
            ("penalty_id", "string", "Key in the penalties file; empty text for the penalty on the installment row."),
            ("contract_number", "string", "Contract key."),
            ("client_id", "string", "Client who owes it."),
            ("penalty_on", "date", "Day of the charge; of one on the installment row the settlement, or while unsettled its delivery."),
            ("penalty_amount", MONEY, "Amount charged.", {"bounds": (0, None)}),
        )
    ),
)


def fact_penalty(penalties: ir.Table) -> ir.Table:
    """Penalties as of one date.

    Grain: one row per (installment_id, penalty_id).

    Args:
        penalties: of Positions, one as_of_on.

    Returns:
        the columns of FACT_PENALTY.
    """
    return penalties.select(FACT_PENALTY.column_names)
