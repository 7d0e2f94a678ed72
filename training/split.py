"""The out-of-time split: newest mature cohorts are the test, and no client is in two samples.

A client's rows of neighboring months are nearly the same row and often share one default, so a client must be in one sample only. The
client's fold depends on its id alone: it is the same in every training, so a new model and the champion never developed on a test client.
"""

import hashlib
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np

DEVELOPMENT, CALIBRATION, TEST = "development", "calibration", "test"
FOLD_ENDS = ((DEVELOPMENT, 50), (CALIBRATION, 70), (TEST, 100))  # upper ends in hundredths of the clients
TEST_RATIO = 0.2  # share of the cohorts, newest first
CALIBRATION_RATIO = 0.2


class Eras(NamedTuple):
    """Cohorts of each sample, oldest first."""

    development: tuple[date, ...]
    calibration: tuple[date, ...]
    test: tuple[date, ...]


def client_hundredth(client_id: str) -> int:
    """A number from 0 to 99 that depends on the client alone."""
    return int.from_bytes(hashlib.sha256(f"fold:{client_id}".encode()).digest()[:8], "big") % 100


def client_fold(client_id: str) -> str:
    """The sample to which a client belongs for all time."""
    return next(fold for fold, end in FOLD_ENDS if client_hundredth(client_id) < end)


def eras(cohorts: Sequence[date]) -> Eras:
    """Divide mature cohorts by time: development, then calibration, then test.

    With fewer than three cohorts calibration uses the development cohorts, with its own clients.

    Args:
        cohorts: at least two month ends.
    """
    ordered = tuple(sorted(set(cohorts)))
    if len(ordered) < 2:
        raise ValueError(f"{len(ordered)} cohorts cannot be divided by time; at least 2 are needed")
    test = max(1, round(TEST_RATIO * len(ordered)))
    before, newest = ordered[:-test], ordered[-test:]
    later = max(1, round(CALIBRATION_RATIO * len(ordered)))
    if len(before) < 2:
        return Eras(before, before, newest)
    return Eras(before[:-later], before[-later:], newest)


def samples(client_ids: np.ndarray, cohorts: np.ndarray, parts: Eras) -> np.ndarray:
    """The sample of each row, or None for a row that no sample may use.

    Args:
        client_ids: client of each row.
        cohorts: month end of each row.
        parts: cohorts of the samples.
    """
    names, positions = np.unique(client_ids.astype(str), return_inverse=True)
    folds = np.array([client_fold(name) for name in names], dtype=object)[positions]
    allowed = {DEVELOPMENT: set(parts.development), CALIBRATION: set(parts.calibration), TEST: set(parts.test)}
    return np.array([fold if day in allowed[fold] else None for fold, day in zip(folds, cohorts, strict=True)], dtype=object)


def validation_folds(client_ids: np.ndarray, count: int) -> np.ndarray:
    """Cross-validation fold of each row, 0 to count - 1; a client is in one fold only."""
    names, positions = np.unique(client_ids.astype(str), return_inverse=True)
    digests = [hashlib.sha256(f"validation:{name}".encode()).digest()[:8] for name in names]
    return np.array([int.from_bytes(digest, "big") % count for digest in digests], dtype="int64")[positions]
