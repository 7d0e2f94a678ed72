"""marts.restatement: what changed of month-end measures since they were first reported, and on which day the change became known.

A reported month does not change (marts.portfolio_by_region_month); what was learned later is here. The value first reported and all changes
of a cell add up to what is known now, to the last unit of money.
"""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.curated.fact_contract_month_version import first_known
from warehouse.curated.values import filled, lookup
from warehouse.marts.attribution import described
from warehouse.table import MONEY, TableSpec, columns
from warehouse.terms import PAR_DAYS, VN_NPL_GROUP

CELL = ("month_on", "region_id", "product_type_id")
KEY = ("known_on", *CELL, "measure")
COUNT, AMOUNT = "contracts", "money"
MEASURES = {
    "open_contract_count": COUNT,
    "outstanding_principal_amount": AMOUNT,
    "overdue_amount": AMOUNT,
    "par30_amount": AMOUNT,
    "par60_amount": AMOUNT,
    "par90_amount": AMOUNT,
    "npl_amount": AMOUNT,
    "written_off_principal_amount": AMOUNT,
}

RESTATEMENT = TableSpec(
    name="marts.restatement",
    description="Changes of month-end measures since they were first reported, by the business date on which they became known.",
    grain=KEY,
    columns=columns(
        [
            ("known_on", "date", "Business date of the delivery that changed it; in history handed over once, the day of booking."),
            ("month_on", "date", "Last day of the month that was reported; before known_on."),
            ("region_id", "string", "Region of the client as of the month."),
            ("product_type_id", "string", "Product type of the contract."),
            ("measure", "string", "What changed.", {"values": tuple(MEASURES)}),
            ("region_name", "string", "Name of the region, as valid on month_on."),
            ("product_type_name", "string", "Name of the product type."),
            ("unit", "string", "Unit of the values.", {"values": (COUNT, AMOUNT)}),
            ("value_before", MONEY, "Value as known before."),
            ("value_after", MONEY, "Value as known from known_on."),
            ("change_amount", MONEY, "value_after - value_before."),
            ("contract_count", "int64", "Contracts whose part of the measure changed.", {"bounds": (1, None)}),
        ]
    ),
)


def restatement(
    months: ir.Table, fact_contract_month: ir.Table, fact_contract_month_version: ir.Table, dim_region: ir.Table, dim_product: ir.Table
) -> ir.Table:
    """Changes of month-end measures by the day on which they became known.

    A contract that moves to another region or product type changes both cells.

    Grain: one row per (known_on, month_on, region_id, product_type_id, measure) to which some contract's part changed, also if the changes
    of several contracts cancel out.

    Args:
        months: as from mart_months.
        fact_contract_month: curated.fact_contract_month.
        fact_contract_month_version: curated.fact_contract_month_version.
        dim_region: curated.dim_region.
        dim_product: curated.dim_product.

    Returns:
        The columns of RESTATEMENT.
    """
    reported = first_known(fact_contract_month).semi_join(fact_contract_month_version, "month_on")
    changes = _by_measure(_changes(reported, fact_contract_month_version)).group_by(KEY).agg(
        change_amount=_.amount.sum().cast(MONEY), contract_count=_.count()
    )  # fmt: skip
    first = _by_measure(_parts(reported).group_by(CELL).agg(**{name: _[name].sum().cast(MONEY) for name in MEASURES}))
    so_far = ibis.cumulative_window(group_by=(*CELL, "measure"), order_by="known_on")
    valued = lookup(changes, first.rename(first_amount="amount"), (*CELL, "measure")).mutate(
        value_after=(filled(_.first_amount) + _.change_amount.sum().over(so_far)).cast(MONEY),
        unit=_.measure.cases(*MEASURES.items(), else_=AMOUNT),
    )
    named = described(valued, months, dim_region, dim_product)
    return named.mutate(value_before=(_.value_after - _.change_amount).cast(MONEY)).select(RESTATEMENT.column_names)


def _changes(reported: ir.Table, versions: ir.Table) -> ir.Table:
    """By how much each version changes each cell: what it adds, less what the version before had there.

    Grain: one row per (known_on, contract_number, month_on, region_id, product_type_id).
    """
    first = reported.semi_join(versions, ("contract_number", "month_on"))
    parts = _parts(first.cast(versions.schema()).union(versions.select(first.columns)), "contract_number", "known_on")
    in_order = ibis.window(group_by=("contract_number", "month_on"), order_by="known_on")
    gone = parts.mutate(known_on=_.known_on.lead().over(in_order)).filter(_.known_on.notnull())
    gone = gone.mutate(**{name: (-_[name]).cast(MONEY) for name in MEASURES}).select(parts.columns)
    both = parts.filter(_.known_on > _.month_on).union(gone)
    return both.group_by("known_on", "contract_number", *CELL).agg(**{name: _[name].sum().cast(MONEY) for name in MEASURES})


def _parts(rows: ir.Table, *keys: str) -> ir.Table:
    """What each contract adds to each measure of its cell; 0 for one that does not count."""
    is_open = (_.status == "Active") & _.is_counted
    at_risk = {f"par{days}_amount": _when(is_open & (_.dpd >= days), _.outstanding_principal_amount) for days in PAR_DAYS}
    return rows.select(
        *keys,
        "month_on",
        "product_type_id",
        region_id="region_as_of_month_id",
        open_contract_count=_when(is_open, 1),
        outstanding_principal_amount=_when(is_open, _.outstanding_principal_amount),
        overdue_amount=_when(is_open, _.overdue_amount),
        npl_amount=_when(is_open & (_.client_vn_debt_group >= VN_NPL_GROUP), _.outstanding_principal_amount),
        written_off_principal_amount=_when(_.is_counted, _.written_off_principal_amount),
        **at_risk,
    )


def _when(condition: ir.BooleanValue, value: ir.Value | int) -> ir.DecimalValue:
    return ibis.ifelse(condition, value, 0).cast(MONEY)


def _by_measure(rows: ir.Table) -> ir.Table:
    """One row per measure that is not 0: its name as measure, its value as amount."""
    return rows.pivot_longer(list(MEASURES), names_to="measure", values_to="amount").filter(_.amount != 0)
