"""Books: the ledgers and standings of all contracts, for every date that will be asked about.

Money is allocated per contract and era, statuses are worked out per contract and run, so neither cost depends on the number of dates. A
build therefore keeps one set of books and cuts positions from it some dates at a time.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

import ibis
import ibis.expr.types as ir

from warehouse.clock import as_of_dates
from warehouse.curated.allocation import allocations, settled_installments
from warehouse.curated.contracts import original_schedules
from warehouse.curated.eras import eras, schedule_versions
from warehouse.curated.keep import Keep, in_engine
from warehouse.curated.ledger import ledger, ledger_shares
from warehouse.curated.settlement import balances, fines, overdue_installments, payment_steps, settlements
from warehouse.curated.staged import Staged
from warehouse.curated.standings import Standings, standings
from warehouse.parts import shares
from warehouse.terms import Terms

if TYPE_CHECKING:
    from warehouse.lake import Candidate


class Books(NamedTuple):
    """What was owed and paid, per contract and era, and what was said of contracts, per run.

    Attributes:
        eras: grain (contract_number, era_on); of `warehouse.curated.eras.eras`.
        overdue: grain (contract_number, era_on, installment_id); of overdue_installments.
        fines: grain (contract_number, era_on, installment_id); of fines.
        allocated: grain (contract_number, era_on, repayment_id, allocation_number); of allocations.
        steps: grain (contract_number, era_on, installment_id, from_on); of payment_steps.
        balances: grain (contract_number, era_on, from_on); of balances.
        standings: contracts with their status; of standings.
        cancelled: of Ledger.cancelled.
        charges: of Ledger.charges.
    """

    eras: ir.Table
    overdue: ir.Table
    fines: ir.Table
    allocated: ir.Table
    steps: ir.Table
    balances: ir.Table
    standings: Standings
    cancelled: ir.Table
    charges: ir.Table


def books(staged: Staged, as_ofs: ir.Table, terms: Terms, keep: Keep = in_engine, shares: int = 1) -> Books:
    """Work out everything that several dates share.

    Args:
        staged: the staging tables.
        as_ofs: as_of_on, known_until: every date of which positions will be asked.
        terms: what the lender sets about its definitions.
        keep: what to do with a step that several others read.
        shares: into how many shares of the contracts the allocation is cut; a list per contract is what the engine cannot put on disk.
    """
    schedules = keep(schedule_versions(staged.installments))
    all_eras = keep(eras(staged, as_ofs, schedules))
    held = ledger(staged, schedules, all_eras, keep)
    del schedules
    cancelled, charges = keep(held.cancelled), keep(held.charges)
    cut = ledger_shares(held._replace(cancelled=cancelled, charges=charges), shares)
    allocated = ibis.union(*(keep(allocations(share, terms)) for share in cut))
    schedule = keep(settled_installments(held, allocated, terms))
    del held, cut  # the engine forgets what nothing refers to
    steps, overdue, fined = keep(payment_steps(schedule, allocated)), keep(overdue_installments(schedule)), keep(fines(schedule))
    settled = keep(settlements(schedule, allocated))
    del schedule
    originals = keep(original_schedules(staged.installments))
    return Books(
        eras=all_eras,
        overdue=overdue,
        fines=fined,
        allocated=allocated,
        steps=steps,
        balances=keep(balances(allocated)),
        standings=standings(staged, all_eras, settled, originals, as_ofs, terms, keep),
        cancelled=cancelled,
        charges=charges,
    )


@dataclass(frozen=True)
class OpenBooks:
    """Books that one step of a build has made, for the steps after it.

    Attributes:
        of: run and intake of the candidate that they were made for.
        days: the dates that they answer.
        staged: the staging tables that they were made from.
        books: the books.
    """

    of: tuple[str, int]
    days: frozenset[date]
    staged: Staged
    books: Books

    def answer(self, candidate: "Candidate", days: Iterable[date]) -> bool:
        """Whether they hold what a candidate knows of some dates."""
        return self.of == _identity(candidate) and self.days.issuperset(days)


def open_books(candidate: "Candidate", staged: Staged, days: Collection[date], terms: Terms) -> OpenBooks:
    """Make the books of a candidate.

    Args:
        candidate: the candidate.
        staged: its staging tables; rows known after the last date may be left out.
        days: every date of which positions will be asked.
        terms: what the lender sets about its definitions.
    """
    made = books(staged, as_of_dates(days, terms.time_zone), terms, shares=shares(staged))
    return OpenBooks(_identity(candidate), frozenset(days), staged, made)


def _identity(candidate: "Candidate") -> tuple[str, int]:
    return candidate.run_id, candidate.base_intake.release_id if candidate.base_intake else 0
