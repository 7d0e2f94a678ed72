"""Recoveries: money that a lender still receives on a loan that it has written off.

After a sale the debt and what is paid on it belong to the buyer, so neither a sold contract nor the time after the sale of a written-off
one has recoveries.
"""

import ibis.expr.types as ir
from ibis import _

from warehouse.curated.statuses import AT
from warehouse.curated.values import lookup
from warehouse.table import MONEY


def recoveries(contracts: ir.Table, repayments: ir.Table, events: ir.Table) -> ir.Table:
    """What was paid after the day of the write-off, up to the day of a sale.

    The day of the write-off itself counts as before: what was paid on it has lowered the loss already. Penalties are recovered too, an
    overpayment is not.

    Grain: one row per (as_of_on, contract_number) with a recovery.

    Args:
        contracts: of Positions.
        repayments: of Positions: as_of_on, contract_number, installment_id, repayment_date, allocated_amount.
        events: of Positions.

    Returns:
        the grain, recovered_amount.
    """
    lost = contracts.filter(_.ended_status == "Written Off").select(*AT, "ended_on")
    sold = (
        events.filter(_.status == "Sold")
        .join(lost, AT)
        .filter(_.status_date >= _.ended_on)  # a sale before the last Active does not count
        .group_by(AT)
        .agg(sold_on=_.status_date.min())
    )
    return (
        repayments.filter(_.installment_id.notnull())
        .select(*AT, "repayment_date", "allocated_amount")
        .join(lookup(lost, sold, AT), AT)
        .filter(_.repayment_date > _.ended_on, _.sold_on.isnull() | (_.repayment_date <= _.sold_on))
        .group_by(AT)
        .agg(recovered_amount=_.allocated_amount.sum().cast(MONEY))
    )
