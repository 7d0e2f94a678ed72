"""The evaluation that goes with a model: figures of every sample, baselines, the champion, segments; plain values that JSON can hold.

`test` is the sample that counts: the newest cohorts of clients that no fit has seen. `test_all_clients` adds the development clients, for
segments that would be too small otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from training.baselines import fit_scorecard, rule
from training.evaluate import Outcomes, auc_difference, deciles, evaluate, rank_figures, segments
from training.frame import ModelFeature, labels, matrix, text
from training.model import load_booster, raw_log_odds
from training.records import Champion
from training.split import CALIBRATION, DEVELOPMENT, TEST, Eras, samples


@dataclass(frozen=True)
class Rows:
    """Labelled rows in canonical order, as arrays.

    Attributes:
        table: the rows.
        x: model matrix.
        is_default: outcomes, 0 or 1.
        client_ids: client of each row.
        sample: development, calibration, test, or None.
        is_newest: whether the row is of a test cohort, whatever its client.
    """

    table: pa.Table
    x: np.ndarray
    is_default: np.ndarray
    client_ids: np.ndarray
    sample: np.ndarray
    is_newest: np.ndarray

    @classmethod
    def of(cls, table: pa.Table, features: Sequence[ModelFeature], parts: Eras) -> "Rows":
        """Arrays of a table of labelled rows, divided by the eras."""
        clients = text(table, "client_id")
        cohorts = np.array(table.column("as_of_on").to_pylist(), dtype=object)
        newest = set(parts.test)
        return cls(
            table=table,
            x=matrix(table, features),
            is_default=labels(table),
            client_ids=clients,
            sample=samples(clients, cohorts, parts),
            is_newest=np.array([day in newest for day in cohorts], dtype=bool),
        )


def evidence(
    table: pa.Table,
    rows: Rows,
    probability: np.ndarray,
    features: Sequence[ModelFeature],
    parts: Eras,
    champion: Champion | None,
) -> dict:
    """The whole evaluation.

    Args:
        table: all mature rows, indeterminate ones included.
        rows: the labelled ones.
        probability: calibrated probability of each labelled row.
        features: columns of the model matrix.
        parts: cohorts of the samples.
        champion: the model in use.
    """
    return {
        **left_out(table, parts),
        **sample_figures(rows, probability, features),
        "baselines": against_baselines(rows, probability, features),
        "champion": against_champion(rows, probability, features, champion),
    }


def left_out(table: pa.Table, parts: Eras) -> dict:
    """Cohorts of the samples, mature rows, and how many rows have no label or why they defaulted."""
    reasons = text(table, "label_reason")
    indeterminate = int((reasons == "indeterminate").sum())
    return {
        "cohorts": {name: [day.isoformat() for day in days] for name, days in parts._asdict().items()},
        "mature_rows": len(table),
        "indeterminate_rows": indeterminate,
        "indeterminate_ratio": indeterminate / len(table),
        "label_reasons": {str(name): int((reasons == name).sum()) for name in sorted({r for r in reasons if r})},
    }


def sample_figures(rows: Rows, probability: np.ndarray, features: Sequence[ModelFeature]) -> dict:
    """Figures of each sample, of test clients who owe nothing overdue, by decile and by segment."""
    outcomes = Outcomes(probability, rows.is_default, rows.client_ids)
    unseen, newest = rows.sample == TEST, rows.is_newest
    clean = unseen & (rule(rows.x, features) == 0)
    masks = {
        DEVELOPMENT: rows.sample == DEVELOPMENT,
        CALIBRATION: rows.sample == CALIBRATION,
        TEST: unseen,
        "test_all_clients": newest,
        "test_zero_dpd": clean,
    }
    figures = {name: evaluate(outcomes.where(mask)) for name, mask in masks.items() if mask.any()}
    by_segment = segments(outcomes.where(newest), segment_keys(rows.table.filter(pa.array(newest))))
    return figures | {"deciles": deciles(outcomes.where(unseen)), "segments": by_segment}


def segment_keys(table: pa.Table) -> dict[str, np.ndarray]:
    """The segments of each row: region, product type, vintage quarter, cohort."""
    vintages = [f"{month.year}-Q{(month.month + 2) // 3}" for month in table.column("vintage_month").to_pylist()]
    return {
        "region": text(table, "region_id"),
        "product_type": text(table, "product_type_id"),
        "vintage": np.array(vintages, dtype=object),
        "cohort": np.array([day.isoformat() for day in table.column("as_of_on").to_pylist()], dtype=object),
    }


def against_baselines(rows: Rows, probability: np.ndarray, features: Sequence[ModelFeature]) -> dict:
    """Each baseline's figures on the test sample, and the model's AUC minus its AUC."""
    learned, unseen = rows.sample == DEVELOPMENT, rows.sample == TEST
    scorecard = fit_scorecard(rows.x[learned], rows.is_default[learned])
    risks = {"logistic_scorecard": scorecard.raw_log_odds(rows.x[unseen]), "current_dpd": rule(rows.x[unseen], features)}
    return {name: _compared(rows, unseen, probability, risk) for name, risk in risks.items()}


def against_champion(rows: Rows, probability: np.ndarray, features: Sequence[ModelFeature], champion: Champion | None) -> dict | None:
    """The champion's figures on the same test rows; None without one. A champion on other features is named, not compared."""
    if champion is None:
        return None
    if [feature.name for feature in champion.features] != [feature.name for feature in features]:
        return {"version": champion.version, "is_compared": False}
    unseen = rows.sample == TEST
    risk = raw_log_odds(load_booster(champion.model_text), rows.x[unseen])
    return {"version": champion.version, "is_compared": True} | _compared(rows, unseen, probability, risk)


def _compared(rows: Rows, mask: np.ndarray, probability: np.ndarray, risk: np.ndarray) -> dict:
    is_default, clients = rows.is_default[mask], rows.client_ids[mask]
    return rank_figures(risk, is_default, clients) | auc_difference(probability[mask], risk, is_default, clients)
