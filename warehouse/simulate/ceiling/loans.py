"""The loans of a chunk as the ceiling sees them: one a client, laid out by calendar month.

A loan's event number q falls into the q-th calendar month after its start; until the tenor it is an installment's due date, afterwards only
an occasion to pay what is behind. Column t of every array is month t of the history, and months after it up to the end of the last outcome.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from warehouse.simulate import behaviour, book, shocks
from warehouse.simulate.booking import LAG_DAYS, LAG_SHARE, booked_on, last_booked_on
from warehouse.simulate.dates import Days, add_months, before_tet, day, months_between, near_tet
from warehouse.simulate.draws import Floats, Ints
from warehouse.simulate.money import Ledger
from warehouse.simulate.profiles import Profile, ProfileError
from warehouse.simulate.schedule import monthly
from warehouse.simulate.statuses import ACTIVE, events
from warehouse.terms import OUTCOME_MONTHS

Flags = npt.NDArray[np.bool_]
FOREVER = np.datetime64("2200-01-01", "D")


@dataclass
class Loans:
    """Loans of one chunk and what was booked about them.

    Shapes: loans; loans x months for due, tet, pre_tet and pressure.
    """

    contract: Ints  # position in the chunk's contracts
    client: Ints  # position in the chunk's clients
    start_month: Ints
    tenor: Ints
    product: Ints
    region: Ints
    score: Ints
    kind: Ints
    load: Floats
    due: Days
    tet: Flags
    pre_tet: Flags
    pressure: Floats
    ended_told_on: Days
    settlement_told_on: Days  # first booking of the money that settled the whole loan
    is_parted: Flags  # settles the whole loan installment by installment
    receipt_of: "Receipts"

    def __len__(self) -> int:
        return len(self.contract)


@dataclass
class Receipts:
    """Receipts that name an installment, except those that settle a whole loan early; a rest pays the installment in full."""

    loan: Ints
    number: Ints
    paid_on: Days
    booked_on: Days
    is_rest: Flags


def lag_survival() -> Floats:
    """Probability that a payment is booked more than so many days later; index is the days."""
    longest = LAG_DAYS[-1][1]
    survival = np.zeros(longest + 1)
    for share, (low, high) in zip(LAG_SHARE, LAG_DAYS, strict=True):
        lags = np.arange(low, high + 1)
        survival += share * (lags[None, :] > np.arange(longest + 1)[:, None]).mean(axis=1)
    return survival


def loans_of(profile: Profile, seed: int, ledger: Ledger) -> Loans:
    """The loans that were not cancelled, with what the books say about them.

    Raises:
        ProfileError: the profile gives clients more than one contract.
    """
    if not profile.single_contract:
        raise ProfileError(f"profile {profile.name}: the ceiling is exact only for one contract a client; set single_contract")
    contracts, booked = ledger.run.contracts, booked_on(seed, ledger)
    told = events(profile, seed, ledger, last_booked_on(ledger, booked))
    ended_told = np.full(len(contracts), FOREVER)
    is_end = told.status > ACTIVE
    ended_told[told.contract[is_end][::-1]] = told.told_on[is_end][::-1]
    taken = np.flatnonzero((contracts.ended != book.CANCELLED) & (contracts.start <= day(profile.last)))
    chosen, clients = contracts.at(taken), ledger.run.clients
    begins = add_months(np.array([day(profile.first)]), np.arange(profile.months + OUTCOME_MONTHS + 2))
    start_month = months_between(chosen.start, begins[:1])
    due = add_months(chosen.first_due[:, None], np.arange(len(begins))[None, :] - start_month[:, None] - 1)
    receipts, settled_told = _receipts(ledger, booked, taken)
    return Loans(
        contract=taken,
        client=chosen.client,
        start_month=start_month,
        tenor=chosen.tenor,
        product=chosen.product,
        region=clients.region[chosen.client],
        score=clients.score[chosen.client],
        kind=clients.kind[chosen.client],
        load=behaviour.load(monthly(chosen.terms())),
        due=due,
        tet=near_tet(due.ravel()).reshape(due.shape),
        pre_tet=before_tet(due.ravel()).reshape(due.shape),
        pressure=np.stack([shocks.pressure(profile.shocks, when) for when in begins], axis=1)[clients.region[chosen.client]],
        ended_told_on=ended_told[taken],
        settlement_told_on=settled_told,
        is_parted=chosen.is_parted,
        receipt_of=receipts,
    )


def _receipts(ledger: Ledger, booked: Days, taken: Ints) -> tuple[Receipts, Days]:
    """Regular receipts, and the day on which the first money of an early settlement is booked."""
    money, contracts, rows = ledger.money, ledger.run.contracts, ledger.installments
    loan = np.full(len(contracts), -1)
    loan[taken] = np.arange(len(taken))
    settles = (contracts.ended[money.contract] == book.SETTLED) & (money.paid_on == contracts.ended_on[money.contract])
    settled_told = np.full(len(taken), FOREVER)
    mine = np.flatnonzero(settles & (loan[money.contract] >= 0))
    np.minimum.at(settled_told, loan[money.contract[mine]], booked[mine])
    kept = np.flatnonzero(~settles & (money.installment >= 0) & (loan[money.contract] >= 0))
    place = money.installment[kept]
    is_rest = rows.settled_on[place] == money.paid_on[kept]
    return Receipts(loan[money.contract[kept]], rows.number[place], money.paid_on[kept], booked[kept], is_rest), settled_told
