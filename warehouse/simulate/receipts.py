"""What a run through the months leaves behind: receipts of money, and the run itself."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from warehouse.simulate.book import Clients, Contracts, Rejected
from warehouse.simulate.dates import Days
from warehouse.simulate.draws import Ints

# The missing rest of an installment, a part of it, all that is left of the contract, or money after a loss.
REST, PART, SETTLEMENT, RECOVERY = range(4)


@dataclass
class Receipts:
    """Money received, one element a receipt: contract position, installment number (0: the whole contract), day, what it is, dong."""

    contract: Ints
    number: Ints
    paid_on: Days
    kind: Ints
    amount: Ints

    @classmethod
    def of(cls, parts: "list[Receipts]") -> "Receipts":
        """Several sets of receipts as one."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__annotations__))


@dataclass
class Run:
    """What came of it; the states are those of each client in each month, -1 before the first contract."""

    clients: Clients
    rejected: Rejected
    contracts: Contracts
    receipts: Receipts
    states: npt.NDArray[np.int8]
