"""What an era's allocation says about time: how much was paid from which day on, and when a contract had paid all.

Between two payments an amount paid stands still, so each of these is a row with the days on which it holds; a date takes the row that
holds on it.
"""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.curated.ledger import ERA
from warehouse.curated.values import ZERO, lookup, when
from warehouse.table import MONEY


def holds_on(day: ir.DateValue) -> tuple[ir.BooleanValue, ...]:
    """Conditions of the rows that hold on a day, of rows with from_on (null for ever before) and until_on (exclusive, or null)."""
    return _.from_on.isnull() | (_.from_on <= day), _.until_on.isnull() | (_.until_on > day)


def payment_steps(schedule: ir.Table, allocated: ir.Table) -> ir.Table:
    """The schedule with one row per amount that was paid at some time, and the days on which it was.

    Grain: one row per (contract_number, era_on, installment_id, from_on).

    Args:
        schedule: of settled_installments.
        allocated: of allocations.

    Returns:
        the schedule's columns, paid_amount, from_on (null for the time before the first payment), until_on (exclusive, or null).
    """
    key = (*ERA, "installment_id")
    paid = allocated.filter(_.installment_id.notnull()).group_by(*key, from_on="repayment_date").agg(paid_amount=_.paid_after_amount.max())
    unpaid = schedule.select(*key, from_on=ibis.null("date"), paid_amount=ZERO)
    steps = unpaid.union(paid.select(unpaid.columns))
    days = ibis.window(group_by=key, order_by=ibis.asc("from_on", nulls_first=True))
    return schedule.join(steps.mutate(until_on=_.from_on.lead().over(days)), key)


def balances(allocated: ir.Table) -> ir.Table:
    """Principal that a contract has paid back, with the days on which it was this much; nothing before the first payment.

    Grain: one row per (contract_number, era_on, from_on).

    Args:
        allocated: of allocations.

    Returns:
        the grain, until_on (exclusive, or null), paid_principal_amount.
    """
    paid = allocated.group_by(*ERA, from_on="repayment_date").agg(amount=_.principal_amount.sum())
    days = {"group_by": ERA, "order_by": "from_on"}
    return paid.select(
        *ERA,
        "from_on",
        until_on=_.from_on.lead().over(ibis.window(**days)),
        paid_principal_amount=_.amount.sum().over(ibis.cumulative_window(**days)).cast(MONEY),
    )


def settlements(schedule: ir.Table, allocated: ir.Table) -> ir.Table:
    """When all installments of a contract were settled, and the first installment, per era.

    Installments that the tolerance covers never hold a contract back: a source that sets the remaining rows to 0 at an early settlement
    must not hide it.

    Grain: one row per (contract_number, era_on).
    """
    in_order = ibis.window(group_by=ERA, order_by=("installment_number", "due_date", "installment_id"))
    settled = (
        schedule.mutate(is_first=ibis.row_number().over(in_order) == 0)
        .group_by(ERA)
        .agg(
            installment_count=_.count(),
            unsettled_count=_.settled_on.isnull().sum(),
            last_settled_on=when(~_.is_trivial, _.settled_on).max(),
            last_on=_.settled_on.max(),
            first_installment_due_on=when(_.is_first, _.due_date).max(),
            first_installment_settled_on=when(_.is_first, _.settled_on).max(),
        )
        .mutate(settlement_on=when(_.unsettled_count == 0, ibis.coalesce(_.last_settled_on, _.last_on)))
        .drop("unsettled_count", "last_settled_on", "last_on")
    )
    known = (
        allocated.filter(_.installment_id.notnull())
        .join(settled.select(*ERA, "settlement_on"), ERA)
        .filter(_.repayment_date <= _.settlement_on)
        .group_by(ERA)
        .agg(settlement_known_at=_.known_at.max())
    )
    return lookup(settled, known, ERA)
