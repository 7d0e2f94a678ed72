"""Figures of merit on weighted rows: AUC, KS, Brier score, log loss, calibration.

All take row weights, because the bootstrap draws clients, not rows: a client drawn twice has weight 2 on all of its rows.
"""

import numpy as np

from training.calibrate import fit_logistic
from training.scale import PROBABILITY_FLOOR, log_odds


class Ranking:
    """Rows sorted once by a risk measure, so that AUC and KS of many weightings are cheap.

    Equal values count half, as in the Mann-Whitney statistic.
    """

    def __init__(self, risk: np.ndarray, is_default: np.ndarray) -> None:
        self._order = np.argsort(risk, kind="stable")
        ordered = risk[self._order]
        self._starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        self._bad = is_default[self._order]

    def _masses(self, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        ordered = weight[self._order]
        bad = np.add.reduceat(ordered * self._bad, self._starts)
        return bad, np.add.reduceat(ordered, self._starts) - bad

    def auc(self, weight: np.ndarray) -> float:
        """Probability that a bad row has the greater risk; NaN with one class only."""
        bad, good = self._masses(weight)
        pairs = bad.sum() * good.sum()
        return float(bad @ (np.cumsum(good) - 0.5 * good) / pairs) if pairs > 0 else float("nan")

    def ks(self, weight: np.ndarray) -> float:
        """Greatest distance between the two cumulative distributions; NaN with one class only."""
        bad, good = self._masses(weight)
        if not bad.sum() * good.sum():
            return float("nan")
        return float(np.abs(np.cumsum(bad) / bad.sum() - np.cumsum(good) / good.sum()).max())


def brier(probability: np.ndarray, is_default: np.ndarray, weight: np.ndarray) -> float:
    """Mean squared distance of probability and outcome."""
    return float(np.average((probability - is_default) ** 2, weights=weight))


def log_loss(probability: np.ndarray, is_default: np.ndarray, weight: np.ndarray) -> float:
    """Mean negative log-likelihood of the outcomes."""
    p = np.clip(probability, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
    return float(-np.average(is_default * np.log(p) + (1 - is_default) * np.log1p(-p), weights=weight))


def calibration_line(probability: np.ndarray, is_default: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Intercept and slope of outcomes on the log-odds of the probability; 0 and 1 when calibrated, NaN with one class only."""
    bad = float(weight @ is_default)
    if bad <= 0 or bad >= float(weight.sum()):
        return float("nan"), float("nan")
    return fit_logistic(log_odds(probability), is_default, weight)


def actual_to_expected(probability: np.ndarray, is_default: np.ndarray, weight: np.ndarray) -> float:
    """Defaults that happened over defaults that were expected; 1 when calibrated as a whole."""
    return float((weight @ is_default) / (weight @ probability))
