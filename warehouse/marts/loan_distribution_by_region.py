"""marts.loan_distribution_by_region: where the book is, by region, product type and status, month by month.

The stock counts every contract ever started, ended ones included, as it was known at the month's end, so a month once complete does not
change. New contracts are counted by what the release knows, so a contract delivered late still lands in the month in which it started.
"""

import ibis.expr.types as ir
from ibis import _

from warehouse import clock
from warehouse.marts.attribution import described, in_month, measures, region_as_of, status_rank
from warehouse.table import MONEY, TableSpec, columns
from warehouse.terms import STATUSES

KEY = ("month_on", "region_id", "product_type_id", "status")

LOAN_DISTRIBUTION_BY_REGION = TableSpec(
    name="marts.loan_distribution_by_region",
    description="Contracts, clients and principal by month, client's region, product type and contract status.",
    grain=KEY,
    columns=columns(
        [
            ("month_on", "date", "Last calendar day of the month."),
            ("region_id", "string", "Region of the client as of the month."),
            ("product_type_id", "string", "Product type of the contract."),
            ("status", "string", "Contract status at as_of_on.", {"values": STATUSES}),
            ("region_name", "string", "Name of the region, as valid at as_of_on."),
            ("product_type_name", "string", "Name of the product type."),
            ("as_of_on", "date", "Date of the stock: month_on, or the business date in the open month."),
            ("is_complete_month", "boolean", "The month had ended by the business date."),
            ("contract_count", "int64", "Contracts started by as_of_on, ended ones included, as known then.", {"bounds": (0, None)}),
            ("client_count", "int64", "Clients of these contracts; not additive over cells.", {"bounds": (0, None)}),
            ("principal_amount", MONEY, "Principal of these contracts at their start.", {"bounds": (0, None)}),
            ("outstanding_principal_amount", MONEY, "Principal still owed on the open ones.", {"bounds": (0, None)}),
            ("new_contract_count", "int64", "Contracts started in the month, as the release knows them.", {"bounds": (0, None)}),
            ("new_principal_amount", MONEY, "Principal of the contracts started in the month.", {"bounds": (0, None)}),
        ]
    ),
)


def loan_distribution_by_region(
    months: ir.Table,
    fact_contract_stock: ir.Table,
    fact_contract: ir.Table,
    fact_contract_status: ir.Table,
    dim_client: ir.Table,
    dim_region: ir.Table,
    dim_product: ir.Table,
) -> ir.Table:
    """Distribution of the book by region, product type and status.

    Grain: one row per (month_on, region_id, product_type_id, status) with a contract.

    Args:
        months: as from mart_months.
        fact_contract_stock: curated.fact_contract_stock.
        fact_contract: curated.fact_contract.
        fact_contract_status: curated.fact_contract_status.
        dim_client: curated.dim_client.
        dim_region: curated.dim_region.
        dim_product: curated.dim_product.

    Returns:
        The columns of LOAN_DISTRIBUTION_BY_REGION.
    """
    stock = fact_contract_stock.inner_join(months.select("month_on", "as_of_on"), "as_of_on").drop("as_of_on")
    new = _new_contracts(months, fact_contract, fact_contract_status, dim_client)
    rows = described(measures([stock, new], KEY), months, dim_region, dim_product)
    return rows.select(*LOAN_DISTRIBUTION_BY_REGION.column_names)


def _new_contracts(months: ir.Table, fact_contract: ir.Table, fact_contract_status: ir.Table, dim_client: ir.Table) -> ir.Table:
    """Contracts started in each month, under the status that they had at the month's as-of date.

    Grain: one row per KEY.
    """
    started = in_month(fact_contract, "start_date", months)
    rows = started.select("month_on", "as_of_on", "contract_number", "client_id", "product_type_id", "principal_amount")
    statuses = _status_as_of(rows, fact_contract_status)
    placed = region_as_of(rows, dim_client).left_join(statuses, "contract_number").drop("contract_number_right")
    return (
        placed.mutate(status=_.status.fill_null("New"))
        .group_by(*KEY)
        .agg(new_contract_count=_.count(), new_principal_amount=_.principal_amount.sum().cast(MONEY))
    )  # fmt: skip


def _status_as_of(rows: ir.Table, fact_contract_status: ir.Table) -> ir.Table:
    """Grain: one row per contract_number that had an event by its as_of_on: the status of the last one."""
    events = rows.select("contract_number", "as_of_on").inner_join(fact_contract_status, "contract_number")
    past = events.filter(_.status_date <= _.as_of_on)
    order = clock.days_between(past.status_date, clock.BEGINNING) * len(STATUSES) + status_rank(past.status)
    return past.group_by("contract_number").agg(status=past.status.argmax(order))
