"""The hidden process behind repayment: a monthly state of each client, and what an installment looks like in each state.

All contracts of a client share the state, so one loan in trouble says something about the others. Risk `theta` and state are truth that no
delivery carries; a model can only see what they lead to.
"""

import numpy as np
import numpy.typing as npt

from warehouse.simulate.draws import Draws, Floats, Ints

STATES = ("Normal", "Careless", "Distressed")
NORMAL, CARELESS, DISTRESSED = range(3)
ON_TIME, LATE, MISSED = range(3)

# Probability that an installment is paid on time, late or missed, by state.
OUTCOME = np.array([[0.932, 0.064, 0.004], [0.56, 0.38, 0.06], [0.10, 0.26, 0.64]])
LATE_MEDIAN_DAYS = np.array([0.0, 9.0, 18.0])  # log-normal; Normal has a geometric delay of 3 days on average
LATE_SIGMA = 0.6
MAX_LATE_DAYS = 29
TET_LATENESS = 1.8
EARLY_SHARE = 0.25  # of the on-time payments of a Normal client
EARLY_DAYS = 10
PARTIAL_SHARE = 0.25  # of missed installments
BURDEN = 0.25  # pressure of each contract beyond the first
CURE = (0.08, 0.02)  # monthly probability to pay all arrears once 90 days late: in the first three months, later
BAD_ARREARS = 3  # installments behind, about 90 days
SETTLE, REFINANCE = 0.008, 0.006  # monthly hazards of a contract in good order
CROSS_SELL, RETURN = 0.04, 0.06  # monthly hazards of another contract
LOYAL_RUN = 6  # months without a late payment before another contract is offered
MAX_OPEN = 3


def logistic(value: Floats) -> Floats:
    """The logistic function."""
    return 1.0 / (1.0 + np.exp(-value))


def first_state(draws: Draws, client: Ints, theta: Floats) -> Ints:
    """State in the month of the first contract."""
    careless = logistic(-2.2 + 0.7 * theta)
    return draws.choice(client, np.stack([1.0 - careless, careless, np.zeros_like(careless)], axis=1))


def next_state(draws: Draws, client: Ints, month: int, state: Ints, theta: Floats, pressure: Floats) -> Ints:
    """State of the following month; pressure raises the way to Distressed and slows the way back."""
    normal = np.stack([np.zeros_like(theta), logistic(-2.9 + 0.7 * theta + 0.5 * pressure), logistic(-5.8 + 1.25 * theta + pressure)], 1)
    careless = np.stack([logistic(-0.9 - 0.4 * theta), np.zeros_like(theta), logistic(-4.0 + 1.25 * theta + pressure)], 1)
    distressed = np.stack([logistic(-1.9 - 0.6 * theta - 0.5 * pressure), np.full_like(theta, 0.08), np.zeros_like(theta)], 1)
    leave = np.select([state[:, None] == NORMAL, state[:, None] == CARELESS], [normal, careless], distressed)
    leave /= np.maximum(1.0, leave.sum(axis=1, keepdims=True))
    leave[np.arange(len(state)), state] = 1.0 - leave.sum(axis=1)
    return draws.choice(client, leave, at=month)


def outcome(draws: Draws, contract: Ints, month: int, state: Ints, risk: Floats, tet: npt.NDArray[np.bool_]) -> Ints:
    """What becomes of the installment of the month: paid on time, late or missed."""
    odds = OUTCOME[state].copy()
    odds[:, MISSED] *= np.exp(risk)
    odds[:, LATE] *= np.exp(0.5 * risk) * np.where(tet, TET_LATENESS, 1.0)
    return draws.choice(contract, odds, at=month)


def late_days(draws: Draws, contract: Ints, month: int, state: Ints) -> Ints:
    """Days after the due date of a late payment, 1 to 29."""
    geometric = 1.0 + np.floor(np.log1p(-draws.uniform(contract, month, lane=2)) / np.log(1.0 - 1.0 / 3.0))
    spread = np.exp(LATE_SIGMA * draws.normal(contract, month, lane=2))
    delay = np.where(state == NORMAL, geometric, np.ceil(LATE_MEDIAN_DAYS[state] * spread))
    return np.clip(delay, 1, MAX_LATE_DAYS).astype(np.int64)


def early_days(draws: Draws, contract: Ints, month: int, state: Ints) -> Ints:
    """Days before the due date of an on-time payment, 0 to 10."""
    is_early = (state == NORMAL) & (draws.uniform(contract, month, lane=6) < EARLY_SHARE)
    return np.where(is_early, draws.between(contract, 1, EARLY_DAYS, month, lane=7), 0)
