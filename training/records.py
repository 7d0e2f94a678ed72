"""What goes into a development and what comes out: plain records, without behavior."""

from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from training.frame import ModelFeature
from training.scale import Calibration


@dataclass(frozen=True)
class TrainingSet:
    """What a model learns from.

    Attributes:
        table: mature rows: client_id, event_timestamp, as_of_on, region_id, product_type_id, vintage_month, is_default (null if
            indeterminate), label_reason, features.
        features: the features of the service, in its order.
        feature_service: name of the Feast feature service.
        release_id: release of the lake from which everything was read.
        label_on: business date of that release, up to which outcomes count.
        content_hash: SHA-256 of the table.
        indeterminate_as_good: whether indeterminate rows count as good.
    """

    table: pa.Table
    features: tuple[ModelFeature, ...]
    feature_service: str
    release_id: int
    label_on: date
    content_hash: str
    indeterminate_as_good: bool = False


@dataclass(frozen=True)
class Champion:
    """The model in use, for comparison on the new test rows."""

    version: str
    model_text: str
    features: tuple[ModelFeature, ...]


@dataclass(frozen=True)
class Development:
    """A model and everything that is known about it.

    Attributes:
        model_text: the Booster as text.
        calibration: raw log-odds to probability.
        grade_cutoffs: lower ends of grades B to E, as probabilities.
        evaluation: figures, as plain values that JSON can hold.
        reference: rows of the newest mature cohort with features, probability, region_id, product_type_id, for drift.
    """

    model_text: str
    calibration: Calibration
    grade_cutoffs: tuple[float, ...]
    evaluation: dict
    reference: pa.Table
