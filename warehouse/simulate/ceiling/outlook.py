"""Backward recursion: for every hidden situation at an as-of date, the probability of default and of staying good until the window ends.

Default is a day in the window with 90 or more days past due, good is no day with 30 or more: the label's own definitions, on the loan's own
calendar. What remains between them is indeterminate.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from warehouse.simulate import behaviour, book
from warehouse.simulate.behaviour import LATE, MISSED, ON_TIME
from warehouse.simulate.ceiling.chances import Chances
from warehouse.simulate.ceiling.loans import FOREVER, Loans
from warehouse.simulate.ceiling.posterior import BAD, CLEAR, CLEAR_LATE, LATE_RANGE
from warehouse.simulate.ceiling.seen import event_of
from warehouse.simulate.dates import Days
from warehouse.simulate.draws import Floats
from warehouse.simulate.money import Ledger
from warehouse.terms import DEFAULT_DPD, INDETERMINATE_DPD

PLACES = BAD + 1  # who is further behind has defaulted
NEXT = (2, 2, 3, 4)  # place after a missed installment; CLEAR and CLEAR_LATE alike are one month behind then


class Outlook(NamedTuple):
    """Probabilities of each situation; loans x classes x states x places."""

    default: Floats
    good: Floats


@dataclass(frozen=True)
class Window:
    """The outcome window of an as-of date: the two month ends, and their months."""

    when: np.datetime64
    ends_on: np.datetime64
    month: int
    end_month: int


def outlook(loans: Loans, window: Window, chances: Chances) -> Outlook:
    """The outlook of running loans after the event of the as-of date's month."""
    held = _at_the_end(loans, window)
    for month in range(window.end_month, window.month, -1):
        before = _before_event(loans, month, held, window, chances)
        moves = chances.moves(month)
        held = Outlook(*(np.einsum("nkij,nkjb->nkib", moves, one) for one in before))
    return held


def true_outlook(ledger: Ledger, loans: Loans, window: Window, ahead: Outlook) -> tuple[Floats, Floats]:
    """Probabilities of default and of staying good for somebody who knows the hidden class, state and what is on its way to the books."""
    rows, contracts, position = ledger.installments, ledger.run.contracts, window.month - loans.start_month
    settled_on = rows.settled_on
    loan = np.full(len(contracts), -1)
    loan[loans.contract] = np.arange(len(loans))
    mine = np.flatnonzero((loan[rows.contract] >= 0) & ~np.isnat(settled_on))
    mine = mine[settled_on[mine] != contracts.ended_on[rows.contract[mine]]]  # the last one and early settlements are judged by the end
    month, _ = event_of(loans, loan[rows.contract[mine]], rows.number[mine], settled_on[mine])
    paid = np.bincount(loan[rows.contract[mine[month <= window.month]]], minlength=len(loans))
    behind = np.clip(position - paid, 0, BAD - 1)
    place = np.where(behind > 0, behind + 1, CLEAR)
    theta = np.searchsorted(behaviour.THETA, ledger.run.clients.theta[loans.client])
    state = np.maximum(ledger.run.states[loans.client, window.month], 0)
    index = (np.arange(len(loans)), theta, state, place)
    ends = contracts.ended_on[loans.contract] <= _last_payment(loans, window.month)
    is_over = ends & np.isin(contracts.ended[loans.contract], (book.PAID, book.SETTLED))
    is_fraud = contracts.is_fraud[loans.contract]
    default = np.where(is_over, 0.0, np.where(is_fraud, 1.0, ahead.default[index]))
    return default, np.where(is_over, 1.0, np.where(is_fraud, 0.0, ahead.good[index]))


def _last_payment(loans: Loans, month: int) -> Days:
    """Last day on which money of a month's event can come."""
    return loans.due[:, month] + np.timedelta64(behaviour.LATE_DAYS, "D")


def _limit(loans: Loans, month: int, behind: int, window: Window) -> Days:
    """Last day to pay the oldest installment without 30 days past due in the window; FOREVER if there are none in it anyway."""
    if behind == 0:
        return np.full(len(loans), FOREVER)
    reached_on = np.maximum(loans.due[:, month - behind] + np.timedelta64(INDETERMINATE_DPD, "D"), window.when + np.timedelta64(1, "D"))
    return np.where(reached_on <= window.ends_on, reached_on, FOREVER)


def _at_the_end(loans: Loans, window: Window) -> Outlook:
    """What is certain after the last event of the window: nothing more is paid in it."""
    shape = (len(loans), len(behaviour.THETA), 3, PLACES)
    default, good = np.zeros(shape), np.ones(shape)
    for place, behind in ((2, 1), (3, 2), (4, 3)):
        stays_free = _limit(loans, window.end_month + 1, behind, window) == FOREVER
        good[..., place] = stays_free[:, None, None]
        default[..., place] = (_default_on(loans, window.end_month + 1, behind) <= window.ends_on)[:, None, None]
    return Outlook(default, good)


def _default_on(loans: Loans, month: int, behind: int) -> Days:
    """Day on which a loan so far behind before a month's event is 90 days past due."""
    return loans.due[:, month - behind] + np.timedelta64(DEFAULT_DPD, "D")


def _before_event(loans: Loans, month: int, after: Outlook, window: Window, chances: Chances) -> Outlook:
    odds, paid_up = chances.outcomes(month)[:, None], _paid_up(loans, month, after, chances)
    on_time, late, missed = odds[..., ON_TIME], odds[..., LATE], odds[..., MISSED]
    default, good = np.zeros_like(after.default), np.zeros_like(after.good)
    for place, behind in enumerate((0, 0, 1, 2)):
        target, limit = max(place, CLEAR_LATE), _limit(loans, month, behind, window)
        is_over = (behind <= month - loans.start_month - loans.tenor)[:, None, None]
        late_default = np.where(is_over, 0.0, after.default[..., target])
        late_good = np.where(is_over, 1.0, after.good[..., target]) * _late_in_time(loans, month, limit)
        in_time = (loans.due[:, month] <= limit)[:, None, None]
        default[..., place] = on_time * paid_up.default + late * late_default + missed * after.default[..., NEXT[place]]
        good[..., place] = on_time * in_time * paid_up.good + late * late_good + missed * after.good[..., NEXT[place]]
    default[..., BAD], good[..., BAD] = _bad(loans, month, paid_up, window)
    return Outlook(default, good)


def _late_in_time(loans: Loans, month: int, limit: Days) -> Floats:
    """Loans x 1 x states: share of late payments of a month's event that come up to a day."""
    paid_on = loans.due[:, month][:, None] + LATE_RANGE[None, :].astype("timedelta64[D]")
    return ((paid_on <= limit[:, None]) @ behaviour.LATE_TABLE.T)[:, None, :]


def _paid_up(loans: Loans, month: int, after: Outlook, chances: Chances) -> Outlook:
    """The outlook of a loan that pays everything due at a month's event: it may end, or be settled early soon after."""
    ends = (month - loans.start_month >= loans.tenor)[:, None, None]
    settles = chances.settles(month)[:, None, None]
    default = np.where(ends, 0.0, (1.0 - settles) * after.default[..., CLEAR])
    return Outlook(default, np.where(ends, 1.0, settles + (1.0 - settles) * after.good[..., CLEAR]))


def _bad(loans: Loans, month: int, paid_up: Outlook, window: Window) -> tuple[Floats, Floats]:
    """Three months behind: a cure on the due date, or default. Months differ in length, so a cure may come just in time."""
    due, cure, default_on = loans.due[:, month], behaviour.CURE[0], _default_on(loans, month, 3)
    in_window, too_late = ((flag)[:, None, None] for flag in (default_on <= window.ends_on, due > default_on))
    in_time = (due <= _limit(loans, month, 3, window))[:, None, None]
    default = cure * np.where(too_late & in_window, 1.0, paid_up.default) + (1.0 - cure) * in_window
    return default, cure * in_time * paid_up.good
