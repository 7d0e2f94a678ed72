"""curated.fact_contract: every accepted contract as of the release's business date."""

from functools import reduce

import ibis.expr.types as ir
from ibis import _

from warehouse.curated.cures import cures
from warehouse.curated.debt_groups import with_debt_groups
from warehouse.curated.defaults import defaults
from warehouse.curated.payment_defaults import payment_defaults
from warehouse.curated.peaks import worst_days
from warehouse.curated.positions import Positions
from warehouse.curated.recoveries import recoveries
from warehouse.curated.statuses import AT
from warehouse.curated.values import filled, lookup
from warehouse.table import MONEY, TableSpec, columns
from warehouse.terms import STATUSES, UNKNOWN

FACT_CONTRACT = TableSpec(
    name="curated.fact_contract",
    description="Loan contracts as of the release's business date.",
    grain=("contract_number",),
    columns=columns(
        (
            ("contract_number", "string", "Contract key."),
            ("client_id", "string", "Client who owes the loan."),
            ("product_code", "string", "Product sold; Unknown if no delivery has named it."),
            ("product_type_id", "string", "Kind of product; Unknown if no delivery has named it."),
            ("principal_amount", MONEY, "Amount disbursed."),
            ("interest_amount", f"{MONEY}?", "Interest over the whole tenor, if delivered."),
            ("fee_amount", f"{MONEY}?", "Fees over the whole tenor, if delivered."),
            ("tenor_months", "int32", "Contractual length in months."),
            ("start_date", "date", "Day of disbursement."),
            ("first_due_date", "date?", "First due date of the original schedule."),
            ("last_due_date", "date?", "Last due date of the original schedule."),
            ("installment_count", "int64", "Installments held."),
            ("status", "string", "Status as of the business date; New before the start date.", {"values": STATUSES}),
            ("status_on", "date", "Date of the status event."),
            ("ended_on", "date?", "Date of the event that ended the contract."),
            ("close_reason", "string?", "What a Close means.", {"values": ("paid", "written_off", "sold", "cancel", "unknown")}),
            ("is_early_settled", "bool", "Whether all was settled well before the original last due date."),
            ("early_settled_on", "date?", "Day of the early settlement."),
            ("is_refinanced", "bool", "Whether another contract of the client began around the early settlement."),
            ("is_fpd30", "bool?", "Whether the first installment reached 30 days past due; empty while that cannot be known."),
            ("dpd", "int64", "Days past due."),
            ("overdue_amount", MONEY, "Due before the business date and unpaid, of an open contract."),
            ("outstanding_principal_amount", MONEY, "Principal not paid back, of an open contract."),
            ("written_off_principal_amount", MONEY, "Principal not paid back when the contract was written off."),
            ("sold_principal_amount", MONEY, "Principal not paid back when the contract was sold."),
            ("vintage_month", "date", "First day of the month of disbursement."),
            ("region_at_origination_id", "string", "Region of the client on the start date."),
            ("max_dpd", "int64", "Greatest days past due on any day so far.", {"bounds": (0, None)}),
            ("dpd30_on", "date?", "First day with 30 days past due."),
            ("dpd90_on", "date?", "First day with 90 days past due."),
            ("is_spd30", "bool?", "Whether the second installment was the first to reach 30 days past due; empty while unknown."),
            ("is_tpd30", "bool?", "Whether the third installment was the first to reach 30 days past due; empty while unknown."),
            ("vn_debt_group", "int32", "Debt group of the contract's days past due, 1 to 5.", {"bounds": (1, 5)}),
            ("client_vn_debt_group", "int32", "Worst of that and of the client's open contracts.", {"bounds": (1, 5)}),
            ("defaulted_on", "date?", "First day with 90 days past due, or of the write-off or sale."),
            ("defaulted_principal_amount", MONEY, "Principal not paid back at the end of that day.", {"bounds": (0, None)}),
            ("recovered_amount", MONEY, "Paid after a write-off and before a sale.", {"bounds": (0, None)}),
            ("cured_on", "date?", "Day of the third installment on time in a row, after the last spell of 30 days past due."),
            ("is_back_to_current", "bool", "Whether it is open without days past due, having had 30."),
        )
    ),
)


def fact_contract(now: Positions, origins: ir.Table) -> ir.Table:
    """Contracts as of one date.

    What is only asked as of a release is worked out here and not in positions, which are cut for every month end.

    Grain: one row per contract_number.

    Args:
        now: positions as of the date. Installments and repayments may also be read from their fact tables, with as_of_on added.
        origins: as_of_on, client_id, start_date, region_id; of `warehouse.curated.regions.regions_on`.

    Returns:
        the columns of FACT_CONTRACT.
    """
    return (
        lookup(with_outcomes(now), origins, ("as_of_on", "client_id", "start_date"))
        .mutate(
            vintage_month=_.start_date.truncate("M").cast("date"),
            region_at_origination_id=_.region_id.fill_null(UNKNOWN),
        )
        .select(FACT_CONTRACT.column_names)
    )


def with_outcomes(now: Positions) -> ir.Table:
    """Contracts with what has become of them: worst days, payment defaults, debt groups, default, recovery and cure.

    Grain: one row per (as_of_on, contract_number).

    Args:
        now: positions as of one or many dates.
    """
    worst = worst_days(now.arrears)
    facts = (
        worst,
        payment_defaults(now.contracts, now.installments),
        defaults(now.contracts, worst, now.repayments),
        recoveries(now.contracts, now.repayments, now.events),
        cures(now.contracts, now.installments, now.arrears),
    )
    known = reduce(lambda contracts, fact: lookup(contracts, fact, AT), facts, with_debt_groups(now.contracts, now.contracts))
    return known.mutate(
        max_dpd=_.max_dpd.fill_null(0),
        defaulted_principal_amount=filled(_.defaulted_principal_amount),
        recovered_amount=filled(_.recovered_amount),
        is_back_to_current=_.is_open & (_.dpd == 0) & _.dpd30_on.notnull(),
    )
