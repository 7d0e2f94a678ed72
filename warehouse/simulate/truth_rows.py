"""Rows of the truth folder: hidden states and true outcomes of clients, who was rejected, true ends of contracts and settlements."""

import numpy as np
import pyarrow as pa

from warehouse.simulate import behaviour, geography, people
from warehouse.simulate.dates import Days, day
from warehouse.simulate.money import Ledger
from warehouse.simulate.profiles import Profile
from warehouse.simulate.rows import client_ids, contract_numbers, installment_ids
from warehouse.simulate.statuses import Events
from warehouse.simulate.truth import IMMATURE, Outcomes
from warehouse.terms import STATUSES

OUTCOMES = ("good", "indeterminate", "default", "immature")
ENDS = ("open", "paid", "settled", "written_off", "sold", "cancelled")


def tables(profile: Profile, seed: int, ledger: Ledger, booked: Days, events: Events, found: Outcomes) -> dict[str, pa.Table]:
    """Truth of one chunk, by file name, in the order of clients.

    Args:
        profile: calendar.
        seed: seed of the lender.
        ledger: what happened.
        booked: day on which each repayment was booked.
        events: status events and when they were told.
        found: outcomes of the month ends.
    """
    return {
        "clients": _clients(profile, seed, ledger),
        "rejected": _rejected(profile, ledger),
        "client_months": _client_months(ledger, found),
        "contracts": _contracts(profile, ledger),
        "contract_statuses": _statuses(ledger, events),
        "installments": _installments(ledger),
        "repayments": _repayments(ledger, booked),
    }


def cohorts(found: Outcomes) -> set[np.datetime64]:
    """Month ends whose outcomes are known."""
    return set(np.unique(found.month_on[found.outcome != IMMATURE]))


def _clients(profile: Profile, seed: int, ledger: Ledger) -> pa.Table:
    clients = ledger.run.clients
    region, moved_on, told_on = people.moves(profile, seed, clients)
    return pa.table(
        {
            "client_id": client_ids(clients.number),
            "theta": clients.theta,
            "age_band": clients.age,
            "transition_set": clients.kind,
            "region_id": geography.region_ids(clients.region, day(profile.first)),
            "moved_to_region_id": geography.region_ids(region, day(profile.first)),
            "moved_on": pa.array(moved_on),
            "move_told_on": pa.array(told_on),
        }
    )


def _rejected(profile: Profile, ledger: Ledger) -> pa.Table:
    """Applicants without a loan; they have no number of their own, only that of the client who came in their place."""
    rejected = ledger.run.rejected
    order = np.lexsort((rejected.attempt, rejected.number))
    return pa.table(
        {
            "replaced_by_client_id": client_ids(rejected.number[order]),
            "attempt": rejected.attempt[order],
            "theta": rejected.theta[order],
            "age_band": rejected.age[order],
            "region_id": geography.region_ids(rejected.region[order], day(profile.first)),
            "credit_score": rejected.score[order],
        }
    )


def _client_months(ledger: Ledger, found: Outcomes) -> pa.Table:
    return pa.table(
        {
            "client_id": client_ids(ledger.run.clients.number[found.client]),
            "month_on": pa.array(found.month_on),
            "state": pa.array(behaviour.STATES).take(pa.array(found.state)),
            "dpd": found.dpd,
            "late_ratio": found.late_ratio,
            "outcome": pa.array(OUTCOMES).take(pa.array(found.outcome)),
        }
    ).sort_by([("client_id", "ascending"), ("month_on", "ascending")])


def _contracts(profile: Profile, ledger: Ledger) -> pa.Table:
    contracts = ledger.run.contracts
    return pa.table(
        {
            "contract_number": contract_numbers(contracts.number),
            "client_id": client_ids(ledger.run.clients.number[contracts.client]),
            "start_date": pa.array(contracts.start),
            "end": pa.array(ENDS).take(pa.array(contracts.ended)),
            "ended_on": pa.array(contracts.ended_on),
            "point_of_sale": contracts.shop,
            "is_fraud": contracts.is_fraud,
            "is_refinancing": contracts.is_refinancing,
            "pays_by_contract": contracts.by_contract,
            "has_history": contracts.has_history,
        }
    )


def _statuses(ledger: Ledger, events: Events) -> pa.Table:
    """Status events with both clocks: when they happened, and when the lender told of them."""
    return pa.table(
        {
            "contract_number": contract_numbers(ledger.run.contracts.number[events.contract]),
            "status": pa.array(STATUSES).take(pa.array(events.status)),
            "happened_on": pa.array(events.happened_on),
            "told_on": pa.array(events.told_on),
        }
    )


def _repayments(ledger: Ledger, booked: Days) -> pa.Table:
    """Money with both clocks: when it was paid, and when it was booked; the number is the last part of the repayment's id."""
    money, named = ledger.money, ledger.money.installment >= 0
    number = ledger.installments.number[np.maximum(money.installment, 0)]
    return pa.table(
        {
            "contract_number": contract_numbers(ledger.run.contracts.number[money.contract]),
            "repayment_number": money.number,
            "installment_number": pa.array(number, mask=~named),
            "paid_on": pa.array(money.paid_on),
            "booked_on": pa.array(booked),
            "amount": money.amount,
            "reverses_repayment_number": pa.array(money.reverses, mask=money.reverses == 0),
        }
    )


def _installments(ledger: Ledger) -> pa.Table:
    installments = ledger.installments
    return pa.table(
        {
            "installment_id": installment_ids(ledger.run.contracts.number[installments.contract], installments.number),
            "due_date": pa.array(installments.due_on),
            "settled_on": pa.array(installments.settled_on),
        }
    )
