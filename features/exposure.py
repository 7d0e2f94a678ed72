"""Features on what a client owes: open contracts, the principal outstanding on them, and what is or will be due."""

import ibis.expr.types as ir

from features.declare import Feature
from features.shares import share


def open_contract_count(contracts: ir.Table) -> ir.IntegerScalar:
    """Number of open contracts."""
    return contracts.count(where=contracts.is_open)


def outstanding_principal_amount(contracts: ir.Table) -> ir.FloatingScalar:
    """Principal still owed on open contracts."""
    return contracts.outstanding_principal_amount.sum(where=contracts.is_open).cast("float64")


def unpaid_installment_count(due: ir.Table) -> ir.IntegerScalar:
    """Number of installments of open contracts that fell due and are not settled."""
    return due.count(where=due.is_open & ~due.is_settled)


def overdue_ratio(values: ir.Table) -> ir.FloatingColumn:
    """Amount past due and unpaid divided by the principal still owed on open contracts."""
    return share(values.overdue_amount, values.outstanding_principal_amount)


def outstanding_principal_ratio(contracts: ir.Table) -> ir.FloatingScalar:
    """Principal still owed on open contracts divided by the principal that was paid out on them."""
    return share(
        contracts.outstanding_principal_amount.sum(where=contracts.is_open),
        contracts.principal_amount.sum(where=contracts.is_open),
    )


def next_month_due_amount(scheduled: ir.Table) -> ir.FloatingScalar:
    """Amount of the installments of open contracts that fall due within the next month."""
    return scheduled.due_amount.sum().cast("float64")


def longest_open_contract_months(contracts: ir.Table) -> ir.FloatingScalar:
    """Calendar months since the month in which the oldest open contract started."""
    return contracts.mob.max(where=contracts.is_open)


def par30_amount(contracts: ir.Table) -> ir.FloatingScalar:
    """Principal still owed on open contracts that are 30 days past due or more."""
    return contracts.outstanding_principal_amount.sum(where=contracts.is_open & (contracts.dpd >= 30)).cast("float64")


OPEN_CONTRACT_COUNT = Feature(
    name="open_contract_count", expr=open_contract_count, ledger="contracts", window=None,
    dtype="int64", unit="count", bounds=(0, None), monotone=0, null_means=None,
    code="EXPOSURE", reason="The number of contracts that you have open adds to the risk.",
)  # fmt: skip
OUTSTANDING_PRINCIPAL_AMOUNT = Feature(
    name="outstanding_principal_amount", expr=outstanding_principal_amount, ledger="contracts", window=None,
    dtype="float64", unit="money", bounds=(0, None), monotone=0, null_means=None,
    code="EXPOSURE", reason="The principal that you still owe adds to the risk.",
)  # fmt: skip
UNPAID_INSTALLMENT_COUNT = Feature(
    name="unpaid_installment_count", expr=unpaid_installment_count, ledger="due", window=None,
    dtype="int64", unit="count", bounds=(0, None), monotone=+1, null_means=None,
    code="CURRENT_ARREARS", reason="You have installments that fell due and are not paid in full yet.",
)  # fmt: skip
OVERDUE_RATIO = Feature(
    name="overdue_ratio", expr=overdue_ratio, ledger="values", window=None,
    dtype="float64", unit="ratio", bounds=(0, None), monotone=+1, null_means="no principal is owed",
    code="CURRENT_ARREARS", reason="The amount that is past due is large beside the principal that you still owe.",
)  # fmt: skip
OUTSTANDING_PRINCIPAL_RATIO = Feature(
    name="outstanding_principal_ratio", expr=outstanding_principal_ratio, ledger="contracts", window=None,
    dtype="float64", unit="ratio", bounds=(0, 1), monotone=0, null_means="no contract is open, or the principal of those that are is 0",
    code="EXPOSURE", reason="The share of your borrowed principal that you still owe adds to the risk.",
)  # fmt: skip
NEXT_MONTH_DUE_AMOUNT = Feature(
    name="next_month_due_amount", expr=next_month_due_amount, ledger="scheduled", window=None,
    dtype="float64", unit="money", bounds=(0, None), monotone=+1, null_means=None,
    code="EXPOSURE", reason="The amount that falls due in the next month is high.",
)  # fmt: skip
LONGEST_OPEN_CONTRACT_MONTHS = Feature(
    name="longest_open_contract_months", expr=longest_open_contract_months, ledger="contracts", window=None,
    dtype="float64", unit="months", bounds=(0, None), monotone=0, null_means="no contract is open",
    code="EXPOSURE", reason="The age of your oldest open contract adds to the risk.",
)  # fmt: skip
PAR30_AMOUNT = Feature(
    name="par30_amount", expr=par30_amount, ledger="contracts", window=None,
    dtype="float64", unit="money", bounds=(0, None), monotone=+1, null_means=None,
    code="CURRENT_ARREARS", reason="You still owe principal on a contract that is 30 days past due or more.",
)  # fmt: skip
