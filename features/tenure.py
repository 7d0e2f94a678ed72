"""Features on how long the lender has known a client as a borrower."""

import ibis.expr.types as ir

from features.declare import Feature


def months_since_first_contract(contracts: ir.Table) -> ir.IntegerScalar:
    """Calendar months since the month in which the client's first disbursed contract started."""
    return contracts.mob.max()


MONTHS_SINCE_FIRST_CONTRACT = Feature(
    name="months_since_first_contract", expr=months_since_first_contract, ledger="contracts", window=None,
    dtype="int64", unit="months", bounds=(0, None), monotone=-1, null_means=None,
    code="SHORT_HISTORY", reason="Your first contract with us is recent.",
)  # fmt: skip
