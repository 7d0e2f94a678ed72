"""marts.loan_distribution_by_region: where the book is, by region, product type and status, month by month.

The stock counts every contract ever started, ended ones included, as it was known at the month's end, so a month once complete does not
change. New contracts are counted by what the release knows, so a contract delivered late still lands in the month in which it started.
"""

import ibis.expr.types as ir
from ibis import _

from warehouse.curated.values import lookup
from warehouse.marts.attribution import (
    AS_OF_MONTH,
    AT_ORIGINATION,
    ATTRIBUTIONS,
    CURRENT_MAP,
    Attribution,
    attributed,
    described,
    region_as_of,
)
from warehouse.marts.measures import event_order, in_month, summed
from warehouse.table import MONEY, TableSpec, columns
from warehouse.terms import STATUSES

KEY = ("month_on", "region_id", "product_type_id", "status")
CELL = (*KEY, "region_at_origination_id")
MEASURES = (
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
)


def loan_distribution_spec(attribution: Attribution) -> TableSpec:
    """The table of one attribution."""
    return TableSpec(
        name=f"marts.{attribution.table('loan_distribution_by_region')}",
        description=f"Contracts, clients and principal by month, region, product type and contract status. {attribution.meaning}",
        grain=KEY,
        columns=columns(
            [
                ("month_on", "date", "Last calendar day of the month."),
                ("region_id", "string", attribution.meaning),
                *MEASURES,
            ]
        ),
    )


LOAN_DISTRIBUTION_BY_REGION = loan_distribution_spec(AS_OF_MONTH)
LOAN_DISTRIBUTION_BY_ORIGINATION_REGION_MONTH = loan_distribution_spec(AT_ORIGINATION)
LOAN_DISTRIBUTION_BY_CURRENT_REGION_MONTH = loan_distribution_spec(CURRENT_MAP)
LOAN_DISTRIBUTIONS = tuple(
    zip(
        ATTRIBUTIONS,
        (LOAN_DISTRIBUTION_BY_REGION, LOAN_DISTRIBUTION_BY_ORIGINATION_REGION_MONTH, LOAN_DISTRIBUTION_BY_CURRENT_REGION_MONTH),
        strict=True,
    )
)


def loan_distribution_by_region(
    cells: ir.Table, attribution: Attribution, months: ir.Table, dim_region: ir.Table, dim_product: ir.Table
) -> ir.Table:
    """Distribution of the book by region, product type and status.

    Grain: one row per (month_on, region_id, product_type_id, status) with a contract.

    Args:
        cells: of loan_distribution_cells.
        attribution: which region a contract counts in.
        months: as from mart_months.
        dim_region: curated.dim_region.
        dim_product: curated.dim_product.

    Returns:
        The columns of LOAN_DISTRIBUTION_BY_REGION.
    """
    rows = described(attributed(cells, KEY, attribution, dim_region), months, dim_region, dim_product)
    return rows.select(*LOAN_DISTRIBUTION_BY_REGION.column_names)


def loan_distribution_cells(
    months: ir.Table, fact_contract_stock: ir.Table, fact_contract: ir.Table, fact_contract_status: ir.Table, dim_client: ir.Table
) -> ir.Table:
    """The distribution by the region as of the month and the region at origination.

    Grain: one row per (month_on, region_id, region_at_origination_id, product_type_id, status).

    Args:
        months: as from mart_months.
        fact_contract_stock: curated.fact_contract_stock.
        fact_contract: curated.fact_contract.
        fact_contract_status: curated.fact_contract_status.
        dim_client: curated.dim_client.
    """
    stock = fact_contract_stock.inner_join(months.select("month_on", "as_of_on"), "as_of_on").drop("as_of_on")
    return summed([stock, _new_contracts(months, fact_contract, fact_contract_status, dim_client)], CELL)


def _new_contracts(months: ir.Table, fact_contract: ir.Table, fact_contract_status: ir.Table, dim_client: ir.Table) -> ir.Table:
    """Contracts started in each month, under the status that they had at the month's as-of date.

    Grain: one row per CELL.
    """
    started = in_month(fact_contract, "start_date", months).select(
        "month_on", "as_of_on", "contract_number", "client_id", "product_type_id", "region_at_origination_id", "principal_amount"
    )
    placed = lookup(region_as_of(started, dim_client), _status_as_of(started, fact_contract_status), ("contract_number",))
    return (
        placed.mutate(status=_.status.fill_null("New"))
        .group_by(*CELL)
        .agg(new_contract_count=_.count(), new_principal_amount=_.principal_amount.sum().cast(MONEY))
    )  # fmt: skip


def _status_as_of(rows: ir.Table, fact_contract_status: ir.Table) -> ir.Table:
    """Grain: one row per contract_number that had an event by its as_of_on: the status of the last one."""
    events = rows.select("contract_number", "as_of_on").inner_join(fact_contract_status, "contract_number")
    past = events.filter(_.status_date <= _.as_of_on)
    return past.group_by("contract_number").agg(status=past.status.argmax(event_order(past.status_date, past.status)))
