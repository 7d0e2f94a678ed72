"""curated.fact_contract_stock: how many contracts had started by each month end, ended ones included, as known then.

Months of ended contracts have no row in curated.fact_contract_month, so the stock cannot be counted there. It is summed here, while the
positions of the month are at hand.
"""

import ibis.expr.types as ir
from ibis import _

from warehouse.table import MONEY, TableSpec, columns
from warehouse.terms import STATUSES

COUNT = {"bounds": (0, None)}

FACT_CONTRACT_STOCK = TableSpec(
    name="curated.fact_contract_stock",
    description="Contracts started by each month end (and the business date), by client's region, product type and status, as known then.",
    grain=("as_of_on", "region_id", "product_type_id", "status"),
    columns=columns(
        (
            ("as_of_on", "date", "The month's last day, or the business date in the open month."),
            ("region_id", "string", "Region of the client then."),
            ("product_type_id", "string", "Kind of product."),
            ("status", "string", "Status then.", {"values": STATUSES}),
            ("contract_count", "int64", "Contracts started by then, ended ones included.", COUNT),
            ("client_count", "int64", "Clients of these contracts; not additive over cells.", COUNT),
            ("principal_amount", MONEY, "Principal of these contracts at their start.", COUNT),
            ("outstanding_principal_amount", MONEY, "Principal still owed on the open ones.", COUNT),
        )
    ),
    partition_by="as_of_on",
)


def fact_contract_stock(contracts: ir.Table, regions: ir.Table) -> ir.Table:
    """All contracts started by each as-of date, by region, product type and status, as known then.

    Grain: one row per (as_of_on, region_id, product_type_id, status).

    Args:
        contracts: Positions.contracts at the as-of dates.
        regions: Positions.regions at the same dates.

    Returns:
        the columns of FACT_CONTRACT_STOCK.
    """
    return (
        contracts.filter(_.start_date <= _.as_of_on)
        .inner_join(regions, ["as_of_on", "client_id"])
        .group_by("as_of_on", "region_id", "product_type_id", "status")
        .agg(
            contract_count=_.count(),
            client_count=_.client_id.nunique(),
            principal_amount=_.principal_amount.sum().cast(MONEY),
            outstanding_principal_amount=_.outstanding_principal_amount.sum().cast(MONEY),
        )
    )
