"""`promote`: make a trained model the one that serving reads, through the gate, and reversibly.

The bundle is verified against the hashes of its run, written to its own folder and switched to by one rename. Promoting again is a no-op
that repairs; promoting an older run is the way back.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from training.frame import ModelFeature
from training.gate import failed, gate
from training.manifest import EVALUATION, MANIFEST, MODEL, BundleTampered, to_json, verify
from training.model import load_booster
from warehouse.settings import Settings

CURRENT = "current"
FeaturesOf = Callable[[str], Sequence[ModelFeature]]


class PromotionRefused(RuntimeError):
    """A model does not meet a rule of the gate, or takes other features than the service gives."""


def promote(settings: Settings, run_id: str | None = None, force: bool = False) -> Path:
    """Promote a model to champion.

    Args:
        settings: home of runs and bundles.
        run_id: by default the newest registered model.
        force: promote although the gate's rules on figures are not met; never skips hashes and features.

    Returns:
        The bundle's folder, at which `current` points now.

    Raises:
        PromotionRefused: a rule is not met, or the features differ.
        BundleTampered: a file is not the one that was trained.
        UnknownRun: there is no such model.
    """
    from training.dataset import service_features

    return promote_with(settings, partial(service_features, settings), run_id, force)


def promote_with(settings: Settings, features_of: FeaturesOf, run_id: str | None = None, force: bool = False) -> Path:
    """The same, with what tells the features that a service gives; a model is held against the service that it was trained on."""
    from training.tracking import MANIFEST_TAG, Tracking

    tracking = Tracking(settings)
    version = tracking.version(run_id)
    with tempfile.TemporaryDirectory() as temporary:
        bundle = tracking.download(version.run_id, Path(temporary))
        held = verify(bundle, tracking.tag(version.run_id, MANIFEST_TAG) or "no hash")
        check_features(held, bundle, features_of(held["feature_service"]))
        if not force:
            check_gate(json.loads((bundle / EVALUATION).read_text()))
        (bundle / MANIFEST).write_bytes(to_json(held | {"model_version": version.version}))
        target = install(bundle, settings.bundles, version.version)
    point(settings.bundles, target)
    tracking.crown(version.version)
    return target


def check_features(held: dict, bundle: Path, features: Sequence[ModelFeature]) -> None:
    """Refuse a model whose features are not the service's, in name, order and type, or not its own.

    Raises:
        PromotionRefused: names both lists.
    """
    trained = [(feature["name"], feature["dtype"]) for feature in held["features"]]
    served = [(feature.name, feature.dtype) for feature in features]
    if trained != served:
        changed = ", ".join(sorted(f"{name} {dtype}" for name, dtype in set(trained) ^ set(served))) or "their order"
        raise PromotionRefused(
            f"the model's features differ from those of {held['feature_service']} in: {changed}; train again, or name a new service version"
        )
    names = load_booster((bundle / MODEL).read_text()).feature_name()
    if names != [name for name, _ in trained]:
        raise BundleTampered(f"{MODEL} takes {', '.join(names)}, but the manifest lists other features; train again")


def check_gate(evaluation: dict) -> None:
    """Refuse a model that does not meet the gate.

    Raises:
        PromotionRefused: names every rule that is not met, with its figures.
    """
    unmet = failed(gate(evaluation))
    if unmet:
        raise PromotionRefused("the model does not meet: " + "; ".join(f"{check.rule} ({check.detail})" for check in unmet))


def install(bundle: Path, bundles: Path, version: str) -> Path:
    """Write a bundle below its version, whole or not at all; an equal one that is there already stays."""
    bundles.mkdir(parents=True, exist_ok=True)
    target = bundles / version
    if target.exists() and _equal(bundle, target):
        return target
    writing = Path(tempfile.mkdtemp(prefix=".writing-", dir=bundles))
    for file in sorted(bundle.iterdir()):
        _write_through(writing / file.name, file.read_bytes())
    writing.chmod(0o755)
    _sync(writing)
    if target.exists():
        broken = Path(tempfile.mkdtemp(prefix=".broken-", dir=bundles))
        target.rename(broken / version)
        writing.rename(target)
        shutil.rmtree(broken)
    else:
        writing.rename(target)
    _sync(bundles)
    return target


def point(bundles: Path, target: Path) -> None:
    """Make `current` point at a bundle; a reader finds the old one or the new one."""
    link = bundles / f".{CURRENT}-{os.getpid()}"
    link.unlink(missing_ok=True)
    link.symlink_to(target.name)
    link.replace(bundles / CURRENT)
    _sync(bundles)


def _equal(bundle: Path, target: Path) -> bool:
    try:
        return verify(target) == json.loads((bundle / MANIFEST).read_text())
    except (BundleTampered, ValueError, KeyError):
        return False


def _write_through(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
