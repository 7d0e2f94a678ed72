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
PARTED_EVERY = 3
OPEN, PAID, SETTLED, WRITTEN_OFF, SOLD, CANCELLED = range(6)  # how a contract ended
AGE_RISK = np.array([0.45, 0.05, -0.15, -0.30])  # under 25, to 34, to 49, older
AGE_SHARE = (0.22, 0.38, 0.29, 0.11)
SECOND_SET = np.array([0, 1, 1, 1, 0, 1])[geography.MACRO]  # transition set by province: town and country differ
SCORE_BASE, SCORE_SLOPE, SCORE_SIGMA = 640, 30.0, 80.0  # the lender's own score is a noisy view of the hidden risk
SCORE_RANGE = (300, 850)
APPROVAL_SCORE = 530  # applicants below are rejected
ATTEMPTS = 100  # nobody is rejected so often
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
    kind: Ints  # transition set
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
    shop: Ints
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
    was_on_time: Flags  # the last installment, or there was none yet

    def __len__(self) -> int:
        return len(self.number)

    def terms(self) -> Terms:
        """What the schedules are computed from."""
        return Terms(self.principal, self.tenor, self.rate, self.fee, self.first_due)

    @property
    def is_parted(self) -> Flags:
        """Whether an early settlement pays each installment in full; the others pay what is left of the principal."""
        return self.number % PARTED_EVERY == 0

    def at(self, position: npt.NDArray) -> "Contracts":
        """The contracts at some positions."""
        return Contracts(*(getattr(self, item.name)[position] for item in fields(self)))

    def joined(self, other: "Contracts") -> "Contracts":
        """These contracts followed by others."""
        return Contracts(*(np.concatenate([getattr(self, item.name), getattr(other, item.name)]) for item in fields(self)))


@dataclass
class Rejected:
    """Applicants who got no loan; the number is that of the client who later came in their place."""

    number: Ints
    attempt: Ints
    region: Ints
    age: Ints
    theta: Floats
    score: Ints


def mean_risk(region: Ints, age: Ints) -> Floats:
    """Mean of the hidden risk in a segment."""
    return geography.risks()[region] + AGE_RISK[age]


def settle_in(profile: Profile, seed: int, number: Ints) -> tuple[Clients, Rejected]:
    """The clients with these numbers, on the day before their first contract, and who was rejected before them."""
    attempt = np.zeros(len(number), dtype=np.int64)
    rejected, waiting = [_apply(seed, number[:0], 0)], np.arange(len(number))
    for nth in range(ATTEMPTS):
        applied = _apply(seed, number[waiting], nth)
        fails = applied.score < APPROVAL_SCORE
        attempt[waiting] = nth
        rejected.append(Rejected(*(getattr(applied, item.name)[fails] for item in fields(Rejected))))
        waiting = waiting[fails]
    accepted = _apply(seed, number, attempt)
    draws, none = Draws(seed, "client"), np.zeros(len(number), dtype=np.int64)
    clients = Clients(
        number=number,
        region=accepted.region,
        age=accepted.age,
        theta=accepted.theta,
        score=accepted.score,
        kind=SECOND_SET[accepted.region],
        first_start=_first_start(profile, draws, number),
        state=draws.choice(number, behaviour.first_states(accepted.theta), lane=10),
        run=none.copy(),
        contracts=none.copy(),
    )
    whole = Rejected(*(np.concatenate([getattr(part, item.name) for part in rejected]) for item in fields(Rejected)))
    return clients, whole


def _apply(seed: int, number: Ints, attempt: npt.ArrayLike) -> Rejected:
    """Applicants: where they live, how old they are, their hidden risk and the lender's score of it."""
    draws = Draws(seed, "applicant")
    at = np.broadcast_to(np.asarray(attempt, dtype=np.int64), number.shape)
    region, age = draws.choice(number, geography.WEIGHT, at), draws.choice(number, AGE_SHARE, at, lane=2)
    theta = behaviour.THETA[draws.choice(number, behaviour.theta_weights(mean_risk(region, age)), at, lane=3)]
    score = np.round(SCORE_BASE - SCORE_SLOPE * theta + SCORE_SIGMA * draws.normal(number, at, lane=3)).astype(np.int64)
    return Rejected(number, at, region, age, theta, np.clip(score, *SCORE_RANGE))


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
    sale, draws = products.sell(profile, Draws(seed, "sale"), number, start, is_refinancing), Draws(seed, "contract")
    none, shop_fraud = np.zeros(len(number), dtype=np.int64), products.shop_fraud()
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
        shop=sale.shop,
        is_fraud=draws.uniform(number, lane=1) < products.FRAUD[sale.product] * np.where(sale.shop < 0, 1.0, shop_fraud[sale.shop]),
        by_contract=draws.uniform(number, lane=2) < profile.rates.by_contract,
        has_history=draws.uniform(number, lane=3) >= profile.rates.without_history,
        is_refinancing=is_refinancing,
        ended=np.where(is_cancelled, CANCELLED, OPEN),
        ended_on=np.where(is_cancelled, shift(start, draws.between(number, 1, CANCEL_DAYS, lane=4)), NEVER),
        paid=none.copy(),
        partial=none.copy(),
        last_paid_on=start.copy(),
        bad_months=none.copy(),
        was_on_time=np.ones(len(number), dtype=bool),
    )
