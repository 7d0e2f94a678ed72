"""What contracts owe as of each date: days past due, overdue and outstanding amounts, and the principal lost at a write-off or sale.

Only what is unpaid is looked at, and a contract's principal is read from its running balance: most installments are paid, so that most
pairs of an installment and a date say nothing.
"""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.clock import days_between
from warehouse.curated.books import Books
from warehouse.curated.ledger import ERA
from warehouse.curated.settlement import holds_on
from warehouse.curated.statuses import AT
from warehouse.curated.values import ZERO, filled, lookup, when
from warehouse.table import MONEY
from warehouse.terms import FROZEN_STATUSES


def with_amounts(contracts: ir.Table, books: Books) -> ir.Table:
    """Add dpd and the amounts to contracts.

    Grain: one row per (as_of_on, contract_number).

    Args:
        contracts: of judged_contracts, with era_on.
        books: of these dates.

    Returns:
        the contracts' columns, dpd, overdue_amount, outstanding_principal_amount, written_off_principal_amount, sold_principal_amount.
    """
    running = contracts.filter(_.is_open)
    lost = contracts.filter(_.ended_status.isin(FROZEN_STATUSES))
    parts = (
        _unpaid(running, books.steps),
        _paid_back(running, "as_of_on", books.balances),
        _paid_back(lost, "ended_on", books.balances).rename(paid_at_end_amount="paid_principal_amount"),
        _oldest_at_end(contracts.filter(_.is_frozen), books.schedule),
    )
    owed = contracts
    for part in parts:
        owed = lookup(owed, part, AT)
    return owed.mutate(
        dpd=ibis.cases(
            (_.is_open, days_between(_.as_of_on, _.oldest_due_on)),
            (_.is_frozen, days_between(_.ended_on, _.oldest_due_at_end_on)),
            else_=ibis.null("int64"),
        ).fill_null(0),
        overdue_amount=filled(_.overdue_amount),
        outstanding_principal_amount=_left(_.is_open, _.paid_principal_amount),
        written_off_principal_amount=_left(_.ended_status == "Written Off", _.paid_at_end_amount),
        sold_principal_amount=_left(_.ended_status == "Sold", _.paid_at_end_amount),
    ).drop("paid_principal_amount", "paid_at_end_amount", "oldest_due_on", "oldest_due_at_end_on")


def _unpaid(running: ir.Table, steps: ir.Table) -> ir.Table:
    """Amount past due and the oldest unsettled due date of open contracts.

    Grain: one row per (as_of_on, contract_number) with an unpaid installment due before the date.
    """
    is_unsettled = _.settled_on.isnull() | (_.settled_on > _.as_of_on)
    unpaid = steps.filter(_.paid_amount < _.due_amount)
    return (
        running.select("as_of_on", *ERA)
        .join(unpaid, ERA)
        .filter(_.due_date < _.as_of_on, *holds_on(_.as_of_on))
        .group_by(AT)
        .agg(
            oldest_due_on=when(is_unsettled, _.due_date).min(),
            overdue_amount=(_.due_amount - _.paid_amount).sum().cast(MONEY),
        )
    )


def _paid_back(contracts: ir.Table, day: str, balances: ir.Table) -> ir.Table:
    """Principal paid back up to a day of each contract; later recoveries do not count.

    Grain: one row per (as_of_on, contract_number) with a payment by then.
    """
    asked = contracts.select("as_of_on", *ERA, paid_by_on=day)
    return asked.join(balances, ERA).filter(*holds_on(_.paid_by_on)).select(*AT, "paid_principal_amount")


def _oldest_at_end(frozen: ir.Table, schedule: ir.Table) -> ir.Table:
    """The oldest due date that was unsettled when a written-off or sold contract ended.

    Grain: one row per (as_of_on, contract_number) that owed something then.
    """
    return (
        frozen.select("as_of_on", *ERA, "ended_on")
        .join(schedule.select(*ERA, "due_date", "settled_on"), ERA)
        .filter(_.due_date < _.ended_on, _.settled_on.isnull() | (_.settled_on > _.ended_on))
        .group_by(AT)
        .agg(oldest_due_at_end_on=_.due_date.min())
    )


def _left(condition: ir.BooleanValue, paid: ir.DecimalValue) -> ir.DecimalValue:
    """Principal that is not paid back where a condition holds, at least 0; else 0."""
    left = ibis.greatest(_.principal_amount - filled(paid), ZERO)
    return ibis.ifelse(condition.fill_null(False), left, ZERO).cast(MONEY)
