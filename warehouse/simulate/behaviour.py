"""The hidden process behind repayment: a monthly state of each client, and what an installment looks like in each state.

All contracts of a client share the state, so one loan in trouble says something about the others. Every probability is a table or a
function here, drawn from by the generator and summed over by the ceiling: the two cannot drift apart. No delivery carries risk or state.
"""

from math import erf, log, sqrt

import numpy as np
import numpy.typing as npt

from warehouse.simulate.draws import Floats, Ints

Flags = npt.NDArray[np.bool_]

STATES = ("Normal", "Careless", "Distressed")
NORMAL, CARELESS, DISTRESSED = range(3)
ON_TIME, LATE, MISSED = range(3)

THETA: Floats = np.linspace(-2.5, 2.5, 11)  # hidden risk of a client: one of these
THETA_SIGMA = 0.9

# Log-odds of leaving a state in a month: constant, factor of theta, factor of pressure; one row a transition set.
# In the second set carelessness is more common and less harmful, and trouble comes more often without warning.
NORMAL_TO_CARELESS = np.array([[-2.90, 0.70, 0.50], [-2.65, 0.60, 0.50]])
NORMAL_TO_DISTRESSED = np.array([[-5.75, 1.25, 1.00], [-5.50, 1.25, 1.00]])
CARELESS_TO_DISTRESSED = np.array([[-3.90, 1.25, 1.00], [-4.30, 1.25, 1.00]])
CARELESS_TO_NORMAL = np.array([[-0.90, -0.40, 0.00], [-0.60, -0.20, 0.00]])
DISTRESSED_TO_NORMAL = np.array([[-1.90, -0.60, -0.50], [-1.90, -0.60, -0.50]])
DISTRESSED_TO_CARELESS = 0.08
FIRST_CARELESS = (-2.2, 0.7)  # log-odds in the month of the first contract

# Probability that an installment is paid on time, late or missed, by state.
OUTCOME = np.array([[0.948, 0.048, 0.004], [0.50, 0.46, 0.04], [0.10, 0.26, 0.64]])
LATE_DAYS = 27  # at most, so that the money of one month comes before that of the next
TET_LATENESS = 1.8
EARLY_SHARE = 0.25  # of the on-time payments of a Normal client whose last installment was on time
EARLY_DAYS = 10
PRE_TET_EARLINESS = 1.5
PARTIAL_SHARE, PARTIAL_DAYS = 0.25, 24  # of missed installments
LOAD, LOAD_PIVOT, LOAD_LIMIT = 0.20, 1_500_000, 2.0  # pressure a doubling of what is due each month, above or below the pivot
BAD_MONTHS = 3  # months behind from which only a cure ends arrears, about 90 days
CURE = (0.08, 0.02)  # monthly probability to pay all arrears then: in the first CURE_MONTHS, later
CURE_MONTHS = 3
SETTLE, REFINANCE = 0.008, 0.006  # monthly hazards of a contract in good order
SETTLE_DAYS = 20
SETTLE_PAID, SETTLE_LEFT = 3, 2  # installments that must be paid and left at least
CROSS_SELL, RETURN = 0.04, 0.06  # monthly hazards of another contract
LOYAL_RUN = 6  # months without a late payment before another contract is offered
MAX_OPEN = 3


def logistic(value: Floats) -> Floats:
    """The logistic function."""
    return 1.0 / (1.0 + np.exp(-value))


def theta_weights(mean: Floats) -> Floats:
    """Weights of THETA for clients with these mean risks; one row a client."""
    return np.exp(-0.5 * ((THETA - mean[:, None]) / THETA_SIGMA) ** 2)


def first_states(theta: Floats) -> Floats:
    """Probabilities of the state in the month of the first contract; the last axis is the state."""
    careless = logistic(FIRST_CARELESS[0] + FIRST_CARELESS[1] * theta)
    return np.stack([1.0 - careless, careless, np.zeros_like(careless)], axis=-1)


def transitions(theta: Floats, pressure: Floats, kind: Ints) -> Floats:
    """Probabilities of next month's state; the last two axes are the state before and after.

    Args:
        theta: hidden risk.
        pressure: of the times and of the client's debts; of the same shape.
        kind: transition set; of the same shape.
    """

    def hazard(table: Floats) -> Floats:
        constant, risk, strain = table[kind].transpose(-1, *range(kind.ndim))
        return logistic(constant + risk * theta + strain * pressure)

    moved = np.zeros((*theta.shape, 3, 3))
    moved[..., NORMAL, CARELESS], moved[..., NORMAL, DISTRESSED] = hazard(NORMAL_TO_CARELESS), hazard(NORMAL_TO_DISTRESSED)
    moved[..., CARELESS, NORMAL], moved[..., CARELESS, DISTRESSED] = hazard(CARELESS_TO_NORMAL), hazard(CARELESS_TO_DISTRESSED)
    moved[..., DISTRESSED, NORMAL], moved[..., DISTRESSED, CARELESS] = hazard(DISTRESSED_TO_NORMAL), DISTRESSED_TO_CARELESS
    leaving = moved.sum(axis=-1, keepdims=True)
    moved /= np.maximum(1.0, leaving)
    for state in range(3):
        moved[..., state, state] = 1.0 - moved[..., state, :].sum(axis=-1)
    return moved


def load(monthly_due: npt.NDArray) -> Floats:
    """Pressure of what a client owes each month, in dong; 0 where nothing is owed."""
    doublings = np.log2(np.maximum(monthly_due, 1) / LOAD_PIVOT)
    return np.where(monthly_due > 0, LOAD * np.clip(doublings, -LOAD_LIMIT, LOAD_LIMIT), 0.0)


def outcomes(state_odds: Floats, risk: Floats, tet: Flags) -> Floats:
    """Probabilities that installments are paid on time, late or missed.

    Args:
        state_odds: OUTCOME of the state of each; the last axis is the outcome.
        risk: shift of the product.
        tet: whether each falls due around the lunar new year.
    """
    odds = state_odds.copy()
    odds[..., MISSED] *= np.exp(risk)
    odds[..., LATE] *= np.exp(0.5 * risk) * np.where(tet, TET_LATENESS, 1.0)
    return odds / odds.sum(axis=-1, keepdims=True)


def cures(bad_months: Ints) -> Floats:
    """Probability to pay all arrears in the month of that number, from 1, since the loan is BAD_MONTHS or more behind."""
    return np.where(bad_months <= CURE_MONTHS, *CURE)


def may_settle(paid: Ints, left: Ints) -> Flags:
    """Whether a loan that has paid everything due may be settled early."""
    return (left >= SETTLE_LEFT) & (paid >= SETTLE_PAID)


def early_share(pre_tet: Flags) -> Floats:
    """Share of a Normal client's on-time payments that come 1 to EARLY_DAYS days early, each number of days alike."""
    return EARLY_SHARE * np.where(pre_tet, PRE_TET_EARLINESS, 1.0)


def _late_table() -> Floats:
    """Probability of 1 to LATE_DAYS days of lateness, by state: geometric with mean 3, log-normal around 9 and around 18 days."""
    days = np.arange(1, LATE_DAYS)
    normal = 1.0 - (1.0 - 1.0 / 3.0) ** days
    careless, distressed = ([0.5 + 0.5 * erf(log(day / median) / (0.6 * sqrt(2.0))) for day in days] for median in (9.0, 18.0))
    reached = np.array([normal, careless, distressed])
    return np.diff(np.concatenate([np.zeros((3, 1)), reached, np.ones((3, 1))], axis=1), axis=1)


LATE_TABLE: Floats = _late_table()
