"""Penalties charged, from the penalties file and from installment rows, each on the day that counts for it."""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.curated.ledger import ERA
from warehouse.curated.statuses import AT

COLUMNS = ("installment_id", "penalty_id", "penalty_on", "penalty_amount")


def penalties_at(fines: ir.Table, charges: ir.Table, contracts: ir.Table) -> ir.Table:
    """Penalties charged up to each date.

    The penalty on an installment row has no date of its own: it is dated the day on which the installment was settled, or while it is
    not, the business date of the delivery that brought the amount.

    Grain: one row per (as_of_on, installment_id, penalty_id); penalty_id is empty text for the penalty on the installment row.

    Args:
        fines: of fines.
        charges: of Ledger.charges.
        contracts: per (as_of_on, contract_number): era_on, client_id.

    Returns:
        the grain, contract_number, client_id, penalty_on, penalty_amount.
    """
    asked = contracts.select("as_of_on", *ERA, "client_id")
    is_settled = (_.settled_on <= _.as_of_on).fill_null(False)
    dated = asked.join(fines, ERA).mutate(penalty_id=ibis.literal(""), penalty_on=ibis.ifelse(is_settled, _.settled_on, _.brought_on))
    filed = asked.join(charges.select(*ERA, "installment_id", "penalty_id", penalty_on="penalty_date", penalty_amount="amount"), ERA)
    columns = (*AT, "client_id", *COLUMNS)
    return dated.select(columns).union(filed.select(columns)).filter(_.penalty_on <= _.as_of_on)
