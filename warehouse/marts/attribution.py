"""To which region something counts: the client's region as of the month, at origination, or on today's map; each in tables of its own.

Measures are first summed by the region as of the month and the region at origination together (a cell), once for all attributions; a
table then takes one of the regions. Today's map is a function of the region as of the month, so that it needs no sum of its own.
"""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse import clock
from warehouse.curated.regions import followed
from warehouse.curated.values import lookup
from warehouse.marts.measures import summed
from warehouse.terms import UNKNOWN

REGIONS = ("region_id", "region_at_origination_id")


class Attribution(NamedTuple):
    """One way to give a contract a region in a month.

    Attributes:
        name: for people and filters.
        place: what stands in the names of its tables between "by_" and "region".
        meaning: description of region_id.
    """

    name: str
    place: str
    meaning: str

    def table(self, base: str) -> str:
        """Name of the table of this attribution, from the name of the one by region as of the month."""
        return base if self is AS_OF_MONTH else f"{base.partition('_by_')[0]}_by_{self.place}_region_month"


AS_OF_MONTH = Attribution("month", "", "Region of the client as of the month.")
AT_ORIGINATION = Attribution("origination", "origination", "Region of the client on the start date of the contract.")
CURRENT_MAP = Attribution("current", "current", "What the client's region as of the month belongs to on the business date, after mergers.")
ATTRIBUTIONS = (AS_OF_MONTH, AT_ORIGINATION, CURRENT_MAP)


def attributed(cells: ir.Table, key: Sequence[str], attribution: Attribution, dim_region: ir.Table) -> ir.Table:
    """Cells summed by the region of one attribution.

    A client has one region as of a month, but its contracts may have several at origination. So clients of cells add up over regions as of
    the month, and over regions at origination only without those whom another cell counts already (again_client_count).

    Grain: one row per key.

    Args:
        cells: has the key, region_at_origination_id, client_count, again_client_count and additive measures.
        key: of the table, with region_id.
        attribution: which region to take.
        dim_region: curated.dim_region.
    """
    if attribution is AT_ORIGINATION:
        placed = cells.drop("region_id", "again_client_count").rename(region_id="region_at_origination_id")
        return summed([placed], key)
    placed = cells.mutate(client_count=_.client_count - _.again_client_count).drop("region_at_origination_id", "again_client_count")
    if attribution is CURRENT_MAP:
        mapped = lookup(placed, todays_map(dim_region), ("region_id",))
        placed = mapped.mutate(region_id=_.region_current_map_id.fill_null(_.region_id)).drop("region_current_map_id")
    return summed([placed], key)


def todays_map(dim_region: ir.Table) -> ir.Table:
    """The region that each region is part of on the business date.

    Grain: one row per region_id.

    Args:
        dim_region: curated.dim_region.

    Returns:
        region_id, region_current_map_id.
    """
    return followed(newest(dim_region).mutate(as_of_on=ibis.literal(clock.END))).drop("as_of_on")


def newest(dim_region: ir.Table) -> ir.Table:
    """The last known row of each region, of deleted ones too. Grain: one row per region_id."""
    last = dim_region.valid_from == dim_region.valid_from.max().over(group_by="region_id")
    return dim_region.filter(last)


def region_as_of(rows: ir.Table, dim_client: ir.Table) -> ir.Table:
    """Rows with the region of their client as of the row's as_of_on, by what the release knows.

    A client's first known region holds for all dates before it; a client that is deleted has region Unknown from then on.

    Args:
        rows: has client_id and as_of_on, and no region_id.
        dim_client: curated.dim_client.
    """
    lives = _spans(dim_client, "client_id").select("from_on", "to_on", home_of="client_id", region_id="region_id")
    lived_then = [rows.client_id == lives.home_of, lives.from_on <= rows.as_of_on, rows.as_of_on < lives.to_on]
    placed = rows.left_join(lives, lived_then)
    return placed.select(*rows.columns, region_id=_.region_id.fill_null(UNKNOWN))


def described(rows: ir.Table, months: ir.Table, dim_region: ir.Table, dim_product: ir.Table) -> ir.Table:
    """Mart rows with their month's as-of date, the region's name valid then, and the product type's name.

    A region or type that its dimension does not hold for the date keeps its id as its name, so that no row is lost or unnamed.

    Args:
        rows: has month_on, region_id and product_type_id.
        months: as from mart_months.
        dim_region: curated.dim_region.
        dim_product: curated.dim_product.
    """
    types = dim_product.group_by("product_type_id").agg(product_type_name=_.product_type_name.max())
    typed = lookup(rows, types, ("product_type_id",))
    named = with_region_name(typed, months, dim_region)
    return named.mutate(product_type_name=named.product_type_name.fill_null(named.product_type_id))


def with_region_name(rows: ir.Table, months: ir.Table, dim_region: ir.Table) -> ir.Table:
    """Rows of months with as_of_on, is_complete_month and region_name, the name valid at as_of_on.

    Args:
        rows: has month_on and region_id.
        months: as from mart_months.
        dim_region: curated.dim_region.
    """
    dated = rows.inner_join(months.drop("month_start_on"), "month_on")
    named = lookup(dated, _region_names(dim_region, months), ("region_id", "month_on"))
    return named.mutate(region_name=named.region_name.fill_null(named.region_id))


def _region_names(dim_region: ir.Table, months: ir.Table) -> ir.Table:
    """Grain: one row per (region_id, month_on), the name valid at the month's as-of date, the first one for dates before it."""
    names = _spans(dim_region, "region_id").select("region_id", "region_name", "from_on", "to_on")
    valid = names.cross_join(months.select("month_on", "as_of_on")).filter(_.from_on <= _.as_of_on, _.as_of_on < _.to_on)
    return valid.select("region_id", "month_on", "region_name")


def _spans(dimension: ir.Table, key: str) -> ir.Table:
    """Rows of a dimension with the days from_on to to_on (exclusive) for which they stand; the first one stands for all days before too."""
    is_first = dimension.valid_from == dimension.valid_from.min().over(group_by=key)
    from_on = ibis.ifelse(is_first, clock.BEGINNING, dimension.valid_from)
    return dimension.mutate(from_on=from_on, to_on=dimension.valid_to.fill_null(clock.END))


def mart_months(first: date, business_date: date) -> ir.Table:
    """The months that the marts cover, from the first start date to the business date.

    Grain: one row per month_on.

    Returns:
        month_on (last calendar day), month_start_on, as_of_on (month_on, or the business date in the open month), is_complete_month.
    """
    ends = clock.month_ends(first, clock.month_end(business_date))
    rows = [
        {
            "month_on": end,
            "month_start_on": end.replace(day=1),
            "as_of_on": min(end, business_date),
            "is_complete_month": end <= business_date,
        }
        for end in ends
    ]
    schema = {"month_on": "date", "month_start_on": "date", "as_of_on": "date", "is_complete_month": "boolean"}
    return ibis.memtable(rows, schema=schema)
