"""Standings: contracts with their status, over the runs of asked dates on which nothing about them changed.

What a contract says and which status it has moves a few times in its life, dates are asked for every month. So a standing is worked out as
of the first asked date of each run and holds for the others. A run ends where a row of the contract or of its history becomes known, a date
that such a row names comes to pass, its ledger begins a new era, or its last installment is settled.
"""

from typing import NamedTuple

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.curated.contracts import contracts_at, held_contracts, with_early_settlement
from warehouse.curated.eras import stretches
from warehouse.curated.keep import Keep
from warehouse.curated.spells import status_spells
from warehouse.curated.staged import Staged
from warehouse.curated.statuses import contract_versions, stated_statuses, status_events, told_statuses
from warehouse.terms import Terms


class Standings(NamedTuple):
    """What is said of contracts, per run of asked dates; as_of_on is the first date of the run.

    Attributes:
        runs: grain (contract_number, from_on): to_on (last asked date of the run), era_on.
        contracts: grain (as_of_on, contract_number); of contracts_at, with early settlement.
        events: grain (as_of_on, contract_number, event_key); of status_events.
        spells: the same grain; of status_spells.
    """

    runs: ir.Table
    contracts: ir.Table
    events: ir.Table
    spells: ir.Table


def standings(
    staged: Staged, eras: ir.Table, settlements: ir.Table, originals: ir.Table, as_ofs: ir.Table, terms: Terms, keep: Keep
) -> Standings:
    """Work out all standings.

    Args:
        staged: the staging tables.
        eras: of `warehouse.curated.eras.eras`, of the same dates.
        settlements: of settlements.
        originals: of original_schedules.
        as_ofs: as_of_on, known_until.
        terms: the lender's time zone.
        keep: what to do with a step that several others read.
    """
    runs = keep(_runs(staged, eras, settlements, originals, as_ofs))
    asked = keep(runs.rename(as_of_on="from_on").join(as_ofs, "as_of_on").select("as_of_on", "contract_number", "era_on", "known_until"))
    held = keep(held_contracts(staged.contracts, settlements, asked))
    stated = keep(stated_statuses(contract_versions(staged.contracts), held, terms))
    events = keep(status_events(stated, keep(told_statuses(staged.contract_status_history, asked))))
    spells = keep(status_spells(events))
    return Standings(runs, keep(with_early_settlement(contracts_at(held, spells, originals))), events, spells)


def standing_dates(runs: ir.Table, as_ofs: ir.Table) -> ir.Table:
    """Give every asked date the run of each contract.

    Grain: one row per (as_of_on, contract_number).

    Returns:
        the grain, run_on (first date of the run), era_on.
    """
    dates = as_ofs.select("as_of_on")
    within = (runs.from_on <= dates.as_of_on) & (dates.as_of_on <= runs.to_on)
    return runs.join(dates, within).select("as_of_on", "contract_number", run_on="from_on", era_on="era_on")


def ended_at(said: Standings, as_ofs: ir.Table) -> ir.Table:
    """Contracts that had ended by each date, as known then.

    Grain: one row per (before_on, contract_number).

    Args:
        said: standings of at least these dates.
        as_ofs: as_of_on.

    Returns:
        before_on (the date), contract_number.
    """
    ended = said.contracts.filter(_.ended_on.notnull()).select("contract_number", run_on="as_of_on")
    return standing_dates(said.runs, as_ofs).semi_join(ended, ("contract_number", "run_on")).select("contract_number", before_on="as_of_on")


def events_at(events: ir.Table, dates: ir.Table) -> ir.Table:
    """Status events known and past at each date.

    Grain: one row per (as_of_on, contract_number, event_key).

    Args:
        events: of Standings.events.
        dates: of standing_dates.
    """
    return dates.drop("era_on").join(events.rename(run_on="as_of_on"), ("run_on", "contract_number")).drop("run_on")


def _runs(staged: Staged, eras: ir.Table, settlements: ir.Table, originals: ir.Table, as_ofs: ir.Table) -> ir.Table:
    """Runs of asked dates; more of them than needed cost time and change nothing."""
    said, history = staged.contracts, staged.contract_status_history
    instants = ((said, "known_at"), (history, "known_at"), (originals, "schedule_known_at"))
    days = (
        (said, "start_date"),
        (said, "last_status_change_date"),
        (said, "business_date"),
        (history, "status_date"),
        (settlements, "settlement_on"),
    )
    starts = ibis.union(
        *(_first_dates(marks, mark, as_ofs, "known_until") for marks, mark in instants),
        *(_first_dates(marks, mark, as_ofs, "as_of_on") for marks, mark in days),
        eras.select(contract_number=_.contract_number.cast("string"), from_on=_.from_on),
        distinct=True,
    )
    of_eras = eras.select("contract_number", "era_on", era_from="from_on")
    runs = stretches(starts, as_ofs).join(of_eras, "contract_number").filter(_.era_from <= _.from_on, _.from_on <= _.era_on)
    return runs.drop("era_from")


def _first_dates(marks: ir.Table, mark: str, as_ofs: ir.Table, until: str) -> ir.Table:
    """The first asked date by which each mark has come: contract_number, from_on; marks that none has reached are left out."""
    each = marks.select(mark).distinct()
    reached = each.join(as_ofs, each[mark] <= as_ofs[until]).group_by(mark).agg(from_on=_.as_of_on.min())
    return marks.join(reached, mark).select(contract_number=_.contract_number.cast("string"), from_on=_.from_on)
