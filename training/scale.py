"""From the model's raw log-odds to a probability, score points and a grade: pure functions shared by training and serving.

The raw output of the trees is no probability of the portfolio; the two numbers of the calibration make it one. Points and grades are
functions of the calibrated probability only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SCORE_OFFSET = 501.8622  # 600 points at odds of 30 good clients to 1 bad one
SCORE_FACTOR = 28.8539  # 20 points double the odds: 20 / ln 2
PROBABILITY_FLOOR = 1e-9  # keeps the logarithm finite
GRADES = ("A", "B", "C", "D", "E")


@dataclass(frozen=True)
class Calibration:
    """Platt's calibration: log-odds of the probability = intercept + slope * raw log-odds of the trees."""

    intercept: float
    slope: float

    def probability(self, raw: np.ndarray) -> np.ndarray:
        """Calibrated probability of default for raw log-odds."""
        return sigmoid(self.intercept + self.slope * np.asarray(raw, dtype=float))


def sigmoid(log_odds: np.ndarray) -> np.ndarray:
    """The probability of given log-odds, without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * np.asarray(log_odds, dtype=float)))


def log_odds(probability: np.ndarray) -> np.ndarray:
    """The log-odds of a probability, finite also at 0 and 1."""
    p = np.clip(np.asarray(probability, dtype=float), PROBABILITY_FLOOR, 1.0 - PROBABILITY_FLOOR)
    return np.log(p) - np.log1p(-p)


def score_points(probability: np.ndarray) -> np.ndarray:
    """Score points as int64: round(501.8622 + 28.8539 * ln((1-p)/p)); more points mean less risk."""
    return np.rint(SCORE_OFFSET - SCORE_FACTOR * log_odds(probability)).astype("int64")


def grades(probability: np.ndarray, cutoffs: Sequence[float]) -> np.ndarray:
    """Grade A (least risk) to E; a probability equal to a cut-off belongs to the worse grade.

    Args:
        probability: calibrated probabilities.
        cutoffs: four ascending probabilities, the lower ends of the grades B to E.

    Raises:
        ValueError: the cut-offs are not four ascending numbers.
    """
    if len(cutoffs) != len(GRADES) - 1 or list(cutoffs) != sorted(cutoffs):
        raise ValueError(f"grade cut-offs {list(cutoffs)}: must be {len(GRADES) - 1} ascending probabilities")
    return np.array(GRADES)[np.searchsorted(np.asarray(cutoffs, dtype=float), np.asarray(probability, dtype=float), side="right")]
