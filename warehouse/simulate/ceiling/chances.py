"""What the generator does next with some loans, in probabilities: moves of the state, outcomes of installments, early settlement."""

import numpy as np

from warehouse.simulate import behaviour, products
from warehouse.simulate.ceiling.loans import Loans
from warehouse.simulate.draws import Floats


class Chances:
    """Probabilities of some loans, month by month; moves are kept because several as-of dates ask for them."""

    def __init__(self, loans: Loans) -> None:
        self._loans = loans
        self._moves: dict[int, Floats] = {}

    def moves(self, month: int) -> Floats:
        """Loans x classes x states x states of the move into a month."""
        if month not in self._moves:
            loans = self._loans
            shape = (len(loans), len(behaviour.THETA))
            pressure = np.broadcast_to((loans.pressure[:, month] + loans.load)[:, None], shape)
            kind = np.broadcast_to(loans.kind[:, None], shape)
            self._moves[month] = behaviour.transitions(np.broadcast_to(behaviour.THETA, shape), pressure, kind)
        return self._moves[month]

    def outcomes(self, month: int) -> Floats:
        """Loans x states x outcomes of the month's event."""
        loans = self._loans
        odds = np.broadcast_to(behaviour.OUTCOME, (len(loans), 3, 3))
        return behaviour.outcomes(odds, products.RISK[loans.product][:, None], loans.tet[:, month][:, None])

    def settles(self, month: int) -> Floats:
        """Loans: probability that a loan in good order is settled early after the month's event was paid on time."""
        position = month - self._loans.start_month
        return np.where(behaviour.may_settle(position, self._loans.tenor - position), behaviour.SETTLE, 0.0)
