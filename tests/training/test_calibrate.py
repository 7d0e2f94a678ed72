"""Calibration recovers the two numbers that made the outcomes, and stays finite where a fit would not."""

import numpy as np
import pytest

from training.calibrate import fit_calibration, fit_logistic
from training.scale import sigmoid


def outcomes(intercept: float, slope: float, rows: int = 200_000) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    raw = random.normal(-2, 1.5, rows)
    return raw, (random.random(rows) < sigmoid(intercept + slope * raw)).astype(float)


@pytest.mark.parametrize(("intercept", "slope"), [(0.0, 1.0), (0.7, 0.6), (-0.4, 1.5)])
def test_the_truth_is_found(intercept, slope):
    found = fit_calibration(*outcomes(intercept, slope))
    assert found.intercept == pytest.approx(intercept, abs=0.05)
    assert found.slope == pytest.approx(slope, abs=0.03)


def test_the_mean_prediction_is_the_default_ratio():
    raw, is_default = outcomes(0.5, 0.8)
    assert fit_calibration(raw, is_default).probability(raw).mean() == pytest.approx(is_default.mean(), rel=1e-3)


def test_separated_classes_give_a_finite_slope():
    raw = np.linspace(-3, 3, 40)
    found = fit_calibration(raw, (raw > 0).astype(float))
    assert 0 < found.slope < 50
    assert np.isfinite(found.probability(raw)).all()


def test_a_constant_raw_value_gives_the_smoothed_ratio():
    found = fit_calibration(np.full(100, -1.0), np.repeat([1.0, 0.0], [10, 90]))
    assert found.probability(np.array([-1.0])) == pytest.approx([0.1], abs=0.02)


def test_weights_count_rows_twice():
    raw, is_default = outcomes(0.0, 1.0, rows=500)
    weight = np.tile([1.0, 2.0], 250)
    repeated = np.repeat(np.arange(500), weight.astype(int))
    assert fit_logistic(raw, is_default, weight) == pytest.approx(fit_logistic(raw[repeated], is_default[repeated]), abs=1e-6)
