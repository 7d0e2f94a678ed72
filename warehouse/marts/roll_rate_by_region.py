"""marts.roll_rate_by_region: how open contracts moved between buckets of days past due from one month end to the next.

Both months are taken as they were known at their ends, and only complete ones: a move into the open month would count days that have not
passed. A contract that was deleted in between, or is New again, is in neither numerator nor denominator, so that the shares of a bucket add
up to 1.
"""

import ibis.expr.types as ir
from ibis import _

from warehouse import clock
from warehouse.curated.values import lookup
from warehouse.marts.attribution import AS_OF_MONTH, described
from warehouse.marts.intervals import FLAGS, bounds_columns, with_flags, with_shares
from warehouse.marts.measures import COUNT, RATIO, ratio
from warehouse.marts.moves import BUCKETS, ENDS
from warehouse.table import MONEY, TableSpec, columns

FROM = ("month_on", "region_id", "product_type_id", "from_bucket")
KEY = (*FROM, "to_bucket")
SHARES = (("contract_roll_ratio", "contract_count", "from_contract_count"),)

ROLL_RATE_BY_REGION = TableSpec(
    name="marts.roll_rate_by_region",
    description="Open contracts by bucket of days past due at a month end and what became of them a month later, as known at each.",
    grain=KEY,
    columns=columns(
        [
            ("month_on", "date", "Last day of the month from which contracts moved."),
            ("region_id", "string", AS_OF_MONTH.meaning),
            ("product_type_id", "string", "Product type of the contract."),
            ("from_bucket", "string", "Bucket of days past due at month_on.", {"values": BUCKETS}),
            ("to_bucket", "string", "Bucket at the next month end, or how the contract ended.", {"values": (*BUCKETS, *ENDS)}),
            ("contract_count", "int64", "Contracts that moved so.", COUNT),
            ("outstanding_principal_amount", MONEY, "Principal that they owed at month_on.", COUNT),
            ("from_contract_count", "int64", "Contracts of from_bucket, wherever they moved.", COUNT),
            ("from_outstanding_principal_amount", MONEY, "Principal that these owed at month_on.", COUNT),
            ("roll_ratio", "float64?", "outstanding_principal_amount / from_outstanding_principal_amount.", RATIO),
            ("region_name", "string", "Name of the region, as valid at month_on."),
            ("product_type_name", "string", "Name of the product type."),
            ("from_client_count", "int64", "Clients with an open contract in from_bucket; not additive over cells.", COUNT),
            ("contract_roll_ratio", "float64?", "contract_count / from_contract_count.", RATIO),
            *bounds_columns("contract_roll_ratio"),
            *FLAGS,
        ]
    ),
)


def roll_rate_by_region(
    months: ir.Table, moves: ir.Table, fact_contract_month: ir.Table, dim_region: ir.Table, dim_product: ir.Table
) -> ir.Table:
    """Moves between buckets by region and product type.

    Grain: one row per (month_on, region_id, product_type_id, from_bucket, to_bucket) with a contract, for months whose next is complete.

    Args:
        months: as from mart_months.
        moves: of `warehouse.marts.moves.contract_moves`.
        fact_contract_month: curated.fact_contract_month, of which the clients are counted.
        dim_region: curated.dim_region.
        dim_product: curated.dim_product.

    Returns:
        The columns of ROLL_RATE_BY_REGION.
    """
    complete = months.filter(_.is_complete_month).select("month_on")
    moved = moves.filter(_.to_bucket.notnull()).mutate(next_on=clock.month_end_on(clock.add_months_on(_.month_on, 1)))
    to = moved.semi_join(complete.rename(next_on="month_on"), "next_on").group_by(*KEY).agg(**_sizes(""))
    whole = to.group_by(*FROM).agg(**_sizes("from_"))
    rows = lookup(lookup(to, whole, FROM), _clients(fact_contract_month), FROM)
    shared = with_flags(with_shares(rows, SHARES), ("from_contract_count",), clients="from_client_count")
    named = described(shared, months, dim_region, dim_product)
    ratios = named.mutate(roll_ratio=ratio(_.outstanding_principal_amount, _.from_outstanding_principal_amount))
    return ratios.select(*ROLL_RATE_BY_REGION.column_names)


def _sizes(prefix: str) -> dict[str, ir.Value]:
    """Contracts and what they owed."""
    return {
        f"{prefix}contract_count": _.contract_count.sum().cast("int64"),
        f"{prefix}outstanding_principal_amount": _.outstanding_principal_amount.sum().cast(MONEY),
    }


def _clients(fact_contract_month: ir.Table) -> ir.Table:
    """Clients with an open contract in each bucket. Grain: FROM."""
    rows = fact_contract_month.filter(_.status == "Active").rename(region_id="region_as_of_month_id", from_bucket="dpd_bucket")
    return rows.group_by(*FROM).agg(from_client_count=_.client_id.nunique())
