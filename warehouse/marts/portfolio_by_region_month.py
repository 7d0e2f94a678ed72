"""marts.portfolio_by_region_month: how the book performs, by region and product type, month by month.

Month-end measures are what was known then, so a reported month does not change. Installments due, events and penalties are valued at
the release and land in the month in which they were due or dated, so a payment that arrives late improves the month it belongs to.
"""

import ibis.expr.types as ir
from ibis import _

from warehouse.marts.attribution import (
    AS_OF_MONTH,
    AT_ORIGINATION,
    ATTRIBUTIONS,
    CURRENT_MAP,
    Attribution,
    attributed,
    described,
)
from warehouse.marts.intervals import FLAGS, bounds_columns, with_flags, with_shares
from warehouse.marts.measures import COUNT, RATIO, in_month, ratio, status_rank, summed
from warehouse.marts.moves import BUCKETS, open_before
from warehouse.marts.places import PLACE, contract_places, resolved
from warehouse.table import MONEY, TableSpec, columns
from warehouse.terms import ENDING_STATUSES, PAR_DAYS, STATUSES, VN_NPL_GROUP

KEY = ("month_on", "region_id", "product_type_id")
CELL = (*KEY, "region_at_origination_id")
SHARES = (
    ("late_ratio", "late_count", "installments_due_count"),
    ("skipped_ratio", "skipped_count", "skip_eligible_count"),
    ("early_settlement_ratio", "early_settled_count", "open_or_started_count"),
)
WHOLES = ("open_contract_count", *(whole for _name, _part, whole in SHARES))


MEASURES = (
    ("product_type_id", "string", "Product type of the contract."),
    ("region_name", "string", "Name of the region, as valid at as_of_on."),
    ("product_type_name", "string", "Name of the product type."),
    ("as_of_on", "date", "Date of the month-end measures: month_on, or the business date in the open month."),
    ("is_complete_month", "boolean", "The month had ended by the business date."),
    ("open_contract_count", "int64", "Open contracts at as_of_on, as known then.", COUNT),
    ("client_count", "int64", "Clients with an open contract; not additive over cells.", COUNT),
    ("outstanding_principal_amount", MONEY, "Principal still owed on open contracts.", COUNT),
    ("par30_amount", MONEY, "Outstanding principal of open contracts with dpd of 30 or more.", COUNT),
    ("par60_amount", MONEY, "Outstanding principal of open contracts with dpd of 60 or more.", COUNT),
    ("par90_amount", MONEY, "Outstanding principal of open contracts with dpd of 90 or more.", COUNT),
    ("par30_ratio", "float64?", "par30_amount / outstanding_principal_amount.", RATIO),
    ("par60_ratio", "float64?", "par60_amount / outstanding_principal_amount.", RATIO),
    ("par90_ratio", "float64?", "par90_amount / outstanding_principal_amount.", RATIO),
    ("overdue_amount", MONEY, "Amount past due and unpaid on open contracts, without penalties.", COUNT),
    ("installments_due_count", "int64", "Due installments with due date in the month, valued at the release.", COUNT),
    ("due_amount", MONEY, "Principal, interest and fee of these installments.", COUNT),
    ("paid_amount", MONEY, "Paid on them by the business date, without penalties.", COUNT),
    ("late_count", "int64", "Those paid late, or late and unpaid.", COUNT),
    ("late_ratio", "float64?", "late_count / installments_due_count.", RATIO),
    ("skip_eligible_count", "int64", "Those whose next due date has come.", COUNT),
    ("skipped_count", "int64", "Those with less than a tenth paid by the next due date.", COUNT),
    ("skipped_ratio", "float64?", "skipped_count / skip_eligible_count.", RATIO),
    ("early_paid_count", "int64", "Those settled before their due date.", COUNT),
    ("early_settled_count", "int64", "Contracts settled early in the month, refinanced ones included.", COUNT),
    (
        "open_or_started_count",
        "int64",
        "Contracts open at the previous month end, as known then, plus those started in the month.",
        COUNT,
    ),
    # No upper bound: a contract delivered after it was settled was not known to be open at the previous month end.
    ("early_settlement_ratio", "float64?", "early_settled_count / open_or_started_count.", COUNT),
    ("refinanced_count", "int64", "Contracts settled early in the month with another contract of the client.", COUNT),
    ("written_off_count", "int64", "Contracts that a write-off in the month ended.", COUNT),
    ("written_off_principal_amount", MONEY, "Principal owed at these write-offs.", COUNT),
    ("sold_count", "int64", "Contracts that a sale in the month ended.", COUNT),
    ("sold_principal_amount", MONEY, "Principal owed at these sales.", COUNT),
    ("penalty_amount", MONEY, "Penalties dated in the month.", COUNT),
    ("new_contract_count", "int64", "Contracts started in the month, as the release knows them.", COUNT),
    ("new_principal_amount", MONEY, "Principal of these.", COUNT),
    ("npl_amount", MONEY, "Outstanding principal of open contracts of clients in debt group 3 or worse (Circular 31/2024).", COUNT),
    ("npl_ratio", "float64?", "npl_amount / outstanding_principal_amount.", RATIO),
    *((f"bucket_{name}_amount", MONEY, f"Outstanding principal of open contracts in dpd bucket {name}.", COUNT) for name in BUCKETS),
)


def portfolio_spec(attribution: Attribution) -> TableSpec:
    """The table of one attribution."""
    return TableSpec(
        name=f"marts.{attribution.table('portfolio_by_region_month')}",
        description=(
            "Outstanding principal, portfolio at risk, late, skipped and early payments and losses by month, region and product type. "
            + attribution.meaning
        ),
        grain=KEY,
        columns=columns(
            [
                ("month_on", "date", "Last calendar day of the month."),
                ("region_id", "string", attribution.meaning),
                *MEASURES,
                *bounds_columns(*(name for name, _part, _whole in SHARES)),
                *FLAGS,
            ]
        ),
    )


PORTFOLIO_BY_REGION_MONTH = portfolio_spec(AS_OF_MONTH)
PORTFOLIO_BY_ORIGINATION_REGION_MONTH = portfolio_spec(AT_ORIGINATION)
PORTFOLIO_BY_CURRENT_REGION_MONTH = portfolio_spec(CURRENT_MAP)
PORTFOLIOS = tuple(
    zip(ATTRIBUTIONS, (PORTFOLIO_BY_REGION_MONTH, PORTFOLIO_BY_ORIGINATION_REGION_MONTH, PORTFOLIO_BY_CURRENT_REGION_MONTH), strict=True)
)


def portfolio_by_region_month(
    cells: ir.Table, attribution: Attribution, months: ir.Table, dim_region: ir.Table, dim_product: ir.Table
) -> ir.Table:
    """Performance of the book by region and product type.

    Grain: one row per (month_on, region_id, product_type_id) with a count or amount that is not 0.

    Args:
        cells: of portfolio_cells.
        attribution: which region a contract counts in.
        months: as from mart_months.
        dim_region: curated.dim_region.
        dim_product: curated.dim_product.

    Returns:
        The columns of PORTFOLIO_BY_REGION_MONTH.
    """
    rows = described(attributed(cells, KEY, attribution, dim_region), months, dim_region, dim_product)
    whole = rows.outstanding_principal_amount
    at_risk = {name: ratio(rows[name.replace("ratio", "amount")], whole) for name in (*(f"par{d}_ratio" for d in PAR_DAYS), "npl_ratio")}
    shared = with_flags(with_shares(rows.mutate(**at_risk), SHARES), WHOLES)
    return shared.select(*PORTFOLIO_BY_REGION_MONTH.column_names)


def portfolio_cells(
    months: ir.Table,
    moves: ir.Table,
    fact_contract_month: ir.Table,
    fact_contract_stock: ir.Table,
    fact_contract: ir.Table,
    fact_contract_status: ir.Table,
    fact_installment: ir.Table,
    fact_penalty: ir.Table,
    dim_client: ir.Table,
) -> ir.Table:
    """All counts and amounts of the portfolio by the region as of the month and the region at origination.

    Grain: one row per (month_on, region_id, region_at_origination_id, product_type_id).

    Args:
        months: as from mart_months.
        moves: of `warehouse.marts.moves.contract_moves`.
        fact_contract_month: curated.fact_contract_month.
        fact_contract_stock: curated.fact_contract_stock, which has counted the clients.
        fact_contract: curated.fact_contract.
        fact_contract_status: curated.fact_contract_status.
        fact_installment: curated.fact_installment.
        fact_penalty: curated.fact_penalty.
        dim_client: curated.dim_client.
    """
    places = contract_places(fact_contract, dim_client)
    events = [
        _due(_at(in_month(fact_installment.filter(_.is_due), "due_date", months), places)),
        _started(_at(in_month(fact_contract, "start_date", months), places)),
        _early_settled(_at(in_month(fact_contract.filter(_.is_early_settled), "early_settled_on", months), places)),
        _lost(_at(in_month(_losses(fact_contract, fact_contract_status), "ended_on", months), places)),
        _charged(_at(in_month(fact_penalty, "penalty_on", months), places)),
    ]
    stock = [_month_end(months, fact_contract_month), _clients(months, fact_contract_stock), open_before(moves, months)]
    return summed([*stock, resolved(summed(events, PLACE), months, dim_client)], CELL)


def _at(events: ir.Table, places: ir.Table) -> ir.Table:
    """Events of contracts with the columns of PLACE."""
    own = [name for name in events.columns if name not in PLACE or name == "month_on"]
    return events.select(own).inner_join(places, "contract_number")


def _month_end(months: ir.Table, fact_contract_month: ir.Table) -> ir.Table:
    """Month-end measures of open contracts, as known then, in the regions as known then. Grain: CELL."""
    rows = fact_contract_month.filter(_.status == "Active").rename(region_id="region_as_of_month_id")
    held = rows.semi_join(months, "month_on")

    def owed(which: ir.BooleanValue) -> ir.DecimalValue:
        return held.outstanding_principal_amount.sum(where=which).fill_null(0).cast(MONEY)

    return held.group_by(*CELL).agg(
        open_contract_count=held.count(),
        outstanding_principal_amount=held.outstanding_principal_amount.sum().cast(MONEY),
        overdue_amount=held.overdue_amount.sum().cast(MONEY),
        npl_amount=owed(held.client_vn_debt_group >= VN_NPL_GROUP),
        **{f"par{days}_amount": owed(held.dpd >= days) for days in PAR_DAYS},
        **{f"bucket_{name}_amount": owed(held.dpd_bucket == name) for name in BUCKETS},
    )


def _clients(months: ir.Table, fact_contract_stock: ir.Table) -> ir.Table:
    """Clients with an open contract, as the stock has counted them. Grain: CELL."""
    stock = fact_contract_stock.filter(_.status == "Active").inner_join(months.select("month_on", "as_of_on"), "as_of_on")
    return stock.select(*CELL, "client_count", "again_client_count")


def _due(rows: ir.Table) -> ir.Table:
    """Measures of the installments that fell due. Grain: PLACE."""
    return rows.group_by(*PLACE).agg(
        installments_due_count=_.count(),
        due_amount=_.due_amount.sum().cast(MONEY),
        paid_amount=_.paid_amount.sum().cast(MONEY),
        late_count=_.is_late.cast("int64").sum(),
        skip_eligible_count=_.is_skip_eligible.cast("int64").sum(),
        skipped_count=_.is_skipped.cast("int64").sum(),
        early_paid_count=_.is_paid_early.cast("int64").sum(),
    )


def _started(rows: ir.Table) -> ir.Table:
    """Contracts that started. Grain: PLACE."""
    return rows.group_by(*PLACE).agg(
        new_contract_count=_.count(), new_principal_amount=_.principal_amount.sum().cast(MONEY), open_or_started_count=_.count()
    )


def _early_settled(rows: ir.Table) -> ir.Table:
    """Contracts settled early. Grain: PLACE."""
    return rows.group_by(*PLACE).agg(early_settled_count=_.count(), refinanced_count=_.is_refinanced.cast("int64").sum())


def _losses(fact_contract: ir.Table, fact_contract_status: ir.Table) -> ir.Table:
    """Contracts ended by a write-off or a sale, with that event as ended_by. Grain: contract_number.

    The event that gives ended_on is the first ending one of that day: those of a day apply in the order of the statuses.
    """
    ended = fact_contract.filter(_.ended_on.notnull())
    events = fact_contract_status.filter(_.status.isin(ENDING_STATUSES)).select("contract_number", "status_date", event="status")
    on_the_day = ended.inner_join(events, "contract_number").filter(_.status_date == _.ended_on)
    ending = on_the_day.group_by("contract_number").agg(rank=status_rank(on_the_day.event).min())
    lost = ending.filter(_.rank.isin([STATUSES.index("Written Off"), STATUSES.index("Sold")]))
    return ended.inner_join(lost, "contract_number").mutate(is_sold=_.rank == STATUSES.index("Sold"))


def _lost(rows: ir.Table) -> ir.Table:
    """Write-offs and sales. Grain: PLACE."""
    return rows.group_by(*PLACE).agg(
        written_off_count=(~_.is_sold).cast("int64").sum(),
        written_off_principal_amount=_.written_off_principal_amount.sum().cast(MONEY),
        sold_count=_.is_sold.cast("int64").sum(),
        sold_principal_amount=_.sold_principal_amount.sum().cast(MONEY),
    )


def _charged(rows: ir.Table) -> ir.Table:
    """Penalties. Grain: PLACE."""
    return rows.group_by(*PLACE).agg(penalty_amount=_.penalty_amount.sum().cast(MONEY))
