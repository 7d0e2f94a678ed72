"""Features on penalties charged, from the installments and the penalties file alike."""

import ibis.expr.types as ir

from features.declare import Feature, Months
from features.repayment import NONE_DUE_OR_ZERO
from features.shares import share


def penalty_amount(penalties: ir.Table) -> ir.FloatingScalar:
    """Penalties charged to the client, by the day of the charge."""
    return penalties.penalty_amount.sum().cast("float64")


def penalty_ratio(due: ir.Table) -> ir.FloatingScalar:
    """Penalties charged so far on the installments due, divided by their amounts."""
    return share(due.penalty_amount.sum(), due.due_amount.sum())


PENALTY_AMOUNT_12M = Feature(
    name="penalty_amount_12m", expr=penalty_amount, ledger="penalties", window=Months(12),
    dtype="float64", unit="money", bounds=(0, None), monotone=+1, null_means=None,
    code="PENALTIES", reason="Penalties were charged to you in the last 12 months.",
)  # fmt: skip
PENALTY_RATIO_3M = Feature(
    name="penalty_ratio_3m", expr=penalty_ratio, ledger="due", window=Months(3),
    dtype="float64", unit="ratio", bounds=(0, None), monotone=+1, null_means=NONE_DUE_OR_ZERO,
    code="PENALTIES", reason="Penalties were charged on your installments of the last 3 months.",
)  # fmt: skip
PENALTY_RATIO_6M = Feature(
    name="penalty_ratio_6m", expr=penalty_ratio, ledger="due", window=Months(6),
    dtype="float64", unit="ratio", bounds=(0, None), monotone=+1, null_means=NONE_DUE_OR_ZERO,
    code="PENALTIES", reason="Penalties were charged on your installments of the last 6 months.",
)  # fmt: skip
PENALTY_RATIO_12M = Feature(
    name="penalty_ratio_12m", expr=penalty_ratio, ledger="due", window=Months(12),
    dtype="float64", unit="ratio", bounds=(0, None), monotone=+1, null_means=NONE_DUE_OR_ZERO,
    code="PENALTIES", reason="Penalties were charged on your installments of the last 12 months.",
)  # fmt: skip
