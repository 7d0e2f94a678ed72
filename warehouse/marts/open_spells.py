"""Spells in which contracts were open, from status events and repayments as the release knows them.

The principal of a spell is followed here from the facts alone, without positions, so that what the two say of a month end can be compared.
"""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.curated.values import ZERO, filled, lookup, when
from warehouse.marts.measures import event_order
from warehouse.table import MONEY

SPELL = ("contract_number", "opened_on")


def principal_paid(fact_repayment: ir.Table, fact_contract: ir.Table) -> ir.Table:
    """Principal paid by day, of each contract no more than its principal.

    Grain: one row per (contract_number, paid_on) or finer.

    Args:
        fact_repayment: curated.fact_repayment.
        fact_contract: curated.fact_contract.

    Returns:
        contract_number, paid_on, amount.
    """
    paid = fact_repayment.filter(_.principal_amount > 0).select("contract_number", paid_on="repayment_date", amount="principal_amount")
    owed = fact_contract.select("contract_number", "principal_amount")
    total = paid.group_by("contract_number").agg(total=_.amount.sum()).join(owed, "contract_number")
    # A schedule may ask for more principal than was lent; only such contracts have to be added up day by day.
    over = total.filter(_.total > _.principal_amount).select("contract_number", "principal_amount")
    days = (
        paid.join(over, "contract_number").group_by("contract_number", "paid_on").agg(amount=_.amount.sum(), most=_.principal_amount.max())
    )
    so_far = _.amount.sum().over(ibis.cumulative_window(group_by="contract_number", order_by="paid_on"))
    capped = days.mutate(after=so_far).mutate(amount=ibis.least(_.after, _.most) - ibis.least(_.after - _.amount, _.most))
    schema = ibis.schema({"contract_number": "string", "paid_on": "date", "amount": MONEY})
    return paid.anti_join(over, "contract_number").cast(schema).union(capped.select(*schema.names).cast(schema))


def open_spells(fact_contract: ir.Table, fact_contract_status: ir.Table, paid: ir.Table) -> ir.Table:
    """Times over which contracts were open.

    Grain: one row per (contract_number, opened_on). A contract that was opened and ended on one day has a spell of that day.

    Args:
        fact_contract: curated.fact_contract, contracts that have started.
        fact_contract_status: curated.fact_contract_status.
        paid: of principal_paid.

    Returns:
        contract_number, start_date, opened_on (not before start_date), closed_on (day of the event that ended it; null while it is open),
        entry_amount (principal owed before it), rest_amount (principal owed at its end, payments of that day deducted; null while open),
        lost_amount (of the rest, what a write-off or sale that still holds took).
    """
    terms = fact_contract.select(
        "contract_number",
        "start_date",
        "principal_amount",
        "ended_on",
        loss_amount=(_.written_off_principal_amount + _.sold_principal_amount).cast(MONEY),
    )
    spells = (
        _turns(fact_contract_status)
        .join(terms, "contract_number")
        .mutate(opened_on=ibis.greatest(_.turned_on, _.start_date))
        .filter(_.closed_on.isnull() | (_.closed_on >= _.opened_on))
    )
    before = _paid(spells.filter(_.opened_on > _.start_date), paid, _.paid_on < _.opened_on).rename(before_amount="amount")
    within = _paid(spells.filter(_.closed_on.notnull()), paid, (_.paid_on >= _.opened_on) & (_.paid_on <= _.closed_on))
    is_loss = (_.closed_on == _.ended_on).fill_null(False)
    valued = lookup(lookup(spells, before, SPELL), within, SPELL).mutate(
        entry_amount=(_.principal_amount - filled(_.before_amount)).cast(MONEY)
    )
    return valued.select(
        "contract_number",
        "start_date",
        "opened_on",
        "closed_on",
        "entry_amount",
        rest_amount=when(_.closed_on.notnull(), (_.entry_amount - filled(_.amount)).cast(MONEY)),
        lost_amount=ibis.ifelse(is_loss, _.loss_amount, ZERO),
    )


def _turns(fact_contract_status: ir.Table) -> ir.Table:
    """Days on which contracts became Active and on which that ended: contract_number, turned_on, closed_on."""
    place = event_order(_.status_date, _.status)
    events = fact_contract_status.select("contract_number", "status_date", is_open=_.status == "Active", place=place)
    in_order = ibis.window(group_by="contract_number", order_by="place")
    turns = events.mutate(was_open=_.is_open.lag().over(in_order).fill_null(False)).filter(_.is_open != _.was_open)
    ended = turns.mutate(closed_on=_.status_date.lead().over(in_order))
    return ended.filter(_.is_open).select("contract_number", turned_on="status_date", closed_on="closed_on")


def _paid(spells: ir.Table, paid: ir.Table, at: ir.BooleanValue) -> ir.Table:
    """Principal paid at some time of each spell. Grain: SPELL."""
    rows = paid.join(spells.select(*SPELL, "closed_on"), "contract_number").filter(at)
    return rows.group_by(*SPELL).agg(amount=_.amount.sum().cast(MONEY))
