"""Status events of contracts as known at a date: those delivered as history, and those that follow from contract rows.

A contract row says which status the contract has, not when it began. The rules that date it are in docs/lending-terms.md; the one that a
newcomer would miss: a status without a date of its own is dated by the settlement of the last installment, which a later known payment can
move.
"""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.clock import BEGINNING, days_between, end_of_day_at
from warehouse.curated.as_known import is_current, with_known_to
from warehouse.curated.values import lookup, when
from warehouse.terms import STATUSES, Terms

AT = ("as_of_on", "contract_number")
ORDER = {status: index for index, status in enumerate(STATUSES)}
SETTLED_STATUSES = ("Paid-off", "Close")  # the settlement of the last installment dates them


def event_key(status_date: ir.DateValue, status: ir.StringValue) -> ir.IntegerValue:
    """An integer that sorts events by date, and on one date in the order of STATUSES."""
    order = ibis.cases(*((status == name, index) for name, index in ORDER.items()))
    return (days_between(status_date, ibis.literal(BEGINNING)) * 10 + order).cast("int64")


def key_date(key: ir.IntegerValue) -> ir.DateValue:
    """The date in an event key."""
    return (ibis.literal(BEGINNING) + (key // 10).cast("int64").as_interval("D")).cast("date")


def key_status(key: ir.IntegerValue) -> ir.StringValue:
    """The status in an event key."""
    return ibis.cases(*((key % 10 == index, name) for name, index in ORDER.items()))


def contract_versions(contracts: ir.Table) -> ir.Table:
    """Versions of contract rows in order, for as long as the contract was held.

    A contract that was deleted and delivered again begins a new life; what was said before the deletion counts no more.

    Grain: one row per (contract_number, business_date), without deletions.

    Returns:
        the staged columns, known_to, life (from 0), version (from 0 within the life), said (status, where an empty one means Active),
        said_before (of the version before; for the first one the status with which the contract began).
    """
    rows = with_known_to(contracts, "contract_number")
    in_order = ibis.cumulative_window(group_by="contract_number", order_by="business_date")
    of_life = ibis.window(group_by=("contract_number", "life"), order_by="business_date")
    said = _.status.fill_null("Active")
    return (
        rows.mutate(life=_.is_deleted.cast("int64").sum().over(in_order))
        .filter(~_.is_deleted)
        .mutate(said=said, version=ibis.row_number().over(of_life), said_before=said.lag().over(of_life))
        .mutate(said_before=ibis.coalesce(_.said_before, ibis.ifelse(_.said == "New", "New", "Active")))
    )


def told_statuses(history: ir.Table, asked: ir.Table) -> ir.Table:
    """Rows of the status history known at each as-of date, those dated later included.

    Grain: one row per (as_of_on, contract_number, status, status_date).

    Args:
        history: staging.contract_status_history.
        asked: as_of_on, contract_number, known_until.
    """
    versions = with_known_to(history, "contract_number", "status", "status_date")
    known = asked.join(versions, "contract_number").filter(lambda row: is_current(row, row.known_until)).filter(~_.is_deleted)
    return known.select(*AT, "status", "status_date", "business_date", "known_at")


def status_events(stated: ir.Table, told: ir.Table) -> ir.Table:
    """All status events known and past at each as-of date.

    Grain: one row per (as_of_on, contract_number, event_key).

    Args:
        stated: of stated_statuses.
        told: of told_statuses; a contract with any row there has its events from it.

    Returns:
        the grain, status, status_date, is_derived, known_at.
    """
    past = told.filter(_.status_date <= _.as_of_on).semi_join(stated, AT)
    without, within = stated.anti_join(told, AT), stated.semi_join(told, AT)
    found = ibis.union(
        _events(past, is_derived=False),
        _events(_beginnings(without)),
        _events(without.filter(_.status.notnull(), (_.status != _.said_before) | _.own_date.notnull())),
        _events(_silent(without)),
        _events(_contradicting(within, told)),
    )
    return (
        found.filter(_.status_date <= _.as_of_on)
        .group_by(*AT, "status", "status_date")
        .agg(is_derived=_.is_derived.min(), known_at=_.known_at.min())
        .mutate(event_key=event_key(_.status_date, _.status))
    )


def stated_statuses(versions: ir.Table, held: ir.Table, terms: Terms) -> ir.Table:
    """What each contract row known at a date says, with the date and the knowledge time of its status.

    Grain: one row per (as_of_on, contract_number, version).

    Args:
        versions: of contract_versions.
        held: per (as_of_on, contract_number) known_until, life, start_date, settlement_on and settlement_known_at; the last two are null
            unless all installments are settled by then.
        terms: the lender's time zone.

    Returns:
        the grain, known_until, start_date, settlement_on, settlement_known_at, business_date, delivered_at (its end), row_known_at,
        known_to, status (null where empty), said_before, own_date, status_date, known_at (of the status).
    """
    by_settlement = _.own_date.isnull() & _.status.isin(SETTLED_STATUSES) & _.settlement_on.notnull()
    return (
        versions.select(
            "contract_number",
            "life",
            "version",
            "status",
            "said_before",
            "business_date",
            "known_to",
            own_date="last_status_change_date",
            row_known_at="known_at",
        )
        .join(held.select(*AT, "life", "known_until", "start_date", "settlement_on", "settlement_known_at"), ("contract_number", "life"))
        .filter(_.row_known_at <= _.known_until)
        .mutate(is_by_settlement=by_settlement, delivered_at=end_of_day_at(_.business_date, terms.time_zone))
        .mutate(status_date=ibis.coalesce(_.own_date, ibis.ifelse(_.is_by_settlement, _.settlement_on, _.business_date)))
        .mutate(
            known_at=ibis.ifelse(
                _.is_by_settlement,
                _later(_.row_known_at, _.settlement_known_at),
                _later(_.row_known_at, ibis.least(end_of_day_at(_.status_date, terms.time_zone), _.delivered_at)),
            ),
        )
    )


def _later(one: ir.TimestampValue, other: ir.TimestampValue) -> ir.TimestampValue:
    return ibis.greatest(one, ibis.coalesce(other, one))


def _events(rows: ir.Table, is_derived: bool = True) -> ir.Table:
    return rows.select(*AT, "status", "status_date", "known_at", is_derived=ibis.literal(is_derived))


def _beginnings(stated: ir.Table) -> ir.Table:
    """Active, or New if the first row says so, on the start date, or on the date of the first delivered status where that is earlier."""
    first_date = ibis.ifelse(_.status.isnull(), _.start_date, ibis.least(_.start_date, _.status_date))
    return stated.filter(_.version == 0).mutate(status=_.said_before, status_date=first_date, known_at=_.row_known_at)


def _silent(stated: ir.Table) -> ir.Table:
    """Rows without a status: Active on the start date, and Paid-off once all is settled, while no later row says otherwise."""
    silent = stated.filter(_.status.isnull())
    active = silent.mutate(status=ibis.literal("Active"), status_date=_.start_date, known_at=_.row_known_at)
    is_newest = _.known_to.isnull() | (_.known_to > _.known_until)
    settled = silent.filter(is_newest, _.settlement_on.notnull(), _.said_before != "Paid-off").mutate(
        status=ibis.literal("Paid-off"),
        status_date=_.settlement_on,
        known_at=_later(_.row_known_at, _.settlement_known_at),
    )
    return active.union(settled)


def _contradicting(stated: ir.Table, told: ir.Table) -> ir.Table:
    """Statuses of contract rows that differ from the last event when they were delivered.

    The last event is the row before it, or what the history said meanwhile or of a later day. Comparing with the last event of all would
    let an old row, which agreed when it came, contradict every later event. An event that the history has caught up with since is dropped.
    """
    keyed = told.select(*AT, "known_at", "status_date", told_key=event_key(_.status_date, _.status))
    last = keyed.filter(_.status_date <= _.as_of_on).group_by(AT).agg(last_key=_.told_key.max())
    heard = (
        stated.select(*AT, "version", "business_date", "delivered_at")
        .join(keyed, AT)
        .filter(_.known_at <= _.delivered_at, _.status_date <= _.business_date)
        .group_by(*AT, "version")
        .agg(heard_key=_.told_key.max())
    )
    rows = ibis.window(group_by=AT, order_by="version")
    heard_nothing = _.heard_key.identical_to(_.heard_key.lag().over(rows)) & (_.version > 0)
    row_before = event_key(_.status_date, _.status).lag().over(rows)  # dated before what the history said, it is not the last event
    caught_up = (_.status == key_status(_.last_key)) & ~_.last_key.identical_to(_.heard_key)
    return (
        lookup(lookup(stated, heard, (*AT, "version")), last, AT)
        .mutate(said_last=when(heard_nothing & (row_before >= _.heard_key).fill_null(True), _.status.lag().over(rows)))
        .mutate(before=ibis.coalesce(_.said_last, key_status(_.heard_key), "New"))
        .filter(_.status.notnull(), _.status != _.before, ~caught_up.fill_null(False))
    )
