"""The region of a client as known at a date: where the client lives then, and where on an earlier day.

A region that is empty, or that no delivery has named, is Unknown; it is never null, so that sums over regions are the portfolio.
"""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.clock import BEGINNING, days_between, end_of_day_at
from warehouse.curated.as_known import as_named, is_current, with_known_to
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
    changed_on = _day_in(_.updated_at, time_zone)
    from_on = ibis.ifelse((changed_on <= _.business_date).fill_null(False), changed_on, _.business_date)
    return with_known_to(clients, "client_id").mutate(valid_from=ibis.ifelse(_.is_opening, ibis.literal(BEGINNING), from_on))


def regions_at(staged: Staged, as_ofs: ir.Table) -> ir.Table:
    """Where each client lives at each date.

    Grain: one row per (as_of_on, client_id), deleted clients included.

    Returns:
        as_of_on, client_id, region_id.
    """
    newest = as_ofs.join(versions := with_known_to(staged.clients, "client_id"), is_current(versions, as_ofs.known_until))
    named = _named(newest.select("as_of_on", "client_id", "is_deleted", "region_id"), staged, as_ofs)
    return named.select("as_of_on", "client_id", region_id=ibis.ifelse(_.is_deleted, UNKNOWN, _.region_id))


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
    versions = client_versions(staged.clients, terms.time_zone).select(
        "client_id",
        "business_date",
        "valid_from",
        "known_at",
        region_id=ibis.ifelse(_.is_deleted, UNKNOWN, _.region_id.fill_null(UNKNOWN)),
    )
    delivered = days_between(_.business_date, ibis.literal(BEGINNING))
    chosen = (
        asked.select(key)
        .distinct()
        .join(as_ofs, "as_of_on")
        .join(versions, "client_id")
        .filter(_.known_at <= _.known_until)
        .group_by(key)
        .agg(region_id=_.region_id.argmax(ibis.ifelse(_.valid_from <= _[day], FAR + delivered, -delivered)))
    )
    return _named(chosen, staged, as_ofs)


def current_map(staged: Staged, as_ofs: ir.Table) -> ir.Table:
    """The region that each region is part of today: its successor, that one's successor, and so on.

    Grain: one row per (as_of_on, region_id) named by a delivery.

    Returns:
        as_of_on, region_id, region_current_map_id. Regions that succeed each other in a circle, and chains of more than 8, stop there.
    """
    held = as_named(staged.regions, "region_id", as_ofs)
    steps = held.select("as_of_on", region_current_map_id="region_id", successor="successor_region_id")
    rows = held.select("as_of_on", "region_id", region_current_map_id="region_id")
    for _step in range(MAX_SUCCESSIONS):
        rows = lookup(rows, steps, ("as_of_on", "region_current_map_id"))
        rows = rows.mutate(follows=_.successor.notnull() & (_.successor != _.region_id))
        rows = rows.select("as_of_on", "region_id", region_current_map_id=ibis.ifelse(_.follows, _.successor, _.region_current_map_id))
    return rows


def _named(rows: ir.Table, staged: Staged, as_ofs: ir.Table) -> ir.Table:
    """Replace regions that are empty or that no delivery known at the date has named by Unknown."""
    held = as_named(staged.regions, "region_id", as_ofs).select("as_of_on", "region_id", is_held=True)
    return (
        lookup(rows, held, ("as_of_on", "region_id"))
        .mutate(region_id=ibis.ifelse(_.is_held.notnull(), _.region_id, UNKNOWN))
        .drop("is_held")
    )


def _day_in(instant: ir.TimestampValue, time_zone: str) -> ir.DateValue:
    """The lender's calendar day of an instant: the first one whose end is not before it."""
    day = instant.cast("date")
    before, after = ((day + ibis.interval(days=shift)).cast("date") for shift in (-1, 1))
    return ibis.cases(
        (instant <= end_of_day_at(before, time_zone), before),
        (instant <= end_of_day_at(day, time_zone), day),
        (instant.notnull(), after),
    )
