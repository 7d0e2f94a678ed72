"""Figures against their definitions, counted out in loops."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.metrics import Ranking, actual_to_expected, brier, calibration_line, log_loss

samples = st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 3)), min_size=2, max_size=12)


@settings(max_examples=80, deadline=None)
@given(samples)
def test_auc_counts_pairs_and_ties_count_half(rows):
    risk, bad, weight = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    pairs = won = 0.0
    for i, j in product(range(len(rows)), repeat=2):
        if bad[i] and not bad[j]:
            pairs += weight[i] * weight[j]
            won += weight[i] * weight[j] * (1.0 if risk[i] > risk[j] else 0.5 if risk[i] == risk[j] else 0.0)
    found = Ranking(risk, bad).auc(weight)
    assert np.isnan(found) if pairs == 0 else found == pytest.approx(won / pairs)


@settings(max_examples=80, deadline=None)
@given(samples)
def test_ks_is_the_greatest_distance_of_the_distributions(rows):
    risk, bad, weight = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    found = Ranking(risk, bad).ks(weight)
    total_bad, total_good = weight @ bad, weight @ (1 - bad)
    if not total_bad * total_good:
        assert np.isnan(found)
        return
    gaps = [abs(weight[risk <= r] @ bad[risk <= r] / total_bad - weight[risk <= r] @ (1 - bad)[risk <= r] / total_good) for r in risk]
    assert found == pytest.approx(max(gaps))


def test_a_perfect_and_a_reversed_ranking():
    bad = np.array([0.0, 0, 1, 1])
    assert Ranking(np.array([1.0, 2, 3, 4]), bad).auc(np.ones(4)) == 1.0
    assert Ranking(np.array([4.0, 3, 2, 1]), bad).auc(np.ones(4)) == 0.0


def test_proper_scores_by_hand():
    p, bad, weight = np.array([0.2, 0.6]), np.array([0.0, 1.0]), np.array([1.0, 3.0])
    assert brier(p, bad, weight) == pytest.approx((0.04 + 3 * 0.16) / 4)
    assert log_loss(p, bad, weight) == pytest.approx(-(np.log(0.8) + 3 * np.log(0.6)) / 4)
    assert actual_to_expected(p, bad, weight) == pytest.approx(3 / 2.0)


def test_the_calibration_line_of_calibrated_probabilities_is_the_diagonal():
    random = np.random.default_rng(3)
    p = random.beta(1, 8, 100_000)
    bad = (random.random(len(p)) < p).astype(float)
    intercept, slope = calibration_line(p, bad, np.ones(len(p)))
    assert intercept == pytest.approx(0, abs=0.05)
    assert slope == pytest.approx(1, abs=0.03)


def test_the_calibration_line_needs_both_classes():
    assert all(np.isnan(value) for value in calibration_line(np.array([0.1, 0.2]), np.zeros(2), np.ones(2)))
