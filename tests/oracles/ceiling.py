"""The probability of default of one generated loan, summed over paths in plain Python: loops over days and dicts, no arrays.

It shares the generator's constants with the code under test, and nothing else: dates are counted by the day, receipts are made and compared
one by one, and the label is read off the days past due.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from math import erf, exp, sqrt

from warehouse.clock import add_months
from warehouse.simulate import behaviour as b
from warehouse.simulate import book
from warehouse.simulate.booking import LAG_DAYS, LAG_SHARE

WRITTEN_OFF_AFTER = 300


@dataclass(frozen=True)
class Loan:
    """One loan: its calendar by event from 1, and what is seen of it on a day.

    Attributes:
        first_due: due date of the first installment.
        region_risk: risk shift of the client's province.
        pressure: event -> pressure of the times and of the debt in its month.
        tet, pre_tet: event -> whether it falls due around or before the lunar new year.
        fraud: probability that it was never meant to be repaid.
        seen: receipts in full, (installment, day); parts: days of parts.
        settled_seen: money that settles the whole loan was seen.
    """

    first_due: date
    tenor: int
    region_risk: float
    score: int
    kind: int
    product_risk: float
    pressure: tuple[float, ...]
    tet: tuple[bool, ...]
    pre_tet: tuple[bool, ...]
    fraud: float
    is_parted: bool
    seen: frozenset[tuple[int, date]]
    parts: frozenset[date]
    settled_seen: bool

    def due(self, event: int) -> date:
        return _due(self.first_due, event)


@cache
def _due(first_due: date, event: int) -> date:
    return add_months(first_due, event - 1)


def probabilities(loan: Loan, when: date, window_end: date) -> tuple[float, float]:
    """Probability of default and of no day with 30 days past due from one date to another, given what is seen at the first."""
    if loan.settled_seen:
        return 0.0, 1.0
    total = default = good = 0.0
    for theta, weight in _prior(loan):
        path = _Paths(loan, theta, when, window_end)
        one, bad, fine = path.past()
        scale = weight * (1.0 - loan.fraud)
        total, default, good = total + scale * one, default + scale * bad, good + scale * fine
    if not loan.seen and not loan.parts:
        total, default = total + loan.fraud, default + loan.fraud
    return default / total, good / total


def _prior(loan: Loan) -> list[tuple[float, float]]:
    weights = []
    for theta in b.THETA:
        total = 0.0
        for share, shift in zip(book.AGE_SHARE, book.AGE_RISK, strict=True):
            mean = loan.region_risk + shift
            every = [exp(-0.5 * ((other - mean) / b.THETA_SIGMA) ** 2) for other in b.THETA]
            total += share * exp(-0.5 * ((theta - mean) / b.THETA_SIGMA) ** 2) / sum(every)
        weights.append((float(theta), total * _score_chance(loan.score, float(theta))))
    whole = sum(weight for _, weight in weights)
    return [(theta, weight / whole) for theta, weight in weights]


def _score_chance(score: int, theta: float) -> float:
    low, high = book.SCORE_RANGE
    mean = book.SCORE_BASE - book.SCORE_SLOPE * theta
    below = [0.5 + 0.5 * erf((edge - mean) / (book.SCORE_SIGMA * sqrt(2.0))) for edge in (score - 0.5, score + 0.5)]
    return (1.0 if score == high else below[1]) - (0.0 if score == low else below[0])


def _logistic(value: float) -> float:
    return 1.0 / (1.0 + exp(-value))


class _Paths:
    """All paths of one loan for one hidden risk."""

    def __init__(self, loan: Loan, theta: float, when: date, window_end: date) -> None:
        self.loan, self.theta, self.when, self.window_end = loan, theta, when, window_end
        self.future = cache(self._future)
        self.unseen = cache(self._unseen)
        self.receipts_of = cache(self._receipts_of)

    def past(self) -> tuple[float, float, float]:
        """Weight of what is seen, and of default and good together with it."""
        careless = _logistic(b.FIRST_CARELESS[0] + b.FIRST_CARELESS[1] * self.theta)
        states = {(b.NORMAL, 0, True): 1.0 - careless, (b.CARELESS, 0, True): careless}
        over, event = 0.0, 1
        total = default = good = 0.0
        while self.loan.due(event) <= self.when:
            is_last = self.loan.due(event + 1) > self.when
            after: defaultdict[tuple[int, int, bool], float] = defaultdict(float)
            over *= not self.receipts_of(event)
            for (before, paid, flag), weight in states.items():
                for state, move in enumerate(self._moves(before, event)):
                    for chance, receipts, settled in self._happenings(state, paid, flag, event, weight * move):
                        seen_chance = self._seen_chance(event, receipts, settled, paid)
                        if chance * seen_chance == 0.0:
                            continue
                        now_paid = paid + sum(1 for kind, _, _ in receipts if kind == "full")
                        if settled or now_paid == self.loan.tenor:
                            over += chance * seen_chance
                        elif is_last:
                            worst = self._worst(receipts)
                            bad, fine = self.future(event + 1, state, now_paid, self._flag(receipts, event))
                            total += chance * seen_chance
                            default += chance * seen_chance * (1.0 if worst >= 90 else bad)
                            good += chance * seen_chance * (0.0 if worst >= 30 else fine)
                        else:
                            after[(state, now_paid, self._flag(receipts, event))] += chance * seen_chance
            states, event = dict(after), event + 1
        return total + over, default, good + over

    def _flag(self, receipts: list[tuple[str, int, date]], event: int) -> bool:
        return any(kind == "full" and day <= self.loan.due(event) for kind, _, day in receipts)

    def _receipts_of(self, event: int) -> frozenset[tuple[str, int, date]]:
        """Seen receipts that can only belong to an event."""
        loan, found = self.loan, set()
        for installment, day in loan.seen:
            owner = installment if day < loan.due(installment) else max(e for e in range(installment, 400) if loan.due(e) <= day)
            if owner == event:
                found.add(("full", installment, day))
        for day in loan.parts:
            if loan.due(event) < day <= loan.due(event) + timedelta(days=b.PARTIAL_DAYS):
                found.add(("part", 0, day))
        return frozenset(found)

    def _seen_chance(self, event: int, receipts: list[tuple[str, int, date]], settled: bool, paid: int) -> float:
        """Probability that of these receipts exactly those are seen that are; a settlement must be wholly unseen."""
        expected, chance = set(self.receipts_of(event)), 1.0
        for kind, installment, day in receipts:
            if (kind, installment, day) in expected:
                expected.discard((kind, installment, day))
            elif kind == "settle":
                left = self.loan.tenor - event if self.loan.is_parted else 1
                chance *= self.unseen(day) ** left
            elif any(i == installment for i, _ in self.loan.seen if kind == "full"):
                return 0.0  # this installment is seen paid on another day
            else:
                chance *= self.unseen(day)
        return 0.0 if expected else chance

    def _unseen(self, day: date) -> float:
        lag = (self.when - day).days
        if lag < 0:
            return 1.0
        chance = 0.0
        for share, (low, high) in zip(LAG_SHARE, LAG_DAYS, strict=True):
            for days in range(low, high + 1):
                chance += share / (high - low + 1) * (days > lag)
        return chance

    def _moves(self, state: int, event: int) -> list[float]:
        kind, theta, m = self.loan.kind, self.theta, self.loan.pressure[event]

        def hazard(table) -> float:  # type: ignore[no-untyped-def]
            constant, risk, strain = table[kind]
            return _logistic(constant + risk * theta + strain * m)

        if state == b.NORMAL:
            leave = {b.CARELESS: hazard(b.NORMAL_TO_CARELESS), b.DISTRESSED: hazard(b.NORMAL_TO_DISTRESSED)}
        elif state == b.CARELESS:
            leave = {b.NORMAL: hazard(b.CARELESS_TO_NORMAL), b.DISTRESSED: hazard(b.CARELESS_TO_DISTRESSED)}
        else:
            leave = {b.NORMAL: hazard(b.DISTRESSED_TO_NORMAL), b.CARELESS: b.DISTRESSED_TO_CARELESS}
        scale = max(1.0, sum(leave.values()))
        leave = {other: chance / scale for other, chance in leave.items()}
        return [leave.get(other, 1.0 - sum(leave.values())) for other in range(3)]

    def _happenings(self, state: int, paid: int, flag: bool, event: int, weight: float):  # type: ignore[no-untyped-def]
        """What can happen at an event: probability, receipts, and whether the whole loan is settled early after it."""
        loan, due = self.loan, self.loan.due(event)
        behind = event - 1 - paid
        if (due - loan.due(paid + 1)).days >= WRITTEN_OFF_AFTER:
            return
        odds = [float(value) for value in b.OUTCOME[state]]
        odds[b.MISSED] *= exp(loan.product_risk)
        odds[b.LATE] *= exp(0.5 * loan.product_risk) * (b.TET_LATENESS if loan.tet[event] else 1.0)
        odds = [value / sum(odds) for value in odds]
        if behind >= b.BAD_MONTHS:
            cure = b.CURE[0] if behind < b.BAD_MONTHS + 3 else b.CURE[1]
            odds = [cure, 0.0, 1.0 - cure]
        for days, chance in enumerate(b.LATE_TABLE[state], start=1):
            yield weight * odds[b.LATE] * chance, [("full", paid + 1, due + timedelta(days=days))], False
        yield weight * odds[b.MISSED] * (1.0 - b.PARTIAL_SHARE), [], False
        for days in range(1, b.PARTIAL_DAYS + 1):
            yield weight * odds[b.MISSED] * b.PARTIAL_SHARE / b.PARTIAL_DAYS, [("part", 0, due + timedelta(days=days))], False
        yield from self._on_time(state, paid, flag, event, weight * odds[b.ON_TIME])

    def _on_time(self, state: int, paid: int, flag: bool, event: int, weight: float):  # type: ignore[no-untyped-def]
        loan, due = self.loan, self.loan.due(event)
        early = b.EARLY_SHARE * (b.PRE_TET_EARLINESS if loan.pre_tet[event] else 1.0)
        early = early if state == b.NORMAL and flag and paid == event - 1 else 0.0
        last = min(event, loan.tenor)
        may_settle = event >= 3 and loan.tenor - event >= 2
        for days in range(b.EARLY_DAYS + 1):
            chance = weight * (1.0 - early if days == 0 else early / b.EARLY_DAYS)
            receipts = [("full", number, due - timedelta(days=days)) for number in range(paid + 1, last + 1)]
            yield chance * (1.0 - b.SETTLE * may_settle), receipts, False
            for wait in range(1, b.SETTLE_DAYS + 1) if may_settle else ():
                yield chance * b.SETTLE / b.SETTLE_DAYS, [*receipts, ("settle", 0, due + timedelta(days=wait))], True

    def _worst(self, receipts: list[tuple[str, int, date]]) -> int:
        """Greatest days past due of the window's days until these installments are paid."""
        worst = 0
        for kind, installment, day in receipts:
            if kind == "full":
                worst = max(worst, self._until(installment, day - timedelta(days=1)))
        return worst

    def _until(self, installment: int, last: date) -> int:
        due, last = self.loan.due(installment), min(last, self.window_end)
        return (last - due).days if last > self.when and last > due else 0

    def _future(self, event: int, before: int, paid: int, flag: bool) -> tuple[float, float]:
        """Probability of 90 days past due from here on, and of never 30."""
        default_on = self.loan.due(paid + 1) + timedelta(days=90)
        if default_on < self.loan.due(event) and default_on <= self.window_end:
            return 1.0, 0.0  # nobody pays between two events what is so old
        if self.loan.due(event) > self.window_end:
            worst = self._until(paid + 1, self.window_end)
            return float(worst >= 90), float(worst < 30)
        default = good = 0.0
        for state, move in enumerate(self._moves(before, event)):
            for chance, receipts, settled in self._happenings(state, paid, flag, event, move):
                if chance == 0.0:
                    continue
                worst, now_paid = self._worst(receipts), paid + sum(1 for kind, _, _ in receipts if kind == "full")
                over = settled or now_paid == self.loan.tenor
                bad, fine = (0.0, 1.0) if over else self.future(event + 1, state, now_paid, self._flag(receipts, event))
                default += chance * (1.0 if worst >= 90 else bad)
                good += chance * (0.0 if worst >= 30 else fine)
        return default, good
