"""marts.client_repayment_history: every client month by month, for questions about one client and for models.

What was owed at a month's end is then-known, as in curated.fact_contract_month. How installments of the month turned out is valued at the
release: a late payment improves the month in which it was due.
"""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.curated.values import when
from warehouse.marts.attribution import AS_OF_MONTH, region_as_of
from warehouse.marts.measures import COUNT, in_month
from warehouse.table import MONEY, TableSpec, columns

KEY = ("client_id", "month_on")
PEAKS = ("dpd", "max_dpd")
THEN_KNOWN = ("due_amount", "paid_amount", "penalty_amount", "overdue_amount", "outstanding_principal_amount")
COUNTS = ("open_contract_count", "installments_due_count", "late_count", "skipped_count", "early_paid_count", "early_settled_count")
MEASURES = {**dict.fromkeys(THEN_KNOWN, MONEY), **dict.fromkeys((*COUNTS, *PEAKS), "int64")}

CLIENT_REPAYMENT_HISTORY = TableSpec(
    name="marts.client_repayment_history",
    description="Clients by month: what they owed at its end, as known then, and how the installments due in it turned out.",
    grain=KEY,
    columns=columns(
        [
            ("client_id", "string", "Client key."),
            ("month_on", "date", "Last calendar day of the month."),
            ("region_id", "string", AS_OF_MONTH.meaning),
            ("open_contract_count", "int64", "Open contracts at as_of_on, as known then.", COUNT),
            ("installments_due_count", "int64", "Due installments with due date in the month, valued at the release.", COUNT),
            ("due_amount", MONEY, "Due in the month, as known at as_of_on.", COUNT),
            ("paid_amount", MONEY, "Paid on it by as_of_on, without penalties.", COUNT),
            ("late_count", "int64", "Installments of the month paid late, or late and unpaid, valued at the release.", COUNT),
            ("skipped_count", "int64", "Those with less than a tenth paid by the next due date.", COUNT),
            ("early_paid_count", "int64", "Those settled before their due date.", COUNT),
            ("early_settled_count", "int64", "Contracts settled early in the month, refinanced ones included.", COUNT),
            ("penalty_amount", MONEY, "Penalties dated in the month, as known at as_of_on.", COUNT),
            ("dpd", "int64", "Greatest days past due of the contracts at as_of_on.", COUNT),
            ("max_dpd", "int64", "Greatest days past due of the contracts on a day of the month.", COUNT),
            ("overdue_amount", MONEY, "Amount past due and unpaid on open contracts at as_of_on.", COUNT),
            ("outstanding_principal_amount", MONEY, "Principal still owed on open contracts at as_of_on.", COUNT),
        ]
    ),
)


def client_repayment_history(
    months: ir.Table, fact_contract_month: ir.Table, fact_contract: ir.Table, fact_installment: ir.Table, dim_client: ir.Table
) -> ir.Table:
    """Repayment history of every client.

    Grain: one row per (client_id, month_on) with a count, amount or days past due that is not 0.

    Args:
        months: as from mart_months.
        fact_contract_month: curated.fact_contract_month.
        fact_contract: curated.fact_contract.
        fact_installment: curated.fact_installment.
        dim_client: curated.dim_client.

    Returns:
        The columns of CLIENT_REPAYMENT_HISTORY.
    """
    settled = in_month(fact_contract.filter(_.is_early_settled), "early_settled_on", months)
    parts = [
        _at_month_end(fact_contract_month.semi_join(months, "month_on")),
        _fallen_due(in_month(fact_installment.filter(_.is_due), "due_date", months)),
        settled.group_by(*KEY).agg(early_settled_count=_.count()),
    ]
    history = _beside(_beside(parts[0], parts[1]), parts[2])
    filled = history.mutate(**{name: history[name].fill_null(0).cast(dtype) for name, dtype in MEASURES.items()})
    told = filled.filter(ibis.or_(*(filled[name] != 0 for name in MEASURES)))
    return _placed(told, months, dim_client).select(*CLIENT_REPAYMENT_HISTORY.column_names)


def _at_month_end(rows: ir.Table) -> ir.Table:
    """Contracts as known at each month end. Grain: KEY."""
    return rows.group_by(*KEY).agg(
        open_contract_count=rows.status.count(where=rows.status == "Active"),
        **{name: rows[name].sum() for name in THEN_KNOWN},
        **{name: rows[name].max() for name in PEAKS},
        then_region_id=rows.region_as_of_month_id.max(),
    )


def _fallen_due(rows: ir.Table) -> ir.Table:
    """Installments that fell due, valued at the release. Grain: KEY."""
    return rows.group_by(*KEY).agg(
        installments_due_count=rows.count(),
        late_count=rows.is_late.sum(),
        skipped_count=rows.is_skipped.sum(),
        early_paid_count=rows.is_paid_early.sum(),
    )


def _beside(left: ir.Table, right: ir.Table) -> ir.Table:
    """Rows of both tables by KEY, side by side. Grain: KEY. Adding up two unions of all measures took twice the time."""
    both = left.outer_join(right, KEY)
    keys = {name: ibis.coalesce(both[name], both[f"{name}_right"]) for name in KEY}
    return both.mutate(**keys).drop(*(f"{name}_right" for name in KEY))


def _placed(history: ir.Table, months: ir.Table, dim_client: ir.Table) -> ir.Table:
    """Client months with their region: as known then if there was a contract then, else as the release knows it."""
    dated = history.inner_join(months.select("month_on", "as_of_on"), "month_on").rename(own_id="client_id")
    # Only the few months without a contract then are looked up: null matches no client.
    sought = dated.mutate(client_id=when(dated.then_region_id.isnull(), dated.own_id))
    found = region_as_of(sought, dim_client).mutate(region_id=_.then_region_id.fill_null(_.region_id))
    return found.drop("client_id", "then_region_id", "as_of_on").rename(client_id="own_id")
