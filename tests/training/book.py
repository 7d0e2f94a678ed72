"""A training set with a known truth: clients with a latent risk, cohorts of month ends, features that show the risk with noise."""

from datetime import date
from itertools import pairwise

import numpy as np
import pyarrow as pa

from training.frame import ModelFeature, canonical, content_hash
from training.records import TrainingSet
from warehouse.clock import end_of_day, month_ends

FEATURES = (
    ModelFeature("installments_due_count_lifetime", "int64", False, 0, "REPAYMENT_RECORD", "Short record."),
    ModelFeature("late_pay_ratio_3m", "float64", True, +1, "LATE_PAYMENTS", "Late payments."),
    ModelFeature("skipped_count_12m", "int64", False, +1, "SKIPPED_PAYMENTS", "Skipped payments."),
    ModelFeature("early_pay_ratio_12m", "float64", True, -1, "FEW_EARLY_PAYMENTS", "Few early payments."),
    ModelFeature("max_dpd_12m", "int64", False, +1, "PAST_ARREARS", "Past arrears."),
    ModelFeature("dpd", "int64", False, +1, "CURRENT_ARREARS", "Current arrears."),
    ModelFeature("outstanding_principal_amount", "float64", False, 0, "EXPOSURE", "Exposure."),
)
COHORTS = tuple(month_ends(date(2022, 1, 1), date(2023, 8, 31)))
LABEL_ON = date(2024, 9, 30)
ZONE = "Asia/Ho_Chi_Minh"


def book(clients: int = 600, cohorts: tuple[date, ...] = COHORTS, seed: int = 1, base: float = -2.6) -> pa.Table:
    """Rows of all clients at all cohorts; the log-odds of default are base + 1.4 * latent risk."""
    random = np.random.default_rng(seed)
    risk = np.repeat(random.normal(size=clients), len(cohorts))
    rows = len(risk)
    days = np.tile(np.array(cohorts, dtype=object), clients)
    lateness = 1 / (1 + np.exp(-(1.2 * risk - 1 + random.normal(0, 0.8, rows))))
    max_dpd = np.maximum(0, np.round(25 * lateness + random.normal(0, 6, rows))).astype("int64")
    outcome = random.random(rows)
    probability = 1 / (1 + np.exp(-(base + 1.4 * risk)))
    indeterminate = (outcome > probability) & (random.random(rows) < 0.05)
    is_default = (outcome < probability).astype("int8")
    reasons = np.where(indeterminate, "indeterminate", np.where(is_default == 1, "dpd_90", None))
    return pa.table(
        {
            "client_id": [f"c{i:05d}" for i in np.repeat(np.arange(clients), len(cohorts))],
            "event_timestamp": pa.array([end_of_day(day, ZONE) for day in days], pa.timestamp("us", "UTC")),
            "as_of_on": pa.array(days, pa.date32()),
            "region_id": random.choice(["R1", "R2", "Unknown"], rows),
            "product_type_id": random.choice(["CL", "CD", "TW"], rows),
            "vintage_month": pa.array([date(2021, 1 + i % 12, 1) for i in range(rows)], pa.date32()),
            "is_default": pa.array(is_default, pa.int8(), mask=indeterminate),
            "label_reason": pa.array(list(reasons), pa.string()),
            "installments_due_count_lifetime": pa.array(random.integers(1, 30, rows), pa.int64()),
            "late_pay_ratio_3m": pa.array(lateness, pa.float64(), mask=random.random(rows) < 0.1),
            "skipped_count_12m": pa.array(random.poisson(2 * lateness), pa.int64()),
            "early_pay_ratio_12m": pa.array(np.clip(0.6 - lateness + random.normal(0, 0.2, rows), 0, 1), pa.float64()),
            "max_dpd_12m": pa.array(max_dpd, pa.int64()),
            "dpd": pa.array(np.where(random.random(rows) < 0.8, 0, max_dpd), pa.int64()),
            "outstanding_principal_amount": pa.array(random.lognormal(16, 1, rows), pa.float64()),
        }
    )


def training_set(table: pa.Table | None = None) -> TrainingSet:
    """The book as dataset.load would give it."""
    rows = book() if table is None else table
    return TrainingSet(
        table=rows,
        features=FEATURES,
        feature_service="default_risk_v1",
        release_id=3,
        label_on=LABEL_ON,
        content_hash=content_hash(canonical(rows)),
    )


def is_monotone(values: np.ndarray, sign: int, tolerance: float = 1e-12) -> bool:
    """Whether values never move against a sign."""
    return all(sign * (after - before) >= -tolerance for before, after in pairwise(values))
