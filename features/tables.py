"""Feature tables: declarations joined to the clients they are asked for, one table per Feast feature view.

The tuple of declarations is the order of the columns. A column's place is its field id in the lake, so a new feature goes to the end,
behind as_of_on, and never between two others.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date

import ibis.expr.types as ir

from features import arrears, asof, exposure, first_payments, lateness, penalties, products, recent, repayment, tenure, trend
from features.declare import AS_OF_ON, ROW_COLUMNS, VALUES, Feature, table_column
from features.windows import aggregated
from warehouse import clock
from warehouse.curated.books import Books, books
from warehouse.curated.keep import Keep, in_engine
from warehouse.curated.positions import Positions, positions_at
from warehouse.curated.staged import Staged
from warehouse.table import TableSpec
from warehouse.terms import Terms

BEFORE_AS_OF_ON = (
    repayment.INSTALLMENTS_DUE_COUNT_3M,
    repayment.INSTALLMENTS_DUE_COUNT_LIFETIME,
    repayment.LATE_PAY_RATIO_3M,
    repayment.LATE_PAY_RATIO_6M,
    repayment.LATE_PAY_RATIO_12M,
    repayment.LATE_PAY_RATIO_LIFETIME,
    repayment.LATE_COUNT_LIFETIME,
    repayment.SKIPPED_COUNT_3M,
    repayment.SKIPPED_COUNT_12M,
    repayment.SKIPPED_RATIO_LIFETIME,
    repayment.EARLY_PAY_RATIO_12M,
    repayment.EARLY_SETTLEMENT_COUNT_12M,
    repayment.EARLY_SETTLEMENT_COUNT_LIFETIME,
    arrears.MAX_DPD_12M,
    arrears.MAX_DPD_LIFETIME,
    arrears.DPD,
    arrears.OVERDUE_AMOUNT,
    exposure.OPEN_CONTRACT_COUNT,
    exposure.OUTSTANDING_PRINCIPAL_AMOUNT,
    tenure.MONTHS_SINCE_FIRST_CONTRACT,
)
AFTER_AS_OF_ON = (
    penalties.PENALTY_AMOUNT_12M,
    repayment.INSTALLMENTS_DUE_COUNT_6M,
    repayment.INSTALLMENTS_DUE_COUNT_12M,
    repayment.LATE_COUNT_3M,
    repayment.LATE_COUNT_12M,
    lateness.LATE_OVER_5_DAYS_RATIO_3M,
    lateness.LATE_OVER_5_DAYS_RATIO_6M,
    lateness.LATE_OVER_5_DAYS_RATIO_12M,
    lateness.LATE_OVER_5_DAYS_RATIO_LIFETIME,
    lateness.LATE_30_DAYS_RATIO_LIFETIME,
    repayment.SKIPPED_COUNT_6M,
    lateness.MEAN_LATE_DAYS_3M,
    lateness.MEAN_LATE_DAYS_6M,
    lateness.MEAN_LATE_DAYS_12M,
    lateness.MEAN_LATE_DAYS_LIFETIME,
    lateness.LATE_DAYS_DEVIATION_LIFETIME,
    lateness.AMOUNT_WEIGHTED_LATE_DAYS_3M,
    lateness.AMOUNT_WEIGHTED_LATE_DAYS_6M,
    lateness.AMOUNT_WEIGHTED_LATE_DAYS_12M,
    repayment.PAID_RATIO_3M,
    repayment.PAID_RATIO_6M,
    repayment.PAID_RATIO_12M,
    repayment.PAID_3_DAYS_EARLY_RATIO_3M,
    repayment.PAID_3_DAYS_EARLY_RATIO_6M,
    repayment.PAID_3_DAYS_EARLY_RATIO_12M,
    repayment.REPAYMENT_COUNT_3M,
    repayment.REPAYMENT_COUNT_6M,
    repayment.REPAYMENT_COUNT_12M,
    penalties.PENALTY_RATIO_3M,
    penalties.PENALTY_RATIO_6M,
    penalties.PENALTY_RATIO_12M,
    lateness.DECAYED_LATE_DAYS_3M,
    lateness.DECAYED_LATE_DAYS_6M,
    lateness.DECAYED_LATE_DAYS_12M,
    lateness.MONTHS_SINCE_LAST_LATE,
    arrears.MAX_DPD_3M,
    arrears.MAX_DPD_6M,
    trend.LATE_PAY_RATIO_CHANGE_12M,
    trend.LATE_PAY_RATIO_GROWTH_12M,
    trend.LATE_DAYS_SLOPE_6_12M,
    trend.LATE_DAYS_SLOPE_12_12M,
    trend.ON_TIME_RUN_COUNT_12M,
    trend.LATE_RUN_COUNT_12M,
    recent.LAST_LATE_DAYS_12M,
    recent.LAST_3_MEAN_LATE_DAYS_12M,
    recent.LAST_5_MAX_LATE_DAYS_12M,
    recent.LATEST_CONTRACT_LATE_RATIO,
    exposure.UNPAID_INSTALLMENT_COUNT,
    exposure.OVERDUE_RATIO,
    exposure.OUTSTANDING_PRINCIPAL_RATIO,
    exposure.NEXT_MONTH_DUE_AMOUNT,
    exposure.LONGEST_OPEN_CONTRACT_MONTHS,
    exposure.PAR30_AMOUNT,
    products.CONTRACT_COUNT_LIFETIME,
    products.CASH_LOAN_RATIO_LIFETIME,
    products.CONSUMER_DURABLE_LOAN_RATIO_LIFETIME,
    products.TWO_WHEELER_LOAN_RATIO_LIFETIME,
    products.LATEST_PRINCIPAL_RATIO_LIFETIME,
    products.LATEST_TENOR_MONTHS,
    products.LATEST_INTEREST_RATIO,
    products.REFINANCED_COUNT_LIFETIME,
    products.MONTHS_SINCE_LATEST_CONTRACT,
    products.MAX_PRINCIPAL_AMOUNT_LIFETIME,
    products.MAX_TENOR_MONTHS_LIFETIME,
    first_payments.FPD30_COUNT_LIFETIME,
    first_payments.LATEST_CONTRACT_FIRST_LATE_DAYS,
    tenure.PAID_OFF_CONTRACT_COUNT_LIFETIME,
    tenure.FULL_TERM_RATIO_LIFETIME,
)

CLIENT_REPAYMENT: tuple[Feature, ...] = BEFORE_AS_OF_ON + AFTER_AS_OF_ON

CLIENT_REPAYMENT_SPEC = TableSpec(
    name="features.client_repayment",
    description="How each client with a disbursed contract repays, as of a date and by what was known on it.",
    grain=("client_id", "event_timestamp"),
    columns=(
        *ROW_COLUMNS,
        *(table_column(feature) for feature in BEFORE_AS_OF_ON),
        AS_OF_ON,
        *(table_column(feature) for feature in AFTER_AS_OF_ON),
    ),
    partition_by="as_of_on",
)


def client_repayment(
    staged: Staged, days: Sequence[date], terms: Terms, held: Books | None = None, clients: ir.Table | None = None
) -> ir.Table:
    """features.client_repayment for the asked as-of dates.

    Grain: one row per (client_id, event_timestamp); a client has a row from the day of its first disbursed contract.

    Args:
        staged: the staging tables.
        days: as-of dates, at least one.
        terms: the lender's definitions.
        held: books of at least these days and clients; None to make them.
        clients: client_id, once each, of the only clients to compute; None for all.

    Returns:
        The columns of CLIENT_REPAYMENT_SPEC.
    """
    as_ofs, asked = clock.as_of_dates(days, terms.time_zone), None
    if clients is not None:
        staged = staged.of_clients(clients)
        asked = as_ofs.select("as_of_on").cross_join(staged.contracts.select("contract_number").distinct())
    as_of = positions_at(staged, held or books(staged, as_ofs, terms), as_ofs, terms, asked=asked)
    values = feature_values(as_of, CLIENT_REPAYMENT)
    if clients is not None:  # a contract that a correction moved brings rows of another client along
        values = values.semi_join(clients, "client_id")
    return asof.stamped(values, terms.time_zone).select(*CLIENT_REPAYMENT_SPEC.column_names)


def feature_values(as_of: Positions, features: Sequence[Feature], keep: Keep = in_engine) -> ir.Table:
    """The values of some features for all clients that have a row.

    Grain: one row per (as_of_on, client_id).

    Args:
        as_of: the state as of each asked date.
        features: of any ledgers; those of VALUES need the features that they name beside them.
        keep: what to do with the values of a ledger that is computed apart.

    Returns:
        as_of_on, client_id and one column per feature, in the order of the features.
    """
    read = [feature for feature in features if feature.ledger != VALUES]
    table = asof.spine(as_of)
    for number, group in enumerate(_read_together(read)):
        # Keys of other names, so that the joins are one chain, without a projection of all columns after each.
        part = aggregated(asof.past(as_of, group), group)
        part = (keep(part) if asof.ledger_of(group[0]).is_apart else part).rename({f"{name}_{number}": name for name in asof.KEY})
        table = table.left_join(part, [(name, f"{name}_{number}") for name in asof.KEY])
    counted = table.select(*asof.KEY, **{feature.name: _filled(table[feature.name], feature) for feature in read})
    derived = {feature.name: _filled(feature.expr(counted), feature) for feature in features if feature.ledger == VALUES}
    return counted.mutate(**derived).select(*asof.KEY, *(feature.name for feature in features))


def _read_together(features: Iterable[Feature]) -> list[list[Feature]]:
    """Features by the table from which their ledgers are cut: each table is read once."""
    groups: dict[Callable, list[Feature]] = {}
    for feature in features:
        groups.setdefault(asof.ledger_of(feature).rows, []).append(feature)
    return list(groups.values())


def _filled(value: ir.Value, feature: Feature) -> ir.Value:
    """The stored value: a client with nothing to count has 0, unless the declaration gives null a meaning."""
    value = value.cast(feature.dtype)
    return value if feature.null_means else value.fill_null(0)
