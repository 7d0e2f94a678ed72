"""Features on how a client pays: late, skipped and early installments, amounts and numbers of payments, and contracts settled early.

All functions receive due installments, already cut to the window by due date, or settled contracts or repayments, cut by their own day.
Ratios are null without evidence, because a client without history is not a good payer.
"""

import ibis.expr.types as ir

from features.declare import LIFETIME, Feature, Months
from features.shares import share

NONE_DUE = "no installment fell due in the window"
NONE_DUE_EVER = "no installment has fallen due"
NONE_DUE_OR_ZERO = "no installment fell due in the window, or their amounts are 0"
NONE_ELIGIBLE = "no installment has reached the due date after its own"


def installments_due_count(due: ir.Table) -> ir.IntegerScalar:
    """Number of installments that fell due."""
    return due.count()


def late_pay_ratio(due: ir.Table) -> ir.FloatingScalar:
    """Share of the installments due that were paid late or are late and unpaid."""
    return share(due.count(where=due.is_late), due.count())


def late_count(due: ir.Table) -> ir.IntegerScalar:
    """Number of installments due that were paid late or are late and unpaid."""
    return due.count(where=due.is_late)


def skipped_count(due: ir.Table) -> ir.IntegerScalar:
    """Number of installments due of which less than a tenth was paid by the next due date."""
    return due.count(where=due.is_skipped)


def skipped_ratio(due: ir.Table) -> ir.FloatingScalar:
    """Share of skipped installments among those whose next due date has come."""
    return share(due.count(where=due.is_skipped), due.count(where=due.is_skip_eligible))


def early_pay_ratio(due: ir.Table) -> ir.FloatingScalar:
    """Share of the installments due that were settled before their due date."""
    return share(due.count(where=due.is_paid_early), due.count())


def paid_ratio(due: ir.Table) -> ir.FloatingScalar:
    """Share of the amounts due that is paid, penalties left out."""
    return share(due.paid_amount.sum(), due.due_amount.sum())


def paid_3_days_early_ratio(due: ir.Table) -> ir.FloatingScalar:
    """Share of the installments due that were settled at least 3 days before their due date."""
    # An unsettled installment is due, so its days late are never negative.
    return share(due.count(where=due.days_late <= -3), due.count())


def repayment_count(repayments: ir.Table) -> ir.IntegerScalar:
    """Number of repayments received, reversed ones left out."""
    return repayments.count()


def early_settlement_count(early_settlements: ir.Table) -> ir.IntegerScalar:
    """Number of contracts settled early with the client's own money, refinanced ones left out."""
    return early_settlements.count()


INSTALLMENTS_DUE_COUNT_3M = Feature(
    name="installments_due_count_3m", expr=installments_due_count, ledger="due", window=Months(3),
    dtype="int64", unit="count", bounds=(0, None), monotone=0, null_means=None,
    code="REPAYMENT_RECORD", reason="Few of your installments fell due in the last 3 months, so your recent record is short.",
)  # fmt: skip
INSTALLMENTS_DUE_COUNT_LIFETIME = Feature(
    name="installments_due_count_lifetime", expr=installments_due_count, ledger="due", window=LIFETIME,
    dtype="int64", unit="count", bounds=(0, None), monotone=0, null_means=None,
    code="REPAYMENT_RECORD", reason="The number of installments that you have had with us so far adds to the risk.",
)  # fmt: skip
LATE_PAY_RATIO_3M = Feature(
    name="late_pay_ratio_3m", expr=late_pay_ratio, ledger="due", window=Months(3),
    dtype="float64", unit="ratio", bounds=(0, 1), monotone=+1, null_means=NONE_DUE,
    code="LATE_PAYMENTS", reason="A large share of your installments of the last 3 months was paid late or is still unpaid.",
)  # fmt: skip
LATE_PAY_RATIO_6M = Feature(
    name="late_pay_ratio_6m", expr=late_pay_ratio, ledger="due", window=Months(6),
    dtype="float64", unit="ratio", bounds=(0, 1), monotone=+1, null_means=NONE_DUE,
    code="LATE_PAYMENTS", reason="A large share of your installments of the last 6 months was paid late or is still unpaid.",
)  # fmt: skip
LATE_PAY_RATIO_12M = Feature(
    name="late_pay_ratio_12m", expr=late_pay_ratio, ledger="due", window=Months(12),
    dtype="float64", unit="ratio", bounds=(0, 1), monotone=+1, null_means=NONE_DUE,
    code="LATE_PAYMENTS", reason="A large share of your installments of the last 12 months was paid late or is still unpaid.",
)  # fmt: skip
LATE_PAY_RATIO_LIFETIME = Feature(
    name="late_pay_ratio_lifetime", expr=late_pay_ratio, ledger="due", window=LIFETIME,
    dtype="float64", unit="ratio", bounds=(0, 1), monotone=+1, null_means=NONE_DUE_EVER,
    code="LATE_PAYMENTS", reason="A large share of all your installments was paid late or is still unpaid.",
)  # fmt: skip
LATE_COUNT_LIFETIME = Feature(
    name="late_count_lifetime", expr=late_count, ledger="due", window=LIFETIME,
    dtype="int64", unit="count", bounds=(0, None), monotone=+1, null_means=None,
    code="LATE_PAYMENTS", reason="Many of your installments were paid late or are still unpaid.",
)  # fmt: skip
SKIPPED_COUNT_3M = Feature(
    name="skipped_count_3m", expr=skipped_count, ledger="due", window=Months(3),
    dtype="int64", unit="count", bounds=(0, None), monotone=+1, null_means=None,
    code="SKIPPED_PAYMENTS", reason="You skipped installments in the last 3 months.",
)  # fmt: skip
SKIPPED_COUNT_12M = Feature(
    name="skipped_count_12m", expr=skipped_count, ledger="due", window=Months(12),
    dtype="int64", unit="count", bounds=(0, None), monotone=+1, null_means=None,
    code="SKIPPED_PAYMENTS", reason="You skipped installments in the last 12 months.",
)  # fmt: skip
SKIPPED_RATIO_LIFETIME = Feature(
    name="skipped_ratio_lifetime", expr=skipped_ratio, ledger="due", window=LIFETIME,
    dtype="float64", unit="ratio", bounds=(0, 1), monotone=+1, null_means=NONE_ELIGIBLE,
    code="SKIPPED_PAYMENTS", reason="You skipped a large share of all your installments.",
)  # fmt: skip
EARLY_PAY_RATIO_12M = Feature(
    name="early_pay_ratio_12m", expr=early_pay_ratio, ledger="due", window=Months(12),
    dtype="float64", unit="ratio", bounds=(0, 1), monotone=-1, null_means=NONE_DUE,
    code="FEW_EARLY_PAYMENTS", reason="You paid few of your installments of the last 12 months before their due date.",
)  # fmt: skip
EARLY_SETTLEMENT_COUNT_12M = Feature(
    name="early_settlement_count_12m", expr=early_settlement_count, ledger="early_settlements", window=Months(12),
    dtype="int64", unit="count", bounds=(0, None), monotone=-1, null_means=None,
    code="FEW_EARLY_SETTLEMENTS", reason="You did not settle a contract early with your own money in the last 12 months.",
)  # fmt: skip
EARLY_SETTLEMENT_COUNT_LIFETIME = Feature(
    name="early_settlement_count_lifetime", expr=early_settlement_count, ledger="early_settlements", window=LIFETIME,
    dtype="int64", unit="count", bounds=(0, None), monotone=-1, null_means=None,
    code="FEW_EARLY_SETTLEMENTS", reason="You have settled few contracts early with your own money.",
)  # fmt: skip
INSTALLMENTS_DUE_COUNT_6M = Feature(
    name="installments_due_count_6m", expr=installments_due_count, ledger="due", window=Months(6),
    dtype="int64", unit="count", bounds=(0, None), monotone=0, null_means=None,
    code="REPAYMENT_RECORD", reason="The number of your installments of the last 6 months adds to the risk.",
)  # fmt: skip
INSTALLMENTS_DUE_COUNT_12M = Feature(
    name="installments_due_count_12m", expr=installments_due_count, ledger="due", window=Months(12),
    dtype="int64", unit="count", bounds=(0, None), monotone=0, null_means=None,
    code="REPAYMENT_RECORD", reason="The number of your installments of the last 12 months adds to the risk.",
)  # fmt: skip
LATE_COUNT_3M = Feature(
    name="late_count_3m", expr=late_count, ledger="due", window=Months(3),
    dtype="int64", unit="count", bounds=(0, None), monotone=+1, null_means=None,
    code="LATE_PAYMENTS", reason="Several of your installments of the last 3 months were paid late or are still unpaid.",
)  # fmt: skip
LATE_COUNT_12M = Feature(
    name="late_count_12m", expr=late_count, ledger="due", window=Months(12),
    dtype="int64", unit="count", bounds=(0, None), monotone=+1, null_means=None,
    code="LATE_PAYMENTS", reason="Several of your installments of the last 12 months were paid late or are still unpaid.",
)  # fmt: skip
SKIPPED_COUNT_6M = Feature(
    name="skipped_count_6m", expr=skipped_count, ledger="due", window=Months(6),
    dtype="int64", unit="count", bounds=(0, None), monotone=+1, null_means=None,
    code="SKIPPED_PAYMENTS", reason="You skipped installments in the last 6 months.",
)  # fmt: skip
PAID_RATIO_3M = Feature(
    name="paid_ratio_3m", expr=paid_ratio, ledger="due", window=Months(3),
    dtype="float64", unit="ratio", bounds=(0, 1), monotone=-1, null_means=NONE_DUE_OR_ZERO,
    code="UNPAID_AMOUNTS", reason="Part of what fell due in the last 3 months is not paid.",
)  # fmt: skip
PAID_RATIO_6M = Feature(
    name="paid_ratio_6m", expr=paid_ratio, ledger="due", window=Months(6),
    dtype="float64", unit="ratio", bounds=(0, 1), monotone=-1, null_means=NONE_DUE_OR_ZERO,
    code="UNPAID_AMOUNTS", reason="Part of what fell due in the last 6 months is not paid.",
)  # fmt: skip
PAID_RATIO_12M = Feature(
    name="paid_ratio_12m", expr=paid_ratio, ledger="due", window=Months(12),
    dtype="float64", unit="ratio", bounds=(0, 1), monotone=-1, null_means=NONE_DUE_OR_ZERO,
    code="UNPAID_AMOUNTS", reason="Part of what fell due in the last 12 months is not paid.",
)  # fmt: skip
PAID_3_DAYS_EARLY_RATIO_3M = Feature(
    name="paid_3_days_early_ratio_3m", expr=paid_3_days_early_ratio, ledger="due", window=Months(3),
    dtype="float64", unit="ratio", bounds=(0, 1), monotone=-1, null_means=NONE_DUE,
    code="FEW_EARLY_PAYMENTS", reason="You paid few of your installments of the last 3 months 3 days or more before their due date.",
)  # fmt: skip
PAID_3_DAYS_EARLY_RATIO_6M = Feature(
    name="paid_3_days_early_ratio_6m", expr=paid_3_days_early_ratio, ledger="due", window=Months(6),
    dtype="float64", unit="ratio", bounds=(0, 1), monotone=-1, null_means=NONE_DUE,
    code="FEW_EARLY_PAYMENTS", reason="You paid few of your installments of the last 6 months 3 days or more before their due date.",
)  # fmt: skip
PAID_3_DAYS_EARLY_RATIO_12M = Feature(
    name="paid_3_days_early_ratio_12m", expr=paid_3_days_early_ratio, ledger="due", window=Months(12),
    dtype="float64", unit="ratio", bounds=(0, 1), monotone=-1, null_means=NONE_DUE,
    code="FEW_EARLY_PAYMENTS", reason="You paid few of your installments of the last 12 months 3 days or more before their due date.",
)  # fmt: skip
REPAYMENT_COUNT_3M = Feature(
    name="repayment_count_3m", expr=repayment_count, ledger="repayments", window=Months(3),
    dtype="int64", unit="count", bounds=(0, None), monotone=0, null_means=None,
    code="REPAYMENT_RECORD", reason="The number of payments that you made in the last 3 months adds to the risk.",
)  # fmt: skip
REPAYMENT_COUNT_6M = Feature(
    name="repayment_count_6m", expr=repayment_count, ledger="repayments", window=Months(6),
    dtype="int64", unit="count", bounds=(0, None), monotone=0, null_means=None,
    code="REPAYMENT_RECORD", reason="The number of payments that you made in the last 6 months adds to the risk.",
)  # fmt: skip
REPAYMENT_COUNT_12M = Feature(
    name="repayment_count_12m", expr=repayment_count, ledger="repayments", window=Months(12),
    dtype="int64", unit="count", bounds=(0, None), monotone=0, null_means=None,
    code="REPAYMENT_RECORD", reason="The number of payments that you made in the last 12 months adds to the risk.",
)  # fmt: skip
