"""Features on the newest installments: the last one, the last few, and those of the latest contract.

The ledger of recent installments counts recency from 1, the newest. days_late is signed, negative where an installment was settled
before its due date.
"""

import ibis.expr.types as ir

from features.declare import Feature, Months
from features.repayment import NONE_DUE
from features.shares import share


def last_late_days(recent: ir.Table) -> ir.FloatingScalar:
    """Days late of the newest installment due, negative where it was settled before its due date."""
    return recent.days_late.max(where=recent.recency == 1)


def last_3_mean_late_days(recent: ir.Table) -> ir.FloatingScalar:
    """Mean days late of the newest 3 installments due, where days before the due date are negative."""
    few = recent.recency <= 3
    return share(recent.days_late.sum(where=few), recent.count(where=few))


def last_5_max_late_days(recent: ir.Table) -> ir.FloatingScalar:
    """Most days late among the newest 5 installments due, negative where all were settled before their due dates."""
    return recent.days_late.max(where=recent.recency <= 5)


def latest_contract_late_ratio(due: ir.Table) -> ir.FloatingScalar:
    """Share of the installments due on the latest contract that were paid late or are late and unpaid."""
    return share(due.count(where=due.is_late & due.is_latest), due.count(where=due.is_latest))


LAST_LATE_DAYS_12M = Feature(
    name="last_late_days_12m", expr=last_late_days, ledger="recent", window=Months(12),
    dtype="float64", unit="days", bounds=(None, None), monotone=+1, null_means=NONE_DUE,
    code="RECENT_PAYMENTS", reason="Your newest installment was paid late or is still unpaid.",
)  # fmt: skip
LAST_3_MEAN_LATE_DAYS_12M = Feature(
    name="last_3_mean_late_days_12m", expr=last_3_mean_late_days, ledger="recent", window=Months(12),
    dtype="float64", unit="days", bounds=(None, None), monotone=+1, null_means=NONE_DUE,
    code="RECENT_PAYMENTS", reason="Your last 3 payments came late on average.",
)  # fmt: skip
LAST_5_MAX_LATE_DAYS_12M = Feature(
    name="last_5_max_late_days_12m", expr=last_5_max_late_days, ledger="recent", window=Months(12),
    dtype="float64", unit="days", bounds=(None, None), monotone=+1, null_means=NONE_DUE,
    code="RECENT_PAYMENTS", reason="One of your last 5 payments came many days late.",
)  # fmt: skip
LATEST_CONTRACT_LATE_RATIO = Feature(
    name="latest_contract_late_ratio", expr=latest_contract_late_ratio, ledger="due", window=None,
    dtype="float64", unit="ratio", bounds=(0, 1), monotone=+1, null_means="no installment of the latest contract has fallen due",
    code="LATE_PAYMENTS", reason="A large share of the installments of your newest contract was paid late or is still unpaid.",
)  # fmt: skip
