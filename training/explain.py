"""What each feature adds to a client's log-odds: exact TreeSHAP values, and their mean sizes.

Contributions explain the raw log-odds; the calibration multiplies all of them by the same positive slope, so order and sign stay.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from training.frame import ModelFeature
from training.model import THREADS, raw_log_odds

if TYPE_CHECKING:
    from lightgbm import Booster

SUM_TOLERANCE = 1e-6


class ExplanationError(ArithmeticError):
    """Contributions do not add up to the score that they explain."""


def contributions(booster: "Booster", matrix: np.ndarray) -> np.ndarray:
    """Contribution of each feature to the raw log-odds; the last column is the base value.

    Raises:
        ExplanationError: the columns of a row do not sum to its raw log-odds within 1e-6.
    """
    if not len(matrix):
        return np.empty((0, matrix.shape[1] + 1))  # LightGBM divides by the number of rows
    parts = np.asarray(booster.predict(matrix, pred_contrib=True, num_threads=THREADS)).reshape(len(matrix), -1)
    gap = np.abs(parts.sum(axis=1) - raw_log_odds(booster, matrix)).max()
    if not gap <= SUM_TOLERANCE:
        raise ExplanationError(f"contributions miss the raw log-odds by {gap:.3g}; at most {SUM_TOLERANCE} is rounding")
    return parts


def importance(booster: "Booster", matrix: np.ndarray, features: Sequence[ModelFeature]) -> list[dict]:
    """Mean absolute contribution of each feature over the rows, greatest first.

    Grain: one entry per feature: feature, mean_contribution (log-odds), share_ratio (of all features together).
    """
    sizes = np.abs(contributions(booster, matrix)[:, :-1]).mean(axis=0)
    total = sizes.sum() or 1.0
    order = sorted(range(len(features)), key=lambda i: (-sizes[i], features[i].name))
    return [{"feature": features[i].name, "mean_contribution": float(sizes[i]), "share_ratio": float(sizes[i] / total)} for i in order]
