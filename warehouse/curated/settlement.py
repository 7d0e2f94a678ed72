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
        the schedule's columns that positions need, paid_amount, from_on (null for the time before the first payment), until_on
        (exclusive, or null).
    """
    key = (*ERA, "installment_id")
    paid = allocated.filter(_.installment_id.notnull()).group_by(*key, from_on="repayment_date").agg(paid_amount=_.paid_after_amount.max())
    unpaid = schedule.select(*key, from_on=ibis.null("date"), paid_amount=ZERO)
    steps = unpaid.union(paid.select(unpaid.columns))
    days = ibis.window(group_by=key, order_by=ibis.asc("from_on", nulls_first=True))
    needless = ("position", "charged_amount", "brought_on", "is_trivial")
    return schedule.drop(*needless).join(steps.mutate(until_on=_.from_on.lead().over(days)), key)


def overdue_installments(schedule: ir.Table) -> ir.Table:
    """Installments that were unsettled for a whole day after their due date, so that they put their contract past due.

    Grain: one row per (contract_number, era_on, installment_id), fewer than the schedule.

    Args:
        schedule: of settled_installments.

    Returns:
        the grain, due_date, settled_on.
    """
    day_after = (_.due_date + ibis.interval(days=1)).cast("date")
    overdue = schedule.filter(_.settled_on.isnull() | (_.settled_on > day_after))
    return overdue.select(*ERA, "installment_id", "due_date", "settled_on")


def fines(schedule: ir.Table) -> ir.Table:
    """Penalties on installment rows.

    Grain: one row per (contract_number, era_on, installment_id), fewer than the schedule.

    Args:
        schedule: of settled_installments.

    Returns:
        the grain, settled_on, brought_on, penalty_amount.
    """
    return schedule.filter(_.charged_amount > 0).select(*ERA, "installment_id", "settled_on", "brought_on", penalty_amount="charged_amount")


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
