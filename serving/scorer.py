"""From feature values to scores and reasons: pure functions on arrays, the same for HTTP and batch.

A client is scored only on a complete and fresh row; everything else is an explicit status with no value, never a default number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np

from serving.bundle import Bundle
from training.scale import grades, score_points
from warehouse.marts.client_default_risk import SCORE_STATUSES

SCORED, UNKNOWN_CLIENT, STALE_FEATURES, MISSING_FEATURES = SCORE_STATUSES
MAX_REASONS = 4


@dataclass(frozen=True)
class Reason:
    """Why a score is not better: a code, the sentence for the client, the feature and its share of the log-odds."""

    code: str
    text: str
    feature: str
    contribution: float


@dataclass(frozen=True)
class FeatureRows:
    """Feature rows of clients in the order of a request.

    Attributes:
        client_ids: as asked, duplicates kept.
        values: float64, one row a client and one column a feature of the bundle; NaN where null.
        found: whether the online store has a row.
        timestamps: event time of each row, None where there is none.
        business_date: of the served online generation; None when nothing was ever published.
        missing: feature names of the bundle that the store does not have at all.
        absent: per value, whether the row was written before the feature existed, which is no null; None when there is no such row.
    """

    client_ids: tuple[str, ...]
    values: np.ndarray
    found: np.ndarray
    timestamps: tuple[datetime | None, ...]
    business_date: date | None
    missing: tuple[str, ...] = ()
    absent: np.ndarray | None = None


@dataclass(frozen=True)
class Score:
    """The answer for one client; value fields are None unless status is `scored`."""

    client_id: str
    status: str
    probability: float | None = None
    score: int | None = None
    grade: str | None = None
    reasons: tuple[Reason, ...] = ()
    feature_timestamp: datetime | None = None


def statuses(bundle: Bundle, rows: FeatureRows, today: date, max_age_days: int) -> list[str]:
    """Whether each client can be scored; the first match of unknown, stale, missing decides."""
    never_null = np.array([not feature.nullable for feature in bundle.features])
    incomplete = np.isnan(rows.values[:, never_null]).any(axis=1) | bool(rows.missing)
    if rows.absent is not None:
        incomplete |= rows.absent.any(axis=1)
    stale = rows.business_date is None or (today - rows.business_date).days > max_age_days

    def status(found: bool, is_incomplete: bool) -> str:
        if not found:
            return UNKNOWN_CLIENT
        if stale:
            return STALE_FEATURES
        return MISSING_FEATURES if is_incomplete else SCORED

    return [status(bool(found), bool(lacking)) for found, lacking in zip(rows.found, incomplete, strict=True)]


def score_rows(bundle: Bundle, rows: FeatureRows, today: date, max_age_days: int, with_reasons: bool = True) -> list[Score]:
    """Score clients in the order of the request.

    Args:
        bundle: the verified model.
        rows: what the online store holds of the clients.
        today: the service clock's date.
        max_age_days: oldest online generation that may be scored.
        with_reasons: compute reasons, which cost far more than the probability.
    """
    found = statuses(bundle, rows, today, max_age_days)
    chosen = np.array([status == SCORED for status in found], dtype=bool)
    values = rows.values[chosen]
    probability = bundle.probability(values) if len(values) else np.empty(0)
    points, letters = score_points(probability), grades(probability, bundle.grade_cutoffs)
    why = reasons(bundle, values) if with_reasons and len(values) else [()] * len(values)
    scored = iter(zip(probability, points, letters, why, strict=True))
    results = []
    for client_id, status, timestamp in zip(rows.client_ids, found, rows.timestamps, strict=True):
        if status != SCORED:
            results.append(Score(client_id, status, feature_timestamp=timestamp))
            continue
        p, score, grade, because = next(scored)
        results.append(Score(client_id, status, float(p), int(score), str(grade), tuple(because), timestamp))
    return results


def reasons(bundle: Bundle, values: np.ndarray) -> list[tuple[Reason, ...]]:
    """Up to four reasons a client: the features that raise the risk most, one for each reason code.

    Contributions are exact TreeSHAP values in log-odds of the uncalibrated model; they add up to its raw score.
    """
    contributions = bundle.contributions(values)
    return [_strongest(bundle, row) for row in contributions]


def _strongest(bundle: Bundle, row: Sequence[float]) -> tuple[Reason, ...]:
    order = np.argsort(-np.asarray(row), kind="stable")
    chosen: dict[str, Reason] = {}
    for position in order:
        feature, contribution = bundle.features[position], float(row[position])
        if contribution <= 0 or len(chosen) == MAX_REASONS:
            break
        chosen.setdefault(feature.code, Reason(feature.code, feature.reason, feature.name, contribution))
    return tuple(chosen.values())
