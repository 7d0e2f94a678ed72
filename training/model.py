"""The trees: a native LightGBM Booster with the declared monotone signs, the same text for the same data.

Rows must come in canonical order and columns in declared order; seeds and the number of threads are fixed. The number of trees is chosen by
cross-validation whose folds share no client; nothing else is tuned, since tuning on few defaults fits noise.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from training.frame import ModelFeature
from training.split import validation_folds

if TYPE_CHECKING:
    from lightgbm import Booster

SEED = 20240229
THREADS = 1  # measured: two threads on a busy machine of two cores need 6 times the CPU seconds, for the same model
MAX_TREES = 500
MIN_TREES = 20
PATIENCE = 30
FOLDS = 5

PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.05,
    "num_leaves": 8,
    "min_data_in_leaf": 50,
    "lambda_l2": 10.0,
    "feature_fraction": 0.8,
    "monotone_constraints_method": "basic",  # "advanced" broke declared signs in 9 of 12 fits of LightGBM 4.7, and fitted no better
    "seed": SEED,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": THREADS,
    "verbosity": -1,
}


def parameters(features: Sequence[ModelFeature]) -> dict[str, Any]:
    """LightGBM's parameters with the features' signs."""
    return PARAMETERS | {"monotone_constraints": [feature.monotone for feature in features]}


def fit_booster(matrix: np.ndarray, is_default: np.ndarray, client_ids: np.ndarray, features: Sequence[ModelFeature]) -> "Booster":
    """Fit the trees on the development sample.

    Args:
        matrix: model matrix in canonical row order.
        is_default: outcomes, 0 or 1.
        client_ids: client of each row, for the cross-validation folds.
        features: the columns of the matrix.
    """
    import lightgbm as lgb

    trees = tree_count(matrix, is_default, client_ids, features)
    return lgb.train(parameters(features), _dataset(matrix, is_default, features), num_boost_round=trees)


def tree_count(matrix: np.ndarray, is_default: np.ndarray, client_ids: np.ndarray, features: Sequence[ModelFeature]) -> int:
    """The number of trees with the least log loss in cross-validation by client."""
    import lightgbm as lgb

    fold = validation_folds(client_ids, FOLDS)
    folds = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(FOLDS)]
    history = lgb.cv(
        parameters(features) | {"metric": "binary_logloss"},
        _dataset(matrix, is_default, features),
        num_boost_round=MAX_TREES,
        folds=[(train, valid) for train, valid in folds if len(train) and len(valid)],
        callbacks=[lgb.early_stopping(PATIENCE, verbose=False)],
    )
    losses = np.asarray(history["valid binary_logloss-mean"])
    return max(MIN_TREES, int(losses.argmin()) + 1)


def raw_log_odds(booster: "Booster", matrix: np.ndarray) -> np.ndarray:
    """The sum of the trees for each row, before calibration."""
    if not len(matrix):
        return np.empty(0)
    return np.asarray(booster.predict(matrix, raw_score=True, num_threads=THREADS))


def load_booster(text: str) -> "Booster":
    """A Booster from its text."""
    import lightgbm as lgb

    return lgb.Booster(model_str=text)


def _dataset(matrix: np.ndarray, is_default: np.ndarray, features: Sequence[ModelFeature]) -> Any:
    import lightgbm as lgb

    names = [feature.name for feature in features]
    return lgb.Dataset(matrix, is_default, feature_name=names, params={"verbosity": -1})
