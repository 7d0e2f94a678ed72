"""marts.client_repayment_history: every client month by month, for questions about one client and for models.

What was owed at a month's end is then-known, as in curated.fact_contract_month. How installments of the month turned out is valued at the
release: a late payment improves the month in which it was due.
"""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.marts.attribution import AS_OF_MONTH, region_as_of, with_region_name
from warehouse.marts.measures import COUNT, in_month
from warehouse.table import MONEY, TableSpec, columns

KEY = ("client_id", "month_on")
SUMS = {
    "open_contract_count": "int64",
    "installments_due_count": "int64",
    "due_amount": MONEY,
    "paid_amount": MONEY,
    "late_count": "int64",
    "skipped_count": "int64",
    "early_paid_count": "int64",
    "early_settled_count": "int64",
    "penalty_amount": MONEY,
    "overdue_amount": MONEY,
    "outstanding_principal_amount": MONEY,
}
PEAKS = ("dpd", "max_dpd")
THEN_KNOWN = ("due_amount", "paid_amount", "penalty_amount", "overdue_amount", "outstanding_principal_amount")

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
            ("region_name", "string", "Name of the region, as valid at as_of_on."),
            ("as_of_on", "date", "month_on, or the business date in the open month."),
            ("is_complete_month", "boolean", "The month had ended by the business date."),
        ]
    ),
)


def client_repayment_history(
    months: ir.Table,
    fact_contract_month: ir.Table,
    fact_contract: ir.Table,
    fact_installment: ir.Table,
    dim_client: ir.Table,
    dim_region: ir.Table,
) -> ir.Table:
    """Repayment history of every client.

    Grain: one row per (client_id, month_on) with a count, amount or days past due that is not 0.

    Args:
        months: as from mart_months.
        fact_contract_month: curated.fact_contract_month.
        fact_contract: curated.fact_contract.
        fact_installment: curated.fact_installment.
        dim_client: curated.dim_client.
        dim_region: curated.dim_region.

    Returns:
        The columns of CLIENT_REPAYMENT_HISTORY.
    """
    settled = in_month(fact_contract.filter(_.is_early_settled), "early_settled_on", months)
    parts = [
        _at_month_end(fact_contract_month.semi_join(months, "month_on")),
        _fallen_due(in_month(fact_installment.filter(_.is_due), "due_date", months)),
        _part(settled, early_settled_count=ibis.literal(1)),
    ]
    rows = ibis.union(*parts)
    sums = {name: rows[name].sum().cast(dtype) for name, dtype in SUMS.items()}
    history = rows.group_by(*KEY).agg(
        **sums, **{name: rows[name].max().cast("int64") for name in PEAKS}, then_region_id=rows.then_region_id.max()
    )
    told = history.filter(ibis.or_(*(history[name] != 0 for name in (*SUMS, *PEAKS))))
    placed = with_region_name(_placed(told, months, dim_client), months, dim_region)
    return placed.select(*CLIENT_REPAYMENT_HISTORY.column_names)


def _part(rows: ir.Table, **own: ir.Value) -> ir.Table:
    """Rows with all measures; those that are not their own are 0."""
    zeros: dict[str, ir.Value] = {name: ibis.literal(0) for name in (*SUMS, *PEAKS)} | {"then_region_id": ibis.null("string")}
    types = {**SUMS, **dict.fromkeys(PEAKS, "int64"), "then_region_id": "string"}
    schema = ibis.schema({"client_id": "string", "month_on": "date", **types})
    return rows.select(*KEY, **(zeros | own)).cast(schema)


def _at_month_end(rows: ir.Table) -> ir.Table:
    """Contracts as known at each month end."""
    is_open = (rows.status == "Active").cast("int64")
    amounts = {name: rows[name] for name in (*THEN_KNOWN, *PEAKS)}
    return _part(rows, open_contract_count=is_open, then_region_id=rows.region_as_of_month_id, **amounts)


def _fallen_due(rows: ir.Table) -> ir.Table:
    """Installments that fell due, valued at the release."""
    judged = {"late_count": rows.is_late, "skipped_count": rows.is_skipped, "early_paid_count": rows.is_paid_early}
    return _part(rows, installments_due_count=ibis.literal(1), **{name: is_so.cast("int64") for name, is_so in judged.items()})


def _placed(history: ir.Table, months: ir.Table, dim_client: ir.Table) -> ir.Table:
    """Client months with their region: as known then if there was a contract then, else as the release knows it."""
    dated = history.inner_join(months.select("month_on", "as_of_on"), "month_on")
    return (
        region_as_of(dated, dim_client).mutate(region_id=_.then_region_id.fill_null(_.region_id)).drop("then_region_id", "as_of_on")
    )  # fmt: skip
