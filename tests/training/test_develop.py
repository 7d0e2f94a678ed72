"""The model: same data, same text; declared signs hold; order does not matter; too little data is refused."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from tests.training.book import COHORTS, FEATURES, book, is_monotone, training_set
from training.baselines import fit_scorecard, rule
from training.card import model_card
from training.develop import REFERENCE_ROWS, develop
from training.explain import ExplanationError, contributions
from training.frame import FeatureMismatch, matrix
from training.model import load_booster, raw_log_odds
from training.records import Champion, Development
from training.refusal import TrainingRefused, check_outcomes
from training.split import TEST


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    return book()


@pytest.fixture(scope="module")
def model(rows) -> Development:
    return develop(training_set(rows))


def test_the_same_data_give_the_same_model_in_any_order(rows, model):
    random = np.random.default_rng(4)
    shuffled = rows.take(random.permutation(len(rows))).select(list(random.permutation(rows.column_names)))
    again = develop(training_set(shuffled))
    assert again.model_text == model.model_text
    assert again.calibration == model.calibration
    assert again.evaluation == model.evaluation
    assert again.reference.equals(model.reference)


def test_other_data_give_another_model(model):
    assert develop(training_set(book(seed=2))).model_text != model.model_text


@pytest.mark.parametrize("feature", [f for f in FEATURES if f.monotone], ids=lambda f: f.name)
def test_moving_a_signed_feature_never_moves_the_risk_against_its_sign(rows, model, feature):
    booster, column = load_booster(model.model_text), FEATURES.index(feature)
    base, known = matrix(rows, FEATURES)[:200], matrix(rows, FEATURES)[:, column]
    values = np.unique(np.quantile(known[~np.isnan(known)], np.linspace(0, 1, 25)))
    moved = []
    for value in values:
        changed = base.copy()
        changed[:, column] = value
        moved.append(raw_log_odds(booster, changed))
    for client in np.array(moved).T:
        assert is_monotone(client, feature.monotone)


def test_it_finds_the_truth_and_says_how_well(model):
    test = model.evaluation["test"]
    assert test["auc_low"] > 0.6
    assert test["calibration_slope_low"] < 1.25
    assert test["calibration_slope_high"] > 0.8
    assert model.evaluation["importance"][0]["feature"] == "late_pay_ratio_3m"  # the feature that shows the latent risk with least noise
    assert model.evaluation["baselines"]["current_dpd"]["auc_difference"] > 0.1
    json.dumps(model.evaluation, allow_nan=False)


def test_the_test_sample_is_out_of_time_and_out_of_clients(rows, model):
    cohorts = model.evaluation["cohorts"]
    assert max(cohorts["development"]) < min(cohorts["calibration"]) <= max(cohorts["calibration"]) < min(cohorts["test"])
    assert cohorts["test"][-1] == COHORTS[-1].isoformat()
    assert model.evaluation[TEST]["rows"] < model.evaluation["test_all_clients"]["rows"]


def test_the_test_rows_do_not_touch_the_model(rows, model):
    """Turning every outcome of the test cohorts around changes the figures, not the model."""
    first_test = model.evaluation["cohorts"]["test"][0]
    in_test = pc.greater_equal(rows.column("as_of_on"), pa.scalar(first_test).cast(pa.date32()))
    turned = pc.if_else(in_test, pc.subtract(pa.scalar(1, pa.int8()), rows.column("is_default")), rows.column("is_default"))
    changed = develop(training_set(rows.set_column(rows.column_names.index("is_default"), "is_default", turned)))
    assert (changed.model_text, changed.calibration, changed.grade_cutoffs) == (model.model_text, model.calibration, model.grade_cutoffs)
    assert changed.evaluation["test"]["auc"] == pytest.approx(1 - model.evaluation["test"]["auc"])


def test_indeterminate_rows_are_reported_and_not_learned_from(rows, model):
    reported = model.evaluation
    assert reported["mature_rows"] == len(rows)
    assert reported["indeterminate_rows"] == rows.column("is_default").null_count == reported["label_reasons"]["indeterminate"]
    without = rows.filter(rows.column("is_default").is_valid())
    assert develop(training_set(without)).model_text == model.model_text


def test_contributions_add_up_to_the_raw_log_odds(rows, model):
    booster, x = load_booster(model.model_text), matrix(rows, FEATURES)[:500]
    parts = contributions(booster, x)
    assert parts.shape == (500, len(FEATURES) + 1)
    assert np.abs(parts.sum(axis=1) - raw_log_odds(booster, x)).max() < 1e-6
    assert contributions(booster, x[:0]).shape[0] == 0


def test_contributions_that_do_not_add_up_are_an_error(rows, model, monkeypatch):
    monkeypatch.setattr("training.explain.raw_log_odds", lambda booster, x: np.full(len(x), 99.0))
    with pytest.raises(ExplanationError, match="miss the raw log-odds by"):
        contributions(load_booster(model.model_text), matrix(rows, FEATURES)[:3])


def test_the_reference_is_the_newest_cohort_without_clients(rows, model):
    newest = rows.filter(pc.equal(rows.column("as_of_on"), COHORTS[-1]))
    assert len(model.reference) == len(newest) <= REFERENCE_ROWS
    assert model.reference.column_names == ["region_id", "product_type_id", *(f.name for f in FEATURES), "probability"]
    assert 0 < pc.min(model.reference.column("probability")).as_py() < pc.max(model.reference.column("probability")).as_py() < 1


def test_grades_divide_the_development_sample(model):
    assert list(model.grade_cutoffs) == sorted(model.grade_cutoffs)
    assert len(set(model.grade_cutoffs)) == 4


def test_a_champion_is_compared_on_the_same_test_rows(rows, model):
    same = develop(training_set(rows), Champion("7", model.model_text, FEATURES)).evaluation["champion"]
    assert (same["version"], same["is_compared"], same["auc_difference"]) == ("7", True, 0.0)
    assert same["auc"] == model.evaluation["test"]["auc"]
    other = develop(training_set(rows), Champion("7", model.model_text, FEATURES[:3])).evaluation["champion"]
    assert other == {"version": "7", "is_compared": False}


def test_the_card_holds_what_a_reader_needs(rows, model):
    card = model_card(training_set(rows), model, "run-1")
    for expected in ("run-1", "default_risk_v1", training_set(rows).content_hash, "90 days past due", "no reject inference", "## Limits"):
        assert expected in card
    assert "c00001" not in card
    assert all(f"| {feature.name} |" in card for feature in FEATURES)


@pytest.mark.parametrize(("defaults", "cohorts"), [(0, 0), (49, 5), (500, 1)])
def test_too_few_outcomes_are_refused(defaults, cohorts):
    with pytest.raises(TrainingRefused) as refusal:
        check_outcomes(defaults, COHORTS[:cohorts])
    assert str(refusal.value) == f"too few outcomes: {defaults} defaults in {cohorts} mature cohorts; at least 50 and 2 are needed"


def test_just_enough_outcomes_pass():
    check_outcomes(50, COHORTS[:2])


def test_one_class_only_is_refused(rows):
    good = rows.filter(pc.equal(rows.column("is_default"), 0))
    with pytest.raises(TrainingRefused, match=r"one class only in the development sample: 0 defaults among \d+ rows"):
        develop(training_set(good))


def test_a_tiny_book_is_refused():
    with pytest.raises(TrainingRefused, match=r"sample"):
        develop(training_set(book(6, COHORTS[:3])))


def test_two_cohorts_are_enough():
    found = develop(training_set(book(1500, COHORTS[:2])))
    assert found.evaluation["cohorts"]["development"] == found.evaluation["cohorts"]["calibration"]


def test_a_feature_without_any_value_is_ignored(rows):
    index = rows.column_names.index("late_pay_ratio_3m")
    empty = rows.set_column(index, "late_pay_ratio_3m", pa.nulls(len(rows), pa.float64()))
    found = develop(training_set(empty))
    share = {entry["feature"]: entry["share_ratio"] for entry in found.evaluation["importance"]}
    assert share["late_pay_ratio_3m"] == 0.0


def test_a_missing_feature_is_an_error_and_never_a_zero(rows):
    with pytest.raises(FeatureMismatch, match="dpd is missing"):
        develop(training_set(rows.drop_columns("dpd")))


def test_the_rule_needs_the_current_dpd():
    with pytest.raises(ValueError, match="needs the feature dpd"):
        rule(np.zeros((2, 1)), FEATURES[:1])


def test_the_scorecard_learns_scales_from_development_only(rows):
    x, bad = matrix(rows, FEATURES), rows.column("is_default").fill_null(0).to_numpy().astype(float)
    card = fit_scorecard(x[:5000], bad[:5000])
    assert card.raw_log_odds(x).shape == (len(rows),)
    assert np.isfinite(card.raw_log_odds(x)).all()
    assert np.array_equal(card.raw_log_odds(x)[:10], card.raw_log_odds(x[:10]))


def test_indeterminate_as_good_is_in_the_card(rows, model):
    assert "counted as good" in model_card(replace(training_set(rows), indeterminate_as_good=True), model, "r")
