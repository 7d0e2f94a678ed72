"""The stability index: frozen bins, nulls in a bin of their own, the textbook figure."""

import math

import numpy as np
import pytest

from serving.monitoring.stability import stability_index


def test_the_same_sample_has_index_zero():
    sample = np.random.default_rng(1).normal(size=500)
    assert stability_index(sample, sample) == 0


def test_worked_example():
    # 10 reference values, one a decile; the current sample has 30 % in the first decile and 10 % less in two others.
    reference = np.arange(10.0)
    current = np.array([0, 0, 0, 1, 2, 3, 4, 5, 6, 7.0])
    expected = (0.3 - 0.1) * math.log(0.3 / 0.1) + 2 * (1e-4 - 0.1) * math.log(1e-4 / 0.1)
    assert stability_index(reference, current) == pytest.approx(expected)


def test_a_shift_is_above_the_threshold_and_noise_is_below_it():
    draw = np.random.default_rng(2)
    reference = draw.normal(size=4000)
    assert stability_index(reference, draw.normal(size=4000)) < 0.02
    assert stability_index(reference, draw.normal(loc=1, size=4000)) > 0.25


def test_nulls_count_as_a_bin():
    reference, current = np.arange(100.0), np.arange(100.0)
    current[:50] = np.nan
    assert stability_index(reference, current) > 0.25


@pytest.mark.parametrize("reference", [np.full(50, np.nan), np.zeros(50)])
def test_empty_and_constant_columns_have_a_finite_index(reference):
    assert stability_index(reference, reference) == 0
    assert math.isfinite(stability_index(reference, np.arange(50.0)))
