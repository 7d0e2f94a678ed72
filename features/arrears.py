"""Features on days past due: today's and the worst day of a window.

A client's days past due are the greatest over the contracts. The peak counts every day of the window, not month ends, and a contract
that was written off or sold stays at its last value.
"""

import ibis.expr.types as ir

from features.declare import LIFETIME, Feature, Months


def max_dpd(peaks: ir.Table) -> ir.IntegerScalar:
    """Greatest number of days past due that any contract of the client had on a day of the window."""
    return peaks.max_dpd.max()


def dpd(contracts: ir.Table) -> ir.IntegerScalar:
    """Days past due of the client's worst contract."""
    return contracts.dpd.max()


def overdue_amount(contracts: ir.Table) -> ir.FloatingScalar:
    """Amount past due and unpaid on open contracts, without penalties."""
    return contracts.overdue_amount.sum(where=contracts.is_open).cast("float64")


MAX_DPD_3M = Feature(
    name="max_dpd_3m", expr=max_dpd, ledger="peaks", window=Months(3),
    dtype="int64", unit="days", bounds=(0, None), monotone=+1, null_means=None,
    code="PAST_ARREARS", reason="You were many days past due at some point of the last 3 months.",
)  # fmt: skip
MAX_DPD_6M = Feature(
    name="max_dpd_6m", expr=max_dpd, ledger="peaks", window=Months(6),
    dtype="int64", unit="days", bounds=(0, None), monotone=+1, null_means=None,
    code="PAST_ARREARS", reason="You were many days past due at some point of the last 6 months.",
)  # fmt: skip
MAX_DPD_12M = Feature(
    name="max_dpd_12m", expr=max_dpd, ledger="peaks", window=Months(12),
    dtype="int64", unit="days", bounds=(0, None), monotone=+1, null_means=None,
    code="PAST_ARREARS", reason="You were many days past due at some point of the last 12 months.",
)  # fmt: skip
MAX_DPD_LIFETIME = Feature(
    name="max_dpd_lifetime", expr=max_dpd, ledger="peaks", window=LIFETIME,
    dtype="int64", unit="days", bounds=(0, None), monotone=+1, null_means=None,
    code="PAST_ARREARS", reason="You were many days past due at some point in the past.",
)  # fmt: skip
DPD = Feature(
    name="dpd", expr=dpd, ledger="contracts", window=None,
    dtype="int64", unit="days", bounds=(0, None), monotone=+1, null_means=None,
    code="CURRENT_ARREARS", reason="You are past due on a payment now.",
)  # fmt: skip
OVERDUE_AMOUNT = Feature(
    name="overdue_amount", expr=overdue_amount, ledger="contracts", window=None,
    dtype="float64", unit="money", bounds=(0, None), monotone=+1, null_means=None,
    code="CURRENT_ARREARS", reason="You have an amount past due that is not paid yet.",
)  # fmt: skip
