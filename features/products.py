"""Features on what a client has borrowed: kinds of product, sizes and lengths of the contracts, and the latest one.

All functions receive disbursed contracts, ended ones included. The latest contract is the one that started last.
"""

import ibis.expr.types as ir

from features.declare import LIFETIME, Feature
from features.shares import share


def contract_count(contracts: ir.Table) -> ir.IntegerScalar:
    """Number of contracts that were disbursed."""
    return contracts.count()


def cash_loan_ratio(contracts: ir.Table) -> ir.FloatingScalar:
    """Share of cash loans among the contracts."""
    return _share_named(contracts, "cashloan")


def consumer_durable_loan_ratio(contracts: ir.Table) -> ir.FloatingScalar:
    """Share of consumer durable loans among the contracts."""
    return _share_named(contracts, "consumerdurableloan")


def two_wheeler_loan_ratio(contracts: ir.Table) -> ir.FloatingScalar:
    """Share of two-wheeler loans among the contracts."""
    return _share_named(contracts, "twowheelerloan")


def latest_principal_ratio(contracts: ir.Table) -> ir.FloatingScalar:
    """Principal of the latest contract divided by the mean principal of all contracts."""
    return share(_latest(contracts, contracts.principal_amount) * contracts.count().cast("float64"), contracts.principal_amount.sum())


def latest_tenor_months(contracts: ir.Table) -> ir.IntegerScalar:
    """Tenor of the latest contract in months."""
    return contracts.tenor_months.max(where=contracts.is_latest)


def latest_interest_ratio(contracts: ir.Table) -> ir.FloatingScalar:
    """Flat interest of the latest contract for one year as a share of its principal."""
    months = latest_tenor_months(contracts).cast("float64")
    return share(_latest(contracts, contracts.interest_amount) * 12, _latest(contracts, contracts.principal_amount) * months)


def refinanced_count(contracts: ir.Table) -> ir.IntegerScalar:
    """Number of contracts settled early with the money of another contract."""
    return contracts.count(where=contracts.is_early_settled & contracts.is_refinanced)


def months_since_latest_contract(contracts: ir.Table) -> ir.IntegerScalar:
    """Calendar months since the month in which the client's latest contract started."""
    return contracts.mob.min()


def max_principal_amount(contracts: ir.Table) -> ir.FloatingScalar:
    """Greatest principal of a contract."""
    return contracts.principal_amount.max().cast("float64")


def max_tenor_months(contracts: ir.Table) -> ir.IntegerScalar:
    """Greatest tenor of a contract in months."""
    return contracts.tenor_months.max()


def _latest(contracts: ir.Table, amount: ir.DecimalColumn) -> ir.FloatingScalar:
    return amount.max(where=contracts.is_latest).cast("float64")


def _share_named(contracts: ir.Table, name: str) -> ir.FloatingScalar:
    """Share of the contracts of a product type; names are compared without case, spaces and hyphens, in which deliveries differ."""
    plain = contracts.product_type_name.lower().replace(" ", "").replace("-", "")
    return share(contracts.count(where=plain == name), contracts.count())


CONTRACT_COUNT_LIFETIME = Feature(
    name="contract_count_lifetime", expr=contract_count, ledger="contracts", window=LIFETIME,
    dtype="int64", unit="count", bounds=(0, None), monotone=0, null_means=None,
    code="CONTRACTS", reason="The number of contracts that you have had with us adds to the risk.",
)  # fmt: skip
CASH_LOAN_RATIO_LIFETIME = Feature(
    name="cash_loan_ratio_lifetime", expr=cash_loan_ratio, ledger="contracts", window=LIFETIME,
    dtype="float64", unit="ratio", bounds=(0, 1), monotone=0, null_means=None,
    code="PRODUCTS", reason="The share of cash loans among your contracts adds to the risk.",
)  # fmt: skip
CONSUMER_DURABLE_LOAN_RATIO_LIFETIME = Feature(
    name="consumer_durable_loan_ratio_lifetime", expr=consumer_durable_loan_ratio, ledger="contracts", window=LIFETIME,
    dtype="float64", unit="ratio", bounds=(0, 1), monotone=0, null_means=None,
    code="PRODUCTS", reason="The share of consumer durable loans among your contracts adds to the risk.",
)  # fmt: skip
TWO_WHEELER_LOAN_RATIO_LIFETIME = Feature(
    name="two_wheeler_loan_ratio_lifetime", expr=two_wheeler_loan_ratio, ledger="contracts", window=LIFETIME,
    dtype="float64", unit="ratio", bounds=(0, 1), monotone=0, null_means=None,
    code="PRODUCTS", reason="The share of two-wheeler loans among your contracts adds to the risk.",
)  # fmt: skip
LATEST_PRINCIPAL_RATIO_LIFETIME = Feature(
    name="latest_principal_ratio_lifetime", expr=latest_principal_ratio, ledger="contracts", window=LIFETIME,
    dtype="float64", unit="ratio", bounds=(0, None), monotone=0, null_means="the principal of all contracts is 0",
    code="LATEST_CONTRACT", reason="The size of your newest contract beside your earlier ones adds to the risk.",
)  # fmt: skip
LATEST_TENOR_MONTHS = Feature(
    name="latest_tenor_months", expr=latest_tenor_months, ledger="contracts", window=None,
    dtype="int64", unit="months", bounds=(0, None), monotone=0, null_means=None,
    code="LATEST_CONTRACT", reason="The length of your newest contract adds to the risk.",
)  # fmt: skip
LATEST_INTEREST_RATIO = Feature(
    name="latest_interest_ratio", expr=latest_interest_ratio, ledger="contracts", window=None,
    dtype="float64", unit="ratio", bounds=(0, None), monotone=+1,
    null_means="the interest of the latest contract was not delivered, or its principal or tenor is 0",
    code="LATEST_CONTRACT", reason="The interest of your newest contract is high beside its principal.",
)  # fmt: skip
REFINANCED_COUNT_LIFETIME = Feature(
    name="refinanced_count_lifetime", expr=refinanced_count, ledger="contracts", window=LIFETIME,
    dtype="int64", unit="count", bounds=(0, None), monotone=+1, null_means=None,
    code="REFINANCING", reason="You settled contracts early with the money of a new one.",
)  # fmt: skip
MONTHS_SINCE_LATEST_CONTRACT = Feature(
    name="months_since_latest_contract", expr=months_since_latest_contract, ledger="contracts", window=None,
    dtype="int64", unit="months", bounds=(0, None), monotone=0, null_means=None,
    code="LATEST_CONTRACT", reason="The time since your newest contract started adds to the risk.",
)  # fmt: skip
MAX_PRINCIPAL_AMOUNT_LIFETIME = Feature(
    name="max_principal_amount_lifetime", expr=max_principal_amount, ledger="contracts", window=LIFETIME,
    dtype="float64", unit="money", bounds=(0, None), monotone=0, null_means=None,
    code="CONTRACTS", reason="The size of your largest contract adds to the risk.",
)  # fmt: skip
MAX_TENOR_MONTHS_LIFETIME = Feature(
    name="max_tenor_months_lifetime", expr=max_tenor_months, ledger="contracts", window=LIFETIME,
    dtype="int64", unit="months", bounds=(0, None), monotone=0, null_means=None,
    code="CONTRACTS", reason="The length of your longest contract adds to the risk.",
)  # fmt: skip
