"""Late facts: what became known of clients' contracts after the end of a month that it changes, by the day on which it became known.

Each source table has a rule for the first day that a version of one of its rows can change: an event's own date, or all days of the
contract where a change has no date (a schedule, a principal, a product). What a fact changes is worked out by the positions themselves, so
a rule that is too wide costs time and one that is too narrow loses a change; docs/adr/0012 lists them.
"""

from datetime import date

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.clock import month_end_on
from warehouse.curated.eras import SCHEDULE
from warehouse.curated.late_statuses import late_statuses
from warehouse.curated.lateness import EVER, changed, earlier, late, maybe_late, versions
from warehouse.curated.regions import client_versions
from warehouse.curated.staged import Staged
from warehouse.curated.values import lookup, nullable
from warehouse.terms import Terms

TOUCH = ("contract_number", "known_at", "from_on")
AGREED = ("client_id", "product_code", "principal_amount", "start_date", "is_deleted")


def late_contracts(staged: Staged, settled: ir.Table, terms: Terms, since: date | None = None) -> ir.Table:
    """Contracts of which, or of whose clients, something became known late.

    A client's debts are judged together (`warehouse.curated.debt_groups`), so what is late of one contract concerns all of its client.

    Grain: one row per (contract_number, client_id, known_on); the client is any that a version of the contract has named.

    Args:
        staged: the staging tables.
        settled: of settlement_days.
        terms: the lender's time zone.
        since: leave out what was known before this business date; None for nothing.

    Returns:
        the grain, from_on (the first day that may have changed, not before the contract's start).
    """
    zone, staged = terms.time_zone, Staged(*map(nullable, staged))
    named = staged.contracts.group_by("contract_number", "client_id").agg(start_on=_.start_date.min())
    starts = named.group_by("contract_number").agg(start_on=_.start_on.min())
    statuses = late_statuses(staged, since, zone).cache()
    of_ledger = _ledger(staged, since, zone)
    sure = _begun(ibis.union(*of_ledger, statuses.filter(~_.is_by_settlement).select(TOUCH)), starts, zone).cache()
    unsure = _by_settlement(staged, _dated_by_settlement(staged, statuses, settled, since, zone).cache(), starts, sure, zone)
    of_contracts = sure.union(unsure).join(named.drop("start_on"), "contract_number").drop("contract_number")
    of_clients = late(_clients(staged, since, zone).join(named, "client_id"), "from_on", zone)
    touched = of_contracts.union(of_clients.select(of_contracts.columns)).group_by("client_id", "known_on").agg(from_on=_.from_on.min())
    return (
        touched.join(named.drop("start_on"), "client_id")
        .join(starts, "contract_number")
        .select("contract_number", "client_id", "known_on", from_on=ibis.greatest(_.from_on, _.start_on))
        .filter(month_end_on(_.from_on) < _.known_on)
    )


def settlement_days(fact_installment: ir.Table, terms: Terms) -> ir.Table:
    """When installments were settled, as the release knows.

    Grain: one row per installment_id.

    Returns:
        installment_id, contract_number, settled_on, is_owing (the tolerance does not cover all of it).
    """
    least = ibis.greatest(_.due_amount * terms.settlement_tolerance_ratio, terms.settlement_tolerance_amount)
    return fact_installment.select("installment_id", "contract_number", "settled_on", is_owing=_.due_amount > least)


def _begun(touches: ir.Table, starts: ir.Table, time_zone: str) -> ir.Table:
    """Late ones among touches, from the contract's start on: contract_number, known_on, from_on."""
    begun = touches.distinct().join(starts, "contract_number").mutate(from_on=ibis.greatest(_.from_on, _.start_on))
    return late(begun, "from_on", time_zone).select("contract_number", "known_on", "from_on")


def _ledger(staged: Staged, since: date | None, zone: str) -> tuple[ir.Table, ...]:
    """What the rules say of every table but statuses and clients: TOUCH, not all of it late."""
    agreed = versions(staged.contracts, ("contract_number",), AGREED, since, zone).mutate(from_on=EVER)
    schedule = _schedule_versions(staged, since, zone).filter(~_.is_fine).mutate(from_on=EVER)
    return (
        agreed.select(TOUCH),
        *_homes(schedule),
        *_repayments(staged, since, zone),
        *_penalties(staged, since, zone),
        _products(staged, since, zone),
    )


def _homes(rows: ir.Table) -> tuple[ir.Table, ir.Table]:
    """Touches of the contract of a version, and of that of the version before."""
    moved = rows.filter(_.contract_number_before != _.contract_number)
    return rows.select(TOUCH), moved.select("known_at", "from_on", contract_number="contract_number_before").select(TOUCH)


def _schedule_versions(staged: Staged, since: date | None, zone: str) -> ir.Table:
    """Versions of installments; is_fine: nothing but a first penalty amount, which is dated by the settlement or by the delivery."""
    meant = (*SCHEDULE, "penalty_amount")
    said = versions(staged.installments, ("installment_id",), meant, since, zone)
    is_fine = ~_.is_first & ~changed(*SCHEDULE, "is_deleted") & (_.penalty_amount_before.fill_null(0) == 0)
    return said.mutate(is_fine=is_fine)


def _repayments(staged: Staged, since: date | None, zone: str) -> tuple[ir.Table, ...]:
    """A repayment counts from its date on, a corrected one from the earlier of both; a reversal touches what it reverses."""
    meant = ("repayment_date", "repayment_amount", "installment_id", "contract_number", "booked_at", "reverses_repayment_id")
    paid = maybe_late(
        versions(staged.repayments, ("repayment_id",), meant, since, zone).mutate(from_on=earlier("repayment_date")), "from_on"
    )
    homes = staged.repayments.select(reverses_repayment_id="repayment_id", home="contract_number")
    undone = (
        paid.select(TOUCH[1], TOUCH[2], reverses_repayment_id=name) for name in ("reverses_repayment_id", "reverses_repayment_id_before")
    )
    reversed_ones = ibis.union(*undone).filter(_.reverses_repayment_id.notnull()).join(homes, "reverses_repayment_id")
    return *_homes(paid), reversed_ones.select("known_at", "from_on", contract_number="home").select(TOUCH)


def _penalties(staged: Staged, since: date | None, zone: str) -> tuple[ir.Table, ...]:
    """A penalty counts from its date on, a corrected one from the earlier of both."""
    meant = ("installment_id", "penalty_date", "penalty_amount")
    charged = maybe_late(versions(staged.penalties, ("penalty_id",), meant, since, zone).mutate(from_on=earlier("penalty_date")), "from_on")
    homes = staged.installments.select("installment_id", "contract_number")
    return tuple(
        charged.select("known_at", "from_on", installment_id=name).join(homes, "installment_id").select(TOUCH)
        for name in ("installment_id", "installment_id_before")
    )


def _products(staged: Staged, since: date | None, zone: str) -> ir.Table:
    """A product that is named for the first time or gets another type, and a type that is named for the first time, count for ever."""
    held = staged.products.filter(~_.is_deleted)
    typed = versions(held, ("product_code",), ("product_type_id",), since, zone).select("product_code", "known_at")
    first = _first_named(staged.product_types, "product_type_id")
    of_type = held.select("product_code", "product_type_id").distinct().join(first, "product_type_id").select("product_code", "known_at")
    sold = staged.contracts.select("contract_number", "product_code").distinct()
    return typed.union(of_type).join(sold, "product_code").select("contract_number", "known_at", from_on=EVER)


def _clients(staged: Staged, since: date | None, zone: str) -> ir.Table:
    """Clients whose region changed, or was named for the first time: client_id, known_at, from_on.

    The first region known of a client holds for all days before; a version that begins no later than all before it takes its place there.
    """
    dated = client_versions(staged.clients, zone).drop("known_to")
    so_far = ibis.window(group_by="client_id", order_by="business_date", preceding=(None, 1))
    first = dated.mutate(first_from=_.valid_from.min().over(so_far))
    moved = versions(first, ("client_id",), ("region_id", "valid_from", "first_from"), since, zone)
    is_same = ~changed("region_id", "is_deleted") & (_.valid_from >= _.valid_from_before)
    moves = moved.filter(_.is_first | ~is_same).select(
        "client_id", "known_at", from_on=ibis.ifelse((_.valid_from > _.first_from).fill_null(False), _.valid_from, EVER)
    )
    named = staged.clients.select("client_id", "region_id").distinct().join(_first_named(staged.regions, "region_id"), "region_id")
    return moves.union(named.select("client_id", "known_at", from_on=EVER))


def _first_named(table: ir.Table, key: str) -> ir.Table:
    """When each key of a reference table was first named: key, known_at."""
    return table.filter(~_.is_deleted).group_by(key).agg(known_at=_.known_at.min())


def _by_settlement(staged: Staged, dated: ir.Table, starts: ir.Table, sure: ir.Table, zone: str) -> ir.Table:
    """Late ones among facts that are dated by a settlement: contract_number, known_on, from_on.

    The release's settlement is that of the day on which the fact became known, unless something else of the contract is late, was reversed
    or is dated by a settlement too; then the fact counts for all days. Unsettled, it is dated by its delivery and never late.
    """
    settled = dated.filter(_.settled_on.notnull()).select("contract_number", "known_at", from_on="settled_on")
    clear = _begun(settled, starts, zone)
    reversals = staged.repayments.filter(_.reverses_repayment_id.notnull()).select(repayment_id="reverses_repayment_id")
    undone = staged.repayments.join(reversals, "repayment_id").select("contract_number")
    several = dated.group_by("contract_number").agg(facts=_.count()).filter(_.facts > 1).semi_join(clear, "contract_number")
    unclear = ibis.union(sure.select("contract_number"), several.select("contract_number"), undone, distinct=True)
    for_ever = dated.semi_join(unclear, "contract_number").select("contract_number", "known_at", from_on=EVER)
    return clear.union(_begun(for_ever, starts, zone))


def _dated_by_settlement(staged: Staged, statuses: ir.Table, settled: ir.Table, since: date | None, zone: str) -> ir.Table:
    """First penalties on installment rows, and statuses without a date of their own: contract_number, known_at, settled_on or null."""
    fines = _schedule_versions(staged, since, zone).filter(_.is_fine).select("installment_id", "contract_number", "known_at")
    of_installments = settled.select("installment_id", "settled_on")
    of_contracts = settled.group_by("contract_number").agg(settled_on=ibis.coalesce(_.settled_on.max(where=_.is_owing), _.settled_on.max()))
    undated = statuses.filter(_.is_by_settlement).select("contract_number", "known_at")
    columns = ("contract_number", "known_at", "settled_on")
    return (
        lookup(fines, of_installments, ("installment_id",))
        .select(columns)
        .union(lookup(undated, of_contracts, ("contract_number",)).select(columns))
        .distinct()
    )
