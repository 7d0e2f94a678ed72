"""First, second and third payment default: an early installment that reached 30 days past due.

The three exclude each other: a contract whose first installment defaulted has no second payment default, so that the three can be added up.
"Second" is the second installment held, by number and then by due date, whatever number it has.
"""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.curated.statuses import AT
from warehouse.curated.values import lookup, when
from warehouse.terms import FPD_DAYS, FROZEN_STATUSES

PLACES = 3


def is_payment_default(due_on: ir.DateValue, settled_on: ir.DateValue) -> ir.BooleanValue:
    """Whether an installment was unsettled at the end of its 30th day past due, while its contract ran.

    A write-off or sale on that day still reaches it. Null for New and Cancel and before that day.

    Args:
        due_on: due date of the installment.
        settled_on: day on which it was settled, by as_of_on; or null. The row also has as_of_on, status, ended_on and ended_status.
    """
    reach_on = (due_on + ibis.interval(days=FPD_DAYS)).cast("date")
    was_unsettled = settled_on.isnull() | (settled_on > reach_on)
    was_running = _.ended_on.isnull() | (_.ended_on > reach_on) | ((_.ended_on == reach_on) & _.ended_status.isin(FROZEN_STATUSES))
    return when(_.status.notin(("New", "Cancel")) & (reach_on <= _.as_of_on), was_unsettled & was_running)


def payment_defaults(contracts: ir.Table, installments: ir.Table) -> ir.Table:
    """Whether the second and the third installment defaulted, and none before.

    Grain: one row per (as_of_on, contract_number) that holds an installment.

    Args:
        contracts: of Positions, with is_fpd30.
        installments: of Positions: as_of_on, contract_number, installment_id, installment_number, due_date, settled_on.

    Returns:
        the grain, is_spd30, is_tpd30; null while the installment or one before it cannot be judged, or is not held.
    """
    asked = contracts.select(*AT, "status", "ended_on", "ended_status", "is_fpd30")
    is_second_judged = _.is_fpd30.notnull() & _.second.notnull()
    return (
        _first_installments(contracts, installments)
        .join(asked, AT)
        .mutate(is_default=is_payment_default(_.due_date, _.settled_on))
        .group_by(*AT, "is_fpd30")
        .agg(second=when(_.place == 1, _.is_default).max(), third=when(_.place == 2, _.is_default).max())
        .select(
            *AT,
            is_spd30=when(is_second_judged, ~_.is_fpd30 & _.second),
            is_tpd30=when(is_second_judged & _.third.notnull(), ~_.is_fpd30 & ~_.second & _.third),
        )
    )


def _first_installments(contracts: ir.Table, installments: ir.Table) -> ir.Table:
    """The first three installments of each contract, with their place from 0.

    Numbers up to 3 are enough wherever they are as many as they should be; only contracts with gaps are sorted as a whole.
    """
    columns = (*AT, "installment_id", "installment_number", "due_date", "settled_on")
    near = installments.filter(_.installment_number <= PLACES).select(columns)
    counted = near.group_by(AT).agg(near_count=_.count())
    has_gaps = lookup(contracts.select(*AT, "installment_count"), counted, AT).filter(
        _.near_count.fill_null(0) < ibis.least(_.installment_count, PLACES)
    )
    beyond = installments.filter(_.installment_number > PLACES).select(columns).semi_join(has_gaps, AT)
    in_order = ibis.window(group_by=AT, order_by=("installment_number", "due_date", "installment_id"))
    return near.union(beyond).mutate(place=ibis.row_number().over(in_order)).filter(_.place < PLACES)
