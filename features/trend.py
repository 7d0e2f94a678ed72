"""Features on whether a client pays better or worse than before.

They compare other features of the row, or fit a line through the days late of the newest installments, of which the ledger counts
recency from 1, the newest.
"""

import ibis
import ibis.expr.types as ir

from features.declare import Feature, Months
from features.shares import share

NONE_DUE_3M = "no installment fell due in the last 3 months"
FEWER_THAN_TWO = "fewer than two installments fell due in the window"
FLOOR = 0.01  # a client who was never late has a ratio of 0, by which nothing can be divided


def late_pay_ratio_change(values: ir.Table) -> ir.FloatingColumn:
    """Share of late installments of the last 3 months minus that of the last 12 months."""
    return values.late_pay_ratio_3m - values.late_pay_ratio_12m


def late_pay_ratio_growth(values: ir.Table) -> ir.FloatingColumn:
    """Share of late installments of the last 3 months divided by that of the last 12 months, with 0.01 added to both."""
    return (values.late_pay_ratio_3m + FLOOR) / (values.late_pay_ratio_12m + FLOOR)


def late_days_slope_6(recent: ir.Table) -> ir.FloatingScalar:
    """Days late gained from one installment to the next, by a straight line through the newest 6 installments due."""
    return _slope(recent, 6)


def late_days_slope_12(recent: ir.Table) -> ir.FloatingScalar:
    """Days late gained from one installment to the next, by a straight line through the newest 12 installments due."""
    return _slope(recent, 12)


def on_time_run_count(recent: ir.Table) -> ir.IntegerScalar:
    """Number of the newest installments due in a row that are not late, from the newest one backwards."""
    return _run(recent, recent.is_late)


def late_run_count(recent: ir.Table) -> ir.IntegerScalar:
    """Number of the newest installments due in a row that are late, from the newest one backwards."""
    return _run(recent, ~recent.is_late)


def _slope(recent: ir.Table, newest: int) -> ir.FloatingScalar:
    """Least-squares slope of the days late over time, in exact whole numbers but for the division at the end."""
    few = recent.recency <= newest
    x, y = recent.recency, recent.days_late
    count, sum_x, sum_y = recent.count(where=few), x.sum(where=few), y.sum(where=few)
    # Recency counts backwards in time, so the sign is turned.
    gained = sum_x * sum_y - count * (x * y).sum(where=few)
    return share(gained, count * (x * x).sum(where=few) - sum_x * sum_x)


def _run(recent: ir.Table, ends: ir.BooleanColumn) -> ir.IntegerScalar:
    """How many installments are newer than the newest one at which a run ends; all of them if there is none."""
    return ibis.coalesce(recent.recency.min(where=ends) - 1, recent.count())


LATE_PAY_RATIO_CHANGE_12M = Feature(
    name="late_pay_ratio_change_12m", expr=late_pay_ratio_change, ledger="values", window=Months(12),
    dtype="float64", unit="ratio", bounds=(-1, 1), monotone=+1, null_means=NONE_DUE_3M,
    code="WORSENING_PAYMENTS", reason="More of your installments were late in the last 3 months than over the last 12 months.",
)  # fmt: skip
LATE_PAY_RATIO_GROWTH_12M = Feature(
    name="late_pay_ratio_growth_12m", expr=late_pay_ratio_growth, ledger="values", window=Months(12),
    dtype="float64", unit="ratio", bounds=(0, None), monotone=+1, null_means=NONE_DUE_3M,
    code="WORSENING_PAYMENTS", reason="The share of your installments paid late has grown in the last 3 months.",
)  # fmt: skip
LATE_DAYS_SLOPE_6_12M = Feature(
    name="late_days_slope_6_12m", expr=late_days_slope_6, ledger="recent", window=Months(12),
    dtype="float64", unit="days", bounds=(None, None), monotone=+1, null_means=FEWER_THAN_TWO,
    code="WORSENING_PAYMENTS", reason="Your last 6 payments came later from one to the next.",
)  # fmt: skip
LATE_DAYS_SLOPE_12_12M = Feature(
    name="late_days_slope_12_12m", expr=late_days_slope_12, ledger="recent", window=Months(12),
    dtype="float64", unit="days", bounds=(None, None), monotone=+1, null_means=FEWER_THAN_TWO,
    code="WORSENING_PAYMENTS", reason="Your last 12 payments came later from one to the next.",
)  # fmt: skip
ON_TIME_RUN_COUNT_12M = Feature(
    name="on_time_run_count_12m", expr=on_time_run_count, ledger="recent", window=Months(12),
    dtype="int64", unit="count", bounds=(0, None), monotone=-1, null_means=None,
    code="RECENT_PAYMENTS", reason="Few of your newest installments in a row were paid in time.",
)  # fmt: skip
LATE_RUN_COUNT_12M = Feature(
    name="late_run_count_12m", expr=late_run_count, ledger="recent", window=Months(12),
    dtype="int64", unit="count", bounds=(0, None), monotone=+1, null_means=None,
    code="RECENT_PAYMENTS", reason="Several of your newest installments in a row were late.",
)  # fmt: skip
