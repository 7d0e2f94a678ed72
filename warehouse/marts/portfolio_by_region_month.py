"""marts.portfolio_by_region_month: how the book performs, by region and product type, month by month.

Month-end measures are what was known then, so a reported month does not change. Installments due, events and penalties are valued at
the release and land in the month in which they were due or dated, so a payment that arrives late improves the month it belongs to.
"""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse import clock
from warehouse.marts.attribution import described, in_month, measures, ratio, region_as_of, status_rank
from warehouse.table import MONEY, TableSpec, columns
from warehouse.terms import ENDING_STATUSES, PAR_DAYS, STATUSES

KEY = ("month_on", "region_id", "product_type_id")
COUNT = {"bounds": (0, None)}
RATIO = {"bounds": (0, 1)}

PORTFOLIO_BY_REGION_MONTH = TableSpec(
    name="marts.portfolio_by_region_month",
    description="Outstanding principal, portfolio at risk, late, skipped and early payments and losses by month, region and product type.",
    grain=KEY,
    columns=columns(
        [
            ("month_on", "date", "Last calendar day of the month."),
            ("region_id", "string", "Region of the client as of the month."),
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
        ]
    ),
)


def portfolio_by_region_month(
    months: ir.Table,
    fact_contract_month: ir.Table,
    fact_contract: ir.Table,
    fact_contract_status: ir.Table,
    fact_installment: ir.Table,
    fact_penalty: ir.Table,
    dim_client: ir.Table,
    dim_region: ir.Table,
    dim_product: ir.Table,
) -> ir.Table:
    """Performance of the book by region and product type.

    Grain: one row per (month_on, region_id, product_type_id) with a count or amount that is not 0.

    Args:
        months: as from mart_months.
        fact_contract_month: curated.fact_contract_month.
        fact_contract: curated.fact_contract.
        fact_contract_status: curated.fact_contract_status.
        fact_installment: curated.fact_installment.
        fact_penalty: curated.fact_penalty.
        dim_client: curated.dim_client.
        dim_region: curated.dim_region.
        dim_product: curated.dim_product.

    Returns:
        The columns of PORTFOLIO_BY_REGION_MONTH.
    """
    types = fact_contract.select("contract_number", "product_type_id")
    due = in_month(fact_installment.filter(_.is_due), "due_date", months).inner_join(types, "contract_number")
    settled = in_month(fact_contract.filter(_.is_early_settled), "early_settled_on", months)
    lost = in_month(_losses(fact_contract, fact_contract_status), "ended_on", months)
    charged = in_month(fact_penalty, "penalty_on", months).inner_join(types, "contract_number")
    parts = [
        _month_end(months, fact_contract_month),
        _due(region_as_of(due, dim_client)),
        _early_settled(region_as_of(settled, dim_client)),
        _open_or_started(months, fact_contract_month, fact_contract, dim_client),
        _lost(region_as_of(lost, dim_client)),
        _charged(region_as_of(charged, dim_client)),
    ]
    rows = described(measures(parts, KEY), months, dim_region, dim_product)
    return rows.mutate(**_ratios(rows)).select(*PORTFOLIO_BY_REGION_MONTH.column_names)


def _month_end(months: ir.Table, fact_contract_month: ir.Table) -> ir.Table:
    """Month-end measures of open contracts, as known then, in the region as known then. Grain: KEY."""
    rows = fact_contract_month.filter(_.status == "Active").rename(region_id="region_as_of_month_id")
    held = rows.semi_join(months, "month_on")
    at_risk = {
        f"par{days}_amount": held.outstanding_principal_amount.sum(where=held.dpd >= days).fill_null(0).cast(MONEY) for days in PAR_DAYS
    }
    return held.group_by(*KEY).agg(
        open_contract_count=held.count(),
        client_count=held.client_id.nunique(),
        outstanding_principal_amount=held.outstanding_principal_amount.sum().cast(MONEY),
        **at_risk,
        overdue_amount=held.overdue_amount.sum().cast(MONEY),
    )


def _due(rows: ir.Table) -> ir.Table:
    """Measures of the installments that fell due. Grain: KEY."""
    return rows.group_by(*KEY).agg(
        installments_due_count=_.count(),
        due_amount=_.due_amount.sum().cast(MONEY),
        paid_amount=_.paid_amount.sum().cast(MONEY),
        late_count=_.is_late.cast("int64").sum(),
        skip_eligible_count=_.is_skip_eligible.cast("int64").sum(),
        skipped_count=_.is_skipped.cast("int64").sum(),
        early_paid_count=_.is_paid_early.cast("int64").sum(),
    )


def _early_settled(rows: ir.Table) -> ir.Table:
    """Contracts settled early. Grain: KEY."""
    return rows.group_by(*KEY).agg(early_settled_count=_.count(), refinanced_count=_.is_refinanced.cast("int64").sum())


def _open_or_started(months: ir.Table, fact_contract_month: ir.Table, fact_contract: ir.Table, dim_client: ir.Table) -> ir.Table:
    """Contracts that could have been settled in a month: open at the previous month end, as known then, plus started in the month.

    Grain: KEY.
    """
    started = region_as_of(in_month(fact_contract, "start_date", months), dim_client)
    rows = ibis.union(_was_open(months, fact_contract_month).select(*KEY), started.select(*KEY))
    return rows.group_by(*KEY).agg(open_or_started_count=_.count())


def _was_open(months: ir.Table, fact_contract_month: ir.Table) -> ir.Table:
    """Contracts open at the end of the month before, with the region and type of this month, where a settlement of it would land.

    Grain: (month_on, contract). A contract deleted since has no row this month and keeps the region and type of the last one.
    """
    rows = fact_contract_month.rename(region_id="region_as_of_month_id")
    before = rows.filter(_.status == "Active").mutate(month_on=clock.month_end_on(clock.add_months_on(_.month_on, 1)))
    this = rows.select("contract_number", "month_on", region_now="region_id", type_now="product_type_id")
    both = before.semi_join(months, "month_on").left_join(this, ["contract_number", "month_on"])
    return both.mutate(region_id=_.region_now.fill_null(_.region_id), product_type_id=_.type_now.fill_null(_.product_type_id))


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
    """Write-offs and sales. Grain: KEY."""
    return rows.group_by(*KEY).agg(
        written_off_count=(~_.is_sold).cast("int64").sum(),
        written_off_principal_amount=_.written_off_principal_amount.sum().cast(MONEY),
        sold_count=_.is_sold.cast("int64").sum(),
        sold_principal_amount=_.sold_principal_amount.sum().cast(MONEY),
    )


def _charged(rows: ir.Table) -> ir.Table:
    """Penalties. Grain: KEY."""
    return rows.group_by(*KEY).agg(penalty_amount=_.penalty_amount.sum().cast(MONEY))


def _ratios(rows: ir.Table) -> dict[str, ir.FloatingValue]:
    """All shares, from the numerators and denominators stored beside them."""
    at_risk = {f"par{days}_ratio": ratio(rows[f"par{days}_amount"], rows.outstanding_principal_amount) for days in PAR_DAYS}
    return at_risk | {
        "late_ratio": ratio(rows.late_count, rows.installments_due_count),
        "skipped_ratio": ratio(rows.skipped_count, rows.skip_eligible_count),
        "early_settlement_ratio": ratio(rows.early_settled_count, rows.open_or_started_count),
    }
