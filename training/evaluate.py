"""How good a model is on a sample: figures with intervals, by decile, by segment, and against another risk measure.

Intervals draw clients, not rows, with replacement: rows of one client are nearly copies, and drawing rows would make every interval too
narrow. A figure that the sample cannot give (one class only, too few defaults) is None, never a number.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from training.metrics import Ranking, actual_to_expected, brier, calibration_line, log_loss

REPLICATES = 200
SEED = 7
INTERVAL = (2.5, 97.5)  # percentiles: 95 % intervals
MIN_SEGMENT_DEFAULTS = 10  # a segment's AUC on fewer says nothing
DECILES = 10
RISKIEST_RATIO = 0.2


class Outcomes(NamedTuple):
    """One sample: what was predicted and what happened, a row a client and cohort."""

    probability: np.ndarray
    is_default: np.ndarray
    client_ids: np.ndarray

    def where(self, mask: np.ndarray) -> "Outcomes":
        """The rows of a segment."""
        return Outcomes(self.probability[mask], self.is_default[mask], self.client_ids[mask])


def client_draws(client_ids: np.ndarray, replicates: int = REPLICATES, seed: int = SEED) -> Iterator[np.ndarray]:
    """Row weights of bootstrap samples of clients."""
    names, positions = np.unique(client_ids.astype(str), return_inverse=True)
    random = np.random.default_rng(seed)
    for _ in range(replicates):
        drawn = random.integers(0, len(names), len(names))
        yield np.bincount(drawn, minlength=len(names)).astype(float)[positions]


def counts(sample: Outcomes) -> dict:
    """Size of a sample: rows, clients, defaults, default_ratio, mean_probability."""
    rows = len(sample.is_default)
    return {
        "rows": rows,
        "clients": len(np.unique(sample.client_ids.astype(str))),
        "defaults": int(sample.is_default.sum()),
        "default_ratio": _number(sample.is_default.mean()) if rows else None,
        "mean_probability": _number(sample.probability.mean()) if rows else None,
    }


def evaluate(sample: Outcomes, replicates: int = REPLICATES) -> dict:
    """All figures of a sample, each with `_low` and `_high`, the ends of its 95 % interval.

    Returns:
        counts, auc, gini, ks, brier, log_loss, calibration_intercept, calibration_slope, actual_to_expected_ratio, capture_ratio (share of
        the defaults among the riskiest fifth).
    """
    ranking = Ranking(sample.probability, sample.is_default)
    probability, bad = sample.probability, sample.is_default
    figures: dict[str, Callable[[np.ndarray], float]] = {
        "auc": ranking.auc,
        "gini": lambda w: 2 * ranking.auc(w) - 1,
        "ks": ranking.ks,
        "brier": lambda w: brier(probability, bad, w),
        "log_loss": lambda w: log_loss(probability, bad, w),
        "calibration_intercept": lambda w: calibration_line(probability, bad, w)[0],
        "calibration_slope": lambda w: calibration_line(probability, bad, w)[1],
        "actual_to_expected_ratio": lambda w: actual_to_expected(probability, bad, w),
    }
    return counts(sample) | with_intervals(figures, sample.client_ids, replicates) | {"capture_ratio": capture_ratio(sample)}


def with_intervals(figures: Mapping[str, Callable[[np.ndarray], float]], client_ids: np.ndarray, replicates: int) -> dict:
    """Each figure on the sample itself and the percentiles of its bootstrap."""
    whole = np.ones(len(client_ids))
    draws: dict[str, list[float]] = {name: [] for name in figures}
    for weight in client_draws(client_ids, replicates):
        for name, figure in figures.items():
            draws[name].append(figure(weight))
    result: dict[str, float | None] = {}
    for name, figure in figures.items():
        low, high = _percentiles(draws[name])
        result |= {name: _number(figure(whole)), f"{name}_low": low, f"{name}_high": high}
    return result


def rank_figures(risk: np.ndarray, is_default: np.ndarray, client_ids: np.ndarray, replicates: int = REPLICATES) -> dict:
    """auc, gini and ks of any risk measure, which need not be a probability."""
    ranking = Ranking(risk, is_default)
    return with_intervals(
        {"auc": ranking.auc, "gini": lambda w: 2 * ranking.auc(w) - 1, "ks": ranking.ks},
        client_ids,
        replicates,
    )


def auc_difference(
    risk: np.ndarray, other: np.ndarray, is_default: np.ndarray, client_ids: np.ndarray, replicates: int = REPLICATES
) -> dict:
    """AUC of a risk measure minus that of another on the same rows, with the interval of paired draws."""
    one, two = Ranking(risk, is_default), Ranking(other, is_default)
    return with_intervals({"auc_difference": lambda w: one.auc(w) - two.auc(w)}, client_ids, replicates)


def capture_ratio(sample: Outcomes) -> float | None:
    """Share of the defaults among the riskiest fifth of the rows; ties at the edge share it."""
    defaults = sample.is_default.sum()
    if not defaults:
        return None
    room = RISKIEST_RATIO * len(sample.probability)
    edge = np.sort(sample.probability)[::-1][max(0, int(np.ceil(room)) - 1)]
    above, at = sample.probability > edge, sample.probability == edge
    taken = sample.is_default[above].sum() + sample.is_default[at].mean() * (room - above.sum())
    return _number(taken / defaults)


def deciles(sample: Outcomes) -> list[dict]:
    """Calibration by tenths of the probability.

    Grain: one entry per decile, from the least risk: decile, rows, defaults, mean_probability, default_ratio.
    """
    order = np.argsort(sample.probability, kind="stable")
    parts = [part for part in np.array_split(order, DECILES) if len(part)]
    return [{"decile": i} | counts(sample.where(part)) for i, part in enumerate(parts, start=1)]


def segments(sample: Outcomes, keys: Mapping[str, np.ndarray], replicates: int = REPLICATES) -> list[dict]:
    """Figures by segment.

    Grain: one entry per (dimension, segment): counts, auc with its interval (None under 10 defaults or non-defaults),
    actual_to_expected_ratio with its interval.

    Args:
        sample: the rows.
        keys: dimension name -> segment of each row.
        replicates: bootstrap draws.
    """
    found = []
    for dimension, values in keys.items():
        named = values.astype(str)
        for segment in np.unique(named):
            rows = sample.where(named == segment)
            found.append({"dimension": dimension, "segment": str(segment)} | counts(rows) | _segment_figures(rows, replicates))
    return found


def _segment_figures(rows: Outcomes, replicates: int) -> dict:
    defaults = rows.is_default.sum()
    enough = min(defaults, len(rows.is_default) - defaults) >= MIN_SEGMENT_DEFAULTS
    ranking = Ranking(rows.probability, rows.is_default)
    figures: dict[str, Callable[[np.ndarray], float]] = {
        "auc": ranking.auc if enough else lambda _: float("nan"),
        "actual_to_expected_ratio": lambda w: actual_to_expected(rows.probability, rows.is_default, w),
    }
    return with_intervals(figures, rows.client_ids, replicates)


def _percentiles(values: list[float]) -> tuple[float | None, float | None]:
    known = np.array([value for value in values if np.isfinite(value)])
    if not len(known):
        return None, None
    low, high = np.percentile(known, INTERVAL)
    return float(low), float(high)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
