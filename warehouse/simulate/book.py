"""The book of the generated lender while it runs: its clients and contracts, one array an attribute.

A contract's number is its client's number times 32 plus its place among the client's contracts, so it needs no counter across clients.
"""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from warehouse.simulate import behaviour, geography, products
from warehouse.simulate.dates import NEVER, Days, add_months, season, shift
from warehouse.simulate.draws import Draws, Floats, Ints
from warehouse.simulate.profiles import Profile
from warehouse.simulate.schedule import Terms

Flags = npt.NDArray[np.bool_]

PLACES = 32  # contracts a client can have
OPEN, PAID, SETTLED, WRITTEN_OFF, SOLD, CANCELLED = range(6)  # how a contract ended
AGE_RISK = np.array([0.45, 0.05, -0.15, -0.30])  # under 25, to 34, to 49, older
AGE_SHARE = (0.22, 0.38, 0.29, 0.11)
THETA_SIGMA = 0.9
THETA_SHIFT = 0.0
CANCEL_SHARE, CANCEL_DAYS = 0.012, 14
EARLY_BOOK_SHARE, EARLY_BOOK_MONTHS = 0.35, 6  # part of the clients who come in the first months, so that early cohorts are not empty


@dataclass
class Clients:
    """Clients of one chunk."""

    number: Ints
    region: Ints
    age: Ints
    theta: Floats
    score: Ints
    first_start: Days
    state: Ints
    run: Ints
    contracts: Ints


@dataclass
class Contracts:
    """Contracts of one chunk, with how far each is paid."""

    client: Ints  # position in Clients
    number: Ints
    product: Ints
    principal: Ints
    tenor: Ints
    rate: Floats
    fee: Ints
    start: Days
    first_due: Days
    is_fraud: Flags
    by_contract: Flags
    has_history: Flags
    is_refinancing: Flags
    ended: Ints
    ended_on: Days
    paid: Ints  # installments paid in full, oldest first
    partial: Ints  # dong already paid for the next one
    last_paid_on: Days
    bad_months: Ints

    def __len__(self) -> int:
        return len(self.number)

    def terms(self) -> Terms:
        """What the schedules are computed from."""
        return Terms(self.principal, self.tenor, self.rate, self.fee, self.first_due)

    def at(self, position: npt.NDArray) -> "Contracts":
        """The contracts at some positions."""
        return Contracts(*(getattr(self, item.name)[position] for item in fields(self)))

    def joined(self, other: "Contracts") -> "Contracts":
        """These contracts followed by others."""
        return Contracts(*(np.concatenate([getattr(self, item.name), getattr(other, item.name)]) for item in fields(self)))


def settle_in(profile: Profile, seed: int, number: Ints) -> Clients:
    """The clients with these numbers, on the day before their first contract."""
    draws = Draws(seed, "client")
    region, age = geography.home_region(draws, number), draws.choice(number, AGE_SHARE, lane=2)
    theta = THETA_SHIFT + geography.risks()[region] + AGE_RISK[age] + THETA_SIGMA * draws.normal(number, lane=2)
    score = np.round(640 - 45 * theta + 40 * draws.normal(number, lane=3)).astype(np.int64)
    return Clients(
        number=number,
        region=region,
        age=age,
        theta=theta,
        score=np.clip(score, 300, 850),
        first_start=_first_start(profile, draws, number),
        state=behaviour.first_state(Draws(seed, "first state"), number, theta),
        run=np.zeros(len(number), dtype=np.int64),
        contracts=np.zeros(len(number), dtype=np.int64),
    )


def _first_start(profile: Profile, draws: Draws, number: Ints) -> Days:
    every, weight = season(profile.first, profile.last)
    early = every < add_months(every[:1], min(EARLY_BOOK_MONTHS, profile.months - 1))[0]
    weight = weight / weight.sum() * (1.0 - EARLY_BOOK_SHARE) + early * weight / weight[early].sum() * EARLY_BOOK_SHARE
    edges = np.cumsum(weight) / weight.sum()
    return every[np.searchsorted(edges[:-1], draws.uniform(number, lane=8), side="right")]


def originate(profile: Profile, seed: int, clients: Clients, client: Ints, start: Days, is_refinancing: Flags) -> Contracts:
    """New contracts of some clients (each named once), which counts them as the client's next."""
    number = clients.number[client] * PLACES + clients.contracts[client]
    clients.contracts[client] += 1
    sale, draws = products.sell(Draws(seed, "sale"), number, is_refinancing), Draws(seed, "contract")
    none = np.zeros(len(number), dtype=np.int64)
    is_cancelled = (draws.uniform(number) < CANCEL_SHARE) & ~is_refinancing
    return Contracts(
        client=client,
        number=number,
        product=sale.product,
        principal=sale.principal,
        tenor=sale.tenor,
        rate=sale.rate,
        fee=sale.fee,
        start=start,
        first_due=add_months(start, 1),
        is_fraud=draws.uniform(number, lane=1) < products.FRAUD[sale.product],
        by_contract=draws.uniform(number, lane=2) < profile.rates.by_contract,
        has_history=draws.uniform(number, lane=3) >= profile.rates.without_history,
        is_refinancing=is_refinancing,
        ended=np.where(is_cancelled, CANCELLED, OPEN),
        ended_on=np.where(is_cancelled, shift(start, draws.between(number, 1, CANCEL_DAYS, lane=4)), NEVER),
        paid=none.copy(),
        partial=none.copy(),
        last_paid_on=start.copy(),
        bad_months=none.copy(),
    )
