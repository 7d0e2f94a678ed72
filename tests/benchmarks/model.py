"""A model bundle for the scoring stage where the book has too few outcomes, or too little time is left, to train one.

300 trees of 31 leaves over the features of the service, fitted to random rows: as heavy as the design's reference, and without meaning.
"""

from pathlib import Path
from typing import Any

TREES, LEAVES, ROWS = 300, 31, 5_000


def write_bundle(bundles: Path, seed: int) -> None:
    """Write the bundle as promotion does and point `current` at it."""
    import json

    import lightgbm as lgb
    import numpy as np

    from features.services import DEFAULT_RISK_V1_FEATURES
    from features.tables import CLIENT_REPAYMENT
    from training.frame import ModelFeature
    from training.manifest import MANIFEST, MODEL, sha256
    from training.promote import point

    declared = {feature.name: ModelFeature.of(feature) for feature in CLIENT_REPAYMENT}
    features = [declared[name] for name in DEFAULT_RISK_V1_FEATURES]
    draw = np.random.default_rng(seed)
    values = draw.random((ROWS, len(features)))
    outcome = (draw.random(ROWS) < values[:, 0] * values[:, 1]).astype(int)
    parameters: dict[str, Any] = {"objective": "binary", "num_leaves": LEAVES, "verbosity": -1, "num_threads": 1, "seed": seed}
    names = [feature.name for feature in features]
    text = lgb.train(parameters, lgb.Dataset(values, outcome, feature_name=names), num_boost_round=TREES).model_to_string()
    target = bundles / "1"
    target.mkdir(parents=True)
    (target / MODEL).write_text(text)
    manifest = {
        "model_name": "default_risk",
        "model_version": "1",
        "run_id": "benchmark",
        "release_id": 1,
        "feature_service": "default_risk_v1",
        "features": [feature.as_dict() for feature in features],
        "calibration": {"intercept": 0.0, "slope": 1.0},
        "grade_cutoffs": [0.05, 0.1, 0.2, 0.4],
        "sha256": {MODEL: sha256(text.encode())},
    }
    (target / MANIFEST).write_text(json.dumps(manifest))
    point(bundles, target)
