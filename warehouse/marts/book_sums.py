"""What the curated facts add up to by month, over all regions and products: the other side of the reconciliation.

Each fact is summed by itself, by month alone. Nothing of the marts is used, and no client is looked up.
"""

from collections.abc import Mapping

import ibis.expr.types as ir
from ibis import _

from warehouse import clock
from warehouse.marts.measures import in_month, summed
from warehouse.marts.moves import BUCKETS
from warehouse.table import MONEY
from warehouse.terms import PAR_DAYS, VN_NPL_GROUP

BOOK = (
    "open_contract_count",
    "outstanding_principal_amount",
    "overdue_amount",
    "npl_amount",
    *(f"par{days}_amount" for days in PAR_DAYS),
    *(f"bucket_{name}_amount" for name in BUCKETS),
    "installments_due_count",
    "due_amount",
    "paid_amount",
    "late_count",
    "skip_eligible_count",
    "skipped_count",
    "early_paid_count",
    "early_settled_count",
    "refinanced_count",
    "open_or_started_count",
    "new_contract_count",
    "new_principal_amount",
    "written_off_principal_amount",
    "sold_principal_amount",
    "penalty_amount",
)
HISTORY = (
    "installments_due_count",
    "late_count",
    "skipped_count",
    "early_paid_count",
    "early_settled_count",
    "then_due_amount",
    "then_paid_amount",
    "then_penalty_amount",
)
MONTH = ("month_on",)


def book_by_month(curated: Mapping[str, ir.Table], months: ir.Table) -> ir.Table:
    """The measures of BOOK and HISTORY.

    Grain: one row per month_on with a measure that is not 0.

    Args:
        curated: curated tables by their names without the layer.
        months: as from `warehouse.marts.attribution.mart_months`.
    """
    contracts = curated["fact_contract"]
    held = curated["fact_contract_month"].semi_join(months, "month_on")
    stock = _month_ends(held)
    # The month before the first may hold contracts that were deleted since.
    running = curated["fact_contract_month"].filter(_.status == "Active").group_by(*MONTH).agg(open_or_started_count=_.count())
    shifted = running.mutate(month_on=clock.month_end_on(clock.add_months_on(_.month_on, 1)))
    parts = [
        stock,
        shifted.semi_join(months, "month_on"),
        _fallen_due(in_month(curated["fact_installment"].filter(_.is_due), "due_date", months)),
        _started(contracts, months).agg(
            open_or_started_count=_.count(), new_contract_count=_.count(), new_principal_amount=_.principal_amount.sum().cast(MONEY)
        ),
        in_month(contracts.filter(_.is_early_settled), "early_settled_on", months)
        .group_by(*MONTH)
        .agg(early_settled_count=_.count(), refinanced_count=_.is_refinanced.cast("int64").sum()),
        in_month(contracts.filter(_.ended_on.notnull()), "ended_on", months)
        .group_by(*MONTH)
        .agg(**{name: _[name].sum().cast(MONEY) for name in ("written_off_principal_amount", "sold_principal_amount")}),
        in_month(curated["fact_penalty"], "penalty_on", months).group_by(*MONTH).agg(penalty_amount=_.penalty_amount.sum().cast(MONEY)),
    ]
    return summed(parts, MONTH)


def _month_ends(held: ir.Table) -> ir.Table:
    """Sums of fact_contract_month: of open contracts, and of all what fell due as known then."""
    is_open, owed = held.status == "Active", held.outstanding_principal_amount

    def of(which: ir.BooleanValue) -> ir.DecimalValue:
        return owed.sum(where=is_open & which).fill_null(0).cast(MONEY)

    return held.group_by(*MONTH).agg(
        open_contract_count=is_open.cast("int64").sum(),
        outstanding_principal_amount=owed.sum().cast(MONEY),
        overdue_amount=held.overdue_amount.sum().cast(MONEY),
        npl_amount=of(held.client_vn_debt_group >= VN_NPL_GROUP),
        **{f"par{days}_amount": of(held.dpd >= days) for days in PAR_DAYS},
        **{f"bucket_{name}_amount": of(held.dpd_bucket == name) for name in BUCKETS},
        **{f"then_{name}": held[name].sum().cast(MONEY) for name in ("due_amount", "paid_amount", "penalty_amount")},
    )


def _fallen_due(due: ir.Table) -> ir.Table:
    return due.group_by(*MONTH).agg(
        installments_due_count=_.count(),
        due_amount=_.due_amount.sum().cast(MONEY),
        paid_amount=_.paid_amount.sum().cast(MONEY),
        late_count=_.is_late.cast("int64").sum(),
        skip_eligible_count=_.is_skip_eligible.cast("int64").sum(),
        skipped_count=_.is_skipped.cast("int64").sum(),
        early_paid_count=_.is_paid_early.cast("int64").sum(),
    )


def _started(contracts: ir.Table, months: ir.Table) -> ir.Table:
    return in_month(contracts, "start_date", months).group_by(*MONTH)


def stock_by_month(curated: Mapping[str, ir.Table], months: ir.Table) -> ir.Table:
    """Contracts started by each month end and their principal, what they owe, and new contracts.

    The stock of the business date is counted from the contracts themselves, that of earlier months from curated.fact_contract_stock: what
    was known then is nowhere else.

    Grain: one row per month_on with a measure that is not 0.
    """
    last = months.filter(_.as_of_on == months.as_of_on.max().as_scalar())
    contracts = curated["fact_contract"]
    stock = curated["fact_contract_stock"].inner_join(months.anti_join(last, "month_on").select("month_on", "as_of_on"), "as_of_on")
    sizes = {"contract_count": _.contract_count.sum().cast("int64"), "principal_amount": _.principal_amount.sum().cast(MONEY)}
    today = contracts.cross_join(last.select("month_on", "as_of_on")).filter(_.start_date <= _.as_of_on)
    return summed(
        [
            stock.group_by(*MONTH).agg(**sizes),
            today.group_by(*MONTH).agg(contract_count=_.count(), principal_amount=_.principal_amount.sum().cast(MONEY)),
            curated["fact_contract_month"]
            .semi_join(months, "month_on")
            .group_by(*MONTH)
            .agg(outstanding_principal_amount=_.outstanding_principal_amount.sum().cast(MONEY)),
            _started(contracts, months).agg(new_contract_count=_.count(), new_principal_amount=_.principal_amount.sum().cast(MONEY)),
        ],
        MONTH,
    )


def cohorts_by_vintage(fact_contract: ir.Table, months: ir.Table) -> ir.Table:
    """Disbursed contracts by month of disbursement, and what had happened to them by the last complete month.

    Grain: one row per vintage_month.
    """
    end = months.filter(_.is_complete_month).month_on.max().as_scalar()
    disbursed = fact_contract.filter(_.status.notin(("New", "Cancel"))).filter(_.start_date <= months.as_of_on.max().as_scalar())

    def by_then(day: str) -> ir.BooleanValue:
        return (disbursed[day] <= end).fill_null(False)

    return disbursed.group_by("vintage_month").agg(
        contract_count=disbursed.count(),
        principal_amount=disbursed.principal_amount.sum().cast(MONEY),
        ever30_count=by_then("dpd30_on").cast("int64").sum(),
        ever90_count=by_then("dpd90_on").cast("int64").sum(),
        defaulted_principal_amount=disbursed.defaulted_principal_amount.sum(where=by_then("defaulted_on")).fill_null(0).cast(MONEY),
    )
