"""Money received by the generated lender in its final form: with penalties, in parts, bounced and paid again, and recovered after a loss.

A run knows only whole installments and days. A bounced repayment moves the settlement of its installment: that is written back.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from warehouse.simulate import book
from warehouse.simulate.book import Contracts
from warehouse.simulate.dates import NEVER, Days, day, shift
from warehouse.simulate.draws import Draws, Ints
from warehouse.simulate.ledger import NUMBERS, Installments, Penalties, in_order, penalties_of, rest_position, schedules
from warehouse.simulate.profiles import Profile
from warehouse.simulate.receipts import RECOVERY, REST, Receipts, Run

PENALTY_PAID_SHARE = 0.85
RECOVERY_MONTHS, RECOVERY_SHARE = 12, 0.03
REGULAR, BOUNCED, REVERSAL = range(3)


@dataclass
class Money:
    """Repayment rows, ordered by contract and day; the number counts within the contract, from 1."""

    contract: Ints
    installment: Ints  # position, -1 where the row names only its contract
    paid_on: Days
    amount: Ints
    kind: Ints
    number: Ints
    reverses: Ints  # number of the repayment within the contract that this row cancels, 0 for none
    entity: Ints


@dataclass
class Ledger:
    """Everything that truly happened to the clients of one chunk."""

    run: Run
    installments: Installments
    penalties: Penalties
    money: Money


def write_ledger(profile: Profile, seed: int, run: Run) -> Ledger:
    """Event-time truth of a run; nothing in it is dated after the last business date, except due dates and planned starts."""
    last = day(profile.last)
    run = in_order(run)
    installments = schedules(run, last)
    penalties = penalties_of(profile, run, installments, last)
    receipts = _receipts(profile, seed, run, installments, penalties)
    money = _bounced(profile, seed, run, installments, receipts)
    return Ledger(run, installments, penalties, _numbered(money, last))


def _receipts(profile: Profile, seed: int, run: Run, installments: Installments, penalties: Penalties) -> Receipts:
    receipts, contracts = run.receipts, run.contracts
    tenor = np.bincount(installments.contract, minlength=len(contracts))
    position, rest = rest_position(run, tenor), receipts.kind == REST
    draws, entity = Draws(seed, "receipt"), contracts.number[receipts.contract[rest]] * NUMBERS + receipts.number[rest]
    charged = np.bincount(penalties.installment, weights=penalties.amount, minlength=len(installments.contract)).astype(np.int64)
    pays = (draws.uniform(entity) < PENALTY_PAID_SHARE) & ~contracts.by_contract[receipts.contract[rest]]
    amount = receipts.amount[rest] + np.where(pays, charged[position], 0)
    rounds = (draws.uniform(entity, lane=1) < profile.rates.rounded) & (amount > 250_000)
    receipts.amount[rest] = np.where(rounds, amount // 1000 * 1000, amount)
    return Receipts.of([receipts, _recoveries(seed, contracts)])


def _recoveries(seed: int, contracts: Contracts) -> Receipts:
    draws, lost = Draws(seed, "recovery"), np.flatnonzero((contracts.ended == book.WRITTEN_OFF) & ~contracts.is_fraud)
    position, month = np.repeat(lost, RECOVERY_MONTHS), np.tile(np.arange(RECOVERY_MONTHS), len(lost))
    pays = draws.uniform(contracts.number[position], month) < RECOVERY_SHARE
    position, month = position[pays], month[pays]
    wait = 30 * month + draws.between(contracts.number[position], 5, 25, month, lane=1)
    size = contracts.principal[position] / contracts.tenor[position] * draws.uniform(contracts.number[position], month, lane=2)
    none = np.zeros(len(position), dtype=np.int64)
    amount = np.ceil(size / 10_000).astype(np.int64) * 10_000
    return Receipts(position, none, shift(contracts.ended_on[position], wait), np.full(len(position), RECOVERY), amount)


def _bounced(profile: Profile, seed: int, run: Run, installments: Installments, receipts: Receipts) -> Money:
    """Receipts as money rows: some in two parts, some bounced and paid again, which moves the settlement."""
    contracts, draws = run.contracts, Draws(seed, "bounce")
    tenor = np.bincount(installments.contract, minlength=len(contracts))
    position = (np.cumsum(tenor) - tenor)[receipts.contract] + receipts.number - 1
    named = (receipts.number > 0) & ~contracts.by_contract[receipts.contract]
    rest = receipts.kind == REST
    entity = contracts.number[receipts.contract] * NUMBERS + receipts.number
    rows = Money(
        contract=receipts.contract,
        installment=np.where(named, position, -1),
        paid_on=receipts.paid_on,
        amount=receipts.amount,
        kind=np.full(len(position), REGULAR),
        number=np.zeros(len(position), dtype=np.int64),
        reverses=np.zeros(len(position), dtype=np.int64),
        entity=entity,
    )
    ends_soon = contracts.ended_on[rows.contract] <= rows.paid_on + np.timedelta64(40, "D")
    happens = rows.paid_on + np.timedelta64(5, "D") <= day(profile.last)
    bounces = rest & named & happens & ~ends_soon & (draws.uniform(entity) < profile.rates.reversal)
    again, back = _again(draws, rows, np.flatnonzero(bounces))
    moved = np.where(again.paid_on <= day(profile.last), again.paid_on, NEVER)
    installments.settled_on[again.installment] = moved
    rows.kind[bounces] = BOUNCED
    splits = rest & ~bounces & (draws.uniform(entity, lane=1) < profile.rates.split) & (rows.amount > 2000)
    return _joined([rows, _split_off(rows, np.flatnonzero(splits)), back, again])


def _again(draws: Draws, rows: Money, bounced: Ints) -> tuple[Money, Money]:
    back, again = _taken(rows, bounced), _taken(rows, bounced)
    back.paid_on = shift(back.paid_on, draws.between(back.entity, 1, 5, lane=2))
    again.paid_on = shift(back.paid_on, draws.between(back.entity, 0, 6, lane=3))
    back.amount, back.kind = -back.amount, np.full(len(bounced), REVERSAL)
    back.installment = np.full(len(bounced), -1)
    return again, back


def _split_off(rows: Money, chosen: Ints) -> Money:
    part = _taken(rows, chosen)
    part.amount = rows.amount[chosen] * 4 // 10
    rows.amount[chosen] -= part.amount
    return part


def _taken(rows: Money, chosen: npt.NDArray) -> Money:
    return Money(*(getattr(rows, name)[chosen].copy() for name in Money.__annotations__))


def _joined(parts: list[Money]) -> Money:
    return Money(*(np.concatenate([getattr(part, name) for part in parts]) for name in Money.__annotations__))


def _numbered(money: Money, last: np.datetime64) -> Money:
    """Rows up to the last day, ordered and numbered within their contract; a reversal is linked to the row it cancels."""
    money = _taken(money, money.paid_on <= last)
    money = _taken(money, np.lexsort((money.kind, money.amount, money.entity, money.paid_on, money.contract)))
    first = np.searchsorted(money.contract, money.contract, side="left")
    money.number = np.arange(len(money.contract)) - first + 1
    bounced, back = np.flatnonzero(money.kind == BOUNCED), np.flatnonzero(money.kind == REVERSAL)
    order = bounced[np.argsort(money.entity[bounced], kind="stable")]
    money.reverses[back] = money.number[order[np.searchsorted(money.entity[order], money.entity[back])]]
    return money
