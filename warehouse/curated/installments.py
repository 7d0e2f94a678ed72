"""Installments as of each date: what is paid, whether it is due, late or skipped, and its state.

An era's allocation is cut to each date by payment steps: between two payments of an installment its paid amount stands still.
"""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.clock import days_between, month_end_on
from warehouse.curated.ledger import ERA
from warehouse.curated.settlement import holds_on
from warehouse.curated.values import filled, lookup
from warehouse.table import MONEY
from warehouse.terms import SKIPPED_BELOW_RATIO, Terms

STATES = (
    "CLOSED",
    "SKIPPED_RECOVERED",
    "SKIPPED_OPEN",
    "PAID_EARLY",
    "PAID_LATE",
    "PAID_ON_TIME",
    "NOT_DUE",
    "PARTIAL_OPEN",
    "DUE_OPEN",
)
CLOSED_STATUSES = ("Paid-off", "Close", "Cancel")  # what is unsettled when a contract ends so will never be asked for


def installments_at(steps: ir.Table, contracts: ir.Table, terms: Terms) -> ir.Table:
    """Installments as of each date, except their penalties.

    Grain: one row per (as_of_on, installment_id).

    Args:
        steps: of payment_steps.
        contracts: per (as_of_on, contract_number): era_on, client_id, is_started, is_disbursed, ended_on, ended_status.
        terms: grace days.
    """
    return _with_state(_with_lateness(_held(_asked(contracts).join(steps, ERA)), terms), terms)


def due_in_month_at(steps: ir.Table, contracts: ir.Table, terms: Terms) -> ir.Table:
    """Due installments with a due date in the month of each date; every installment is looked at for one month instead of for all.

    Grain: one row per (as_of_on, installment_id).

    Args:
        steps: as installments_at takes them.
        contracts: as installments_at takes them.
        terms: grace days.

    Returns:
        the grain, contract_number, due_amount, paid_amount.
    """
    asked = _asked(contracts).mutate(month_on=month_end_on(_.as_of_on))
    found = _held(asked.join(steps.mutate(month_on=month_end_on(_.due_date)), (*ERA, "month_on")))
    return (
        _with_lateness(found, terms).filter(_.is_due).select("as_of_on", "installment_id", "contract_number", "due_amount", "paid_amount")
    )


def _asked(contracts: ir.Table) -> ir.Table:
    return contracts.select("as_of_on", *ERA, "client_id", "is_started", "is_disbursed", "ended_on", "ended_status")


def _held(rows: ir.Table) -> ir.Table:
    """What was paid by each date, and whether that settled it."""
    settled_by_then = ibis.ifelse(_.settled_on <= _.as_of_on, _.settled_on, ibis.null("date"))
    return rows.filter(*holds_on(_.as_of_on)).mutate(settled_on=settled_by_then)


def with_penalties(installments: ir.Table, penalties: ir.Table) -> ir.Table:
    """Add penalty_amount, the sum of penalties charged on each installment up to the date; 0 where there is none."""
    charged = penalties.group_by("as_of_on", "installment_id").agg(penalty_amount=_.penalty_amount.sum().cast(MONEY))
    return lookup(installments, charged, ("as_of_on", "installment_id")).mutate(penalty_amount=filled(_.penalty_amount))


def _with_lateness(rows: ir.Table, terms: Terms) -> ir.Table:
    """Add is_due, days_late, and which of the due ones were late or skipped."""
    is_settled = _.settled_on.notnull()
    last_day = ibis.least(_.as_of_on, ibis.coalesce(_.ended_on, _.as_of_on))
    return (
        rows.mutate(is_settled=is_settled, last_day=last_day)
        .mutate(
            is_due=_.is_disbursed & (_.due_date <= _.as_of_on) & (_.is_settled | _.ended_on.isnull() | (_.due_date <= _.ended_on)),
        )
        .mutate(
            days_late=ibis.cases(
                (_.is_settled, days_between(_.settled_on, _.due_date)),
                (_.is_due, days_between(_.last_day, _.due_date)),
                else_=0,
            ),
            is_skip_eligible=_.is_due & (_.next_due_on <= _.as_of_on),
        )
        .mutate(
            is_late=_.is_due & (_.days_late > terms.grace_days),
            is_skipped=_.is_skip_eligible & (_.paid_by_next_due_amount < _.due_amount * SKIPPED_BELOW_RATIO),
            is_paid_early=_.is_settled & (_.settled_on < _.due_date),
        )
    )


def _with_state(rows: ir.Table, terms: Terms) -> ir.Table:
    """Add the state, unpaid amounts and the principal part of what was paid."""
    charges = _.fee_due_amount + _.interest_due_amount
    is_closed = _.ended_on.notnull() & (_.ended_status.isin(CLOSED_STATUSES) | (_.ended_on < _.due_date))
    return rows.mutate(
        unpaid_amount=(_.due_amount - _.paid_amount).cast(MONEY),
        paid_principal_amount=(_.paid_amount - ibis.least(_.paid_amount, charges)).cast(MONEY),
        state=ibis.cases(
            (~_.is_settled & is_closed, "CLOSED"),
            (_.is_skipped & _.is_settled, "SKIPPED_RECOVERED"),
            (_.is_skipped, "SKIPPED_OPEN"),
            (_.is_paid_early, "PAID_EARLY"),
            (_.is_settled & (_.days_late > terms.grace_days), "PAID_LATE"),
            (_.is_settled, "PAID_ON_TIME"),
            (~_.is_due, "NOT_DUE"),
            (_.paid_amount >= _.due_amount * SKIPPED_BELOW_RATIO, "PARTIAL_OPEN"),
            else_="DUE_OPEN",
        ),
    )
