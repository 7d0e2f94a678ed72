"""Warnings about a contract's first schedule: does it have as many installments as the tenor, and do they add up to the principal?

They are about a contract and not about a row, so they are looked for among the accepted rows, once those are known.
"""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.staging.references import Context, look_up

SCHEDULE_RULES = ("installment_count", "schedule_sum")


def schedule_faults(installments: ir.Table, context: Context) -> ir.Table:
    """Contracts whose first delivered schedule differs from what the contract agreed.

    The fault is on the schedule's first installment. Where the number of installments is off, their sum says nothing.
    Grain: one row per contract that is off.

    Args:
        installments: all rows of staging.installments of some contracts.
        context: gives the contracts.

    Returns:
        business_date, source_file, source_sha256, source_row_number of the first installment; disposition (accepted), rule, column_name.
    """
    live = installments.filter(~installments.is_deleted)
    schedules = live.group_by("contract_number", "business_date").agg(row_count=live.count(), total=live.inst_amt_principal.sum())
    of_contract = ibis.window(group_by=schedules.contract_number)
    first = schedules.filter(schedules.business_date == schedules.business_date.min().over(of_contract))
    terms = {"agreed_tenor": "tenor", "agreed_amount": "principal_amount"}
    compared = look_up(first, "contract_number", context, "contracts", "contract_number", terms)
    is_count = compared.row_count != compared.agreed_tenor
    off = compared.filter(is_count | (compared.total != compared.agreed_amount)).select(
        off_contract=compared.contract_number, off_on=compared.business_date, is_count=is_count
    )
    rows = live.join(off, [live.contract_number == off.off_contract, live.business_date == off.off_on])
    position = ibis.row_number().over(ibis.window(group_by=rows.contract_number, order_by=[rows.installment_number, rows.installment_id]))
    count, total = SCHEDULE_RULES
    return (
        rows.mutate(position=position)
        .filter(_.position == 0)
        .select(
            "business_date",
            "source_file",
            "source_sha256",
            "source_row_number",
            rule=ibis.ifelse(_.is_count, count, total),
            column_name=ibis.literal("contract_number"),
            disposition=ibis.literal("accepted"),
        )
    )
