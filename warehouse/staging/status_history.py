"""contract_status_history: events wait for their contract, and a contract goes from one status to the next only as the machine allows.

An event is judged by the events delivered up to its own business date, so that a later delivery cannot undo what was accepted. An event
that came before the one it follows is quarantined; delivering both again is the fix.
"""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.clock import BEGINNING, days_between
from warehouse.staging.references import Context, is_missing, look_up
from warehouse.staging.rules import broken
from warehouse.staging.scratch import Scratch
from warehouse.staging.typed import is_sound
from warehouse.terms import STATUSES

TRANSITIONS = {
    "New": ("Active", "Cancel"),
    "Active": ("Paid-off", "Written Off", "Sold", "Cancel"),
    "Written Off": ("Sold", "Close"),
    "Sold": ("Close",),
    "Paid-off": ("Close",),
    "Cancel": (),
    "Close": (),
}
EVENT = ("contract_number", "status", "status_date")


def contract_status_history(rows: ir.Table, context: Context, scratch: Scratch) -> ir.Table:
    """Status events with the marks of their contract and of the event before each."""
    found = look_up(rows, "contract_number", context, "contracts", "contract_number", {})
    waiting = found.mutate(
        event_on=found.status_date,
        waits=found.waits + broken(is_missing(found, "contract_number"), "orphan", "contract_number"),
    ).drop("parent_key")
    placed = scratch.keep(waiting.mutate(place=_place(waiting)))
    return scratch.keep(_after_previous(placed))


def _place(rows: ir.Table) -> ir.IntegerValue:
    """Order of events as one number: by day, then by the order of the statuses; the last digit is the status."""
    position = ibis.cases(*((rows.status == status, number) for number, status in enumerate(STATUSES)), else_=len(STATUSES))
    return days_between(rows.status_date, ibis.date(BEGINNING)) * 10 + position


def _after_previous(placed: ir.Table) -> ir.Table:
    """Mark events that the machine does not allow after the event before them."""
    sound = placed.filter(is_sound(placed))
    events = sound.group_by(contract=_.contract_number, earlier=_.place).agg(
        delivered_on=_.business_date.min(where=~_.is_deleted),
        deleted_on=_.business_date.min(where=_.is_deleted),
    )
    here = sound.select("contract_number", "place", "business_date").distinct()
    pairs = here.join(
        events,
        [
            here.contract_number == events.contract,
            here.place > events.earlier,
            here.business_date >= events.delivered_on,
            here.business_date < events.deleted_on.fill_null(ibis.date(9999, 12, 31)),
        ],
    )
    previous = pairs.group_by(previous_contract=_.contract_number, previous_of=_.place, previous_on=_.business_date).agg(
        previous=_.earlier.max() % 10
    )
    joined = placed.left_join(
        previous,
        [
            placed.contract_number == previous.previous_contract,
            placed.place == previous.previous_of,
            placed.business_date == previous.previous_on,
        ],
    )
    return joined.mutate(faults=joined.faults + broken(_is_refused(joined) & ~joined.is_deleted, "status_transition", "status")).drop(
        "place", "previous", "previous_contract", "previous_of", "previous_on"
    )


def _is_refused(joined: ir.Table) -> ir.BooleanValue:
    """Whether the status cannot follow the one before it; the same status again is no move."""
    refused = [(joined.previous == number) & ~joined.status.isin((status, *TRANSITIONS[status])) for number, status in enumerate(STATUSES)]
    return ibis.or_(*refused)
