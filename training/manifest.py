"""The files of a model bundle and the manifest that vouches for them.

The same files are logged with the run and copied to serving; the manifest holds a hash of each. serving.bundle reads them.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from io import BytesIO
from pathlib import Path

import pyarrow.parquet as pq

from training.records import Development, TrainingSet

MODEL_NAME = "default_risk"
MANIFEST, MODEL, REFERENCE, EVALUATION, CARD = "manifest.json", "model.txt", "reference.parquet", "evaluation.json", "model_card.md"
SHORT = 12  # characters of a hash that a person can compare


class BundleTampered(RuntimeError):
    """A file of a bundle is missing or is not the one that was trained."""


def bundle_files(development: Development, card: str) -> dict[str, bytes]:
    """The content of every file of a bundle but the manifest."""
    reference = BytesIO()
    pq.write_table(development.reference, reference)
    return {
        MODEL: development.model_text.encode(),
        REFERENCE: reference.getvalue(),
        EVALUATION: to_json(development.evaluation),
        CARD: card.encode(),
    }


def manifest(training_set: TrainingSet, development: Development, run_id: str, created_at: datetime, files: Mapping[str, bytes]) -> dict:
    """What serving needs to know of a model, and the hash of each file.

    Args:
        training_set: what it learned from.
        development: the model.
        run_id: its MLflow run.
        created_at: when it was trained, UTC.
        files: content of the bundle's files.
    """
    return {
        "model_name": MODEL_NAME,
        "run_id": run_id,
        "created_at": created_at.isoformat(),
        "release_id": training_set.release_id,
        "label_on": training_set.label_on.isoformat(),
        "training_set_sha256": training_set.content_hash,
        "feature_service": training_set.feature_service,
        "features": [feature.as_dict() for feature in training_set.features],
        "calibration": {"intercept": development.calibration.intercept, "slope": development.calibration.slope},
        "grade_cutoffs": list(development.grade_cutoffs),
        "reference": REFERENCE,
        "sha256": {name: sha256(content) for name, content in sorted(files.items())},
    }


def sha256(content: bytes) -> str:
    """Hex digest of a file's content."""
    return hashlib.sha256(content).hexdigest()


def to_json(value: dict) -> bytes:
    """Stable JSON: sorted keys, no NaN."""
    return (json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def verify(folder: Path, expected_manifest: str | None = None) -> dict:
    """The manifest of a bundle folder, after every file was compared with its hash.

    Args:
        folder: of the bundle.
        expected_manifest: hash that the manifest itself must have, where it is known from elsewhere.

    Raises:
        BundleTampered: a file is missing or differs.
    """
    content = _read(folder / MANIFEST)
    if expected_manifest is not None:
        _compare(MANIFEST, sha256(content), expected_manifest)
    held = json.loads(content)
    for name, expected in held["sha256"].items():
        _compare(name, sha256(_read(folder / name)), expected)
    return held


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise BundleTampered(f"{file.name} is missing from the bundle {file.parent.name}; train again") from None


def _compare(name: str, actual: str, expected: str) -> None:
    if actual != expected:
        raise BundleTampered(f"{name} has SHA-256 {actual[:SHORT]}, but {expected[:SHORT]} was trained; it was changed, train again")
