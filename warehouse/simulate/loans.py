"""Contracts, their status history and their schedules as the lender delivers them: first the state of the opening day, then changes.

A contract row comes with every status that the lender tells of; a schedule comes with the disbursement and again, row by row, when an
installment is settled. Where a contract was settled early by one payment, the rows left over are deleted (op = D) or stay as they are.
"""

import numpy as np
import pyarrow as pa

from warehouse.simulate import book, products, statuses
from warehouse.simulate.business_days import delivered_on, next_delivery
from warehouse.simulate.dates import Days, day
from warehouse.simulate.draws import Draws, Ints
from warehouse.simulate.money import Ledger
from warehouse.simulate.profiles import Profile
from warehouse.simulate.rows import client_ids, constant, contract_numbers, installment_ids, iso, rows, together, where, whole
from warehouse.simulate.schedule import monthly
from warehouse.simulate.statuses import Events
from warehouse.terms import STATUSES

CHANNELS = ("Branch", "Partner shop", "Online")
CHANNEL_SHARE = (0.2, 0.55, 0.25)
VERSIONS = 16  # more than a contract or installment has versions


def contracts_rows(profile: Profile, seed: int, ledger: Ledger, events: Events) -> pa.Table:
    """Delivered contracts rows: the last status told by the opening day, then one row a contract and day with news."""
    told = np.maximum(events.told_on, day(profile.opening_date))
    is_last = np.ones(len(told), dtype=bool)
    is_last[:-1] = (events.contract[1:] != events.contract[:-1]) | (told[1:] != told[:-1])
    contract, status, when = events.contract[is_last], events.status[is_last], told[is_last]
    contracts = ledger.run.contracts
    sold = contracts.at(contract)
    total = monthly(sold.terms()) * sold.tenor
    columns = {
        "contract_number": contract_numbers(sold.number),
        "client_id": client_ids(sold.number // book.PLACES),
        "product_code": pa.array([product.product_code for product in products.PRODUCTS]).take(pa.array(sold.product)),
        "principal_amount": whole(sold.principal),
        "interest_amount": whole(np.where(sold.rate > 0, total - sold.principal, 0)),
        "fee_amount": whole(sold.fee * sold.tenor),
        "tenor": whole(sold.tenor),
        "start_date": iso(sold.start),
        "status": pa.array(STATUSES).take(pa.array(status)),
        "last_status_change_date": iso(events.happened_on[is_last]),
        "channel": pa.array(CHANNELS).take(pa.array(channels(seed, sold.number))),
        "updated_at": together(iso(events.told_on[is_last]), " 18:00:00"),
    }
    return rows(columns, when, sold.number * VERSIONS + status)


def channels(seed: int, contract: Ints) -> Ints:
    """Position in CHANNELS of each contract number."""
    return Draws(seed, "channel").choice(contract, CHANNEL_SHARE)


def history_rows(profile: Profile, ledger: Ledger, events: Events) -> pa.Table:
    """Delivered contract_status_history rows, of the contracts that have a history."""
    kept = ledger.run.contracts.has_history[events.contract]
    contract, status = events.contract[kept], events.status[kept]
    number = ledger.run.contracts.number[contract]
    columns = {
        "contract_number": contract_numbers(number),
        "status": pa.array(STATUSES).take(pa.array(status)),
        "status_date": iso(events.happened_on[kept]),
    }
    return rows(columns, np.maximum(events.told_on[kept], day(profile.opening_date)), number * VERSIONS + status)


def first_told_on(events: Events, count: int) -> Days:
    """Day on which the lender first tells of each contract; NaT if it has not."""
    first = np.full(count, np.datetime64("NaT", "D"))
    first[events.contract[::-1]] = events.told_on[::-1]
    return first


def installments_rows(profile: Profile, ledger: Ledger, events: Events, settled_told: Days) -> pa.Table:
    """Delivered installments rows: the schedule, then a row each time that one is settled or deleted."""
    installments, contracts, opening = ledger.installments, ledger.run.contracts, day(profile.opening_date)
    every = np.arange(len(installments.number))
    first = np.fmax(first_told_on(events, len(contracts)), contracts.start)[installments.contract]
    first = np.where(np.isnat(first), first, np.maximum(first, opening))
    news = np.flatnonzero((settled_told > first) & (settled_told > opening))
    gone, gone_on = _deleted(ledger, events)
    gone, gone_on = gone[gone_on > opening], gone_on[gone_on > opening]
    has_schedule = delivered_on(profile, first[gone]) < delivered_on(profile, gone_on)  # which is delivered whole at first
    gone_on = np.where(has_schedule, gone_on, next_delivery(profile, delivered_on(profile, first[gone])))
    place, when = np.concatenate([every, news, gone]), np.concatenate([first, settled_told[news], gone_on])
    version = np.repeat([0, 1, 2], [len(every), len(news), len(gone)])
    order = np.lexsort((version, place))
    place, when, version = place[order], when[order], version[order]
    is_paid = settled_told[place] <= when
    columns = _installment_columns(ledger, place, is_paid, when)
    columns["op"] = where(version == 2, constant("D", len(place)), "U")
    return rows(columns, when, installments.entity(contracts)[place] * 4 + version)


def _deleted(ledger: Ledger, events: Events) -> tuple[Ints, Days]:
    """Installments that the lender deletes when a contract was settled early, and when."""
    installments, contracts = ledger.installments, ledger.run.contracts
    told = np.full(len(contracts), np.datetime64("NaT", "D"))
    paid_off = events.status == statuses.PAID_OFF
    told[events.contract[paid_off]] = events.told_on[paid_off]
    chosen = (contracts.ended == book.SETTLED) & (contracts.number % 2 == 0) & ~np.isnat(told)
    rest = installments.due_on > contracts.ended_on[installments.contract] + np.timedelta64(31, "D")
    gone = np.flatnonzero(chosen[installments.contract] & np.isnat(installments.settled_on) & rest)
    return gone, told[installments.contract[gone]]


def _installment_columns(ledger: Ledger, place: Ints, is_paid: np.ndarray, when: Days) -> dict[str, pa.Array]:
    installments, contracts, penalties = ledger.installments, ledger.run.contracts, ledger.penalties
    own = penalties.order == 0
    penalty = np.zeros(len(installments.number), dtype=np.int64)
    penalty[penalties.installment[own]] = penalties.amount[own]
    number, position = contracts.number[installments.contract[place]], installments.number[place]
    owed = np.where(installments.due_on[place] < when, "Overdue", "Due")
    return {
        "installment_id": installment_ids(number, position),
        "contract_number": contract_numbers(number),
        "installment_number": whole(position),
        "due_date": iso(installments.due_on[place]),
        "inst_amt_principal": whole(installments.amounts.principal[place]),
        "inst_amt_interest": whole(installments.amounts.interest[place]),
        "inst_amt_fee": whole(installments.amounts.fee[place]),
        "status": where(is_paid, constant("Paid", len(place)), pa.array(owed)),
        "penalty_amount": whole(np.where(is_paid, penalty[place], 0)),
    }
