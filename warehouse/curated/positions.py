"""Positions: every contract, installment, repayment and penalty as of one or many dates, by the same expressions.

Everything that a fact table, a mart, a feature or a label says about lending is cut from here, so there is one definition of each term
(docs/lending-terms.md). A date sees facts that happened by then and were known by then; nothing later can reach it.
"""

from typing import NamedTuple

import ibis.expr.types as ir

from warehouse.curated.amounts import with_amounts
from warehouse.curated.books import Books, books
from warehouse.curated.contracts import judged_contracts, product_types
from warehouse.curated.installments import due_in_month_at, installments_at, with_penalties
from warehouse.curated.keep import Keep, in_engine
from warehouse.curated.peaks import arrears, peak_of, peaks_in
from warehouse.curated.penalties import penalties_at
from warehouse.curated.regions import regions_at
from warehouse.curated.repayments import repayments_at
from warehouse.curated.staged import Staged
from warehouse.curated.standings import events_at, standing_dates
from warehouse.terms import Terms

CONTRACT_COLUMNS = (
    "as_of_on",
    "contract_number",
    "client_id",
    "product_code",
    "product_type_id",
    "product_type_name",
    "principal_amount",
    "interest_amount",
    "fee_amount",
    "tenor_months",
    "start_date",
    "first_due_date",
    "last_due_date",
    "installment_count",
    "status",
    "status_on",
    "ended_on",
    "ended_status",
    "close_reason",
    "is_started",
    "is_disbursed",
    "is_open",
    "dpd",
    "overdue_amount",
    "outstanding_principal_amount",
    "written_off_principal_amount",
    "sold_principal_amount",
    "is_early_settled",
    "early_settled_on",
    "is_refinanced",
    "is_fpd30",
    "known_at",
)
INSTALLMENT_COLUMNS = (
    "as_of_on",
    "installment_id",
    "contract_number",
    "client_id",
    "installment_number",
    "due_date",
    "original_due_date",
    "next_due_on",
    "principal_due_amount",
    "interest_due_amount",
    "fee_due_amount",
    "due_amount",
    "paid_amount",
    "paid_principal_amount",
    "unpaid_amount",
    "penalty_amount",
    "settled_on",
    "days_late",
    "is_due",
    "is_late",
    "is_skip_eligible",
    "is_skipped",
    "is_paid_early",
    "state",
)


class Positions(NamedTuple):
    """What was known at each as-of date. Every table has the column as_of_on.

    Attributes:
        contracts: grain (as_of_on, contract_number).
        installments: grain (as_of_on, installment_id).
        due_in_month: the same grain, of due installments with a due date in the month of the date; of due_in_month_at.
        repayments: grain (as_of_on, repayment_id, allocation_number).
        penalties: grain (as_of_on, installment_id, penalty_id).
        regions: grain (as_of_on, client_id).
        events: status events, grain (as_of_on, contract_number, event_key).
        arrears: runs of days past due, grain (as_of_on, contract_number, installment_id, first_on).
    """

    contracts: ir.Table
    installments: ir.Table
    due_in_month: ir.Table
    repayments: ir.Table
    penalties: ir.Table
    regions: ir.Table
    events: ir.Table
    arrears: ir.Table


def positions(staged: Staged, as_ofs: ir.Table, terms: Terms, keep: Keep = in_engine) -> Positions:
    """Work out all positions at each date; see Positions for the grains.

    As one expression the whole is megabytes of SQL and takes the engine's compiler longer than the engine. So the steps that several
    others read are kept; `keep=lambda table: table` leaves everything an expression.

    Args:
        staged: the staging tables.
        as_ofs: as_of_on, known_until, which must not fall from one date to a later one; of `warehouse.clock.as_of_dates`.
        terms: what the lender sets about its definitions.
        keep: what to do with a step that several others read.
    """
    return positions_at(staged, books(staged, as_ofs, terms, keep), as_ofs, terms, keep)


def positions_at(
    staged: Staged, held_books: Books, as_ofs: ir.Table, terms: Terms, keep: Keep = in_engine, asked: ir.Table | None = None
) -> Positions:
    """Cut positions at some dates from the books of these dates and others.

    Args:
        staged: the staging tables.
        held_books: books of at least these dates.
        as_ofs: as `positions` takes them.
        terms: what the lender sets about its definitions.
        keep: what to do with a step that several others read.
        asked: as_of_on, contract_number, if not every contract is asked about at every date; a client is judged by these alone.
    """
    said = held_books.standings
    dates = standing_dates(said.runs, as_ofs)
    if asked is not None:
        dates = dates.semi_join(asked, ("as_of_on", "contract_number"))
    contracts = keep(judged_contracts(said.contracts, dates, product_types(staged, as_ofs)))
    penalties = penalties_at(held_books.fines, held_books.charges, contracts)
    return Positions(
        contracts=keep(with_amounts(contracts, held_books).select(CONTRACT_COLUMNS)),
        installments=with_penalties(installments_at(held_books.steps, contracts, terms), penalties).select(INSTALLMENT_COLUMNS),
        due_in_month=due_in_month_at(held_books.steps, contracts, terms),
        repayments=repayments_at(held_books.allocated, held_books.cancelled, contracts),
        penalties=penalties,
        regions=regions_at(staged, as_ofs, terms),
        events=events_at(said.events, dates),
        arrears=keep(arrears(contracts, held_books.overdue, said.spells)),
    )


def peak_dpd(positions: Positions, windows: ir.Table) -> ir.Table:
    """The greatest dpd of each contract on the days of each window; `warehouse.curated.peaks.peaks_in` says how."""
    return peaks_in(windows, positions.arrears)


def peak_by_run(positions: Positions) -> ir.Table:
    """Runs of days past due up to each date with max_dpd; `warehouse.curated.peaks.peak_of` says why its last day has it."""
    return peak_of(positions.arrears)
