"""MLflow: one run a training, the model in the registry, aliases. The only module that imports mlflow.

Everything goes through one client with explicit addresses; the fluent interface would set them for the whole process. Integers of the
signature are long and ratios double, because MLflow refuses an integer for a double.
"""

import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import mlflow
import mlflow.lightgbm
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.types import ColSpec, Schema

from training.frame import ModelFeature
from training.manifest import MANIFEST, MODEL_NAME, sha256
from training.model import load_booster
from warehouse.settings import Settings

CHAMPION, CHALLENGER = "champion", "challenger"
BUNDLE, FLAVOR = "bundle", "model"
MANIFEST_TAG = "manifest_sha256"
MLFLOW_TYPES = {"int64": "long", "float64": "double"}


class UnknownRun(LookupError):
    """No registered model belongs to the run that was asked for."""


class Version(NamedTuple):
    """A registered model version and the run that made it."""

    version: str
    run_id: str


class Tracking:
    """The tracking store and registry of one home folder."""

    def __init__(self, settings: Settings) -> None:
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        settings.home.mkdir(parents=True, exist_ok=True)
        settings.artifacts.mkdir(parents=True, exist_ok=True)
        self._uri = settings.tracking_uri
        self._artifacts = settings.artifacts.as_uri()
        self._client = mlflow.MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)

    @contextmanager
    def run(self) -> Iterator[str]:
        """A run that ends as FINISHED, or as FAILED when the body raises; gives its id."""
        run_id = self._client.create_run(self._experiment()).info.run_id
        try:
            yield run_id
        except BaseException:
            self._client.set_terminated(run_id, "FAILED")
            raise
        self._client.set_terminated(run_id)

    def log(self, run_id: str, parameters: Mapping[str, Any], metrics: Mapping[str, float], tags: Mapping[str, str]) -> None:
        """Log all figures of a run at once."""
        self._client.log_batch(
            run_id,
            metrics=[Metric(name, value, 0, 0) for name, value in metrics.items()],
            params=[Param(name, str(value)) for name, value in parameters.items()],
            tags=[RunTag(name, value) for name, value in tags.items()],
        )

    def log_files(self, run_id: str, folder: str, files: Mapping[str, bytes]) -> None:
        """Log files below a folder of the run's artifacts."""
        with tempfile.TemporaryDirectory() as temporary:
            for name, content in files.items():
                (Path(temporary) / name).write_bytes(content)
            self._client.log_artifacts(run_id, temporary, folder)
        if MANIFEST in files:
            self._client.set_tag(run_id, MANIFEST_TAG, sha256(files[MANIFEST]))

    def register(self, run_id: str, model_text: str, features: tuple[ModelFeature, ...], lightgbm_version: str) -> Version:
        """Log the model in MLflow's LightGBM format, register it, and make it the challenger."""
        signature = ModelSignature(
            inputs=Schema([ColSpec(MLFLOW_TYPES[f.dtype], f.name, required=not f.nullable) for f in features]),
            outputs=Schema([ColSpec("double", "raw_log_odds")]),
        )
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / FLAVOR
            requirements = [f"lightgbm=={lightgbm_version}"]  # named here, or MLflow would infer them by importing everything
            mlflow.lightgbm.save_model(load_booster(model_text), str(folder), signature=signature, pip_requirements=requirements)
            self._client.log_artifacts(run_id, str(folder), FLAVOR)
        self._ensure_model()
        source = f"{self._client.get_run(run_id).info.artifact_uri}/{FLAVOR}"
        version = self._client.create_model_version(MODEL_NAME, source, run_id).version
        self._client.set_registered_model_alias(MODEL_NAME, CHALLENGER, version)
        return Version(str(version), run_id)

    def version(self, run_id: str | None = None) -> Version:
        """The version of a run, by default the newest one.

        Raises:
            UnknownRun: there is none.
        """
        versions = [v for v in self._versions() if run_id is None or v.run_id == run_id]
        if not versions:
            missing = "no model was trained yet" if run_id is None else f"no registered model has run {run_id}"
            raise UnknownRun(f"{missing}; run lending train")
        return max(versions, key=lambda v: int(v.version))

    def alias(self, name: str) -> str | None:
        """The version that an alias names."""
        try:
            return str(self._client.get_model_version_by_alias(MODEL_NAME, name).version)
        except MlflowException as error:
            if error.error_code in (ErrorCode.Name(RESOURCE_DOES_NOT_EXIST), "INVALID_PARAMETER_VALUE"):
                return None
            raise

    def crown(self, version: str) -> None:
        """Make a version the champion; it is no challenger any more."""
        self._client.set_registered_model_alias(MODEL_NAME, CHAMPION, version)
        if self.alias(CHALLENGER) == version:
            self._client.delete_registered_model_alias(MODEL_NAME, CHALLENGER)

    def download(self, run_id: str, folder: Path) -> Path:
        """Copy the bundle of a run below a folder."""
        copied = mlflow.artifacts.download_artifacts(
            run_id=run_id, artifact_path=BUNDLE, dst_path=str(folder), tracking_uri=self._uri, registry_uri=self._uri
        )
        return Path(copied)

    def tag(self, run_id: str, name: str) -> str | None:
        """A tag of a run."""
        return self._client.get_run(run_id).data.tags.get(name)

    def _versions(self) -> list[Version]:
        found = self._client.search_model_versions(f"name = '{MODEL_NAME}'", max_results=10_000)
        return [Version(str(item.version), item.run_id or "") for item in found]

    def _experiment(self) -> str:
        existing = self._client.get_experiment_by_name(MODEL_NAME)
        if existing is not None:
            return existing.experiment_id
        return self._client.create_experiment(MODEL_NAME, artifact_location=self._artifacts)

    def _ensure_model(self) -> None:
        if not self._client.search_registered_models(f"name = '{MODEL_NAME}'"):
            self._client.create_registered_model(MODEL_NAME)
