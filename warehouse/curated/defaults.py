"""Default of a contract: the first day on which it was 90 days past due, written off or sold, and what it owed then.

This is the event that vintages count. Whether a client defaults within a year of a date is another question (`training/labels.py`).
"""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.curated.statuses import AT
from warehouse.curated.values import ZERO, filled, lookup, when
from warehouse.table import MONEY
from warehouse.terms import FROZEN_STATUSES


def with_defaults(contracts: ir.Table, repayments: ir.Table) -> ir.Table:
    """Add the day of default and the principal owed at its end.

    Grain: one row per (as_of_on, contract_number).

    Args:
        contracts: of Positions, with dpd90_on.
        repayments: of Positions: as_of_on, contract_number, installment_id, repayment_date, principal_amount (part paid, 0 if reversed).

    Returns:
        the contracts' columns, defaulted_on (null without a default), defaulted_principal_amount (0 without).
    """
    lost_on = when(_.ended_status.isin(FROZEN_STATUSES), _.ended_on)
    dated = contracts.mutate(defaulted_on=ibis.least(_.dpd90_on, lost_on))
    paid = (
        repayments.filter(_.installment_id.notnull())
        .select(*AT, "repayment_date", paid_amount="principal_amount")
        .join(dated.filter(_.defaulted_on.notnull()).select(*AT, "defaulted_on"), AT)
        .filter(_.repayment_date <= _.defaulted_on)
        .group_by(AT)
        .agg(paid_amount=_.paid_amount.sum())
    )
    owed = ibis.greatest(_.principal_amount - filled(_.paid_amount), ZERO)
    return (
        lookup(dated, paid, AT)
        .mutate(defaulted_principal_amount=ibis.ifelse(_.defaulted_on.notnull(), owed, ZERO).cast(MONEY))
        .drop("paid_amount")
    )
