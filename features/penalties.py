"""Features on penalties charged, from the installments and the penalties file alike."""

import ibis.expr.types as ir

from features.declare import Feature, Months


def penalty_amount(penalties: ir.Table) -> ir.FloatingScalar:
    """Penalties charged to the client, by the day of the charge."""
    return penalties.penalty_amount.sum().cast("float64")


PENALTY_AMOUNT_12M = Feature(
    name="penalty_amount_12m", expr=penalty_amount, ledger="penalties", window=Months(12),
    dtype="float64", unit="money", bounds=(0, None), monotone=+1, null_means=None,
    code="PENALTIES", reason="Penalties were charged to you in the last 12 months.",
)  # fmt: skip
