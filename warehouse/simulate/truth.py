"""The true answers of the generated lender: who defaults within a year of each month end, and the hidden state at that time.

Event-time truth with everything known, by the definitions of the label: a platform that sees late bookings and dirty rows can come close
but not equal. No platform code may read this; tests and reports compare with it.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from warehouse.clock import add_months, month_end, month_ends
from warehouse.simulate import book
from warehouse.simulate.dates import Days, day
from warehouse.simulate.draws import Floats, Ints
from warehouse.simulate.ledger import Installments
from warehouse.simulate.money import Ledger
from warehouse.simulate.profiles import Profile
from warehouse.terms import DEFAULT_DPD, INDETERMINATE_DPD, MATURITY_DAYS, OUTCOME_MONTHS

ONE = np.timedelta64(1, "D")
FAR = np.datetime64("2262-01-01", "D")
GOOD, INDETERMINATE, DEFAULT, IMMATURE = range(4)


@dataclass
class Outcomes:
    """One row for each client and month end with an open contract, an installment due, and less than 90 days past due."""

    client: Ints
    month_on: Days
    state: Ints
    dpd: Ints
    late_ratio: Floats  # of all installments due so far; the plainest predictor
    outcome: Ints

    @classmethod
    def of(cls, parts: "list[Outcomes]") -> "Outcomes":
        """Several sets of rows as one."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__annotations__))


def outcomes(profile: Profile, ledger: Ledger) -> Outcomes:
    """Outcomes of all month ends of the history."""
    ends = month_ends(profile.first, profile.last)
    return Outcomes.of([_outcomes_at(profile, ledger, number, day(end), day(window_end_of(end))) for number, end in enumerate(ends)])


def window_end_of(end: date) -> date:
    """Last day of the outcome window of a month end."""
    return month_end(add_months(end, OUTCOME_MONTHS))


def _outcomes_at(profile: Profile, ledger: Ledger, number: int, end: np.datetime64, window_end: np.datetime64) -> Outcomes:
    rows, contracts, count = ledger.installments, ledger.run.contracts, len(ledger.run.clients.number)
    is_open = open_at(ledger, end)
    dpd_client = _greatest(dpd_at(ledger, end) * is_open, contracts.client, count)
    is_due = (rows.due_on <= end) & ~(rows.ended_on < rows.due_on)
    is_late = is_due & ~(rows.settled_on <= rows.due_on) & (rows.due_on < end)
    client_of_row = contracts.client[rows.contract]
    due, late = (np.bincount(client_of_row[chosen], minlength=count) for chosen in (is_due, is_late))
    has_open = np.bincount(contracts.client[is_open], minlength=count) > 0
    client = np.flatnonzero(has_open & (due > 0) & (dpd_client < DEFAULT_DPD))
    outcome = labels(ledger, is_open, end, window_end)
    if window_end + MATURITY_DAYS * ONE > day(profile.last):
        outcome = np.full_like(outcome, IMMATURE)
    states = ledger.run.states[client, number].astype(np.int64)
    return Outcomes(client, np.full(len(client), end), states, dpd_client[client], late[client] / due[client], outcome[client])


def labels(ledger: Ledger, is_open: npt.NDArray[np.bool_], end: np.datetime64, window_end: np.datetime64) -> Ints:
    """GOOD, INDETERMINATE or DEFAULT of each client from one date to another, on the contracts that count as open at the first."""
    contracts, count = ledger.run.contracts, len(ledger.run.clients.number)
    rows = ledger.installments
    in_scope = is_open[rows.contract]
    is_loss = np.isin(contracts.ended, (book.WRITTEN_OFF, book.SOLD)) & is_open & (contracts.ended_on <= window_end)
    worst = np.zeros(count, dtype=np.int64)
    for days, meaning in ((INDETERMINATE_DPD, INDETERMINATE), (DEFAULT_DPD, DEFAULT)):
        reached = in_scope & _reaches(rows, days, end, window_end)
        worst[contracts.client[rows.contract[reached]]] = meaning
    worst[contracts.client[is_loss]] = DEFAULT
    return worst


def _reaches(rows: Installments, days: int, end: np.datetime64, window_end: np.datetime64) -> npt.NDArray[np.bool_]:
    """Whether an installment makes its contract so many days past due on a day after one date and up to another."""
    begins = rows.due_on + days * ONE
    until = np.fmin(rows.settled_on - ONE, rows.ended_on - ONE)
    until = np.where(np.isnat(until), FAR, until)
    return (begins <= window_end) & (until > end) & (begins <= until)


def open_at(ledger: Ledger, end: np.datetime64) -> npt.NDArray[np.bool_]:
    """Whether each contract is disbursed and has not ended by a day."""
    contracts = ledger.run.contracts
    return (contracts.start <= end) & ~(contracts.ended_on <= end)


def dpd_at(ledger: Ledger, end: np.datetime64) -> Ints:
    """Days past due of each contract at a day, as if it were open."""
    rows = ledger.installments
    owed = (rows.due_on < end) & ~(rows.settled_on <= end)
    return _greatest((end - rows.due_on[owed]).astype(np.int64), rows.contract[owed], len(ledger.run.contracts))


def outstanding_at(ledger: Ledger, end: np.datetime64) -> Ints:
    """Principal that each open contract owes at a day, by the installments settled until then."""
    rows = ledger.installments
    settled = rows.settled_on <= end
    paid = np.bincount(rows.contract[settled], weights=rows.amounts.principal[settled], minlength=len(ledger.run.contracts))
    return (ledger.run.contracts.principal - paid.astype(np.int64)) * open_at(ledger, end)


def _greatest(value: npt.NDArray, group: Ints, count: int) -> Ints:
    result = np.zeros(count, dtype=np.int64)
    np.maximum.at(result, group, value)
    return result
