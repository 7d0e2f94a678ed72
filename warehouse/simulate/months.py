"""The months of the generated lender, one after another: states move, installments are paid or not, contracts end and new ones begin.

The only loop is over months; within a month everything is arrays. Contracts pay their oldest installment first, so `paid` says all.
"""

import numpy as np

from warehouse.simulate import behaviour, book, products, shocks
from warehouse.simulate.book import Contracts, Flags
from warehouse.simulate.dates import Days, add_months, before_tet, day, months_between, near_tet, quarter_end, shift
from warehouse.simulate.draws import Draws, Floats, Ints
from warehouse.simulate.profiles import Profile
from warehouse.simulate.receipts import PART, REST, SETTLEMENT, Receipts, Run
from warehouse.simulate.schedule import amounts, balance, monthly

WRITE_OFF_DAYS = 300  # days past due
PART_SHARE, PART_LIMIT = (0.05, 0.20), 0.85  # of an installment: least part and how much more it may be; all parts together
SOLD_SHARE = 0.2


class Months:
    """Runs the clients of one chunk through the history of a profile."""

    def __init__(self, profile: Profile, seed: int, number: Ints) -> None:
        self.profile = profile
        self.seed = seed
        self.clients, self.rejected = book.settle_in(profile, seed, number)
        everyone = np.arange(len(number))
        self.contracts = self._originate(everyone, self.clients.first_start, np.zeros(len(number), dtype=bool))
        self.receipts: list[Receipts] = []

    def run(self) -> Run:
        """All months of the history."""
        states = np.full((len(self.clients.number), self.profile.months), -1, dtype=np.int8)
        for month in range(self.profile.months):
            begins = add_months(np.array([day(self.profile.first)]), month)[0]
            has_begun = self.clients.first_start < add_months(np.array([begins]), 1)[0]
            self._move_states(month, begins)
            states[has_begun, month] = self.clients.state[has_begun]
            self._collect(month, begins)
            if not self.profile.single_contract:
                self._sell(month, begins)
        return Run(self.clients, self.rejected, self.contracts, Receipts.of(self.receipts), states)

    def _originate(self, client: Ints, start: Days, is_refinancing: Flags) -> Contracts:
        return book.originate(self.profile, self.seed, self.clients, client, start, is_refinancing)

    def _open_counts(self) -> Ints:
        is_open = self.contracts.ended == book.OPEN
        return np.bincount(self.contracts.client[is_open], minlength=len(self.clients.number))

    def _move_states(self, month: int, begins: np.datetime64) -> None:
        clients = self.clients
        pressure = shocks.pressure(self.profile.shocks, begins)[clients.region] + behaviour.load(self._monthly_due(begins))
        odds = behaviour.transitions(self._risk(begins), pressure, clients.kind)[np.arange(len(clients.number)), clients.state]
        moved = Draws(self.seed, "state").choice(clients.number, odds, month)
        clients.state = np.where(clients.first_start < begins, moved, clients.state)

    def _monthly_due(self, begins: np.datetime64) -> Floats:
        """What each client owes a month for the contracts that have begun and are open."""
        contracts = self.contracts
        owed = (contracts.ended == book.OPEN) & (contracts.start < begins)
        amount: Floats = monthly(contracts.at(owed).terms()).astype(np.float64)
        return np.bincount(contracts.client[owed], amount, len(self.clients.number)).astype(np.float64)

    def _risk(self, begins: np.datetime64) -> Floats:
        """Hidden risk; under shock S3 it counts half for clients with an open consumer durable loan."""
        clients, contracts = self.clients, self.contracts
        if not shocks.in_force(self.profile.shocks, "S3", begins):
            return clients.theta
        durable = products.IS_DURABLE[contracts.product] & (contracts.ended == book.OPEN)
        return np.where(np.bincount(contracts.client[durable], minlength=len(clients.number)) > 0, 0.5 * clients.theta, clients.theta)

    def _collect(self, month: int, begins: np.datetime64) -> None:
        contracts = self.contracts
        running = (contracts.ended == book.OPEN) & (contracts.first_due < add_months(np.array([begins]), 1)[0])
        position = np.flatnonzero(running)
        nth = months_between(np.full(len(position), begins), contracts.first_due[position])
        due_on = add_months(contracts.first_due[position], nth)
        lost = self._write_off(position, due_on)
        position, nth, due_on = position[~lost], nth[~lost], due_on[~lost]
        result = self._outcome(month, position, due_on)
        arrears = np.minimum(nth + 1, contracts.tenor[position]) - contracts.paid[position]
        result = self._cure(month, position, nth - contracts.paid[position], result)
        self._pay(month, position, due_on, arrears, result)
        self._miss(month, position, due_on, result)
        self._count_runs(position, result)
        self._end(month, position, due_on, result)

    def _write_off(self, position: Ints, due_on: Days) -> Flags:
        contracts = self.contracts
        oldest = add_months(contracts.first_due[position], contracts.paid[position])
        loss_on = np.maximum(oldest + np.timedelta64(WRITE_OFF_DAYS, "D"), contracts.last_paid_on[position] + np.timedelta64(1, "D"))
        lost = oldest + np.timedelta64(WRITE_OFF_DAYS, "D") <= due_on
        is_sold = Draws(self.seed, "loss").uniform(contracts.number[position]) < SOLD_SHARE
        ended = np.where(is_sold, book.SOLD, book.WRITTEN_OFF)
        contracts.ended[position[lost]] = ended[lost]
        contracts.ended_on[position[lost]] = np.where(is_sold, quarter_end(loss_on), loss_on)[lost]
        return lost

    def _outcome(self, month: int, position: Ints, due_on: Days) -> Ints:
        contracts = self.contracts
        state, risk = self.clients.state[contracts.client[position]], products.RISK[contracts.product[position]]
        odds = behaviour.outcomes(behaviour.OUTCOME[state], risk, near_tet(due_on))
        drawn = Draws(self.seed, "outcome").choice(contracts.number[position], odds, month)
        return np.where(contracts.is_fraud[position], behaviour.MISSED, drawn)

    def _cure(self, month: int, position: Ints, behind: Ints, result: Ints) -> Ints:
        contracts = self.contracts
        is_bad = behind >= behaviour.BAD_MONTHS
        contracts.bad_months[position] = np.where(is_bad, contracts.bad_months[position] + 1, 0)
        hazard = behaviour.cures(contracts.bad_months[position])
        is_cured = (Draws(self.seed, "cure").uniform(contracts.number[position], month) < hazard) & ~contracts.is_fraud[position]
        return np.where(is_bad, np.where(is_cured, behaviour.ON_TIME, behaviour.MISSED), result)

    def _pay(self, month: int, position: Ints, due_on: Days, arrears: Ints, result: Ints) -> None:
        contracts, draws = self.contracts, Draws(self.seed, "payment")
        number, state = contracts.number[position], self.clients.state[contracts.client[position]]
        late = 1 + draws.choice(number, behaviour.LATE_TABLE[state], month)
        share = np.where((state == behaviour.NORMAL) & contracts.was_on_time[position], behaviour.early_share(before_tet(due_on)), 0.0)
        early = np.where(draws.uniform(number, month, 2) < share, draws.between(number, 1, behaviour.EARLY_DAYS, month, 3), 0)
        paid_on = shift(due_on, np.where(result == behaviour.LATE, late, -early))
        count = np.select([result == behaviour.ON_TIME, result == behaviour.LATE], [arrears, 1], 0)
        self._receive(np.repeat(position, count), _places(contracts.paid[position], count), np.repeat(paid_on, count), REST)
        has_paid = count > 0
        contracts.paid[position] += count
        contracts.partial[position[has_paid]] = 0
        contracts.last_paid_on[position] = np.where(has_paid, paid_on, contracts.last_paid_on[position])
        contracts.was_on_time[position] = result == behaviour.ON_TIME

    def _receive(self, contract: Ints, number: Ints, paid_on: Days, kind: int, part: Ints | None = None) -> None:
        total = amounts(self.contracts.terms().at(contract), np.maximum(number, 1)).total
        is_next = number == self.contracts.paid[contract] + 1
        rest = total - np.where(is_next, self.contracts.partial[contract], 0)
        amount = rest if part is None else part
        self.receipts.append(Receipts(contract, number, paid_on, np.full(len(contract), kind), amount))

    def _miss(self, month: int, position: Ints, due_on: Days, result: Ints) -> None:
        """Some who miss an installment pay a part of the oldest one, never so much that it could count as paid."""
        contracts, draws = self.contracts, Draws(self.seed, "part")
        gives = (result == behaviour.MISSED) & (draws.uniform(contracts.number[position], month) < behaviour.PARTIAL_SHARE)
        position, due_on = position[gives & ~contracts.is_fraud[position]], due_on[gives & ~contracts.is_fraud[position]]
        number, entity = contracts.paid[position] + 1, contracts.number[position]
        total = amounts(contracts.terms().at(position), number).total
        part = np.ceil(total * (PART_SHARE[0] + PART_SHARE[1] * draws.uniform(entity, month, lane=1)) / 1000).astype(np.int64) * 1000
        paid_on = shift(due_on, draws.between(entity, 1, behaviour.PARTIAL_DAYS, month, lane=2))
        keep = contracts.partial[position] + part < PART_LIMIT * total
        self._receive(position[keep], number[keep], paid_on[keep], PART, part[keep])
        contracts.partial[position[keep]] += part[keep]
        contracts.last_paid_on[position[keep]] = paid_on[keep]

    def _count_runs(self, position: Ints, result: Ints) -> None:
        client, count = self.contracts.client[position], len(self.clients.number)
        paying = np.bincount(client, minlength=count) > 0
        failing = np.bincount(client[result != behaviour.ON_TIME], minlength=count) > 0
        self.clients.run = np.where(paying, np.where(failing, 0, self.clients.run + 1), self.clients.run)

    def _end(self, month: int, position: Ints, due_on: Days, result: Ints) -> None:
        contracts, draws = self.contracts, Draws(self.seed, "settlement")
        is_paid = contracts.paid[position] == contracts.tenor[position]
        contracts.ended[position[is_paid]] = book.PAID
        contracts.ended_on[position[is_paid]] = contracts.last_paid_on[position[is_paid]]
        left, paid = contracts.tenor[position] - contracts.paid[position], contracts.paid[position]
        ready = (result == behaviour.ON_TIME) & behaviour.may_settle(paid, left)
        draw = draws.uniform(contracts.number[position], month)
        settles = ready & (draw < behaviour.SETTLE + behaviour.REFINANCE * (not self.profile.single_contract))
        wait = draws.between(contracts.number[position], 1, behaviour.SETTLE_DAYS, month, lane=1)
        chosen, when = position[settles], shift(due_on, wait)[settles]
        self._settle(chosen, when)
        self._refinance(chosen, when, draw[settles] >= behaviour.SETTLE, draws.between(contracts.number[chosen], 0, 3, month, lane=2))

    def _settle(self, position: Ints, when: Days) -> None:
        contracts = self.contracts
        contracts.ended[position], contracts.ended_on[position], contracts.last_paid_on[position] = book.SETTLED, when, when
        in_parts = contracts.is_parted[position]
        parts, count = position[in_parts], (contracts.tenor - contracts.paid)[position[in_parts]]
        self._receive(np.repeat(parts, count), _places(contracts.paid[parts], count), np.repeat(when[in_parts], count), REST)
        whole = position[~in_parts]
        terms = contracts.terms().at(whole)
        next_one = amounts(terms, contracts.paid[whole] + 1)
        rest = balance(terms, contracts.paid[whole]) + next_one.interest + next_one.fee
        self._receive(whole, np.zeros(len(whole), dtype=np.int64), when[~in_parts], SETTLEMENT, rest)
        contracts.paid[parts] = contracts.tenor[parts]

    def _refinance(self, position: Ints, when: Days, is_refinanced: Flags, delay: Ints) -> None:
        client, first = np.unique(self.contracts.client[position[is_refinanced]], return_index=True)
        start = shift(when[is_refinanced], delay[is_refinanced])[first]
        self._add(client, start, np.ones(len(client), dtype=bool))

    def _sell(self, month: int, begins: np.datetime64) -> None:
        clients, draws = self.clients, Draws(self.seed, "repeat")
        count = self._open_counts()
        loyal = (clients.run >= behaviour.LOYAL_RUN) & (count > 0) & (count < behaviour.MAX_OPEN)
        back = (count == 0) & (clients.run > 0)
        hazard = np.select([loyal, back], [behaviour.CROSS_SELL, behaviour.RETURN], 0.0)
        buys = np.flatnonzero(draws.uniform(clients.number, month) < hazard)
        next_month = np.full(len(buys), add_months(np.array([begins]), 1)[0])
        start = shift(next_month, draws.between(clients.number[buys], 0, 27, month, lane=1))
        self._add(buys, start, np.zeros(len(buys), dtype=bool))

    def _add(self, client: Ints, start: Days, is_refinancing: Flags) -> None:
        has_place = self.clients.contracts[client] < book.PLACES
        new = self._originate(client[has_place], start[has_place], is_refinancing[has_place])
        self.contracts = self.contracts.joined(new)


def _places(paid: Ints, count: Ints) -> Ints:
    """Numbers of the next installments: paid + 1, paid + 2, ..., as many as counted for each contract."""
    before = np.repeat(np.cumsum(count) - count, count)
    return np.repeat(paid, count) + np.arange(count.sum()) - before + 1
