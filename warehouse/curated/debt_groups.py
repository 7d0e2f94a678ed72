"""Debt groups of Vietnamese finance companies (Circular 31/2024/TT-NHNN), by days past due.

A client's debts all go into the worst of their groups, so non-performing loans are counted by the client's group and not by the contract's.
The circular has other grounds too (restructured, under inspection); deliveries do not tell of them.
"""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.curated.values import by_lower_edge, lookup
from warehouse.terms import VN_DEBT_GROUPS


def vn_debt_group(dpd: ir.IntegerValue) -> ir.IntegerValue:
    """The group of days past due, 1 (current) to 5 (loss); a group begins at its lower edge."""
    return by_lower_edge(dpd, VN_DEBT_GROUPS).cast("int32")


def with_debt_groups(contracts: ir.Table, debts: ir.Table) -> ir.Table:
    """Add the contract's own group and the worst among it and its client's open contracts.

    A written-off or sold contract has the group of its frozen days past due, which does not weigh on the client's other contracts.

    Grain: as the contracts.

    Args:
        contracts: as_of_on, client_id, dpd.
        debts: of Positions.contracts of these dates: as_of_on, client_id, is_open, dpd.

    Returns:
        the contracts' columns, vn_debt_group, client_vn_debt_group.
    """
    best = min(group for group, _from in VN_DEBT_GROUPS)
    worst = (
        debts.filter(_.is_open)
        .mutate(group=vn_debt_group(_.dpd))
        .filter(_.group > best)
        .group_by("as_of_on", "client_id")
        .agg(worst_group=_.group.max())
    )
    return (
        lookup(contracts.mutate(vn_debt_group=vn_debt_group(_.dpd)), worst, ("as_of_on", "client_id"))
        .mutate(client_vn_debt_group=ibis.greatest(_.vn_debt_group, _.worst_group.fill_null(best)))
        .drop("worst_group")
    )
