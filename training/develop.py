"""From a training set to a model with its evidence: split, fit, calibrate, compare, explain. Pure: no store, no clock, no tracking.

The model that is evaluated is the model that ships; it is not fitted again on all rows afterwards, since that one would be untested.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from training.calibrate import fit_calibration
from training.evidence import Rows, evidence
from training.explain import importance
from training.frame import ModelFeature, canonical, matrix
from training.model import fit_booster, raw_log_odds
from training.records import Champion, Development, TrainingSet
from training.refusal import check_sample
from training.split import CALIBRATION, DEVELOPMENT, TEST, eras

GRADE_QUANTILES = (0.40, 0.70, 0.85, 0.95)  # of the development sample: 40 % of its rows get grade A, 5 % get E
REFERENCE_ROWS = 10_000


def develop(training_set: TrainingSet, champion: Champion | None = None) -> Development:
    """Develop a model.

    Args:
        training_set: at least two mature cohorts.
        champion: the model in use, to be compared on the new test rows.

    Raises:
        TrainingRefused: a sample has too few defaults or one class only.
        FeatureMismatch: the table does not hold the features.
    """
    features, table = training_set.features, canonical(training_set.table)
    labelled = table.filter(table.column("is_default").is_valid())
    parts = eras(labelled.column("as_of_on").to_pylist())
    rows = Rows.of(labelled, features, parts)
    for name in (DEVELOPMENT, CALIBRATION, TEST):
        check_sample(name, rows.is_default[rows.sample == name])
    learned, later = rows.sample == DEVELOPMENT, rows.sample == CALIBRATION
    booster = fit_booster(rows.x[learned], rows.is_default[learned], rows.client_ids[learned], features)
    raw = raw_log_odds(booster, rows.x)
    calibration = fit_calibration(raw[later], rows.is_default[later])
    probability = calibration.probability(raw)
    cohort = _newest_cohort(table)
    return Development(
        model_text=booster.model_to_string(),
        calibration=calibration,
        grade_cutoffs=tuple(float(cutoff) for cutoff in np.quantile(probability[learned], GRADE_QUANTILES)),
        evaluation=evidence(table, rows, probability, features, parts, champion)
        | {"trees": booster.num_trees(), "importance": importance(booster, rows.x[learned], features)},
        reference=_reference(cohort, calibration.probability(raw_log_odds(booster, matrix(cohort, features))), features),
    )


def _newest_cohort(table: pa.Table) -> pa.Table:
    days = table.column("as_of_on")
    return table.filter(pc.equal(days, pc.max(days)))


def _reference(cohort: pa.Table, probability: np.ndarray, features: Sequence[ModelFeature]) -> pa.Table:
    """At most REFERENCE_ROWS rows, evenly spaced over the cohort in client order, without client ids."""
    kept = ["region_id", "product_type_id", *(feature.name for feature in features)]
    sample = cohort.select(kept).append_column("probability", pa.array(probability, pa.float64()))
    if len(sample) <= REFERENCE_ROWS:
        return sample
    return sample.take(np.linspace(0, len(sample) - 1, REFERENCE_ROWS).astype("int64"))
