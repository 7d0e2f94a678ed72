"""What the report shows of restatements: by how much reported months changed since, and the delivery that told so.

Changes add up; values do not, so a page adds changes to what was first reported, which is the then-known portfolio mart.
"""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.curated.values import nullable
from warehouse.staging.ledger import INGESTED
from warehouse.table import MONEY

RESTATEMENT = "marts.restatement"
EARLIER = "earlier"
LAST_CAUSES = 6  # earlier ones are one group
TITLES = {
    "outstanding_principal_amount": "Outstanding principal",
    "open_contract_count": "Open contracts",
    "overdue_amount": "Overdue amount",
    "par30_amount": "Principal 30 days past due",
    "par60_amount": "Principal 60 days past due",
    "par90_amount": "Principal 90 days past due",
    "npl_amount": "Non-performing principal",
    "written_off_principal_amount": "Written off to date",
}
CELL = ("month_on", "region_id", "product_type_id", "measure")


def causes(restatement: ir.Table, ledger: ir.Table | None) -> ir.Table:
    """Changes by the delivery that caused them; those before the last few deliveries are one group.

    Grain: one row per (month_on, region_id, product_type_id, measure, cause).

    Args:
        restatement: marts.restatement.
        ledger: ops.delivery_ledger, to name the delivery of a business date; None if there is none.
    """
    days = restatement.select("known_on").distinct()
    ranked = days.mutate(place=ibis.row_number().over(order_by=days.known_on.desc()))
    named = ranked.mutate(cause=ibis.ifelse(ranked.place < LAST_CAUSES, ranked.known_on.cast("string"), EARLIER))
    if ledger is not None:
        taken = ledger.filter(ledger.status == INGESTED).group_by("business_date").agg(seq=_.delivery_seq.max())
        joined = named.left_join(taken, named.known_on == taken.business_date)
        number = (" (delivery " + joined.seq.cast("string") + ")").fill_null("")
        named = joined.mutate(cause=ibis.ifelse(joined.cause == EARLIER, joined.cause, joined.cause + number))
    caused = restatement.inner_join(named.select("known_on", "cause"), "known_on")
    return caused.group_by(*CELL, "cause").agg(change_amount=_.change_amount.sum(), contract_count=_.contract_count.sum())


def reported(portfolio: ir.Table, restatement: ir.Table) -> ir.Table:
    """Of each restated measure what was first reported and what is known now.

    Grain: one row per (month_on, region_id, product_type_id, measure) that is not 0 both times.

    Args:
        portfolio: marts.portfolio_by_region_month.
        restatement: marts.restatement.
    """
    held = [name for name in TITLES if name in portfolio.columns]
    cells = portfolio.filter(portfolio.is_complete_month).select(*CELL[:3], **{name: portfolio[name].cast(MONEY) for name in held})
    first = cells.pivot_longer(held, names_to="measure", values_to="reported_amount").mutate(change_amount=ibis.literal(0).cast(MONEY))
    changes = restatement.mutate(reported_amount=ibis.literal(0).cast(MONEY)).filter(_.measure.isin(held))
    amounts = {name: _[name].cast(MONEY) for name in ("reported_amount", "change_amount")}
    both = ibis.union(*(nullable(part.select(*CELL, **amounts)) for part in (first, changes)))
    summed = both.group_by(*CELL).agg(reported_amount=_.reported_amount.sum(), change_amount=_.change_amount.sum())
    return summed.filter((_.reported_amount != 0) | (_.change_amount != 0))
