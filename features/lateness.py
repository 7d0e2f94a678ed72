"""Features on how late a client pays: shares of late installments, days late, and the time since the last late one.

All functions receive due installments, already cut to the window by due date. days_late is signed, negative where an installment was
settled before its due date, and late_days is the same with 0 for these. Means and deviations come from sums of whole numbers and exact
amounts with one division at the end, so that no order of the rows changes a bit of them.
"""

import ibis.expr.types as ir

from features.declare import LIFETIME, Feature, Months
from features.repayment import NONE_DUE, NONE_DUE_EVER, NONE_DUE_OR_ZERO
from features.shares import share


def late_over_5_days_ratio(due: ir.Table) -> ir.FloatingScalar:
    """Share of the installments due that were settled, or are still unsettled, more than 5 days after their due date."""
    return share(due.count(where=due.days_late > 5), due.count())


def late_30_days_ratio(due: ir.Table) -> ir.FloatingScalar:
    """Share of the installments due that were settled, or are still unsettled, 30 days or more after their due date."""
    return share(due.count(where=due.days_late >= 30), due.count())


def mean_late_days(due: ir.Table) -> ir.FloatingScalar:
    """Mean days late of the installments due, where an installment settled by its due date counts as 0."""
    return share(due.late_days.sum(), due.count())


def late_days_deviation(due: ir.Table) -> ir.FloatingScalar:
    """Standard deviation of the days late of the installments due, where days before the due date are negative."""
    count, total, squares = due.count(), due.days_late.sum(), (due.days_late * due.days_late).sum()
    return share((count * squares - total * total).cast("float64").sqrt(), count)


def amount_weighted_late_days(due: ir.Table) -> ir.FloatingScalar:
    """Mean days late of the installments due, weighted by their amounts, where one settled by its due date counts as 0."""
    return share(due.late_amount_days.sum(), due.due_amount.sum())


def decayed_late_days(due: ir.Table) -> ir.FloatingScalar:
    """Mean days late of the installments due, where one that fell due 90 days earlier weighs 1/e and one settled in time counts as 0."""
    return share((due.late_days * due.weight).sum(), due.weight.sum())


def months_since_last_late(due: ir.Table) -> ir.FloatingScalar:
    """Calendar months since the month in which the client last settled an installment late or was late with one."""
    return due.late_months.min()


LATE_OVER_5_DAYS_RATIO_3M = Feature(
    name="late_over_5_days_ratio_3m", expr=late_over_5_days_ratio, ledger="due", window=Months(3),
    dtype="float64", unit="ratio", bounds=(0, 1), monotone=+1, null_means=NONE_DUE,
    code="LATE_PAYMENTS", reason="A large share of your installments of the last 3 months was more than 5 days late.",
)  # fmt: skip
LATE_OVER_5_DAYS_RATIO_6M = Feature(
    name="late_over_5_days_ratio_6m", expr=late_over_5_days_ratio, ledger="due", window=Months(6),
    dtype="float64", unit="ratio", bounds=(0, 1), monotone=+1, null_means=NONE_DUE,
    code="LATE_PAYMENTS", reason="A large share of your installments of the last 6 months was more than 5 days late.",
)  # fmt: skip
LATE_OVER_5_DAYS_RATIO_12M = Feature(
    name="late_over_5_days_ratio_12m", expr=late_over_5_days_ratio, ledger="due", window=Months(12),
    dtype="float64", unit="ratio", bounds=(0, 1), monotone=+1, null_means=NONE_DUE,
    code="LATE_PAYMENTS", reason="A large share of your installments of the last 12 months was more than 5 days late.",
)  # fmt: skip
LATE_OVER_5_DAYS_RATIO_LIFETIME = Feature(
    name="late_over_5_days_ratio_lifetime", expr=late_over_5_days_ratio, ledger="due", window=LIFETIME,
    dtype="float64", unit="ratio", bounds=(0, 1), monotone=+1, null_means=NONE_DUE_EVER,
    code="LATE_PAYMENTS", reason="A large share of all your installments was more than 5 days late.",
)  # fmt: skip
LATE_30_DAYS_RATIO_LIFETIME = Feature(
    name="late_30_days_ratio_lifetime", expr=late_30_days_ratio, ledger="due", window=LIFETIME,
    dtype="float64", unit="ratio", bounds=(0, 1), monotone=+1, null_means=NONE_DUE_EVER,
    code="LATE_PAYMENTS", reason="A large share of all your installments was 30 days late or more.",
)  # fmt: skip
MEAN_LATE_DAYS_3M = Feature(
    name="mean_late_days_3m", expr=mean_late_days, ledger="due", window=Months(3),
    dtype="float64", unit="days", bounds=(0, None), monotone=+1, null_means=NONE_DUE,
    code="DAYS_LATE", reason="Your payments of the last 3 months came many days late on average.",
)  # fmt: skip
MEAN_LATE_DAYS_6M = Feature(
    name="mean_late_days_6m", expr=mean_late_days, ledger="due", window=Months(6),
    dtype="float64", unit="days", bounds=(0, None), monotone=+1, null_means=NONE_DUE,
    code="DAYS_LATE", reason="Your payments of the last 6 months came many days late on average.",
)  # fmt: skip
MEAN_LATE_DAYS_12M = Feature(
    name="mean_late_days_12m", expr=mean_late_days, ledger="due", window=Months(12),
    dtype="float64", unit="days", bounds=(0, None), monotone=+1, null_means=NONE_DUE,
    code="DAYS_LATE", reason="Your payments of the last 12 months came many days late on average.",
)  # fmt: skip
MEAN_LATE_DAYS_LIFETIME = Feature(
    name="mean_late_days_lifetime", expr=mean_late_days, ledger="due", window=LIFETIME,
    dtype="float64", unit="days", bounds=(0, None), monotone=+1, null_means=NONE_DUE_EVER,
    code="DAYS_LATE", reason="Your payments so far came many days late on average.",
)  # fmt: skip
LATE_DAYS_DEVIATION_LIFETIME = Feature(
    name="late_days_deviation_lifetime", expr=late_days_deviation, ledger="due", window=LIFETIME,
    dtype="float64", unit="days", bounds=(0, None), monotone=+1, null_means=NONE_DUE_EVER,
    code="IRREGULAR_PAYMENTS", reason="The days on which you pay vary a lot from one installment to another.",
)  # fmt: skip
AMOUNT_WEIGHTED_LATE_DAYS_3M = Feature(
    name="amount_weighted_late_days_3m", expr=amount_weighted_late_days, ledger="due", window=Months(3),
    dtype="float64", unit="days", bounds=(0, None), monotone=+1, null_means=NONE_DUE_OR_ZERO,
    code="DAYS_LATE", reason="The larger payments of the last 3 months came many days late.",
)  # fmt: skip
AMOUNT_WEIGHTED_LATE_DAYS_6M = Feature(
    name="amount_weighted_late_days_6m", expr=amount_weighted_late_days, ledger="due", window=Months(6),
    dtype="float64", unit="days", bounds=(0, None), monotone=+1, null_means=NONE_DUE_OR_ZERO,
    code="DAYS_LATE", reason="The larger payments of the last 6 months came many days late.",
)  # fmt: skip
AMOUNT_WEIGHTED_LATE_DAYS_12M = Feature(
    name="amount_weighted_late_days_12m", expr=amount_weighted_late_days, ledger="due", window=Months(12),
    dtype="float64", unit="days", bounds=(0, None), monotone=+1, null_means=NONE_DUE_OR_ZERO,
    code="DAYS_LATE", reason="The larger payments of the last 12 months came many days late.",
)  # fmt: skip
DECAYED_LATE_DAYS_3M = Feature(
    name="decayed_late_days_3m", expr=decayed_late_days, ledger="due", window=Months(3),
    dtype="float64", unit="days", bounds=(0, None), monotone=+1, null_means=NONE_DUE,
    code="DAYS_LATE", reason="Your newest payments of the last 3 months came many days late.",
)  # fmt: skip
DECAYED_LATE_DAYS_6M = Feature(
    name="decayed_late_days_6m", expr=decayed_late_days, ledger="due", window=Months(6),
    dtype="float64", unit="days", bounds=(0, None), monotone=+1, null_means=NONE_DUE,
    code="DAYS_LATE", reason="Your newest payments of the last 6 months came many days late.",
)  # fmt: skip
DECAYED_LATE_DAYS_12M = Feature(
    name="decayed_late_days_12m", expr=decayed_late_days, ledger="due", window=Months(12),
    dtype="float64", unit="days", bounds=(0, None), monotone=+1, null_means=NONE_DUE,
    code="DAYS_LATE", reason="Your newest payments of the last 12 months came many days late.",
)  # fmt: skip
MONTHS_SINCE_LAST_LATE = Feature(
    name="months_since_last_late", expr=months_since_last_late, ledger="due", window=None,
    dtype="float64", unit="months", bounds=(0, None), monotone=-1, null_means="no installment was ever late",
    code="LATE_PAYMENTS", reason="It is not long since a payment of yours was late.",
)  # fmt: skip
