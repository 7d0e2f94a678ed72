"""When a status that becomes known counts from: its own date, unless contract rows and status history say different things.

With a history, what a contract row says counts only where the history does not say it too (`warehouse.curated.statuses`), so in a contract
whose rows and history differ a row of either can bring back or drop an event of any earlier day.
"""

from datetime import date

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.clock import end_of_day_at
from warehouse.curated.lateness import EVER, changed, versions
from warehouse.curated.staged import Staged
from warehouse.curated.statuses import SETTLED_STATUSES, event_key, key_status
from warehouse.curated.values import lookup

COLUMNS = ("contract_number", "known_at", "from_on", "is_by_settlement")


def late_statuses(staged: Staged, since: date | None, time_zone: str) -> ir.Table:
    """Versions that change the status of a contract, late or not.

    Grain: one row per version; several of one contract may be known at one time.

    Returns:
        contract_number, known_at, from_on (the first day that may change), is_by_settlement (from_on is the day of settlement instead).
    """
    told = _told(staged, time_zone)
    return _rows(staged, told, since, time_zone).union(_history(staged, told, since, time_zone))


def _history(staged: Staged, told: ir.Table, since: date | None, time_zone: str) -> ir.Table:
    """A row of the history counts from its date on; the first one of a contract takes the place of what its rows had said."""
    rows = versions(staged.contract_status_history, ("contract_number", "status", "status_date"), (), since, time_zone)
    is_for_ever = ~_.is_plain | (_.known_at == _.told_at)
    dated = rows.join(told, "contract_number").mutate(from_on=ibis.ifelse(is_for_ever, EVER, _.status_date), is_by_settlement=False)
    return dated.select(COLUMNS)


def _rows(staged: Staged, told: ir.Table, since: date | None, time_zone: str) -> ir.Table:
    """A status in a contract row counts from its own date, the settlement's, or its delivery; one that the history says too is no news."""
    meant = ("status", "last_status_change_date")
    every = versions(staged.contracts, ("contract_number",), (*meant, "business_date"), since, time_zone).filter(~_.is_first, ~_.is_deleted)
    judged = lookup(every, told, ("contract_number",)).filter(ibis.coalesce(~_.is_plain, changed(*meant, "is_deleted")))
    is_dated = _.last_status_change_date.notnull()
    is_for_ever = _.told_at.notnull() | _.status.isnull() | _.status_before.isnull() | changed("is_deleted")
    return (
        judged.filter(is_for_ever | is_dated | _.status.isin(SETTLED_STATUSES))
        .mutate(
            from_on=ibis.ifelse(is_for_ever, EVER, _.last_status_change_date),
            is_by_settlement=~is_for_ever & ~is_dated,
        )
        .select(COLUMNS)
    )


def _told(staged: Staged, time_zone: str) -> ir.Table:
    """Contracts with a history.

    Grain: one row per contract_number.

    Returns:
        contract_number, told_at (when the first row of its history was known), is_plain (no row of the history was taken back, and every
        contract row had the status of the newest event that the history had told when it came).
    """
    keys = staged.contract_status_history.group_by("contract_number", "status", "status_date").agg(
        known_at=_.known_at.min(), version_count=_.count(), is_gone=_.is_deleted.max()
    )
    contracts = keys.group_by("contract_number").agg(told_at=_.known_at.min(), is_kept=((_.version_count == 1) & ~_.is_gone).min())
    odd = _contradicting(staged, keys, time_zone).mutate(is_odd=True)
    return lookup(contracts, odd, ("contract_number",)).select("contract_number", "told_at", is_plain=_.is_kept & _.is_odd.isnull())


def _contradicting(staged: Staged, keys: ir.Table, time_zone: str) -> ir.Table:
    """Contracts with a row whose status was not that of the newest event told by then, or that was known before it and is dated otherwise.

    A row of the opening delivery is known from the contract's start, with a status that came later.
    """
    stated = staged.contracts.filter(~_.is_deleted, _.status.notnull()).semi_join(keys, "contract_number")
    is_dated = _.last_status_change_date.notnull()
    ahead = stated.filter(_.is_opening, is_dated | _.status.isin(SETTLED_STATUSES)).anti_join(
        keys.rename(last_status_change_date="status_date"), ("contract_number", "status", "last_status_change_date")
    )
    rows = stated.select("contract_number", "business_date", "status", delivered_at=end_of_day_at(_.business_date, time_zone))
    heard = (
        rows.drop("status")
        .join(keys.select("contract_number", "known_at", "status_date", told_key=event_key(_.status_date, _.status)), "contract_number")
        .filter(_.known_at <= _.delivered_at, _.status_date <= _.business_date)
        .group_by("contract_number", "business_date")
        .agg(heard_key=_.told_key.max())
    )
    compared = lookup(rows, heard, ("contract_number", "business_date"))
    unheard = compared.filter(_.heard_key.isnull() | (key_status(_.heard_key) != _.status))
    return unheard.select("contract_number").union(ahead.select("contract_number"), distinct=True)
