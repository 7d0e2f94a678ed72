"""Eras: the runs of asked dates over which the ledger of a contract is the same, but for payments that had not been made yet.

Allocating payments is sequential, so a payment never changes what earlier ones paid. All dates of an era therefore share one allocation,
computed as known at the era's last date; an earlier date of the era takes the part up to itself. An era ends where knowledge changes
anything but the end of the sequence: a payment known later than the first asked date after it, a correction, a reversal, a new schedule.
One era per contract is the rule, and the number of eras, not of asked dates, is what allocation costs.
"""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.curated.staged import Staged
from warehouse.curated.values import lookup

SCHEDULE = ("contract_number", "installment_number", "due_date", "inst_amt_principal", "inst_amt_interest", "inst_amt_fee")


def schedule_versions(installments: ir.Table) -> ir.Table:
    """Versions of installments that changed the schedule, a penalty or whether the row is held; others are dropped.

    A source redelivers an installment when it is paid; such a version says nothing that we use and must not split an era.

    Grain: one row per (installment_id, business_date), fewer than the input.

    Returns:
        the grain, known_at, the columns of SCHEDULE, penalty_amount, is_deleted.
    """
    versions = ibis.window(group_by="installment_id", order_by="business_date")
    meant = (*SCHEDULE, "penalty_amount", "is_deleted")
    same = ibis.and_(*(_[name].identical_to(_[name].lag().over(versions)) for name in meant))
    return installments.mutate(is_same=same).filter(~_.is_same).select("installment_id", "business_date", "known_at", *meant)


def eras(staged: Staged, as_ofs: ir.Table, schedules: ir.Table | None = None) -> ir.Table:
    """Split the asked dates of every contract into eras.

    Grain: one row per (contract_number, era_on).

    Args:
        staged: the staging tables.
        as_ofs: as_of_on, known_until.
        schedules: of schedule_versions, if it is at hand.

    Returns:
        contract_number, from_on (first asked date of the era), era_on (its last), known_until (of era_on).
    """
    first = as_ofs.agg(from_on=_.as_of_on.min())
    versions = schedule_versions(staged.installments) if schedules is None else schedules
    starts = _breaks(staged, versions, as_ofs).union(staged.contracts.select("contract_number").distinct().cross_join(first)).distinct()
    ended = stretches(starts, as_ofs).rename(era_on="to_on")
    return ended.join(as_ofs.rename(era_on="as_of_on"), "era_on").select("contract_number", "from_on", "era_on", "known_until")


def stretches(starts: ir.Table, as_ofs: ir.Table) -> ir.Table:
    """Stretches of asked dates, each up to the last one before the next stretch of the contract.

    Grain: one row per (contract_number, from_on), as the input.

    Args:
        starts: contract_number, from_on (an asked date).
        as_ofs: as_of_on.

    Returns:
        contract_number, from_on, to_on (the last asked date of the stretch).
    """
    of_contract = ibis.window(group_by="contract_number", order_by="from_on")
    asked = as_ofs.mutate(before_on=_.as_of_on.lag().over(order_by="as_of_on"))
    last = as_ofs.agg(last_on=_.as_of_on.max())
    bounded = lookup(
        starts.mutate(next_on=_.from_on.lead().over(of_contract)),
        asked.select(next_on="as_of_on", before_on="before_on"),
        ("next_on",),
    )
    return bounded.cross_join(last).select("contract_number", "from_on", to_on=ibis.coalesce(_.before_on, _.last_on))


def _breaks(staged: Staged, versions: ir.Table, as_ofs: ir.Table) -> ir.Table:
    """First asked dates on which the ledger of a contract is no mere continuation of the asked date before."""
    schedule = _facts(versions, "installment_id", event="business_date")
    repayments = _facts(staged.repayments, "repayment_id", event="repayment_date")
    homes = staged.installments.select("installment_id", "contract_number").distinct()
    charged = staged.penalties.join(homes, "installment_id")
    penalties = _facts(charged, "penalty_id", "contract_number", event="penalty_date")
    paid = staged.repayments.select("repayment_id", "contract_number").distinct()
    # By key: a version that deletes a reversal, or turns it to another repayment, concerns all that it ever reversed.
    targets = staged.repayments.filter(_.reverses_repayment_id.notnull()).select("repayment_id", "reverses_repayment_id").distinct()
    versions_of = staged.repayments.drop("contract_number", "reverses_repayment_id")
    cancelled = versions_of.join(targets, "repayment_id").rename(own_id="repayment_id")
    reversals = _facts(
        cancelled.join(paid, cancelled.reverses_repayment_id == paid.repayment_id), "own_id", "contract_number", event="repayment_date"
    )
    return ibis.union(
        _known(schedule, as_ofs),
        _late(repayments, as_ofs),
        _late(penalties, as_ofs),
        _seen(reversals, as_ofs),
        distinct=True,
    )


def _facts(versions: ir.Table, *key: str, event: str) -> ir.Table:
    """Versions with what decides about eras: when they happened, when they were known, and the contracts before and after."""
    order = ibis.window(group_by=key, order_by="business_date")
    return versions.select(
        "contract_number",
        "known_at",
        event_on=_[event],
        contract_before=_.contract_number.lag().over(order),
        is_first=ibis.row_number().over(order) == 0,
    )


def _timed(facts: ir.Table, as_ofs: ir.Table) -> ir.Table:
    """Add the first asked dates at which a version is known (rows that never are, are dropped) and its event has passed (or null)."""
    instants = facts.select("known_at").distinct()
    days = facts.select("event_on").distinct()
    known = instants.join(as_ofs, instants.known_at <= as_ofs.known_until).group_by("known_at").agg(known_on=_.as_of_on.min())
    passed = days.join(as_ofs, days.event_on <= as_ofs.as_of_on).group_by("event_on").agg(passed_on=_.as_of_on.min())
    return lookup(facts.join(known, "known_at"), passed, ("event_on",))


def _known(facts: ir.Table, as_ofs: ir.Table) -> ir.Table:
    """Every version breaks, for the contract that it leaves too."""
    timed = _timed(facts, as_ofs)
    left = timed.filter(_.contract_before.notnull()).select(contract_number="contract_before", from_on="known_on")
    return timed.select("contract_number", from_on="known_on").union(left)


def _late(facts: ir.Table, as_ofs: ir.Table) -> ir.Table:
    """A first version breaks if an asked date between its event and its knowledge missed it; each later version breaks."""
    timed = _timed(facts, as_ofs)
    missed = timed.filter(_.is_first & (_.known_on > _.passed_on)).select("contract_number", from_on="known_on")
    return missed.union(_known(facts.filter(~_.is_first), as_ofs))


def _seen(facts: ir.Table, as_ofs: ir.Table) -> ir.Table:
    """Every version breaks from when it is known and has happened, and a correction from when it is known."""
    timed = _timed(facts, as_ofs)
    seen = timed.filter(_.passed_on.notnull()).select("contract_number", from_on=ibis.greatest(_.known_on, _.passed_on))
    return seen.union(_known(facts.filter(~_.is_first), as_ofs))
