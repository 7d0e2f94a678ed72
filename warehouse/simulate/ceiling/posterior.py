"""Forward filter: the exact probability of everything hidden about a loan, given what is known on a day.

Hidden are the class (one of THETA), the state of the month and how far behind the loan is: money may be on its way to the books. Fraud, an
ended loan and a settled loan are classes of their own. The sums are over all paths that the generator could have taken.
"""

from dataclasses import dataclass
from math import erf, sqrt

import numpy as np
import numpy.typing as npt

from warehouse.simulate import behaviour, book, geography, products
from warehouse.simulate.behaviour import LATE, MISSED, NORMAL, ON_TIME
from warehouse.simulate.ceiling.chances import Chances
from warehouse.simulate.ceiling.loans import Loans, lag_survival
from warehouse.simulate.ceiling.seen import UNSEEN, Seen
from warehouse.simulate.dates import Days
from warehouse.simulate.draws import Floats, Ints

Flags = npt.NDArray[np.bool_]

# How far behind a loan is before an event: nothing and the last installment on time, nothing but it was late, then
# months behind, as far as it goes before the loan is written off.
BEHIND = np.array([0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
CLEAR, CLEAR_LATE, BAD = 0, 1, 4
LATE_RANGE, EARLY_RANGE, SETTLE_RANGE, PART_RANGE = (
    np.arange(1, most + 1) for most in (behaviour.LATE_DAYS, behaviour.EARLY_DAYS, behaviour.SETTLE_DAYS, behaviour.PARTIAL_DAYS)
)


@dataclass
class _Step:
    """What an event adds: running paths, stained ones, and those that are over."""

    after: Floats
    stained: Floats
    over: Floats


@dataclass
class Belief:
    """Weights of the hidden, not normalised.

    Attributes:
        running: loans x classes x states x BEHIND.
        stained: of the same shape: paths on which a day with 30 days past due after the as-of date is certain.
        over: loans: ended or settled, though the books do not say so.
        fraud: loans.
    """

    running: Floats
    stained: Floats
    over: Floats
    fraud: Floats


def prior(loans: Loans) -> Floats:
    """Probability of each class, given where a client lives and the lender's score; the age is not delivered and summed over."""
    risk = geography.risks()[loans.region]
    total = np.zeros((len(loans), len(behaviour.THETA)))
    for share, shift in zip(book.AGE_SHARE, book.AGE_RISK, strict=True):
        weights = behaviour.theta_weights(risk + shift)
        total += share * weights / weights.sum(axis=1, keepdims=True)
    total *= _score_table()[loans.score - book.SCORE_RANGE[0]]
    return total / total.sum(axis=1, keepdims=True)


def _score_table() -> Floats:
    """Probability of each whole score, one row a score from the lowest, one column a class."""
    low, high = book.SCORE_RANGE
    edges = np.arange(low, high) + 0.5
    mean = book.SCORE_BASE - book.SCORE_SLOPE * behaviour.THETA
    below = np.array([[0.5 + 0.5 * erf((edge - one) / (book.SCORE_SIGMA * sqrt(2.0))) for one in mean] for edge in edges])
    ones = np.ones((1, len(mean)))
    return np.diff(np.concatenate([0 * ones, below, ones]), axis=0)


def fraud_prior(loans: Loans) -> Floats:
    """Probability that a loan was never meant to be repaid; which point of sale sold it is not delivered."""
    at_shops = products.shop_fraud().mean()
    return products.FRAUD[loans.product] * np.where(products.IS_CASH[loans.product], 1.0, at_shops)


class Filter:
    """Runs the belief of some loans through the months up to one as-of date.

    Args:
        loans: the loans.
        seen: what is known of them on the as-of date.
        when: the as-of date, a month end.
        chances: what the generator does next.
    """

    def __init__(self, loans: Loans, seen: Seen, when: np.datetime64, chances: Chances) -> None:
        self.loans, self.seen, self.when, self.chances = loans, seen, when, chances
        self._survival = lag_survival()

    def run(self, last_month: int) -> Belief:
        """The belief after the event of the month that the as-of date ends."""
        loans = self.loans
        self._alpha = np.zeros((len(loans), len(behaviour.THETA), 3, len(BEHIND)))
        self._over, self._stained = np.zeros(len(loans)), np.zeros_like(self._alpha)
        start = prior(loans)[:, :, None] * behaviour.first_states(behaviour.THETA)[None]
        for month in range(int(loans.start_month.min(initial=0)), last_month + 1):
            begins, runs = loans.start_month == month, loans.start_month < month
            self._alpha[begins, :, :, CLEAR] = start[begins]
            moved = np.einsum("nkij,nkib->nkjb", self.chances.moves(month), self._alpha)
            self._alpha = np.where(runs[:, None, None, None], moved, self._alpha)
            self._event(month, runs, is_last=month == last_month)
        clean = 1.0 - fraud_prior(loans)
        nothing_seen = ~self.seen.anything.any(axis=1) & ~self.seen.is_settled
        scale = clean[:, None, None, None]
        return Belief(self._alpha * scale, self._stained * scale, self._over * clean, (1.0 - clean) * nothing_seen)

    def _unseen(self, paid_on: Days) -> Floats:
        """Probability that a payment made on a day is not booked by the as-of date; 1 if the day is still to come."""
        lag = (self.when - paid_on).astype(np.int64)
        return np.where(lag < 0, 1.0, self._survival[np.clip(lag, 0, len(self._survival) - 1)])

    def _event(self, month: int, runs: Flags, is_last: bool) -> None:
        """Take the event of a month into the belief about the loans that have begun."""
        before, odds = self._alpha, self.chances.outcomes(month)
        step = _Step(np.zeros_like(before), np.zeros_like(before), np.zeros(len(before)))
        for place in range(len(BEHIND)):
            mass = before[..., place]
            if mass.any():
                late, missed, on_time = (mass * weight[:, None, :] for weight in self._weights(month, place, odds))
                self._late_paid(step, month, place, late, is_last)
                self._paid_up(step, month, on_time)
                if place + 1 < len(BEHIND):  # further behind it is written off
                    step.after[..., max(place + 1, CLEAR_LATE + 1)] += missed
        any_seen = self.seen.anything[:, month]
        mask = runs[:, None, None, None]
        self._alpha, self._stained = np.where(mask, step.after, before), np.where(mask, step.stained, 0.0)
        self._over = np.where(runs, self._over * ~any_seen + step.over, self._over)

    def _late_paid(self, step: "_Step", month: int, place: int, mass: Floats, is_last: bool) -> None:
        """One installment is paid late: the loan stays as far behind as it was, or ends with its last one."""
        ends = (BEHIND[place] <= month - self.loans.start_month - self.loans.tenor)[:, None, None]
        step.over += (mass * ends).sum(axis=(1, 2))
        mass, target = np.where(ends, 0.0, mass), max(place, CLEAR_LATE)
        if is_last:
            stained = mass * self._stained_share(month, place)[:, None, :]
            step.stained[..., target] += stained
            mass = mass - stained
        step.after[..., target] += mass

    def _paid_up(self, step: "_Step", month: int, mass: Floats) -> None:
        """Everything due is paid: the loan is clear, ended, or settled early soon after."""
        ends = (month - self.loans.start_month >= self.loans.tenor)[:, None, None]
        goes_on, settles = np.where(ends, 0.0, mass), self.chances.settles(month)
        step.over += (mass * ends).sum(axis=(1, 2)) + settles * self._settled_unseen(month) * goes_on.sum(axis=(1, 2))
        step.after[..., CLEAR] += goes_on * (1.0 - settles)[:, None, None]

    def _settled_unseen(self, month: int) -> Floats:
        """Probability that no money of an early settlement after this event is booked."""
        left = self.loans.tenor - (month - self.loans.start_month)
        receipts = np.where(self.loans.is_parted, np.maximum(left, 1), 1)
        unseen = self._unseen(self.loans.due[:, month][:, None] + SETTLE_RANGE[None, :].astype("timedelta64[D]"))
        return (unseen ** receipts[:, None]).mean(axis=1)

    def _weights(self, month: int, place: int, odds: Floats) -> tuple[Floats, Floats, Floats]:
        """Likelihood of late, missed and on time together with what was seen; loans x states each."""
        seen, behind, due = self.seen, BEHIND[place], self.loans.due[:, month]
        none = ~(seen.on_time[:, month] | seen.late[:, month])
        missed_odds, on_odds, late_odds = odds[:, :, MISSED], odds[:, :, ON_TIME], odds[:, :, LATE]
        if place >= BAD:
            cure = float(behaviour.cures(behind - behaviour.BAD_MONTHS + 1))
            missed_odds, on_odds, late_odds = np.full_like(odds[:, :, 0], 1 - cure), np.full_like(odds[:, :, 0], cure), 0 * late_odds
        part_unseen = self._unseen(due[:, None] + PART_RANGE[None, :].astype("timedelta64[D]")).mean(axis=1)
        share = behaviour.PARTIAL_SHARE
        part = np.where(seen.part[:, month], share, 1.0 - share + share * part_unseen)
        missed = missed_odds * (none * part)[:, None]
        late = late_odds * self._late(month, behind)
        on_time = on_odds * self._on_time(month, place)
        return late, missed, on_time

    def _installment(self, position: Ints) -> tuple[Ints, Ints, Flags]:
        """Month, day and existence of what was seen of installments with these numbers."""
        number = np.clip(position, 0, self.seen.month.shape[1] - 1)[:, None]
        month = np.take_along_axis(self.seen.month, number, axis=1)[:, 0]
        offset = np.take_along_axis(self.seen.offset, number, axis=1)[:, 0]
        return month, offset, (position >= 1) & (position <= self.loans.tenor)

    def _late(self, month: int, behind: int) -> Floats:
        seen_month, offset, exists = self._installment(month - self.loans.start_month - behind)
        due, any_seen = self.loans.due[:, month], self.seen.anything[:, month]
        is_it = (seen_month == month) & (offset > 0)
        days = behaviour.LATE_TABLE[:, np.clip(offset, 1, behaviour.LATE_DAYS) - 1].T
        unseen = self._unseen(due[:, None] + LATE_RANGE[None, :].astype("timedelta64[D]")) @ behaviour.LATE_TABLE.T
        hidden = (seen_month == UNSEEN) & ~any_seen
        return np.where(exists[:, None], np.where(is_it[:, None], days, hidden[:, None] * unseen), 0.0)

    def _on_time(self, month: int, place: int) -> Floats:
        position, behind, due = month - self.loans.start_month, BEHIND[place], self.loans.due[:, month]
        fits, shown, hidden, early = np.ones(len(position), dtype=bool), 0 * position, 0 * position, 0 * position
        for number in range(behind + 1):
            seen_month, offset, exists = self._installment(position - number)
            is_it = exists & (seen_month == month) & (offset <= 0)
            is_hidden = exists & (seen_month == UNSEEN)
            fits &= is_it | is_hidden | ~exists
            shown, hidden = shown + is_it, hidden + is_hidden
            early = np.where(is_it, -offset, early)
        fits &= ~self.seen.late[:, month] & ~self.seen.part[:, month] & ((shown > 0) | ~self.seen.on_time[:, month])
        days = np.zeros((len(position), 3, behaviour.EARLY_DAYS + 1))
        days[:, :, 0] = 1.0
        if place == CLEAR:
            share = behaviour.early_share(self.loans.pre_tet[:, month])
            days[:, NORMAL, 0], days[:, NORMAL, 1:] = 1.0 - share, (share / behaviour.EARLY_DAYS)[:, None]
        back = np.concatenate([[0], EARLY_RANGE]).astype("timedelta64[D]")
        unseen = self._unseen(due[:, None] - back[None, :]) ** hidden[:, None]
        known = np.arange(behaviour.EARLY_DAYS + 1)[None, :] == early[:, None]
        allowed = np.where((shown > 0)[:, None], known, True) * unseen
        return np.einsum("nze,ne->nz", days, allowed) * fits[:, None]

    def _stained_share(self, month: int, place: int) -> Floats:
        """Share of unseen late payments of the last event that come after the day on which 30 days past due are certain."""
        behind, due = BEHIND[place], self.loans.due
        if behind == 0:
            return np.zeros((len(self.loans), 3))
        limit = np.maximum(due[:, month - behind] + np.timedelta64(30, "D"), self.when + np.timedelta64(1, "D"))
        paid_on = due[:, month][:, None] + LATE_RANGE[None, :].astype("timedelta64[D]")
        weight = self._unseen(paid_on)
        after = weight * (paid_on > limit[:, None])
        table = behaviour.LATE_TABLE.T
        whole = weight @ table
        seen_month, _, _ = self._installment(month - self.loans.start_month - behind)
        share = np.divide(after @ table, whole, out=np.zeros_like(whole), where=whole > 0)
        return share * (seen_month == UNSEEN)[:, None]
