"""`train`: read the training set of a release, develop a model, record everything in MLflow. Does not touch what serving reads.

A training that is refused leaves no run behind; one that fails while recording leaves a run marked FAILED.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow.compute as pc

from training.card import model_card
from training.develop import develop
from training.gate import failed, gate
from training.manifest import MANIFEST, MODEL, MODEL_NAME, bundle_files, manifest, to_json, verify
from training.model import PARAMETERS
from training.plot import calibration_plot
from training.records import Champion, Development, TrainingSet
from training.refusal import TrainingRefused
from warehouse.lake import Lake
from warehouse.settings import Settings

__all__ = ["TrainingRefused", "TrainingResult", "record", "reproduce", "train"]


@dataclass(frozen=True)
class TrainingResult:
    """What a training made.

    Attributes:
        run_id: MLflow run.
        model_name: registered name.
        model_version: registered version, the challenger now.
        release_id: release that was read.
        training_set_sha256: content hash of the training set.
        rows: mature rows, indeterminate ones included.
        defaults: rows with is_default = 1; only part of them can be in a sample, since samples share no client.
        evaluation: all figures.
        unmet: rules of the promotion gate that the model does not meet.
    """

    run_id: str
    model_name: str
    model_version: str
    release_id: int
    training_set_sha256: str
    rows: int
    defaults: int
    evaluation: dict
    unmet: tuple[str, ...]

    @property
    def summary(self) -> str:
        """One line for people."""
        test = self.evaluation["test"]
        verdict = f"not ready to promote: {'; '.join(self.unmet)}" if self.unmet else "ready to promote"
        return (
            f"{self.model_name} version {self.model_version}, release {self.release_id}: {self.rows} rows, {self.defaults} defaults; "
            f"test AUC {test['auc']:.3f} ({test['auc_low']:.3f} to {test['auc_high']:.3f}), Gini {test['gini']:.3f}; {verdict}"
        )


def train(
    settings: Settings,
    lake: Lake,
    release_id: int | None = None,
    indeterminate_as_good: bool | None = None,
    service: str | None = None,
) -> TrainingResult:
    """Train on a release and register the model as challenger.

    Args:
        settings: where the runs are kept.
        lake: the lake.
        release_id: by default the current release.
        indeterminate_as_good: by default as the settings say.
        service: feature service to train on; None for the one of new models.

    Raises:
        TrainingRefused: there is not enough history; nothing was recorded.
    """
    from training.dataset import FEATURE_SERVICE, load

    training_set = load(settings, lake, release_id, indeterminate_as_good, service or FEATURE_SERVICE)
    development = develop(training_set, current_champion(settings))
    return record(settings, training_set, development, datetime.now(UTC))


def reproduce(settings: Settings, lake: Lake, run_id: str) -> tuple[str, str]:
    """Read the training set of an earlier run again; returns the hash recorded then and the hash now, which must be equal.

    Raises:
        UnknownRun: no registered model belongs to the run.
    """
    from training.dataset import load
    from training.tracking import Tracking

    tracking = Tracking(settings)
    tracking.version(run_id)
    names = ("release_id", "training_set_sha256", "indeterminate_as_good", "feature_service")
    facts = {name: tracking.tag(run_id, name) or "" for name in names}
    again = load(settings, lake, int(facts["release_id"]), facts["indeterminate_as_good"] == "True", facts["feature_service"])
    return facts["training_set_sha256"], again.content_hash


def record(settings: Settings, training_set: TrainingSet, development: Development, created_at: datetime) -> TrainingResult:
    """Log a development as one MLflow run and register its model."""
    import lightgbm

    from training.tracking import BUNDLE, Tracking

    tracking = Tracking(settings)
    with tracking.run() as run_id:
        files = bundle_files(development, model_card(training_set, development, run_id))
        files[MANIFEST] = to_json(manifest(training_set, development, run_id, created_at, files))
        tracking.log(run_id, parameters(training_set, development), metrics(development.evaluation), tags(training_set))
        tracking.log_files(run_id, BUNDLE, files)
        plot = calibration_plot(development.evaluation["deciles"], "Calibration, newest cohorts, unseen clients")
        tracking.log_files(run_id, "plots", {"calibration.svg": plot.encode()})
        version = tracking.register(run_id, development.model_text, training_set.features, lightgbm.__version__)
    evaluation = development.evaluation
    return TrainingResult(
        run_id=run_id,
        model_name=MODEL_NAME,
        model_version=version.version,
        release_id=training_set.release_id,
        training_set_sha256=training_set.content_hash,
        rows=evaluation["mature_rows"],
        defaults=int(pc.sum(training_set.table.column("is_default")).as_py()),
        evaluation=evaluation,
        unmet=tuple(check.rule for check in failed(gate(evaluation))),
    )


def current_champion(settings: Settings) -> Champion | None:
    """The model that serving reads now, verified; None before the first promotion."""
    from training.frame import ModelFeature

    folder = settings.bundles / "current"
    if not folder.exists():
        return None
    held = verify(folder.resolve())
    features = tuple(ModelFeature(**feature) for feature in held["features"])
    return Champion(str(held["model_version"]), (folder / MODEL).read_text(), features)


def parameters(training_set: TrainingSet, development: Development) -> dict[str, object]:
    """What was set, and what was learned besides the trees."""
    return {
        **PARAMETERS,
        "trees": development.evaluation["trees"],
        "features": len(training_set.features),
        "calibration_intercept": development.calibration.intercept,
        "calibration_slope": development.calibration.slope,
        "grade_cutoffs": list(development.grade_cutoffs),
        "indeterminate_as_good": training_set.indeterminate_as_good,
        **{f"{name}_cohorts": f"{days[0]} to {days[-1]}" for name, days in development.evaluation["cohorts"].items()},
    }


def metrics(evaluation: dict) -> dict[str, float]:
    """Figures as MLflow metrics: `<sample>_<figure>`; those that could not be computed are left out."""
    groups: dict[str, Mapping] = {
        name: evaluation[name] for name in ("development", "calibration", "test", "test_all_clients", "test_zero_dpd") if name in evaluation
    }
    groups |= evaluation["baselines"]
    if evaluation["champion"] and evaluation["champion"]["is_compared"]:
        groups["champion"] = {name: value for name, value in evaluation["champion"].items() if name != "is_compared"}
    found = {f"{group}_{name}": value for group, values in groups.items() for name, value in values.items()}
    found |= {name: evaluation[name] for name in ("mature_rows", "indeterminate_rows", "indeterminate_ratio")}
    return {name: float(value) for name, value in found.items() if isinstance(value, int | float)}


def tags(training_set: TrainingSet) -> dict[str, str]:
    """What makes the training set again."""
    return {
        "release_id": str(training_set.release_id),
        "label_on": training_set.label_on.isoformat(),
        "feature_service": training_set.feature_service,
        "training_set_sha256": training_set.content_hash,
        "indeterminate_as_good": str(training_set.indeterminate_as_good),
    }
