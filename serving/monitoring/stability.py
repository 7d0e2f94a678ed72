"""Population stability index on bins frozen from the reference sample.

Evidently chooses its own bins and their number, so the same data may give another figure; a score card's index must not.
"""

import numpy as np

BINS = 10
EPSILON = 1e-4  # share of an empty bin; keeps the logarithm finite
WATCH, ACT = 0.10, 0.25  # conventions (Lewis 1994): below 0.1 stable, above 0.25 act


def frozen_edges(reference: np.ndarray) -> np.ndarray:
    """Inner edges of the bins: deciles of the reference sample without its nulls, each once."""
    values = reference[~np.isnan(reference)]
    return np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1])) if len(values) else np.empty(0)


def bin_shares(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Share of the values in each bin; the last bin holds the nulls."""
    bins = np.searchsorted(edges, values, side="left")
    bins[np.isnan(values)] = len(edges) + 1
    return np.bincount(bins, minlength=len(edges) + 2) / max(len(values), 1)


def stability_index(reference: np.ndarray, current: np.ndarray) -> float:
    """PSI = sum((a - e) * ln(a / e)) over the frozen bins, e of the reference and a of the current sample."""
    edges = frozen_edges(reference)
    expected = np.maximum(bin_shares(reference, edges), EPSILON)
    actual = np.maximum(bin_shares(current, edges), EPSILON)
    return float(((actual - expected) * np.log(actual / expected)).sum())
