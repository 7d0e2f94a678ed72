"""What became of every open contract by the end of the next month, as each month was known at its end; summed once for all marts.

Pairing two months of the book is the most expensive step of the marts, so that who asks about the month before reads it from here.
"""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse import clock
from warehouse.marts.measures import month_number
from warehouse.table import MONEY
from warehouse.terms import DPD_BUCKETS

BUCKETS = tuple(name for name, _lower in DPD_BUCKETS)
ENDS = ("paid_off", "written_off", "sold")
ENDED_BY = {"Written Off": "written_off", "Sold": "sold"}
HERE = {"region_as_of_month_id": "region_id", "region_at_origination_id": "region_at_origination_id", "product_type_id": "product_type_id"}
MOVE = ("month_on", *HERE.values(), "from_bucket", *(f"next_{name}" for name in HERE.values()), "to_bucket")


def contract_moves(fact_contract_month: ir.Table) -> ir.Table:
    """Open contracts at each month end, by where they were and where they are a month later.

    A contract that ended goes by what ended it, also once it is closed; cancelled, or ended for an unknown reason, it counts as paid off.

    Grain: one row per MOVE. The next_ columns and to_bucket are null for a contract that has no row in the next month, since it was deleted
    or the month has not come; to_bucket alone is null for one that is New again.

    Args:
        fact_contract_month: curated.fact_contract_month.

    Returns:
        MOVE, contract_count, outstanding_principal_amount (at month_on).
    """
    rows = fact_contract_month.rename({name: source for source, name in HERE.items() if source != name})
    open_then = rows.filter(_.status == "Active").select(
        "contract_number",
        "month_on",
        *HERE.values(),
        "outstanding_principal_amount",
        from_bucket="dpd_bucket",
        next_month=month_number(_.month_on) + 1,
    )
    then = rows.select(
        next_month=month_number(_.month_on),
        next_number="contract_number",
        to_bucket=_bucket(rows),
        **{f"next_{name}": name for name in HERE.values()},
    )
    same = [open_then.contract_number == then.next_number, open_then.next_month == then.next_month]
    moved = open_then.left_join(then, same)
    return moved.group_by(*MOVE).agg(
        contract_count=_.count(), outstanding_principal_amount=_.outstanding_principal_amount.sum().cast(MONEY)
    )


def _bucket(rows: ir.Table) -> ir.StringValue:
    """Where a contract is: in a bucket while open, else what ended it; null for one that is New."""
    ended = rows.ended_status.cases(*ENDED_BY.items(), else_="paid_off")
    return ibis.cases((rows.status == "Active", rows.dpd_bucket), (rows.ended_status.notnull(), ended))


def open_before(moves: ir.Table, months: ir.Table) -> ir.Table:
    """Contracts open at the end of the month before each month, with the regions and type of the month, where a settlement would land.

    Grain: one row per (month_on, region_id, region_at_origination_id, product_type_id). A contract deleted since has no row in the month
    and keeps the regions and type of the last one.

    Args:
        moves: of contract_moves.
        months: as from mart_months.

    Returns:
        the grain, open_or_started_count.
    """
    here = {name: ibis.coalesce(moves[f"next_{name}"], moves[name]) for name in HERE.values()}
    shifted = moves.mutate(month_on=clock.month_end_on(clock.add_months_on(moves.month_on, 1)), **here)
    return (
        shifted.semi_join(months, "month_on")
        .group_by("month_on", *HERE.values())
        .agg(open_or_started_count=_.contract_count.sum().cast("int64"))
    )
