"""marts.vintage_by_region: how contracts disbursed in one month turned out, month by month on book.

A cohort never changes its size: contracts that were paid back stay in the denominator, and the region is the one at origination. Months
that are not complete yet are null, not 0, so that a young cohort does not look like a good one.
"""

import ibis
import ibis.expr.types as ir
from ibis import _
from ibis.expr.types.groupby import GroupedTable

from warehouse import clock
from warehouse.curated.values import lookup
from warehouse.marts.attribution import AT_ORIGINATION, described
from warehouse.marts.intervals import FLAGS, bounds_columns, with_flags, with_shares
from warehouse.marts.measures import COUNT, RATIO, summed
from warehouse.table import MONEY, TableSpec, columns

COHORT = ("vintage_month", "region_id", "product_type_id")
KEY = ("vintage_month", "mob", "region_id", "product_type_id")
SHARES = (("ever30_ratio", "ever30_count", "contract_count"), ("ever90_ratio", "ever90_count", "contract_count"))
MILESTONES = {"ever30_count": "dpd30_on", "ever90_count": "dpd90_on"}
EVER = (*MILESTONES, "defaulted_principal_amount")

VINTAGE_BY_REGION = TableSpec(
    name="marts.vintage_by_region",
    description="Contracts disbursed in a month by months on book: how many had ever been past due or in default, valued at the release.",
    grain=KEY,
    columns=columns(
        [
            ("vintage_month", "date", "First day of the month of disbursement."),
            ("mob", "int64", "Months on book; 0 in the month of disbursement.", COUNT),
            ("region_id", "string", AT_ORIGINATION.meaning),
            ("product_type_id", "string", "Product type of the contract."),
            ("contract_count", "int64", "Contracts disbursed in the month, ended ones included; the same at every mob.", COUNT),
            ("principal_amount", MONEY, "Principal of these contracts.", COUNT),
            (
                "ever30_count",
                "int64?",
                "Those that had reached 30 days past due by the end of the mob; null while it is not complete.",
                COUNT,
            ),
            ("ever90_count", "int64?", "Those that had reached 90 days past due by then.", COUNT),
            ("ever30_ratio", "float64?", "ever30_count / contract_count.", RATIO),
            ("ever90_ratio", "float64?", "ever90_count / contract_count.", RATIO),
            (
                "defaulted_principal_amount",
                f"{MONEY}?",
                "Principal owed when they defaulted (90 days past due, written off or sold), of those that had by then.",
                COUNT,
            ),
            ("is_mature", "boolean", "The month of this mob had ended by the business date."),
            ("region_name", "string", "Name of the region at the end of the vintage month."),
            ("product_type_name", "string", "Name of the product type."),
            ("client_count", "int64", "Clients of these contracts; not additive over cells.", COUNT),
            *bounds_columns(*(name for name, _part, _whole in SHARES)),
            *FLAGS,
        ]
    ),
)


def vintage_by_region(months: ir.Table, fact_contract: ir.Table, dim_region: ir.Table, dim_product: ir.Table) -> ir.Table:
    """Cohorts of contracts by months on book.

    Grain: one row per (vintage_month, mob, region_id, product_type_id) with a disbursed contract, mob from 0 to the business date's month.

    Args:
        months: as from mart_months.
        fact_contract: curated.fact_contract.
        dim_region: curated.dim_region.
        dim_product: curated.dim_product.

    Returns:
        The columns of VINTAGE_BY_REGION.
    """
    disbursed = _disbursed(fact_contract, months)
    cohorts = disbursed.group_by(*COHORT).agg(
        contract_count=_.count(), client_count=_.client_id.nunique(), principal_amount=_.principal_amount.sum().cast(MONEY)
    )
    rows = _cumulative(_grid(cohorts, months), _reached(disbursed))
    named = described(rows.mutate(month_on=clock.month_end_on(_.vintage_month)), months.drop("is_complete_month"), dim_region, dim_product)
    shared = with_flags(with_shares(named, SHARES), ("contract_count",))
    return shared.select(*VINTAGE_BY_REGION.column_names)


def _disbursed(fact_contract: ir.Table, months: ir.Table) -> ir.Table:
    """Contracts that have started and are neither New nor cancelled, with their cohort."""
    started = fact_contract.filter(_.status.notin(("New", "Cancel"))).mutate(month_on=clock.month_end_on(_.start_date))
    dated = started.inner_join(months.select("month_on", "as_of_on"), "month_on").filter(_.start_date <= _.as_of_on)
    return dated.rename(region_id="region_at_origination_id")


def _grid(cohorts: ir.Table, months: ir.Table) -> ir.Table:
    """Every cohort at each month on book that has begun."""
    reached = months.select(mob_start_on="month_start_on", is_mature="is_complete_month")
    later = cohorts.cross_join(reached).filter(_.mob_start_on >= _.vintage_month)
    return later.mutate(mob=clock.months_between(_.mob_start_on, _.vintage_month)).drop("mob_start_on")


def _reached(disbursed: ir.Table) -> ir.Table:
    """How many contracts reached a milestone, or defaulted on how much, in each month on book. Grain: KEY."""
    counts = [_by_mob(disbursed, day).agg(**{name: _.count()}) for name, day in MILESTONES.items()]
    defaulted = _by_mob(disbursed, "defaulted_on").agg(defaulted_principal_amount=_.defaulted_principal_amount.sum().cast(MONEY))
    return summed([*counts, defaulted], KEY)


def _by_mob(disbursed: ir.Table, event_on: str) -> GroupedTable:
    """Contracts that had an event, by cohort and the month on book in which it happened; one before the start counts as of the start."""
    happened = disbursed.filter(disbursed[event_on].notnull())
    return happened.mutate(mob=ibis.greatest(clock.months_between(happened[event_on], happened.vintage_month), 0)).group_by(*KEY)


def _cumulative(grid: ir.Table, reached: ir.Table) -> ir.Table:
    """Every cohort and month on book with what had happened by its end; null while the month is not complete."""
    rows = lookup(grid, reached, KEY)
    so_far = ibis.cumulative_window(group_by=COHORT, order_by="mob")
    ever = {name: rows[name].fill_null(0).sum().over(so_far).cast(reached.schema()[name]) for name in EVER}
    return rows.mutate(**ever).mutate(**{name: ibis.ifelse(_.is_mature, _[name], ibis.null()) for name in EVER})
