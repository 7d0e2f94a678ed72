"""Cure: a contract that was 30 days past due has paid up and kept to its schedule for three installments.

Paying up alone is "back to current": many such contracts fall behind again at once. Only the last such spell counts, so a contract that
reaches 30 days again is not cured until it has gone through all of it once more.
"""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.curated.peaks import peak_of
from warehouse.curated.statuses import AT
from warehouse.curated.values import lookup
from warehouse.terms import CURE_FROM_DPD, CURE_INSTALLMENTS

DAY = ibis.interval(days=1)


def cures(contracts: ir.Table, installments: ir.Table, arrears: ir.Table) -> ir.Table:
    """When a contract was cured of its last spell of 30 days past due.

    Grain: one row per (as_of_on, contract_number) that is cured.

    Args:
        contracts: of Positions.
        installments: of Positions: as_of_on, contract_number, installment_id, installment_number, due_date, settled_on, is_due, is_late.
        arrears: of Positions.

    Returns:
        the grain, cured_on.
    """
    back = back_to_current(arrears).join(contracts.select(*AT, "ended_on"), AT)
    return (
        _on_time_runs(installments.join(back, AT))
        .filter(_.cured_on <= ibis.coalesce(_.ended_on, _.as_of_on))
        .group_by(AT)
        .agg(cured_on=_.cured_on.min())
    )


def back_to_current(arrears: ir.Table) -> ir.Table:
    """The first day without days past due after the last one with 30 or more.

    Grain: one row per (as_of_on, contract_number) that ever had 30; the day after the as-of date where it is past due on that.

    Args:
        arrears: of Positions.

    Returns:
        the grain, back_on.
    """
    bad = peak_of(arrears).filter(_.max_dpd >= CURE_FROM_DPD).group_by(AT).agg(bad_on=_.last_on.max())
    in_time = {"group_by": AT, "order_by": ("first_on", "last_on", "installment_id")}
    so_far = _.last_on.max().over(ibis.window(**in_time, preceding=(None, 1)))
    after = arrears.join(bad, AT).filter(_.last_on > _.bad_on).mutate(covered_on=ibis.greatest(_.bad_on, ibis.coalesce(so_far, _.bad_on)))
    gaps = after.filter(_.first_on > (_.covered_on + DAY).cast("date")).group_by(AT).agg(gap_after_on=_.covered_on.min())
    ends = after.group_by(AT).agg(last_on=_.last_on.max())
    clean = ibis.coalesce(_.gap_after_on, _.last_on, _.bad_on)
    return lookup(lookup(bad, ends, AT), gaps, AT).select(*AT, back_on=(clean + DAY).cast("date"))


def _on_time_runs(installments: ir.Table) -> ir.Table:
    """Installments due since back_on that are on time like the two before them, with the day on which the three were both due and settled.

    Grain: one row per such installment: as_of_on, contract_number, ended_on, cured_on.
    """
    of_three = ibis.window(
        group_by=AT, order_by=("due_date", "installment_number", "installment_id"), preceding=CURE_INSTALLMENTS - 1, following=0
    )
    is_on_time = _.settled_on.notnull() & ~_.is_late
    return (
        installments.filter(_.is_due, _.due_date >= _.back_on)
        .mutate(is_on_time=is_on_time, done_on=ibis.greatest(_.due_date, _.settled_on))
        .mutate(on_time_count=_.is_on_time.sum().over(of_three), cured_on=_.done_on.max().over(of_three))
        .filter(_.on_time_count == CURE_INSTALLMENTS)
        .select(*AT, "ended_on", "cured_on")
    )
