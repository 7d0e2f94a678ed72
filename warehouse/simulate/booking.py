"""When money and penalties reach the books, and the repayments and penalties rows that the lender delivers.

A repayment is delivered on the day it is booked, mostly the day it was made. Some are first delivered with a wrong amount and corrected
a day later; that can only be seen in daily deliveries.
"""

import numpy as np
import pyarrow as pa

from warehouse.simulate import geography
from warehouse.simulate.dates import NEVER, Days, day, shift
from warehouse.simulate.draws import Draws, Ints
from warehouse.simulate.money import REGULAR, REVERSAL, Ledger
from warehouse.simulate.profiles import Profile
from warehouse.simulate.rows import (
    constant,
    contract_numbers,
    installment_ids,
    iso,
    padded,
    repayment_ids,
    replaced,
    rows,
    together,
    where,
    whole,
)

LAG_SHARE = (0.85, 0.12, 0.025, 0.005)  # booked on the day, on the next, 2 to 10 days later, 11 to 120 days later
LAG_DAYS = ((0, 0), (1, 1), (2, 10), (11, 120))
OFFICE_CLOCK = ((8, 20), (0, 59), (0, 59))  # hours, minutes and seconds of bookings
ENTITIES = 1024  # more than a contract has repayments
ONLY_INSTALLMENT = 8  # every eighth contract's repayments name only the installment


def repayment_entity(ledger: Ledger) -> Ints:
    """Number of each repayment across all clients."""
    return ledger.run.contracts.number[ledger.money.contract] * ENTITIES + ledger.money.number


def booked_on(seed: int, ledger: Ledger) -> Days:
    """Day on which each repayment is booked; a reversal never before the repayment that it cancels."""
    money, entity, draws = ledger.money, repayment_entity(ledger), Draws(seed, "booking")
    kind = draws.choice(entity, LAG_SHARE)
    low, high = (np.array(column)[kind] for column in zip(*LAG_DAYS, strict=True))
    lag = low + np.floor(draws.uniform(entity, lane=1) * (high - low + 1)).astype(np.int64)
    when = shift(money.paid_on, lag)
    back = np.flatnonzero(money.kind == REVERSAL)
    cancelled = back - (money.number[back] - money.reverses[back])
    when[back] = np.maximum(when[back], when[cancelled])
    return when


def last_booked_on(ledger: Ledger, booked: Days) -> Days:
    """Day on which the last money of each contract is booked; NaT if it never paid."""
    latest = np.full(len(ledger.run.contracts), np.iinfo(np.int64).min)
    np.maximum.at(latest, ledger.money.contract, booked.astype(np.int64))
    return latest.astype("datetime64[D]")  # the smallest integer is NaT


def settlement_booked_on(ledger: Ledger, booked: Days) -> Days:
    """Day on which each installment's settlement is booked; the next day where its repayments name only the contract."""
    money, installments = ledger.money, ledger.installments
    named = np.flatnonzero((money.installment >= 0) & (money.kind == REGULAR))
    latest = np.full(len(installments.number), np.iinfo(np.int64).min)
    np.maximum.at(latest, money.installment[named], booked[named].astype(np.int64))
    known = np.fmax(latest.astype("datetime64[D]"), shift(installments.settled_on, np.array(1)))
    by_name = np.where(np.isnat(latest.astype("datetime64[D]")), known, latest.astype("datetime64[D]"))
    return np.where(np.isnat(installments.settled_on), NEVER, by_name)


def repayments(profile: Profile, seed: int, ledger: Ledger, booked: Days) -> pa.Table:
    """Delivered repayments rows, corrected ones twice."""
    money, entity, draws = ledger.money, repayment_entity(ledger), Draws(seed, "repayment")
    in_days = (booked > day(profile.opening_date)) & (booked < day(profile.last)) & (money.kind == REGULAR)
    is_wrong = in_days & (draws.uniform(entity) < profile.rates.correction)
    told_on = np.maximum(booked, day(profile.opening_date))
    clean = rows(_repayment_columns(ledger, booked), told_on, entity, solid=in_days & ~is_wrong)
    wrong = clean.filter(pa.array(is_wrong))
    wrong = replaced(wrong, {"repayment_amount": whole(np.maximum(money.amount[is_wrong] * 9 // 10, 1))})
    later = np.where(is_wrong, shift(told_on, np.array(1)), told_on)
    right = replaced(clean, {"_day": pa.array(later)})
    both = pa.concat_tables([wrong, right])
    place = np.concatenate([np.flatnonzero(is_wrong), np.arange(len(entity))])
    macro = geography.MACRO[ledger.run.clients.region[ledger.run.contracts.client[money.contract[place]]]]
    return both.append_column("_macro", pa.array(macro)).take(pa.array(np.argsort(place, kind="stable")))


def _repayment_columns(ledger: Ledger, booked: Days) -> dict[str, pa.Array]:
    money, contracts, entity = ledger.money, ledger.run.contracts, repayment_entity(ledger)
    number, named = contracts.number[money.contract], money.installment >= 0
    place = np.maximum(money.installment, 0)
    installment = installment_ids(number, ledger.installments.number[place])
    only_installment = named & (number % ONLY_INSTALLMENT == 0)
    clock = [padded(Draws(0, "clock").between(entity, low, high, lane=lane), 2) for lane, (low, high) in enumerate(OFFICE_CLOCK)]
    return {
        "repayment_id": repayment_ids(number, money.number),
        "repayment_date": iso(money.paid_on),
        "repayment_amount": whole(money.amount),
        "installment_id": where(named, installment, ""),
        "contract_number": where(~only_installment, contract_numbers(number), ""),
        "booked_at": together(iso(booked), " ", clock[0], ":", clock[1], ":", clock[2]),
        "reverses_repayment_id": where(money.reverses > 0, repayment_ids(number, money.reverses), ""),
    }


def penalties(profile: Profile, ledger: Ledger) -> pa.Table:
    """Delivered penalties rows; those of two-wheelers are in the installments file instead."""
    charged, installments = ledger.penalties, ledger.installments
    kept = charged.order > 0
    place, order = charged.installment[kept], charged.order[kept]
    installment = installment_ids(ledger.run.contracts.number[installments.contract[place]], installments.number[place])
    columns = {
        "penalty_id": together(installment, "-P", whole(order)),
        "installment_id": installment,
        "penalty_date": iso(charged.charged_on[kept]),
        "penalty_amount": whole(charged.amount[kept]),
        "op": constant("U", len(place)),
    }
    told_on = np.maximum(charged.charged_on[kept], day(profile.opening_date))
    return rows(columns, told_on, installments.entity(ledger.run.contracts)[place] * 4 + order)
