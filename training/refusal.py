"""The refusal to train, and the least number of outcomes from which a model may be made."""

from collections.abc import Sequence
from datetime import date

import numpy as np

MIN_DEFAULTS = 50
MIN_COHORTS = 2
MIN_SAMPLE_DEFAULTS = 5  # and as many others, in each of the three samples


class TrainingRefused(RuntimeError):
    """There is not enough history to train on; one sentence says what is missing."""


def check_outcomes(defaults: int, cohorts: Sequence[date]) -> None:
    """Refuse when outcomes are too few.

    Raises:
        TrainingRefused: fewer than 50 defaults or fewer than 2 mature cohorts.
    """
    if defaults < MIN_DEFAULTS or len(cohorts) < MIN_COHORTS:
        raise TrainingRefused(
            f"too few outcomes: {defaults} defaults in {len(cohorts)} mature cohorts; at least {MIN_DEFAULTS} and {MIN_COHORTS} are needed"
        )


def check_sample(name: str, is_default: np.ndarray) -> None:
    """Refuse a sample from which nothing can be learned or measured.

    Raises:
        TrainingRefused: fewer than MIN_SAMPLE_DEFAULTS rows of a class.
    """
    bad = int(is_default.sum())
    good = len(is_default) - bad
    if not bad or not good:
        raise TrainingRefused(f"one class only in the {name} sample: {bad} defaults among {len(is_default)} rows; both classes are needed")
    if min(bad, good) < MIN_SAMPLE_DEFAULTS:
        raise TrainingRefused(
            f"too few outcomes in the {name} sample: {bad} defaults and {good} others; at least {MIN_SAMPLE_DEFAULTS} of each are needed"
        )
