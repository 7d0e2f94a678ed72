"""What the trees must be compared with: a logistic scorecard on the same features, and one rule, the client's current dpd.

If the simple one is as good, it should ship. Both are fitted on the development sample only, medians and scales included.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.frame import ModelFeature

RULE_FEATURE = "dpd"
REGULARIZATION = 1.0  # scikit-learn's C


@dataclass(frozen=True)
class LogisticScorecard:
    """Logistic regression on standardized log-scaled features with indicators of missing values.

    Attributes:
        center: mean of each scaled feature.
        spread: standard deviation of each scaled feature, 1 where it is constant.
        coefficients: of the scaled features, then of the missing indicators.
        intercept: log-odds of a client at the mean of everything.
    """

    center: np.ndarray
    spread: np.ndarray
    coefficients: np.ndarray
    intercept: float

    def raw_log_odds(self, matrix: np.ndarray) -> np.ndarray:
        """Log-odds of default for each row."""
        return self.intercept + _design(matrix, self.center, self.spread) @ self.coefficients


def fit_scorecard(matrix: np.ndarray, is_default: np.ndarray) -> LogisticScorecard:
    """Fit the scorecard on the development sample."""
    from sklearn.linear_model import LogisticRegression

    scaled = _log_scale(matrix)
    known = ~np.isnan(scaled)
    count = np.maximum(known.sum(axis=0), 1)
    center = np.where(known, scaled, 0.0).sum(axis=0) / count
    spread = np.sqrt(np.where(known, (scaled - center) ** 2, 0.0).sum(axis=0) / count)
    spread = np.where(spread > 0, spread, 1.0)
    fitted = LogisticRegression(C=REGULARIZATION, max_iter=2000).fit(_design(matrix, center, spread), is_default)
    return LogisticScorecard(center, spread, fitted.coef_[0], float(fitted.intercept_[0]))


def rule(matrix: np.ndarray, features: Sequence[ModelFeature]) -> np.ndarray:
    """The one-line rule: more days past due today, more risk.

    Raises:
        ValueError: the features do not hold the current dpd.
    """
    names = [feature.name for feature in features]
    if RULE_FEATURE not in names:
        raise ValueError(f"the one-line rule needs the feature {RULE_FEATURE}; the service has {', '.join(names)}")
    return matrix[:, names.index(RULE_FEATURE)]


def _log_scale(matrix: np.ndarray) -> np.ndarray:
    """log(1 + x) with the sign kept: amounts and counts are skewed, ratios hardly change."""
    return np.sign(matrix) * np.log1p(np.abs(matrix))


def _design(matrix: np.ndarray, center: np.ndarray, spread: np.ndarray) -> np.ndarray:
    standard = (_log_scale(matrix) - center) / spread
    missing = np.isnan(standard)
    return np.column_stack([np.where(missing, 0.0, standard), missing.astype(float)])
