"""A small real bundle for serving tests: a LightGBM model of three features with a known direction, written as promotion writes it."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from training.manifest import MANIFEST, MODEL, REFERENCE

FEATURES = [
    {
        "name": "late_pay_ratio_3m",
        "dtype": "float64",
        "nullable": True,
        "monotone": 1,
        "code": "LATE",
        "reason": "Installments were paid late in the last 3 months.",
    },
    {
        "name": "late_count_lifetime",
        "dtype": "int64",
        "nullable": False,
        "monotone": 1,
        "code": "LATE",
        "reason": "Installments were paid late.",
    },
    {
        "name": "dpd",
        "dtype": "int64",
        "nullable": False,
        "monotone": 1,
        "code": "OVERDUE",
        "reason": "An installment is past due.",
    },
]


def sample(rows: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Feature rows and outcomes: the risk rises with every feature."""
    draw = np.random.default_rng(11)
    x = np.column_stack([draw.random(rows), draw.integers(0, 9, rows), draw.integers(0, 90, rows)]).astype(float)
    risk = 1 / (1 + np.exp(4 - 3 * x[:, 0] - 0.3 * x[:, 1] - 0.03 * x[:, 2]))
    return x, (draw.random(rows) < risk).astype(int)


def write_bundle(folder: Path, version: str = "1") -> Path:
    """Write a verified bundle and point `current` at it."""
    import lightgbm as lgb

    x, y = sample()
    names = [feature["name"] for feature in FEATURES]
    parameters = {
        "objective": "binary",
        "num_leaves": 4,
        "verbosity": -1,
        "num_threads": 1,
        "deterministic": True,
        "monotone_constraints": [1, 1, 1],
    }
    booster = lgb.train(parameters, lgb.Dataset(x, y, feature_name=names), num_boost_round=30)
    target = folder / version
    target.mkdir(parents=True)
    (target / MODEL).write_text(booster.model_to_string())
    reference = {name: x[:, place] for place, name in enumerate(names)}
    pq.write_table(pa.table(reference | {"probability": booster.predict(x)}), target / REFERENCE)
    manifest = {
        "model_name": "default_risk",
        "model_version": version,
        "run_id": "run",
        "release_id": 1,
        "feature_service": "default_risk_v1",
        "features": FEATURES,
        "calibration": {"intercept": 0.0, "slope": 1.0},
        "grade_cutoffs": [0.05, 0.1, 0.2, 0.4],
        "sha256": {name: hashlib.sha256((target / name).read_bytes()).hexdigest() for name in (MODEL, REFERENCE)},
    }
    (target / MANIFEST).write_text(json.dumps(manifest))
    link = folder / "next"
    link.symlink_to(target.name)
    link.replace(folder / "current")
    return target
