"""The drift report: the features and probabilities of the last batch of scores against the model's reference sample.

Evidently writes the page for people; the figures that decide are the stability indexes on frozen bins. Both go to ops.drift_metric, so a
course over time can be drawn without opening old pages.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.tables import CLIENT_REPAYMENT_SPEC
from serving.batch import feature_snapshot
from serving.bundle import Bundle, current_folder, load_bundle
from serving.monitoring.stability import ACT, stability_index
from training.manifest import REFERENCE
from warehouse.lake import Lake, Pinned
from warehouse.marts import CLIENT_DEFAULT_RISK
from warehouse.settings import Settings
from warehouse.table import TIMESTAMP, TableSpec, columns
from warehouse.terms import DEFAULT_DPD

if TYPE_CHECKING:
    import pandas as pd

PROBABILITY = "probability"
MIN_ROWS = 30  # fewer rows say nothing about a distribution

DRIFT_METRIC = TableSpec(
    name="ops.drift_metric",
    description="One figure of one drift report: a feature or the probability, compared with the model's reference sample.",
    grain=("computed_at", "metric", "column_name"),
    columns=columns(
        [
            ("computed_at", TIMESTAMP, "When the report was made."),
            ("business_date", "date", "Business date of the scores."),
            ("release_id", "int64", "Release that holds them."),
            ("model_name", "string", "Model that scored."),
            ("model_version", "string", "Its version."),
            ("metric", "string", "psi, or the drift test that Evidently chose."),
            ("column_name", "string", "Feature or probability that was compared."),
            ("metric_value", "float64", "Value of the metric; NaN never."),
            ("threshold", "float64", "From where the metric counts as drift."),
            ("is_drifted", "boolean", "Whether it does."),
            ("reference_count", "int64", "Rows of the reference sample."),
            ("current_count", "int64", "Rows of the scores."),
        ]
    ),
)


class TooFewScores(RuntimeError):
    """There are too few scores to compare."""


@dataclass(frozen=True)
class DriftReport:
    """What a drift report found.

    Attributes:
        page: the HTML page.
        business_date: of the scores.
        indexes: stability index by feature name, and of the probability.
        drifted: names whose index is at or above the threshold.
        drift_share: share of columns that Evidently's own tests call drifted.
    """

    page: Path
    business_date: date
    indexes: dict[str, float]
    drifted: tuple[str, ...]
    drift_share: float


def drift_report(settings: Settings, lake: Lake) -> DriftReport:
    """Compare the scores of the release with the reference sample of the promoted model, write the page and the figures.

    Raises:
        NoBundle: no model was promoted.
        TooFewScores: fewer than 30 clients were scored; run lending score --all.
    """
    bundle = load_bundle(current_folder(settings.bundles))
    pinned = lake.at()
    day = pinned.release.business_date
    current = scored_sample(pinned, bundle, day)
    if len(current) < MIN_ROWS:
        raise TooFewScores(f"{len(current)} scored clients as of {day}; at least {MIN_ROWS} are needed, run lending score --all")
    reference = pq.read_table(bundle.folder / REFERENCE).select([*bundle.feature_names, PROBABILITY])
    page = settings.reports / f"drift_{day.isoformat()}.html"
    indexes = {name: stability_index(_values(reference, name), _values(current, name)) for name in reference.column_names}
    tests, share = evidently_page(reference, current, page)
    computed_at = datetime.now(UTC)
    facts = {
        "computed_at": computed_at,
        "business_date": day,
        "release_id": pinned.release.release_id,
        "model_name": bundle.model_name,
        "model_version": bundle.model_version,
        "reference_count": len(reference),
        "current_count": len(current),
    }
    rows = [facts | row for row in (*_index_rows(indexes), *tests)]
    lake.append(DRIFT_METRIC, pa.Table.from_pylist(rows, schema=DRIFT_METRIC.ibis_schema().to_pyarrow()))
    drifted = tuple(name for name, value in indexes.items() if value >= ACT)
    return DriftReport(page, day, indexes, drifted, share)


def scored_sample(pinned: Pinned, bundle: Bundle, day: date) -> pa.Table:
    """Features and probability of the scored clients who would be in a training cohort of the date, as those of the reference sample were.

    Clients without an open contract, or 90 days past due already, are scored too; beside a sample without them they would read as drift.
    """
    risk = pinned.table(CLIENT_DEFAULT_RISK.name) if CLIENT_DEFAULT_RISK.name in pinned.tables() else None
    if risk is None:
        raise TooFewScores("no scores in the release; run lending score --all")
    scored = risk.filter(risk.business_date == day, risk.probability.notnull()).select("client_id", PROBABILITY).to_pyarrow()
    features = pinned.table(CLIENT_REPAYMENT_SPEC.name)
    cohort = features.filter(features.open_contract_count > 0, features.dpd < DEFAULT_DPD, features.installments_due_count_lifetime > 0)
    snapshot = feature_snapshot(cohort, day)
    return snapshot.join(scored, "client_id", join_type="inner").select([*bundle.feature_names, PROBABILITY])


def evidently_page(reference: pa.Table, current: pa.Table, page: Path) -> tuple[list[dict], float]:
    """Write Evidently's data drift page and return its figures by column and the share of drifted columns."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    # Evidently refuses a column without any value.
    names = [name for name in reference.column_names if _filled(reference, name) and _filled(current, name)]
    definition = DataDefinition(numerical_columns=names)
    with np.errstate(all="ignore"):  # the correlation of a constant column
        snapshot = Report([DataDriftPreset()]).run(
            current_data=Dataset.from_pandas(_frame(current.select(names)), data_definition=definition),
            reference_data=Dataset.from_pandas(_frame(reference.select(names)), data_definition=definition),
        )
    page.parent.mkdir(parents=True, exist_ok=True)
    partial = page.with_suffix(".part")
    snapshot.save_html(str(partial))
    partial.replace(page)
    return list(_test_rows(snapshot.dict()["metrics"])), _drift_share(snapshot.dict()["metrics"])


def _test_rows(metrics: list[dict]) -> Iterator[dict]:
    for metric in metrics:
        config = metric.get("config", {})
        if "column" not in config or not isinstance(metric["value"], (int, float)):
            continue
        value, threshold = float(metric["value"]), float(config["threshold"])
        # A p value falls when the samples differ, a distance grows.
        drifted = value < threshold if "p_value" in config["method"] else value >= threshold
        yield {
            "metric": config["method"],
            "column_name": config["column"],
            "metric_value": value,
            "threshold": threshold,
            "is_drifted": bool(drifted),
        }


def _drift_share(metrics: list[dict]) -> float:
    return next(float(metric["value"]["share"]) for metric in metrics if isinstance(metric["value"], dict) and "share" in metric["value"])


def _index_rows(indexes: dict[str, float]) -> Iterator[dict]:
    for name, value in indexes.items():
        yield {"metric": "psi", "column_name": name, "metric_value": value, "threshold": ACT, "is_drifted": value >= ACT}


def _filled(table: pa.Table, name: str) -> bool:
    return table[name].null_count < len(table)


def _values(table: pa.Table, name: str) -> np.ndarray:
    return table[name].cast(pa.float64()).to_numpy(zero_copy_only=False)


def _frame(table: pa.Table) -> "pd.DataFrame":
    """Evidently takes pandas; integers become floats, so that a column without nulls is of the same type in both samples."""
    return table.cast(pa.schema([(name, pa.float64()) for name in table.column_names])).to_pandas()
