"""curated.dim_region: regions and their place in the hierarchy over time, and the Unknown region."""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.clock import BEGINNING
from warehouse.curated.spans import collapsed, from_business_date, spans
from warehouse.curated.values import lookup, with_row
from warehouse.table import TableSpec, columns
from warehouse.terms import UNKNOWN

MAX_LEVELS = 10  # deeper hierarchies, and circles, end here
SEPARATOR = " > "

DIM_REGION = TableSpec(
    name="curated.dim_region",
    description="Regions with their hierarchy, one row per region and time over which nothing about it changed.",
    grain=("region_id", "valid_from"),
    columns=columns(
        (
            ("region_id", "string", "Region key; Unknown for clients without a known region."),
            ("region_name", "string", "Name for people."),
            ("parent_region_id", "string?", "Region above it."),
            ("region_level", "string?", "Level name, such as province."),
            ("region_path", "string", "Names from the top of the hierarchy down to the region, joined by ' > '."),
            ("successor_region_id", "string?", "Region that took this one over in a merger."),
            ("valid_from", "date", "First day on which the row holds."),
            ("valid_to", "date?", "Day on which it holds no more; empty while it holds."),
            ("is_current", "bool", "Whether the row holds on the release's business date and after."),
        )
    ),
)


def dim_region(regions: ir.Table) -> ir.Table:
    """Regions over time with the path of names above them.

    A region's path changes when a region above it does, so its row is split there too.

    Grain: one row per (region_id, valid_from).

    Args:
        regions: staging.regions.

    Returns:
        the columns of DIM_REGION.
    """
    own = ("region_name", "parent_region_id", "region_level", "successor_region_id")
    rows = spans(from_business_date(regions.filter(_.region_id != UNKNOWN)), "region_id", own)
    pieces = _with_path(_at_each_change(rows))
    known = collapsed(pieces, "region_id", (*own, "region_path")).mutate(is_current=_.valid_to.isnull()).select(DIM_REGION.column_names)
    unknown = {"region_id": UNKNOWN, "region_name": UNKNOWN, "region_path": UNKNOWN, "valid_from": BEGINNING, "is_current": True}
    return with_row(known, unknown, DIM_REGION.ibis_schema())


def _at_each_change(rows: ir.Table) -> ir.Table:
    """Split every row at each day on which any region changes.

    Grain: one row per (region_id, valid_from).
    """
    ends = rows.filter(_.valid_to.notnull()).select(day="valid_to")
    days = rows.select(day="valid_from").union(ends).distinct()
    steps = days.mutate(next_day=_.day.lead().over(order_by="day"))
    return (
        rows.join(steps, [rows.valid_from <= steps.day, rows.valid_to.isnull() | (steps.day < rows.valid_to)])
        .drop("valid_from", "valid_to")
        .rename(valid_from="day", valid_to="next_day")
    )


def _with_path(pieces: ir.Table) -> ir.Table:
    """Add region_path, by climbing from parent to parent on the same day; a region met twice ends the climb."""
    above = pieces.select("valid_from", climb_id="region_id", climb_name="region_name", next_id="parent_region_id")
    rows = pieces.mutate(region_path=_.region_name, climb_id=_.parent_region_id, seen=ibis.array([_.region_id]))
    for _level in range(MAX_LEVELS):
        is_new = _.climb_name.notnull() & ~_.seen.contains(_.climb_id).fill_null(True)
        rows = lookup(rows, above, ("valid_from", "climb_id")).mutate(is_new=is_new)
        rows = rows.mutate(
            region_path=ibis.ifelse(_.is_new, _.climb_name + SEPARATOR + _.region_path, _.region_path),
            seen=ibis.ifelse(_.is_new, _.seen.concat(ibis.array([_.climb_id])), _.seen),
            climb_id=ibis.ifelse(_.is_new, _.next_id, ibis.null("string")),
        ).drop("climb_name", "next_id", "is_new")
    return rows.drop("climb_id", "seen")
