"""Every rule of the gate, met and not met, with its edge."""

import copy

import pytest

from training.gate import failed, gate

GOOD = {
    "test": {
        "auc": 0.75, "auc_low": 0.71,
        "calibration_slope": 1.05, "calibration_slope_low": 0.9, "calibration_slope_high": 1.2,
        "actual_to_expected_ratio": 0.95, "actual_to_expected_ratio_low": 0.85, "actual_to_expected_ratio_high": 1.1,
    },
    "test_zero_dpd": {"gini": 0.45, "gini_low": 0.4},
    "baselines": {
        "current_dpd": {"auc_difference": 0.1, "auc_difference_low": 0.05, "auc_difference_high": 0.15},
        "logistic_scorecard": {"auc_difference": -0.001, "auc_difference_low": -0.01, "auc_difference_high": 0.008},
    },
    "champion": None,
}  # fmt: skip
CHAMPION = {"version": "3", "is_compared": True, "auc_difference": -0.01, "auc_difference_low": -0.02, "auc_difference_high": -0.002}


def changed(path: str, value: object) -> dict:
    evaluation = copy.deepcopy(GOOD)
    *outer, last = path.split("/")
    place = evaluation
    for name in outer:
        place = place[name]
    place[last] = value
    return evaluation


def test_a_good_model_meets_every_rule():
    assert len(gate(GOOD)) == 6
    assert failed(gate(GOOD)) == []


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("test/auc_low", 0.5, "ranks better than chance"),  # the interval touches chance
        ("test/auc_low", None, "ranks better than chance"),  # unknown is not met
        ("baselines/current_dpd/auc_difference", 0.0, "ranks better than the current dpd alone"),  # a tie: the simple one ships
        ("baselines/logistic_scorecard/auc_difference_high", -0.0001, "not worse than the logistic scorecard"),
        ("test/calibration_slope_high", 0.79, "calibration slope"),  # surely too sure
        ("test/calibration_slope_low", 1.26, "calibration slope"),  # surely not sure enough
        ("test/actual_to_expected_ratio_low", 1.26, "actual to expected defaults"),
        ("test/actual_to_expected_ratio_high", None, "actual to expected defaults"),
        ("test_zero_dpd/gini_low", 0.851, "no sign of a leak"),
    ],
)
def test_a_rule_that_is_not_met_is_named(path, value, rule):
    evaluation = changed(path, value)
    if value is None and path.endswith("_high"):
        evaluation = changed(path.replace("_high", "_low"), None)
    assert [check.rule for check in failed(gate(evaluation))] == [rule]


def test_an_interval_that_reaches_the_limit_is_met():
    assert failed(gate(changed("test/calibration_slope_high", 0.8))) == []
    assert failed(gate(changed("baselines/logistic_scorecard/auc_difference_high", 0.0))) == []


def test_a_champion_may_be_a_little_better():
    assert failed(gate(GOOD | {"champion": CHAMPION})) == []
    worse = CHAMPION | {"auc_difference_high": -0.0021}
    assert [check.rule for check in failed(gate(GOOD | {"champion": worse}))] == ["not worse than the champion (version 3)"]


def test_a_champion_on_other_features_is_not_judged():
    assert failed(gate(GOOD | {"champion": {"version": "3", "is_compared": False}})) == []
