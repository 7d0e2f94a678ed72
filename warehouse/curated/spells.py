"""From status events to spells: the days over which a contract had one status, and when and how it ended.

A contract ends with the first ending event after its last Active; whatever follows (a sale after a write-off, a Close) does not move
that date. An Active after an end begins anew, and nothing before it counts.
"""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.curated.statuses import AT, key_date, key_status
from warehouse.curated.values import when
from warehouse.terms import ENDING_STATUSES, FROZEN_STATUSES

CLOSE_REASONS = {"Paid-off": "paid", "Written Off": "written_off", "Sold": "sold", "Cancel": "cancel"}


def status_spells(events: ir.Table) -> ir.Table:
    """One spell per status event, from its date to the day before the next event.

    Grain: one row per (as_of_on, contract_number, event_key).

    Args:
        events: of status_events.

    Returns:
        the grain, status, status_date, is_last, until_on (exclusive; null for the last), ended_key (first ending event since the last
        Active), has_cancel, paid_off_on and closed_on (first such event since the last Active), reason_status (last status that is not
        Close), is_open (Active), is_frozen (days past due stay as they were at the end).
    """
    in_order = ibis.window(group_by=AT, order_by="event_key")
    so_far = ibis.cumulative_window(group_by=AT, order_by="event_key")
    since_active = ibis.window(group_by=(*AT, "actives"))
    is_ending = _.status.isin(ENDING_STATUSES)
    return (
        events.mutate(
            until_on=_.status_date.lead().over(in_order),
            is_last=_.event_key.lead().over(in_order).isnull(),
            actives=(_.status == "Active").cast("int64").sum().over(so_far),
            reason_status=key_status(when(_.status != "Close", _.event_key).max().over(so_far)),
        )
        .mutate(
            ended_key=when(is_ending, _.event_key).min().over(since_active),
            has_cancel=(_.status == "Cancel").max().over(since_active),
            paid_off_on=when(_.status == "Paid-off", _.status_date).min().over(since_active),
            closed_on=when(_.status == "Close", _.status_date).min().over(since_active),
        )
        .mutate(
            ended_on=lambda row: key_date(row.ended_key),
            is_open=_.status == "Active",
            is_frozen=_.status.isin(FROZEN_STATUSES) | ((_.status == "Close") & _.reason_status.isin(FROZEN_STATUSES)),
        )
    )


def status_at(spells: ir.Table) -> ir.Table:
    """Status, end and what closes each contract, from its last spell.

    Grain: one row per (as_of_on, contract_number) that has an event.

    Returns:
        the grain, status, status_on, ended_on and ended_status (null while the status is New or Active), has_cancel, paid_off_on,
        closed_on, reason (what a Close means, where an event before it says so), is_frozen.
    """
    has_ended = _.status.isin(ENDING_STATUSES)
    return (
        spells.filter(_.is_last)
        .mutate(reason=_.reason_status.cases(*CLOSE_REASONS.items(), else_=ibis.null("string")))
        .select(
            *AT,
            "status",
            "has_cancel",
            "paid_off_on",
            "closed_on",
            "reason",
            "is_frozen",
            status_on=_.status_date,
            ended_on=when(has_ended, _.ended_on),
            ended_status=when(has_ended, key_status(_.ended_key)),
        )
    )
