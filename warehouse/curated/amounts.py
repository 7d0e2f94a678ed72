"""What contracts owe as of each date: days past due, overdue and outstanding amounts, and the principal lost at a write-off or sale."""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.clock import days_between
from warehouse.curated.ledger import ERA
from warehouse.curated.statuses import AT
from warehouse.curated.values import ZERO, filled, lookup, when
from warehouse.table import MONEY


def with_amounts(contracts: ir.Table, installments: ir.Table, allocated: ir.Table) -> ir.Table:
    """Add dpd and the amounts to contracts.

    Grain: one row per (as_of_on, contract_number).

    Args:
        contracts: of standing.
        installments: of installments_at, with ended_on.
        allocated: of allocations.

    Returns:
        the contracts' columns, dpd, overdue_amount, outstanding_principal_amount, written_off_principal_amount, sold_principal_amount.
    """
    owed = lookup(lookup(contracts, _owed(installments), AT), _paid_at_end(contracts, allocated), AT)
    still_due = _.principal_amount - filled(_.paid_principal_amount)
    lost = _.principal_amount - filled(_.principal_paid_at_end_amount)
    return owed.mutate(
        dpd=ibis.cases(
            (_.is_open, days_between(_.as_of_on, _.oldest_due_on)),
            (_.is_frozen, days_between(_.ended_on, _.oldest_due_at_end_on)),
            else_=ibis.null("int64"),
        ).fill_null(0),
        overdue_amount=ibis.ifelse(_.is_open, filled(_.overdue_amount), ZERO),
        outstanding_principal_amount=ibis.ifelse(_.is_open, _positive(still_due), ZERO),
        written_off_principal_amount=ibis.ifelse((_.ended_status == "Written Off").fill_null(False), _positive(lost), ZERO),
        sold_principal_amount=ibis.ifelse((_.ended_status == "Sold").fill_null(False), _positive(lost), ZERO),
    ).drop("paid_principal_amount", "principal_paid_at_end_amount", "oldest_due_on", "oldest_due_at_end_on")


def _owed(installments: ir.Table) -> ir.Table:
    """Sums and oldest due dates over the installments of each contract, as of the date and as of the contract's end."""
    is_past = _.due_date < _.as_of_on
    is_past_at_end = (_.due_date < _.ended_on) & (_.settled_on.isnull() | (_.settled_on > _.ended_on))
    return installments.group_by(AT).agg(
        oldest_due_on=when(is_past & _.settled_on.isnull(), _.due_date).min(),
        oldest_due_at_end_on=when(is_past_at_end, _.due_date).min(),
        overdue_amount=when(is_past, _.unpaid_amount).sum().cast(MONEY),
        paid_principal_amount=_.paid_principal_amount.sum().cast(MONEY),
    )


def _paid_at_end(contracts: ir.Table, allocated: ir.Table) -> ir.Table:
    """Principal paid up to the end of each written-off or sold contract; later recoveries do not count."""
    return (
        contracts.filter(_.ended_status.isin(("Written Off", "Sold")))
        .select("as_of_on", *ERA, "ended_on")
        .join(allocated.select(*ERA, "repayment_date", "principal_amount"), ERA)
        .filter(_.repayment_date <= _.ended_on)
        .group_by(AT)
        .agg(principal_paid_at_end_amount=_.principal_amount.sum().cast(MONEY))
    )


def _positive(amount: ir.DecimalValue) -> ir.DecimalValue:
    return ibis.greatest(amount, ZERO).cast(MONEY)
