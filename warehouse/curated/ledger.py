"""The ledger of a contract in an era: its schedule, the money received and the penalties charged, as known at the era's last date.

A newcomer would look for the due date as the event date of an installment: the schedule is known from the contract's start, and a due
date is an attribute of it.
"""

from collections.abc import Callable
from typing import NamedTuple

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.clock import add_months_on
from warehouse.curated.as_known import is_current, with_known_to
from warehouse.curated.staged import Staged
from warehouse.curated.values import filled, lookup

ERA = ("contract_number", "era_on")


class Ledger(NamedTuple):
    """What a contract owes and has received, per era.

    Attributes:
        schedule: grain (contract_number, era_on, installment_id); position counts from 0 in the order in which money is allocated.
        payments: grain (contract_number, era_on, repayment_id); money that counts, without reversals and what they cancel.
        cancelled: grain (contract_number, era_on, repayment_id); reversals and reversed repayments, which pay nothing.
        charges: grain (contract_number, era_on, penalty_id); rows of the penalties file.
    """

    schedule: ir.Table
    payments: ir.Table
    cancelled: ir.Table
    charges: ir.Table


def ledger(staged: Staged, schedules: ir.Table, eras: ir.Table, keep: Callable[[ir.Table], ir.Table]) -> Ledger:
    """Cut the ledger of every contract to each of its eras.

    Args:
        staged: the staging tables.
        schedules: of schedule_versions.
        eras: of `warehouse.curated.eras.eras`.
        keep: what to do with a step that several others read.
    """
    schedule = keep(_schedule(schedules, eras))
    received = keep(_received(staged.repayments, eras))
    reversed_ids = _reversed(staged.repayments, eras)
    paying, cancelled = _split(received, reversed_ids)
    return Ledger(schedule, keep(_placed(paying, schedule)), cancelled, _charges(staged.penalties, schedule, eras))


def ledger_shares(whole: Ledger, count: int) -> list[Ledger]:
    """Cut a ledger into shares of its contracts; the tables of a share hold all rows of its contracts."""
    if count == 1:
        return [whole]
    mine = [(_.contract_number.hash() % count + count) % count == number for number in range(count)]
    return [Ledger(*(table.filter(condition) for table in whole)) for condition in mine]


def _at_eras(versions: ir.Table, eras: ir.Table) -> ir.Table:
    """Rows held at the last date of each era of their contract."""
    return versions.join(eras.drop("from_on"), "contract_number").filter(lambda row: is_current(row, row.known_until)).filter(~_.is_deleted)


def _schedule(versions: ir.Table, eras: ir.Table) -> ir.Table:
    """Installments with their amounts, their place in the order of payment and the next due date."""
    held = _at_eras(_dated(versions), eras)
    order = ibis.window(group_by=ERA, order_by=("due_date", "installment_number", "installment_id"))
    return (
        lookup(held, _next_due(held), (*ERA, "installment_number"))
        .mutate(
            principal_due_amount=filled(_.inst_amt_principal),
            interest_due_amount=filled(_.inst_amt_interest),
            fee_due_amount=filled(_.inst_amt_fee),
        )
        .select(
            *ERA,
            "installment_id",
            "installment_number",
            "due_date",
            "original_due_date",
            "principal_due_amount",
            "interest_due_amount",
            "fee_due_amount",
            "brought_on",
            due_amount=(_.principal_due_amount + _.interest_due_amount + _.fee_due_amount).cast(_.principal_due_amount.type()),
            charged_amount=filled(_.penalty_amount),
            next_due_on=ibis.coalesce(_.next_due_on, add_months_on(_.due_date, 1)),
            position=ibis.row_number().over(order),
        )
    )


def _dated(versions: ir.Table) -> ir.Table:
    """Add known_to, the first delivered due date, and the business date that brought the penalty amount its present value."""
    # Most installments have one version, about which no other row has anything to say.
    several = versions.group_by("installment_id").agg(version_count=_.count()).filter(_.version_count > 1)
    single = versions.anti_join(several, "installment_id").mutate(original_due_date=_.due_date, brought_on=_.business_date)
    other = with_known_to(_dated_by_versions(versions.semi_join(several, "installment_id")), "installment_id")
    return single.mutate(known_to=ibis.null(versions.known_at.type().copy(nullable=True))).select(other.columns).union(other)


def _dated_by_versions(versions: ir.Table) -> ir.Table:
    versions_of = {"group_by": "installment_id", "order_by": "business_date"}
    is_unchanged = _.penalty_amount.identical_to(_.penalty_amount.lag().over(ibis.window(**versions_of)))
    return (
        versions.mutate(
            original_due_date=_.due_date.first().over(ibis.cumulative_window(**versions_of)),
            changed_on=ibis.ifelse(is_unchanged, ibis.null("date"), _.business_date),
        )
        .mutate(brought_on=ibis.coalesce(_.changed_on.max().over(ibis.cumulative_window(**versions_of)), _.business_date))
        .drop("changed_on")
    )


def _next_due(held: ir.Table) -> ir.Table:
    """Due date of the next installment_number of each installment_number; null for the last."""
    numbers = ibis.window(group_by=ERA, order_by="installment_number")
    return (
        held.group_by(*ERA, "installment_number")
        .agg(due_on=_.due_date.min())
        .select(*ERA, "installment_number", next_due_on=_.due_on.lead().over(numbers))
    )


def _received(repayments: ir.Table, eras: ir.Table) -> ir.Table:
    """Repayment rows of every kind, up to the era's last date."""
    return (
        _at_eras(with_known_to(repayments, "repayment_id"), eras)
        .filter(_.repayment_date <= _.era_on)
        .select(
            *ERA,
            "repayment_id",
            "repayment_date",
            "installment_id",
            "booked_at",
            "known_at",
            "reverses_repayment_id",
            amount=_.repayment_amount,
        )
    )


def _reversed(repayments: ir.Table, eras: ir.Table) -> ir.Table:
    """Repayments that a reversal cancels in an era, whatever contract the reversal itself names."""
    homes = repayments.select(reverses_repayment_id="repayment_id", home="contract_number").distinct()
    reversals = with_known_to(repayments, "repayment_id").filter(_.reverses_repayment_id.notnull())
    at_home = reversals.join(homes, "reverses_repayment_id").drop("contract_number").rename(contract_number="home")
    return _at_eras(at_home, eras).filter(_.repayment_date <= _.era_on).select(*ERA, repayment_id="reverses_repayment_id").distinct()


def _split(received: ir.Table, reversed_ids: ir.Table) -> tuple[ir.Table, ir.Table]:
    """Separate the money that pays from reversals and from what they cancel."""
    key = (*ERA, "repayment_id")
    is_reversal = _.reverses_repayment_id.notnull()
    paying = received.filter(~is_reversal).anti_join(reversed_ids, key)
    reversals = received.filter(is_reversal).mutate(is_reversed=False)
    undone = received.filter(~is_reversal).semi_join(reversed_ids, key).mutate(is_reversed=True)
    return paying, reversals.union(undone)


def _placed(paying: ir.Table, schedule: ir.Table) -> ir.Table:
    """Add the order of payment (payment, from 0) and the position of a named installment; -1 where none is held."""
    order = ibis.window(group_by=ERA, order_by=("repayment_date", ibis.asc("booked_at", nulls_first=False), "repayment_id"))
    named = schedule.select(*ERA, "installment_id", "position")
    return lookup(paying, named, (*ERA, "installment_id")).select(
        *ERA,
        "repayment_id",
        "repayment_date",
        "booked_at",
        "known_at",
        "amount",
        named=_.position.fill_null(-1),
        payment=ibis.row_number().over(order),
    )


def _charges(penalties: ir.Table, schedule: ir.Table, eras: ir.Table) -> ir.Table:
    """Rows of the penalties file on held installments, up to the era's last date."""
    held = schedule.select(*ERA, "installment_id", "position").join(eras.drop("from_on"), ERA)
    return (
        with_known_to(penalties, "penalty_id")
        .join(held, "installment_id")
        .filter(lambda row: is_current(row, row.known_until))
        .filter(~_.is_deleted, _.penalty_date <= _.era_on)
        .select(*ERA, "penalty_id", "installment_id", "position", "penalty_date", amount=filled(_.penalty_amount))
    )
