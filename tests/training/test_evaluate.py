"""Intervals are drawn by client, and a figure that a sample cannot give is None."""

import json

import numpy as np
import pytest

from training.evaluate import Outcomes, auc_difference, capture_ratio, client_draws, deciles, evaluate, segments
from training.scale import sigmoid


def sample(clients: int = 300, months: int = 5, seed: int = 2) -> Outcomes:
    """Each client's rows are copies: what they know is one row a client."""
    random = np.random.default_rng(seed)
    risk = random.normal(-1.5, 1.2, clients)
    bad = (random.random(clients) < sigmoid(risk)).astype(float)
    ids = np.array([f"c{i}" for i in range(clients)], dtype=object)
    return Outcomes(np.repeat(sigmoid(risk), months), np.repeat(bad, months), np.repeat(ids, months))


def test_a_draw_gives_all_rows_of_a_client_the_same_weight():
    rows = sample(50, 4)
    for weight in client_draws(rows.client_ids, replicates=5):
        assert (weight.reshape(50, 4) == weight.reshape(50, 4)[:, :1]).all()
        assert weight.sum() == len(rows.client_ids)


def test_copies_of_rows_do_not_narrow_the_interval():
    once, often = evaluate(sample(300, 1)), evaluate(sample(300, 12))
    assert often["auc"] == pytest.approx(once["auc"])
    assert often["auc_high"] - often["auc_low"] == pytest.approx(once["auc_high"] - once["auc_low"], rel=0.05)
    assert once["auc_low"] < once["auc"] < once["auc_high"]


def test_intervals_hold_the_truth_of_calibrated_outcomes():
    found = evaluate(sample(3000, 1))
    assert found["calibration_slope_low"] < 1 < found["calibration_slope_high"]
    assert found["actual_to_expected_ratio_low"] < 1 < found["actual_to_expected_ratio_high"]
    assert found["gini"] == pytest.approx(2 * found["auc"] - 1)


def test_one_class_only_gives_none_and_valid_json():
    rows = sample()
    found = evaluate(rows.where(rows.is_default == 0))
    assert found["auc"] is found["auc_low"] is found["calibration_slope"] is found["capture_ratio"] is None
    assert found["defaults"] == 0
    json.dumps(found, allow_nan=False)


def test_the_same_figures_twice():
    assert evaluate(sample()) == evaluate(sample())


def test_a_measure_does_not_differ_from_itself_and_beats_noise():
    rows = sample(1000, 1)
    same = auc_difference(rows.probability, rows.probability, rows.is_default, rows.client_ids)
    assert set(same.values()) == {0.0}
    noise = auc_difference(rows.probability, np.random.default_rng(0).random(1000), rows.is_default, rows.client_ids)
    assert noise["auc_difference_low"] > 0


def test_capture_counts_the_riskiest_fifth():
    probability = np.arange(10) / 10
    ids = np.array([str(i) for i in range(10)], dtype=object)
    bad = np.array([0, 1, 0, 0, 0, 0, 0, 1, 1, 1], dtype=float)
    assert capture_ratio(Outcomes(probability, bad, ids)) == pytest.approx(2 / 4)  # rows 8 and 9 of the bad ones 1, 7, 8, 9
    assert capture_ratio(Outcomes(np.zeros(10), bad, ids)) == pytest.approx(0.2)  # all tied: chance


def test_deciles_hold_every_row_once_from_least_risk():
    rows = sample(103, 1)
    found = deciles(rows)
    assert [entry["decile"] for entry in found] == list(range(1, 11))
    assert sum(entry["rows"] for entry in found) == 103
    assert sum(entry["defaults"] for entry in found) == rows.is_default.sum()
    assert [entry["mean_probability"] for entry in found] == sorted(entry["mean_probability"] for entry in found)


def test_segments_add_up_and_small_ones_have_no_auc():
    rows = sample(200, 1)
    region = np.array(["north"] * 195 + ["south"] * 5, dtype=object)
    found = segments(rows, {"region": region}, replicates=20)
    assert [(entry["dimension"], entry["segment"], entry["rows"]) for entry in found] == [("region", "north", 195), ("region", "south", 5)]
    assert found[0]["auc"] is not None
    assert found[1]["auc"] is found[1]["auc_low"] is None
    assert sum(entry["defaults"] for entry in found) == rows.is_default.sum()
