"""Status events of contracts: what happened, when, and in which delivery the lender first tells.

An event is told on its day or the next, never before the events ahead of it, and a full payment never before its money is booked.
"""

from dataclasses import dataclass

import numpy as np

from warehouse.simulate import book
from warehouse.simulate.dates import NEVER, Days, day, shift
from warehouse.simulate.draws import Draws, Ints
from warehouse.simulate.money import Ledger
from warehouse.simulate.profiles import Profile
from warehouse.terms import STATUSES

NEW, ACTIVE, PAID_OFF, WRITTEN_OFF, SOLD, CANCEL, CLOSE = range(len(STATUSES))
NEXT_DAY_SHARE = 0.1
CLOSE_SHARE, SOLD_AFTER_LOSS_SHARE, CLOSE_AFTER_LOSS_SHARE = 0.3, 0.1, 0.1


@dataclass
class Events:
    """Status events up to the last business date, ordered by contract and day."""

    contract: Ints
    status: Ints
    happened_on: Days
    told_on: Days


def applied_on(seed: int, ledger: Ledger) -> Days:
    """Day of each contract's application, up to three days before its start."""
    contracts = ledger.run.contracts
    wait = np.where(contracts.is_refinancing, 0, Draws(seed, "application").between(contracts.number, 0, 3))
    return shift(contracts.start, -wait)


def events(profile: Profile, seed: int, ledger: Ledger, paid_up_on: Days) -> Events:
    """All status events.

    Args:
        profile: calendar.
        seed: seed of the lender.
        ledger: what happened.
        paid_up_on: day on which the last money of each contract is booked, NaT if it never paid.
    """
    number = ledger.run.contracts.number
    begins = [(np.full(len(number), NEW), applied_on(seed, ledger)), (np.full(len(number), ACTIVE), ledger.run.contracts.start)]
    told, parts = np.full(len(number), np.datetime64("1900-01-01")), []
    for order, (status, when) in enumerate([*begins, *_ends(seed, ledger)]):
        late = Draws(seed, "telling").uniform(number, order) < NEXT_DAY_SHARE
        told = np.fmax(told, shift(when, (late & (order > 0)).astype(np.int64)))
        if order == 2:
            told = np.where((status == PAID_OFF) & ~np.isnat(when), np.fmax(told, paid_up_on), told)
        parts.append((np.arange(len(number)), status, when, told.copy()))
    whole = Events(*(np.stack(column, axis=1).ravel() for column in zip(*parts, strict=True)))
    kept = (whole.happened_on <= day(profile.last)) & (whole.told_on <= day(profile.last))
    return Events(*(getattr(whole, name)[kept] for name in Events.__annotations__))


def _ends(seed: int, ledger: Ledger) -> tuple[tuple[Ints, Days], ...]:
    """The ending event of each contract and up to two after it: (status, day), NaT where there is none."""
    contracts, draws = ledger.run.contracts, Draws(seed, "ending")
    paid, lost = np.isin(contracts.ended, (book.PAID, book.SETTLED)), contracts.ended == book.WRITTEN_OFF
    status = np.select([paid, lost, contracts.ended == book.SOLD], [PAID_OFF, WRITTEN_OFF, SOLD], CANCEL)
    wait = np.where(paid & (draws.uniform(contracts.number) < 0.2), 1, 0)
    ended_on = shift(contracts.ended_on, wait)
    draw = draws.uniform(contracts.number, lane=1)
    sold = lost & contracts.has_history & (draw < SOLD_AFTER_LOSS_SHARE)
    sold_on = np.where(sold, shift(ended_on, draws.between(contracts.number, 60, 120, lane=2)), NEVER)
    closes = contracts.has_history & (
        (paid & (draw < CLOSE_SHARE)) | (lost & ~sold & (draw < SOLD_AFTER_LOSS_SHARE + CLOSE_AFTER_LOSS_SHARE))
    )
    close_wait = np.where(paid, 20, 200) + draws.between(contracts.number, 0, 20, lane=3)
    closed_on = np.where(closes, shift(ended_on, close_wait), NEVER)
    return (status, ended_on), (np.full(len(status), SOLD), sold_on), (np.full(len(status), CLOSE), closed_on)


def known_on(rows: Events, when: np.datetime64, count: int) -> tuple[Ints, Days]:
    """Status of each contract and its day, as the lender had told by a day; -1 where it had told nothing."""
    told = np.flatnonzero(rows.told_on <= when)
    last = np.full(count, -1, dtype=np.int64)
    last[rows.contract[told]] = told  # rows are in the order of events, so the last one stays
    has = last >= 0
    status, since = np.full(count, -1, dtype=np.int64), np.full(count, NEVER)
    status[has], since[has] = rows.status[last[has]], rows.happened_on[last[has]]
    return status, since
