"""The model bundle that `lending promote` wrote: verified file by file before a single score is made of it.

Serving reads bundles only and imports neither MLflow nor Feast. A bundle is a folder; `current` points at the one in use and is swapped at
once, so a server follows a promotion or its reversal without a restart.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training.frame import ModelFeature
from training.manifest import MANIFEST, MODEL, BundleTampered, verify
from training.scale import Calibration

if TYPE_CHECKING:
    from lightgbm import Booster

CURRENT = "current"
NEEDED = {"model_name", "model_version", "release_id", "feature_service", "features", "calibration", "grade_cutoffs", "sha256"}


class BundleInvalid(RuntimeError):
    """A bundle that must not be served."""


class NoBundle(RuntimeError):
    """No model was promoted yet."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"no promoted model below {folder}; run lending train, then lending promote")


@dataclass(frozen=True)
class Bundle:
    """A verified model with everything that a score needs.

    Attributes:
        folder: where it was read from, with `current` resolved.
        model_name: registered name.
        model_version: registered version.
        release_id: release that it was trained on.
        feature_service: Feast service that names its features.
        features: the columns of its matrix, in order.
        calibration: raw log-odds to probability.
        grade_cutoffs: ascending probabilities that begin the grades B to E.
        booster: the trees.
    """

    folder: Path
    model_name: str
    model_version: str
    release_id: int
    feature_service: str
    features: tuple[ModelFeature, ...]
    calibration: Calibration
    grade_cutoffs: tuple[float, ...]
    booster: "Booster"

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features in the order of the matrix."""
        return tuple(feature.name for feature in self.features)

    def probability(self, values: np.ndarray) -> np.ndarray:
        """Calibrated probability of default for rows of feature values."""
        # One thread: more cost a request more in waiting than they save, and requests run side by side anyway.
        return self.calibration.probability(np.asarray(self.booster.predict(values, raw_score=True, num_threads=1)))

    def contributions(self, values: np.ndarray) -> np.ndarray:
        """Contribution of each feature to the raw log-odds, without the base value."""
        return np.asarray(self.booster.predict(values, pred_contrib=True, num_threads=1)).reshape(len(values), -1)[:, :-1]


def current_folder(bundles: Path) -> Path:
    """The folder that `current` points at.

    Raises:
        NoBundle: nothing was promoted.
    """
    link = bundles / CURRENT
    if not link.exists():
        raise NoBundle(bundles)
    return link.resolve()


def load_bundle(folder: Path) -> Bundle:
    """Read and verify a bundle.

    Raises:
        BundleInvalid: a file is missing or differs from its recorded hash, or model and manifest disagree about the features.
    """
    import lightgbm as lgb

    manifest = _manifest(folder)
    booster = lgb.Booster(model_str=(folder / MODEL).read_text())
    features = tuple(ModelFeature(**feature) for feature in manifest["features"])
    names = [feature.name for feature in features]
    if booster.feature_name() != names:
        raise BundleInvalid(f"{folder.name}: the model takes {booster.feature_name()}, the manifest lists {names}; promote it again")
    return Bundle(
        folder=folder,
        model_name=manifest["model_name"],
        model_version=str(manifest["model_version"]),
        release_id=manifest["release_id"],
        feature_service=manifest["feature_service"],
        features=features,
        calibration=Calibration(**manifest["calibration"]),
        grade_cutoffs=tuple(manifest["grade_cutoffs"]),
        booster=booster,
    )


def _manifest(folder: Path) -> dict[str, Any]:
    """The manifest, after every file was compared with its hash."""
    try:
        manifest = verify(folder)
    except (BundleTampered, OSError, ValueError, KeyError) as error:
        raise BundleInvalid(f"bundle {folder.name} must not be served: {error}") from error
    lacking = sorted(NEEDED - set(manifest))
    if lacking or MODEL not in manifest["sha256"]:
        raise BundleInvalid(
            f"bundle {folder.name}: {MANIFEST} lacks {', '.join(lacking) or f'the hash of {MODEL}'}; promote the model again"
        )
    return manifest
