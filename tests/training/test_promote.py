"""A real MLflow run on SQLite, the promotion to a bundle, the way back, and tampering."""

import json
import math
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from serving.bundle import load_bundle
from tests.training.book import FEATURES, book, training_set
from training.develop import develop
from training.frame import matrix
from training.manifest import CARD, EVALUATION, MANIFEST, MODEL, REFERENCE, BundleTampered, sha256, verify
from training.model import load_booster, raw_log_odds
from training.promote import PromotionRefused, promote_with
from training.records import Development, TrainingSet
from training.tracking import BUNDLE, CHALLENGER, CHAMPION, Tracking, UnknownRun
from training.train import TrainingResult, current_champion, record
from warehouse.settings import Settings

NOON = datetime(2024, 10, 1, 12, tzinfo=UTC)


def features_of(service: str) -> tuple:
    """What the service of the trained model gives."""
    assert service == "default_risk_v1"
    return FEATURES


@pytest.fixture(scope="module")
def learned() -> TrainingSet:
    return training_set(book())


@pytest.fixture(scope="module")
def model(learned) -> Development:
    return develop(learned)


@pytest.fixture(scope="module")
def first(tmp_path_factory, learned, model) -> tuple[Settings, TrainingResult]:
    """A home with one recorded training; creating MLflow's database takes seconds, so tests work on copies."""
    settings = Settings(home=tmp_path_factory.mktemp("home"))
    return settings, record(settings, learned, model, NOON)


def test_the_run_holds_figures_facts_and_files(first, learned, model):
    settings, result = first
    run = Tracking(settings)._client.get_run(result.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["test_auc"] == pytest.approx(model.evaluation["test"]["auc"])
    assert run.data.metrics["logistic_scorecard_auc"] > 0.5
    assert all(math.isfinite(value) for value in run.data.metrics.values())
    assert run.data.params["monotone_constraints_method"] == "basic"
    assert run.data.params["calibration_slope"] == str(model.calibration.slope)
    assert run.data.tags["release_id"] == "3"
    assert run.data.tags["feature_service"] == "default_risk_v1"
    assert run.data.tags["training_set_sha256"] == learned.content_hash
    files = {path.name for path in Path(run.info.artifact_uri.removeprefix("file://")).rglob("*") if path.is_file()}
    assert {MODEL, MANIFEST, REFERENCE, EVALUATION, CARD, "calibration.svg", "MLmodel", "model.lgb"} <= files
    assert not [name for name in files if name.endswith((".pkl", ".pickle"))]


def test_the_registered_model_is_the_challenger_and_loads_with_mlflow(first, learned, model):
    import mlflow

    settings, result = first
    mlflow.set_tracking_uri(settings.tracking_uri)
    tracking = Tracking(settings)
    assert tracking.alias(CHALLENGER) == result.model_version == "1"
    assert tracking.alias(CHAMPION) is None
    address = "models:/default_risk@challenger"
    loaded = mlflow.lightgbm.load_model(address)
    x = matrix(learned.table, FEATURES)[:50]
    assert np.array_equal(loaded.predict(x, raw_score=True), raw_log_odds(load_booster(model.model_text), x))
    signature = mlflow.models.get_model_info(address).signature
    assert [(c.name, c.type.name, c.required) for c in signature.inputs][:2] == [
        ("installments_due_count_lifetime", "long", True),
        ("late_pay_ratio_3m", "double", False),
    ]


@pytest.fixture
def home(first, tmp_path) -> Settings:
    """The recorded home, to be changed; the artifacts stay where MLflow recorded them."""
    settings, _ = first
    shutil.copytree(settings.home, tmp_path / "home")
    return Settings(home=tmp_path / "home")


@pytest.fixture
def recorded_bundle(first) -> Path:
    """The bundle folder of the run, put back after the test."""
    settings, result = first
    folder = settings.artifacts / result.run_id / "artifacts" / BUNDLE
    kept = {path: path.read_bytes() for path in folder.iterdir()}
    yield folder
    for path, content in kept.items():
        path.write_bytes(content)


def test_promotion_writes_a_bundle_that_serving_reads(home, first, learned, model):
    folder = promote_with(home, features_of)
    assert folder == home.bundles / "1"
    assert (home.bundles / "current").resolve() == folder.resolve()
    bundle = load_bundle(home.bundles / "current")
    assert (bundle.model_name, bundle.model_version, bundle.release_id) == ("default_risk", "1", 3)
    assert bundle.features == FEATURES
    assert bundle.calibration == model.calibration
    x = matrix(learned.table, FEATURES)[:100]
    expected = model.calibration.probability(raw_log_odds(load_booster(model.model_text), x))
    assert np.array_equal(bundle.probability(x), expected)
    assert pq.read_table(folder / REFERENCE).equals(model.reference)
    held = json.loads((folder / MANIFEST).read_text())
    assert held["run_id"] == first[1].run_id
    assert held["created_at"] == "2024-10-01T12:00:00+00:00"
    assert Tracking(home).alias(CHAMPION) == "1"
    assert Tracking(home).alias(CHALLENGER) is None
    assert sorted(path.name for path in home.bundles.iterdir()) == ["1", "current"]


def test_promoting_again_changes_nothing_and_repairs(home):
    folder = promote_with(home, features_of)
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    assert promote_with(home, features_of) == folder
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()} == before
    (folder / MODEL).write_text("broken")
    promote_with(home, features_of)
    assert (folder / MODEL).read_bytes() == before[MODEL][0]
    assert sorted(path.name for path in home.bundles.iterdir()) == ["1", "current"]


def test_an_older_run_is_the_way_back(home, first, learned):
    promote_with(home, features_of)
    champion = current_champion(home)
    assert (champion.version, champion.features) == ("1", FEATURES)
    second = record(home, learned, develop(learned, champion), NOON)
    assert second.evaluation["champion"]["version"] == "1"
    assert promote_with(home, features_of) == home.bundles / "2"
    assert Tracking(home).alias(CHAMPION) == "2"
    assert promote_with(home, features_of, run_id=first[1].run_id) == home.bundles / "1"
    assert (home.bundles / "current").resolve().name == "1"
    assert Tracking(home).alias(CHAMPION) == "1"


@pytest.mark.parametrize("name", [MODEL, REFERENCE, EVALUATION, CARD, MANIFEST])
def test_a_changed_file_is_never_promoted(home, recorded_bundle, name):
    content = (recorded_bundle / name).read_bytes()
    (recorded_bundle / name).write_bytes(content.replace(b"1", b"2", 1))
    with pytest.raises(BundleTampered, match=f"{name} has SHA-256 {sha256(content.replace(b'1', b'2', 1))[:12]}"):
        promote_with(home, features_of, force=True)
    assert not (home.bundles / "current").exists()
    assert Tracking(home).alias(CHAMPION) is None


def test_a_missing_file_is_never_promoted(home, recorded_bundle):
    (recorded_bundle / MODEL).unlink()
    with pytest.raises(BundleTampered, match=r"model\.txt is missing"):
        promote_with(home, features_of, force=True)


@pytest.mark.parametrize(
    ("features", "difference"),
    [
        (FEATURES[:-1], "outstanding_principal_amount float64"),
        (
            (*FEATURES[:-1], replace(FEATURES[-1], dtype="int64")),
            "outstanding_principal_amount float64, outstanding_principal_amount int64",
        ),
        ((FEATURES[1], FEATURES[0], *FEATURES[2:]), "their order"),
    ],
    ids=["missing", "type", "order"],
)
def test_other_features_are_refused_even_by_force(home, features, difference):
    with pytest.raises(PromotionRefused, match=f"differ from those of default_risk_v1 in: {difference}; train again"):
        promote_with(home, lambda name: features, force=True)


def test_the_gate_refuses_and_force_overrides(home, learned):
    noise = np.random.default_rng(0).permutation(len(learned.table))
    table = learned.table
    for name in ("is_default", "label_reason"):
        table = table.set_column(table.column_names.index(name), name, table.column(name).take(noise))
    result = record(home, training_set(table), develop(training_set(table)), NOON)
    assert "ranks better than chance" in result.unmet
    assert "not ready to promote" in result.summary
    with pytest.raises(PromotionRefused, match=r"does not meet: .*ranks better than chance \(AUC 0\.\d+"):
        promote_with(home, features_of)
    assert promote_with(home, features_of, force=True) == home.bundles / "2"


def test_an_unknown_run_is_named(home):
    with pytest.raises(UnknownRun, match="no registered model has run nowhere; run lending train"):
        promote_with(home, features_of, run_id="nowhere")


def test_a_failed_recording_leaves_a_failed_run(home, learned, model, monkeypatch):
    monkeypatch.setattr(Tracking, "register", lambda *args: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        record(home, learned, model, NOON)
    runs = Tracking(home)._client.search_runs([Tracking(home)._experiment()])
    assert sorted(run.info.status for run in runs) == ["FAILED", "FINISHED"]
    assert Tracking(home).version().version == "1"


def test_a_champion_that_was_changed_on_disk_stops_training(home):
    folder = promote_with(home, features_of)
    (folder / MODEL).write_text("broken")
    with pytest.raises(BundleTampered, match=r"model\.txt has SHA-256"):
        current_champion(home)


def test_without_promotion_there_is_no_champion(settings):
    assert current_champion(settings) is None


def test_verify_names_the_bundle(tmp_path):
    with pytest.raises(BundleTampered, match=r"manifest\.json is missing from the bundle"):
        verify(tmp_path)
