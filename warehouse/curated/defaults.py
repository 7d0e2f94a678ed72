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


def defaults(contracts: ir.Table, worst: ir.Table, repayments: ir.Table) -> ir.Table:
    """The day of default and the principal owed at its end.

    Grain: one row per (as_of_on, contract_number) that has defaulted.

    Args:
        contracts: of Positions.
        worst: of `warehouse.curated.peaks.worst_days`.
        repayments: of Positions: as_of_on, contract_number, installment_id, repayment_date, principal_amount (part paid, 0 if reversed).

    Returns:
        the grain, defaulted_on, defaulted_principal_amount.
    """
    lost_on = when(_.ended_status.isin(FROZEN_STATUSES), _.ended_on)
    dated = (
        lookup(contracts.select(*AT, "ended_on", "ended_status", owed_amount="principal_amount"), worst, AT)
        .select(*AT, "owed_amount", defaulted_on=ibis.least(_.dpd90_on, lost_on))
        .filter(_.defaulted_on.notnull())
    )
    paid = (
        repayments.filter(_.installment_id.notnull())
        .select(*AT, "repayment_date", "principal_amount")
        .join(dated.select(*AT, "defaulted_on"), AT)
        .filter(_.repayment_date <= _.defaulted_on)
        .group_by(AT)
        .agg(paid_amount=_.principal_amount.sum())
    )
    left = ibis.greatest(_.owed_amount - filled(_.paid_amount), ZERO).cast(MONEY)
    return lookup(dated, paid, AT).select(*AT, "defaulted_on", defaulted_principal_amount=left)
