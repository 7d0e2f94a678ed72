"""Features on how long the lender has known a client as a borrower, and on the contracts that ended paid."""

import ibis.expr.types as ir

from features.declare import LIFETIME, Feature
from features.shares import share


def months_since_first_contract(contracts: ir.Table) -> ir.IntegerScalar:
    """Calendar months since the month in which the client's first disbursed contract started."""
    return contracts.mob.max()


def paid_off_contract_count(contracts: ir.Table) -> ir.IntegerScalar:
    """Number of contracts that were paid off, early or in time."""
    return contracts.count(where=_is_paid_off(contracts))


def full_term_ratio(contracts: ir.Table) -> ir.FloatingScalar:
    """Share of the contracts that were paid off and not settled early."""
    return share(contracts.count(where=_is_paid_off(contracts) & ~contracts.is_early_settled), contracts.count())


def _is_paid_off(contracts: ir.Table) -> ir.BooleanColumn:
    return (contracts.status == "Paid-off") | (contracts.close_reason == "paid").fill_null(False)


MONTHS_SINCE_FIRST_CONTRACT = Feature(
    name="months_since_first_contract", expr=months_since_first_contract, ledger="contracts", window=None,
    dtype="int64", unit="months", bounds=(0, None), monotone=-1, null_means=None,
    code="SHORT_HISTORY", reason="Your first contract with us is recent.",
)  # fmt: skip
PAID_OFF_CONTRACT_COUNT_LIFETIME = Feature(
    name="paid_off_contract_count_lifetime", expr=paid_off_contract_count, ledger="contracts", window=LIFETIME,
    dtype="int64", unit="count", bounds=(0, None), monotone=-1, null_means=None,
    code="FEW_CONTRACTS_PAID_OFF", reason="You have paid off few contracts with us so far.",
)  # fmt: skip
FULL_TERM_RATIO_LIFETIME = Feature(
    name="full_term_ratio_lifetime", expr=full_term_ratio, ledger="contracts", window=LIFETIME,
    dtype="float64", unit="ratio", bounds=(0, 1), monotone=-1, null_means=None,
    code="FEW_CONTRACTS_PAID_OFF", reason="You have paid few of your contracts over their full length so far.",
)  # fmt: skip
