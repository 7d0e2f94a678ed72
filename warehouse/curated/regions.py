"""The region of a client as known at a date: where the client lives then, and where on an earlier day.

A region that is empty, or that no delivery has named, is Unknown; it is never null, so that sums over regions are the portfolio.
"""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.clock import BEGINNING, business_date_at, days_between
from warehouse.curated.as_known import as_named, with_known_to
from warehouse.curated.staged import Staged
from warehouse.curated.values import lookup
from warehouse.terms import UNKNOWN, Terms

MAX_SUCCESSIONS = 8
FAR = 10_000_000  # days; more than any date is from another


def client_versions(clients: ir.Table, time_zone: str) -> ir.Table:
    """Versions of clients with the day from which each holds.

    The opening delivery's versions hold for all earlier dates. A later one holds from the day of its updated_at, if that is not after
    its business date, else from its business date.

    Grain: one row per (client_id, business_date), deletions included.

    Returns:
        the staged columns, known_to, valid_from.
    """
    changed_on = business_date_at(_.updated_at, time_zone)
    from_on = ibis.ifelse((changed_on <= _.business_date).fill_null(False), changed_on, _.business_date)
    return with_known_to(clients, "client_id").mutate(valid_from=ibis.ifelse(_.is_opening, ibis.literal(BEGINNING), from_on))


def regions_at(staged: Staged, as_ofs: ir.Table, terms: Terms) -> ir.Table:
    """Where each client lives at each date.

    Grain: one row per (as_of_on, client_id) whose client is known, deleted clients included.

    Returns:
        as_of_on, client_id, region_id.
    """
    asked = as_ofs.select("as_of_on").cross_join(staged.clients.select("client_id").distinct()).mutate(live_on=_.as_of_on)
    return regions_on(asked, "live_on", staged, as_ofs, terms).drop("live_on")


def regions_on(asked: ir.Table, day: str, staged: Staged, as_ofs: ir.Table, terms: Terms) -> ir.Table:
    """Where a client lived on a day of the past, as known at a date.

    A day before the client's first known value takes that first value: a contract that starts the day before its client is delivered
    belongs to the client's region all the same.

    Grain: one row per (as_of_on, client_id, day) asked for whose client is known.

    Args:
        asked: has as_of_on, client_id and the day.
        day: name of the column with the day.
        staged: the staging tables.
        as_ofs: as_of_on, known_until.
        terms: the lender's time zone.

    Returns:
        as_of_on, client_id, the day's column, region_id.
    """
    key = ("as_of_on", "client_id", day)
    chosen = (
        asked.select(key)
        .distinct()
        .join(as_ofs, "as_of_on")
        .join(_valued(staged.clients, terms), "client_id")
        .filter(_.known_at <= _.known_until)
        .group_by(key)
        .agg(region_id=_.region_id.argmax(_recency(_.valid_from <= _[day])))
    )
    return _named(chosen, staged, as_ofs)


def current_map(staged: Staged, as_ofs: ir.Table) -> ir.Table:
    """The region that each region is part of today: its successor, that one's successor, and so on.

    Grain: one row per (as_of_on, region_id) named by a delivery.

    Returns:
        as_of_on, region_id, region_current_map_id. A circle of successors ends where it would meet a region again, a chain after
        MAX_SUCCESSIONS; a successor that no delivery has named is Unknown.
    """
    return followed(as_named(staged.regions, "region_id", as_ofs))


def followed(held: ir.Table) -> ir.Table:
    """Regions with the end of their chain of successors; see current_map for circles and long chains.

    Grain: one row per (as_of_on, region_id), as the input.

    Args:
        held: as_of_on, region_id, successor_region_id.

    Returns:
        as_of_on, region_id, region_current_map_id.
    """
    steps = held.select("as_of_on", region_current_map_id="region_id", successor="successor_region_id", is_held=True)
    rows = held.select("as_of_on", "region_id", region_current_map_id="region_id").mutate(seen=ibis.array([_.region_id]))
    for _step in range(MAX_SUCCESSIONS):
        is_new = _.successor.notnull() & ~_.seen.contains(_.successor).fill_null(False)
        rows = lookup(rows, steps, ("as_of_on", "region_current_map_id")).mutate(is_new=is_new)
        rows = rows.select(
            "as_of_on",
            "region_id",
            region_current_map_id=ibis.ifelse(_.is_new, _.successor, _.region_current_map_id),
            seen=ibis.ifelse(_.is_new, _.seen.concat(ibis.array([_.successor])), _.seen),
        )
    return (
        lookup(rows, steps, ("as_of_on", "region_current_map_id"))
        .mutate(region_current_map_id=ibis.ifelse(_.is_held.notnull(), _.region_current_map_id, UNKNOWN))
        .select("as_of_on", "region_id", "region_current_map_id")
    )


def _valued(clients: ir.Table, terms: Terms) -> ir.Table:
    """Client versions with a region that is never null; a deletion is a version of which nothing is known."""
    return client_versions(clients, terms.time_zone).select(
        "client_id",
        "business_date",
        "valid_from",
        "known_at",
        region_id=ibis.ifelse(_.is_deleted, UNKNOWN, _.region_id.fill_null(UNKNOWN)),
    )


def _recency(holds: ir.BooleanValue) -> ir.IntegerValue:
    """Sorts versions: those that hold after those that do not, the newest of the former last.

    Of those that do not, the one that is first to hold comes last, as in dim_client: a version delivered later may replace it whole.
    """
    delivered, starts = (days_between(day, ibis.literal(BEGINNING)) for day in (_.business_date, _.valid_from))
    return ibis.ifelse(holds, FAR + delivered, delivered - FAR * starts)


def _named(rows: ir.Table, staged: Staged, as_ofs: ir.Table) -> ir.Table:
    """Replace regions that are empty or that no delivery known at the date has named by Unknown."""
    held = as_named(staged.regions, "region_id", as_ofs).select("as_of_on", "region_id", is_held=True)
    return (
        lookup(rows, held, ("as_of_on", "region_id"))
        .mutate(region_id=ibis.ifelse(_.is_held.notnull(), _.region_id, UNKNOWN))
        .drop("is_held")
    )
