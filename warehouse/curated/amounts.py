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
    is_lost = _.ended_status.isin(FROZEN_STATUSES)
    # Open contracts are asked about the date, lost ones about their end; no contract is both on one date.
    asked = contracts.filter(_.is_open | is_lost).select("as_of_on", *ERA, paid_by_on=ibis.ifelse(_.is_open, _.as_of_on, _.ended_on))
    frozen = contracts.filter(_.is_frozen).select("as_of_on", *ERA, "ended_on")
    past_due = _unpaid(contracts.filter(_.is_open).select("as_of_on", *ERA), books.steps).union(_unpaid_at_end(frozen, books.overdue))
    owed = lookup(lookup(contracts, past_due, AT), _paid_back(asked, books.balances), AT)
    return owed.mutate(
        dpd=days_between(ibis.ifelse(_.is_open, _.as_of_on, _.ended_on), _.oldest_due_on).fill_null(0),
        overdue_amount=filled(_.overdue_amount),
        outstanding_principal_amount=_left(_.is_open, _.paid_principal_amount),
        written_off_principal_amount=_left(_.ended_status == "Written Off", _.paid_principal_amount),
        sold_principal_amount=_left(_.ended_status == "Sold", _.paid_principal_amount),
    ).drop("paid_principal_amount", "oldest_due_on")


def _unpaid(running: ir.Table, steps: ir.Table) -> ir.Table:
    """Amount past due and the oldest unsettled due date of open contracts.

    Grain: one row per (as_of_on, contract_number) with an unpaid installment due before the date.
    """
    is_unsettled = _.settled_on.isnull() | (_.settled_on > _.as_of_on)
    # A payment on or before the due date or the day after it leaves no asked date on which the amount before it is past due.
    day_after = (_.due_date + ibis.interval(days=1)).cast("date")
    unpaid = steps.filter(_.paid_amount < _.due_amount, _.until_on.isnull() | (_.until_on > day_after))
    return (
        running.join(unpaid, ERA)
        .filter(_.due_date < _.as_of_on, *holds_on(_.as_of_on))
        .group_by(AT)
        .agg(
            oldest_due_on=when(is_unsettled, _.due_date).min(),
            overdue_amount=(_.due_amount - _.paid_amount).sum().cast(MONEY),
        )
    )


def _unpaid_at_end(frozen: ir.Table, overdue: ir.Table) -> ir.Table:
    """The oldest due date that was unsettled when a written-off or sold contract ended; what was overdue is not asked for any more.

    Grain: one row per (as_of_on, contract_number) that owed something then.
    """
    return (
        frozen.join(overdue, ERA)
        .filter(_.due_date < _.ended_on, _.settled_on.isnull() | (_.settled_on > _.ended_on))
        .group_by(AT)
        .agg(oldest_due_on=_.due_date.min())
        .mutate(overdue_amount=ZERO)
    )


def _paid_back(asked: ir.Table, balances: ir.Table) -> ir.Table:
    """Principal paid back up to a day of each contract; later recoveries do not count.

    Grain: one row per (as_of_on, contract_number) with a payment by then.

    Args:
        asked: as_of_on, contract_number, era_on, paid_by_on.
        balances: of balances.
    """
    return asked.join(balances, ERA).filter(*holds_on(_.paid_by_on)).select(*AT, "paid_principal_amount")


def _left(condition: ir.BooleanValue, paid: ir.DecimalValue) -> ir.DecimalValue:
    """Principal that is not paid back where a condition holds, at least 0; else 0."""
    left = ibis.greatest(_.principal_amount - filled(paid), ZERO)
    return ibis.ifelse(condition.fill_null(False), left, ZERO).cast(MONEY)
