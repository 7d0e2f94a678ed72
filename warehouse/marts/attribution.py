"""What all regional marts share: their months, the client's region as of a month, names, and the joining of measures into one row.

The region is always the client's as of the month of the row, not today's and not the one at origination, so that a client who moves
leaves the earlier months as they were reported.
"""

from collections.abc import Sequence
from datetime import date

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse import clock
from warehouse.terms import STATUSES


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


def in_month(events: ir.Table, event_on: str, months: ir.Table) -> ir.Table:
    """Events with the month in which they are dated, up to the month's as-of date; events outside the months are left out."""
    dated = events.mutate(month_on=clock.month_end_on(events[event_on]))
    placed = dated.inner_join(months.select("month_on", "as_of_on"), "month_on")
    return placed.filter(placed[event_on] <= placed.as_of_on)


def region_as_of(rows: ir.Table, dim_client: ir.Table) -> ir.Table:
    """Rows with the region of their client as of the row's as_of_on, by what the release knows.

    A client's first known region holds for all dates before it.

    Args:
        rows: has client_id and as_of_on, and no region_id.
        dim_client: curated.dim_client.
    """
    first = dim_client.valid_from == dim_client.valid_from.min().over(group_by="client_id")
    regions = dim_client.select(
        "client_id",
        "region_id",
        lives_from=ibis.ifelse(first, clock.BEGINNING, dim_client.valid_from),
        lives_to=_.valid_to.fill_null(clock.END),
    )
    return (
        rows.inner_join(regions, "client_id")
        .filter(_.lives_from <= _.as_of_on, _.as_of_on < _.lives_to)
        .select(*rows.columns, "region_id")
    )  # fmt: skip


def status_rank(status: ir.StringValue) -> ir.IntegerValue:
    """The order in which events of one day apply."""
    return status.cases(*((name, rank) for rank, name in enumerate(STATUSES)), else_=-1)


def measures(parts: Sequence[ir.Table], key: Sequence[str]) -> ir.Table:
    """Counts and amounts of several tables of one grain side by side, 0 where a table has no row, without rows that are 0 throughout.

    Args:
        parts: each has the key and its own measures, one row per key.
        key: columns that all parts share.
    """
    table = ibis.union(*(part.select(*key) for part in parts), distinct=True)
    names = []
    for part in parts:
        own = [name for name in part.columns if name not in key]
        table = table.left_join(part, key).select(table, *own)
        names += own
    filled = table.mutate(**{name: table[name].fill_null(0) for name in names})
    return filled.filter(ibis.or_(*(filled[name] != 0 for name in names)))


def described(rows: ir.Table, months: ir.Table, dim_region: ir.Table, dim_product: ir.Table) -> ir.Table:
    """Mart rows with their month's as-of date, the region's name valid then, and the product type's name.

    A region or type that its dimension does not hold for the date keeps its id as its name, so that no row is lost or unnamed.

    Args:
        rows: has month_on, region_id and product_type_id.
        months: as from mart_months.
        dim_region: curated.dim_region.
        dim_product: curated.dim_product.
    """
    dated = rows.inner_join(months.drop("month_start_on"), "month_on")
    types = dim_product.group_by("product_type_id").agg(product_type_name=_.product_type_name.max())
    typed = dated.left_join(types, "product_type_id").drop("product_type_id_right")
    regions = _region_names(dim_region, months)
    named = typed.left_join(regions, ["region_id", "month_on"]).drop("region_id_right", "month_on_right")
    return named.mutate(
        region_name=named.region_name.fill_null(named.region_id),
        product_type_name=named.product_type_name.fill_null(named.product_type_id),
    )


def _region_names(dim_region: ir.Table, months: ir.Table) -> ir.Table:
    """Grain: one row per (region_id, month_on), the name valid at the month's as-of date, the first one for dates before it."""
    first = dim_region.valid_from == dim_region.valid_from.min().over(group_by="region_id")
    names = dim_region.select(
        "region_id",
        "region_name",
        named_from=ibis.ifelse(first, clock.BEGINNING, dim_region.valid_from),
        named_to=_.valid_to.fill_null(clock.END),
    )
    valid = names.cross_join(months.select("month_on", "as_of_on")).filter(_.named_from <= _.as_of_on, _.as_of_on < _.named_to)
    return valid.select("region_id", "month_on", "region_name")


def ratio(part: ir.NumericValue, whole: ir.NumericValue) -> ir.FloatingValue:
    """A share as float64, null when there is nothing to share."""
    return part.cast("float64") / whole.cast("float64").nullif(0)
