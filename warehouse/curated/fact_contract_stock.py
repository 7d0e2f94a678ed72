"""curated.fact_contract_stock: how many contracts had started by each month end, ended ones included, as known then.

Months of ended contracts have no row in curated.fact_contract_month, so the stock cannot be counted there. It is summed here, while the
positions of the month are at hand.
"""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.curated.values import lookup
from warehouse.table import MONEY, TableSpec, columns
from warehouse.terms import STATUSES, UNKNOWN

COUNT = {"bounds": (0, None)}
CELL = ("as_of_on", "region_id", "product_type_id", "status")

FACT_CONTRACT_STOCK = TableSpec(
    name="curated.fact_contract_stock",
    description=(
        "Contracts started by each month end (and the business date), by client's region then and at origination, product type and status,"
        " as known then."
    ),
    grain=(*CELL, "region_at_origination_id"),
    columns=columns(
        (
            ("as_of_on", "date", "The month's last day, or the business date in the open month."),
            ("region_id", "string", "Region of the client then."),
            ("product_type_id", "string", "Kind of product."),
            ("status", "string", "Status then.", {"values": STATUSES}),
            ("contract_count", "int64", "Contracts started by then, ended ones included.", COUNT),
            ("client_count", "int64", "Clients of these contracts; adds up over regions then, not over other columns.", COUNT),
            ("principal_amount", MONEY, "Principal of these contracts at their start.", COUNT),
            ("outstanding_principal_amount", MONEY, "Principal still owed on the open ones.", COUNT),
            ("region_at_origination_id", "string", "Region of the client on the start date."),
            (
                "again_client_count",
                "int64",
                "Of these clients, those counted already in a row that differs in the region at origination only.",
                COUNT,
            ),
        )
    ),
    partition_by="as_of_on",
)


def fact_contract_stock(contracts: ir.Table, regions: ir.Table, origins: ir.Table) -> ir.Table:
    """All contracts started by each as-of date, by both regions, product type and status, as known then.

    Grain: one row per (as_of_on, region_id, product_type_id, status, region_at_origination_id).

    Args:
        contracts: Positions.contracts at the as-of dates.
        regions: Positions.regions at the same dates.
        origins: as_of_on, client_id, start_date, region_id; of `warehouse.curated.regions.regions_on`.

    Returns:
        the columns of FACT_CONTRACT_STOCK.
    """
    placed = _placed(contracts, regions, origins)
    stock = placed.group_by(*FACT_CONTRACT_STOCK.grain).agg(
        contract_count=_.count(),
        client_count=_.client_id.nunique(),
        principal_amount=_.principal_amount.sum().cast(MONEY),
        outstanding_principal_amount=_.outstanding_principal_amount.sum().cast(MONEY),
    )
    counted = lookup(stock, _counted_again(placed), FACT_CONTRACT_STOCK.grain)
    return counted.mutate(again_client_count=_.again_client_count.fill_null(0)).select(FACT_CONTRACT_STOCK.column_names)


def _placed(contracts: ir.Table, regions: ir.Table, origins: ir.Table) -> ir.Table:
    """Started contracts with both regions. Grain: one row per (as_of_on, contract_number)."""
    started = contracts.filter(_.start_date <= _.as_of_on)
    born = lookup(started, origins.rename(region_at_origination_id="region_id"), ("as_of_on", "client_id", "start_date"))
    return lookup(born, regions, ("as_of_on", "client_id")).select(
        *CELL[:1],
        *CELL[2:],
        "client_id",
        "principal_amount",
        "outstanding_principal_amount",
        region_id=_.region_id.fill_null(UNKNOWN),
        region_at_origination_id=_.region_at_origination_id.fill_null(UNKNOWN),
    )


def _counted_again(placed: ir.Table) -> ir.Table:
    """Clients of each row whom the row of another, alphabetically earlier, region at origination has too.

    Such a client has a contract from a region in which it lives no more, so that few contracts have to be looked at.

    Grain: one row per the grain of FACT_CONTRACT_STOCK, of few of its rows.
    """
    moved = placed.filter(_.region_id != _.region_at_origination_id).select("as_of_on", "client_id").distinct()
    rows = placed.semi_join(moved, ("as_of_on", "client_id")).select(*FACT_CONTRACT_STOCK.grain, "client_id").distinct()
    first = _.region_at_origination_id.min().over(ibis.window(group_by=(*CELL, "client_id")))
    again = rows.mutate(first_id=first).filter(_.region_at_origination_id != _.first_id)
    return again.group_by(*FACT_CONTRACT_STOCK.grain).agg(again_client_count=_.count())
