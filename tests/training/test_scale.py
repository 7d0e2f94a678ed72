"""Score points and grades have anchors that anyone can check by hand."""

import numpy as np
import pytest

from training.scale import GRADES, Calibration, grades, log_odds, score_points, sigmoid


@pytest.mark.parametrize(
    ("good_to_bad", "points"),
    [(30, 600), (60, 620), (15, 580), (1, 502)],  # 600 at 30:1; odds doubled and halved; even odds
)
def test_points_at_known_odds(good_to_bad, points):
    assert score_points(np.array([1 / (1 + good_to_bad)])).tolist() == [points]


def test_points_stay_finite_at_the_ends_and_fall_with_risk():
    points = score_points(np.array([0.0, 1e-6, 0.01, 0.5, 0.99, 1.0]))
    assert points.dtype == np.int64
    assert (np.diff(points) < 0).all()


def test_a_probability_at_a_cutoff_has_the_worse_grade():
    assert grades(np.array([0.0, 0.0999, 0.1, 0.2, 0.35, 0.4, 1.0]), (0.1, 0.2, 0.3, 0.4)).tolist() == ["A", "A", "B", "C", "D", "E", "E"]
    assert len(GRADES) == 5


@pytest.mark.parametrize("cutoffs", [(0.1, 0.2, 0.3), (0.2, 0.1, 0.3, 0.4)])
def test_cutoffs_must_be_four_and_ascending(cutoffs):
    with pytest.raises(ValueError, match="must be 4 ascending"):
        grades(np.array([0.1]), cutoffs)


def test_equal_cutoffs_leave_a_grade_empty():
    assert grades(np.array([0.05, 0.1, 0.5]), (0.1, 0.1, 0.1, 0.6)).tolist() == ["A", "D", "D"]


def test_log_odds_and_sigmoid_are_inverse_and_never_overflow():
    p = np.array([1e-7, 0.2, 0.999])
    assert sigmoid(log_odds(p)) == pytest.approx(p)
    assert sigmoid(np.array([-1e4, 1e4])).tolist() == [0.0, 1.0]


def test_calibration_moves_log_odds_by_two_numbers():
    assert Calibration(intercept=0.0, slope=1.0).probability(np.array([0.0])) == pytest.approx([0.5])
    assert Calibration(intercept=-1.0, slope=2.0).probability(np.array([0.5])) == pytest.approx([0.5])
