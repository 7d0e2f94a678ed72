"""Schedules of the generated lender with the day on which each installment was settled, and the penalties charged on them.

Together with money.py this is the event-time truth up to the last business date; booking and delivery come later.
"""

from dataclasses import dataclass

import numpy as np

from warehouse.simulate import products
from warehouse.simulate.book import Contracts
from warehouse.simulate.dates import NEVER, Days, day, shift
from warehouse.simulate.draws import Ints
from warehouse.simulate.profiles import Profile
from warehouse.simulate.receipts import REST, Run
from warehouse.simulate.schedule import Amounts, amounts, due
from warehouse.simulate.shocks import SHOCKS

FIRST_PENALTY = (5, 0.03)  # days after the due date, share of the amount due
SECOND_PENALTY = (35, 0.05)
FIRST_DAYS_AFTER_S5 = 10
NUMBERS = 128  # more than a contract has installments or months; numbers entities below a contract


@dataclass
class Installments:
    """Schedule rows of all started contracts, ordered by contract and number."""

    contract: Ints
    number: Ints
    due_on: Days
    amounts: Amounts
    settled_on: Days
    ended_on: Days  # of the contract

    def entity(self, contracts: Contracts) -> Ints:
        """Number of the installment across all clients."""
        return contracts.number[self.contract] * NUMBERS + self.number


@dataclass
class Penalties:
    """Penalties charged; `order` is 1 or 2 for the penalties file, 0 for one carried by the installment itself."""

    installment: Ints
    order: Ints
    charged_on: Days
    amount: Ints


def in_order(run: Run) -> Run:
    """The same run with its contracts in the order of their numbers, whatever month they were sold in."""
    order = np.argsort(run.contracts.number, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    run.receipts.contract = place[run.receipts.contract]
    return Run(run.clients, run.rejected, run.contracts.at(order), run.receipts, run.states)


def schedules(run: Run, last: np.datetime64) -> Installments:
    """Schedules of the contracts started by the last day; a settlement after it has not happened yet."""
    contracts = run.contracts
    tenor = np.where(contracts.start <= last, contracts.tenor, 0)
    contract = np.repeat(np.arange(len(contracts)), tenor)
    number = np.arange(tenor.sum()) - np.repeat(np.cumsum(tenor) - tenor, tenor) + 1
    terms = contracts.terms().at(contract)
    settled_on = np.full(len(contract), NEVER)
    settled_on[rest_position(run, tenor)] = run.receipts.paid_on[run.receipts.kind == REST]
    settled_on = np.where(settled_on <= last, settled_on, NEVER)
    return Installments(contract, number, due(terms, number), amounts(terms, number), settled_on, contracts.ended_on[contract])


def rest_position(run: Run, tenor: Ints) -> Ints:
    """Position among the installments of each receipt that settles one; tenor is 0 for contracts without a schedule."""
    chosen = run.receipts.kind == REST
    return (np.cumsum(tenor) - tenor)[run.receipts.contract[chosen]] + run.receipts.number[chosen] - 1


def penalties_of(profile: Profile, run: Run, installments: Installments, last: np.datetime64) -> Penalties:
    """Penalties charged by the last day: at two days of lateness, or for two-wheelers once, when a late installment is settled."""
    by_row = products.IS_TWO_WHEELER[run.contracts.product[installments.contract]]
    total, parts, first_days = installments.amounts.total, [], _first_penalty_days(profile, installments.due_on)
    for nth, (wait, share) in enumerate((FIRST_PENALTY, SECOND_PENALTY), start=1):
        charged_on = shift(installments.due_on, first_days if nth == 1 else np.array(wait))
        is_late = ~(installments.settled_on <= charged_on) & ~(installments.ended_on <= charged_on) & (charged_on <= last)
        found = np.flatnonzero(is_late & ~by_row)
        parts.append(Penalties(found, np.full(len(found), nth), charged_on[found], _share(total[found], share)))
    is_late = installments.settled_on > shift(installments.due_on, first_days)
    found = np.flatnonzero(is_late & by_row)
    parts.append(Penalties(found, np.zeros(len(found), dtype=np.int64), installments.settled_on[found], _share(total[found], 0.04)))
    whole = Penalties(*(np.concatenate([getattr(part, name) for part in parts]) for name in Penalties.__annotations__))
    order = np.lexsort((whole.order, whole.installment))
    return Penalties(whole.installment[order], whole.order[order], whole.charged_on[order], whole.amount[order])


def _first_penalty_days(profile: Profile, due_on: Days) -> Ints:
    """Days of lateness at which the first penalty is charged; the lender gives more time under shock S5."""
    changed = due_on >= day(SHOCKS["S5"].begins) if "S5" in profile.shocks else np.zeros(len(due_on), dtype=bool)
    return np.where(changed, FIRST_DAYS_AFTER_S5, FIRST_PENALTY[0])


def _share(total: Ints, share: float) -> Ints:
    return np.ceil(total * share / 1000).astype(np.int64) * 1000
