"""From a region to the one above it at a level: provinces summed to macro regions, districts to provinces, whatever levels a lender has.

Levels are data: names in region_level, at any depth. A mart keeps the region of the client; what is above it is looked up here, so that a
regrouping of provinces needs no rebuild.
"""

from collections.abc import Sequence
from datetime import date

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.curated.dim_region import MAX_LEVELS
from warehouse.curated.values import lookup, when
from warehouse.marts.attribution import newest
from warehouse.marts.measures import summed


def ancestors(dim_region: ir.Table, level: str, on: date | None = None) -> ir.Table:
    """The region above each region at a level.

    A region of that level is its own ancestor. One without such a region above it (Unknown, or one that is higher itself) keeps its
    own key, so that no amount is lost in a roll-up. A circle of parents ends where it began.

    Grain: one row per region_id.

    Args:
        dim_region: curated.dim_region.
        level: a value of region_level, such as province.
        on: the day whose hierarchy counts; None for the newest.

    Returns:
        region_id, ancestor_id, ancestor_name.
    """
    held = newest(dim_region) if on is None else dim_region.filter(_.valid_from <= on, _.valid_to.isnull() | (_.valid_to > on))
    above = held.select(step_id="region_id", step_level="region_level", step_name="region_name", next_id="parent_region_id")
    rows = held.select("region_id", "region_name", step_id="region_id", ancestor_id=ibis.null("string"), ancestor_name=ibis.null("string"))
    for _level in range(MAX_LEVELS + 1):
        is_found = _.ancestor_id.isnull() & (_.step_level == level)
        found = lookup(rows, above, ("step_id",)).mutate(is_found=is_found.fill_null(False))
        rows = found.select(
            "region_id",
            "region_name",
            step_id="next_id",
            ancestor_id=_.ancestor_id.fill_null(when(_.is_found, _.step_id)),
            ancestor_name=_.ancestor_name.fill_null(when(_.is_found, _.step_name)),
        )
    return rows.select(
        "region_id", ancestor_id=_.ancestor_id.fill_null(_.region_id), ancestor_name=_.ancestor_name.fill_null(_.region_name)
    )


def rolled_up(rows: ir.Table, above: ir.Table, key: Sequence[str], measures: Sequence[str]) -> ir.Table:
    """Additive measures of a mart by the regions of a level; shares are computed again from their numerators and denominators.

    Grain: one row per key with a measure that is not 0.

    Args:
        rows: a mart; one attribution, since a sum over two counts twice.
        above: of ancestors.
        key: of the result, with region_id.
        measures: what is summed; not a count of clients, who may live in two provinces of one region in time but count once.
    """
    raised = lookup(rows, above, ("region_id",)).mutate(region_id=_.ancestor_id.fill_null(_.region_id))
    return summed([raised.select(*key, *measures)], key)
