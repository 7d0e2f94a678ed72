"""Features on what a client owes: open contracts and the principal outstanding on them."""

import ibis.expr.types as ir

from features.declare import Feature


def open_contract_count(contracts: ir.Table) -> ir.IntegerScalar:
    """Number of open contracts."""
    return contracts.is_open.cast("int64").sum()


def outstanding_principal_amount(contracts: ir.Table) -> ir.FloatingScalar:
    """Principal still owed on open contracts."""
    return contracts.outstanding_principal_amount.sum(where=contracts.is_open).cast("float64")


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
