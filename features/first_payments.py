"""Features on how contracts begin: whether first installments were paid in time."""

import ibis
import ibis.expr.types as ir

from features.declare import LIFETIME, Feature


def fpd30_count(contracts: ir.Table) -> ir.IntegerScalar:
    """Number of contracts whose first installment was still unpaid 30 days after its due date."""
    return contracts.count(where=contracts.is_fpd30)


def latest_contract_first_late_days(latest: ir.Table) -> ir.FloatingScalar:
    """Days late of the first installment of the latest contract, negative where it was settled before its due date."""
    # Two answers of one row, since the engines leave a row out whose answer is null, and take the next installment instead.
    return ibis.ifelse(latest.is_due.argmin(latest.place), latest.days_late.argmin(latest.place), ibis.null("int64"))


FPD30_COUNT_LIFETIME = Feature(
    name="fpd30_count_lifetime", expr=fpd30_count, ledger="contracts", window=LIFETIME,
    dtype="int64", unit="count", bounds=(0, None), monotone=+1, null_means=None,
    code="FIRST_PAYMENTS", reason="The first installment of a contract of yours was 30 days late or more.",
)  # fmt: skip
LATEST_CONTRACT_FIRST_LATE_DAYS = Feature(
    name="latest_contract_first_late_days", expr=latest_contract_first_late_days, ledger="latest", window=None,
    dtype="float64", unit="days", bounds=(None, None), monotone=+1,
    null_means="the first installment of the latest contract is not due yet",
    code="FIRST_PAYMENTS", reason="The first installment of your newest contract was paid late or is still unpaid.",
)  # fmt: skip
