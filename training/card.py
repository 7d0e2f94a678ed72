"""The model card: what the model is for, what it learned from, how good it is and where it must not be trusted, as Markdown.

Figures come from the evaluation and nothing is rounded before it is printed. The card names no client and no person.
"""

from collections.abc import Sequence

from training.gate import gate
from training.model import PARAMETERS
from training.records import Development, TrainingSet
from training.refusal import MIN_COHORTS, MIN_DEFAULTS
from training.scale import GRADES
from warehouse.terms import DEFAULT_DPD, INDETERMINATE_DPD, MATURITY_DAYS, OUTCOME_MONTHS

LIMITS = (
    "The model has seen approved clients only; it says nothing about applicants who would have been refused (no reject inference).",
    "It uses repayment at this lender only, no credit bureau, income or employment data.",
    "Outcome windows of development and test cohorts overlap in calendar time, so one common shock can be in both; no client is in both.",
    f"Rows of clients whose worst dpd was {INDETERMINATE_DPD} to {DEFAULT_DPD - 1} days are not learned from, but such clients are scored.",
    "Region is reported as a segment and is not a feature; personal data is neither a feature nor a segment.",
    "Contributions explain the model, not the client: they are no proof of a cause.",
)


def model_card(training_set: TrainingSet, development: Development, run_id: str) -> str:
    """The card of one model."""
    evaluation = development.evaluation
    parts = [
        "# Model card: default risk of existing clients",
        _purpose(),
        "## Data",
        _data(training_set, evaluation, run_id),
        "## Figures",
        _samples(evaluation),
        "### Baselines and champion, test sample",
        _comparisons(evaluation),
        "### Calibration by decile, test sample",
        _table(("decile", "rows", "defaults", "mean_probability", "default_ratio"), evaluation["deciles"]),
        "### Segments, test cohorts, all clients",
        _table(
            ("dimension", "segment", "rows", "defaults", "default_ratio", "mean_probability", "auc", "auc_low", "auc_high"),
            evaluation["segments"],
        ),
        "## Features",
        _features(training_set, evaluation),
        "## Score",
        _score(development),
        "## Promotion gate",
        "\n".join(f"- {'met' if check.is_met else '**not met**'}: {check.rule}. {check.detail}." for check in gate(evaluation)),
        "## Limits",
        "\n".join(f"- {limit}" for limit in LIMITS),
        "## Monitoring and approval",
        "Drift of scored features and probabilities against reference.parquet; outcomes when they mature. Approval: the promotion in the "
        "MLflow registry (alias champion) is the record; reversing it is promoting the older run.",
    ]
    return "\n\n".join(parts) + "\n"


def _purpose() -> str:
    return (
        f"Ranks clients with an open contract by the probability that one of these contracts reaches {DEFAULT_DPD} days past due, or is "
        f"written off or sold, within {OUTCOME_MONTHS} months. For portfolio and collection decisions on existing clients; not for "
        "applications.\n\n"
        f"Population: month ends at which a client had an open contract, was under {DEFAULT_DPD} days past due and had at least one "
        f"installment due. A label counts {MATURITY_DAYS} days after its window ends. Training needs {MIN_DEFAULTS} defaults and "
        f"{MIN_COHORTS} mature cohorts."
    )


def _data(training_set: TrainingSet, evaluation: dict, run_id: str) -> str:
    cohorts = evaluation["cohorts"]
    facts = {
        "MLflow run": run_id,
        "Release of the lake": training_set.release_id,
        "Outcomes known up to": training_set.label_on,
        "Feature service": training_set.feature_service,
        "SHA-256 of the training set": training_set.content_hash,
        "Mature rows": evaluation["mature_rows"],
        "Indeterminate rows": f"{evaluation['indeterminate_rows']} ({evaluation['indeterminate_ratio']:.1%}), "
        + ("counted as good" if training_set.indeterminate_as_good else "left out of training"),
        **{f"{name.capitalize()} cohorts": f"{days[0]} to {days[-1]} ({len(days)})" for name, days in cohorts.items()},
        "Algorithm": f"LightGBM, {evaluation['trees']} trees of {PARAMETERS['num_leaves']} leaves, seed {PARAMETERS['seed']}",
    }
    return "\n".join(f"- {name}: {value}" for name, value in facts.items())


def _samples(evaluation: dict) -> str:
    names = [name for name in ("test", "test_all_clients", "test_zero_dpd", "calibration", "development") if name in evaluation]
    rows = [{"sample": name} | evaluation[name] for name in names]
    columns = ("sample", "rows", "clients", "defaults", "default_ratio", "auc", "auc_low", "auc_high", "gini", "ks", "brier", "log_loss",
               "calibration_intercept", "calibration_slope", "actual_to_expected_ratio", "capture_ratio")  # fmt: skip
    note = "`test`: newest cohorts, clients that no fit has seen. Intervals are 95 %, drawn by client."
    return f"{_table(columns, rows)}\n\n{note}"


def _comparisons(evaluation: dict) -> str:
    rows = [{"against": name} | figures for name, figures in evaluation["baselines"].items()]
    champion = evaluation["champion"]
    if champion and champion["is_compared"]:
        rows.append({"against": f"champion, version {champion['version']}"} | champion)
    columns = ("against", "auc", "gini", "ks", "auc_difference", "auc_difference_low", "auc_difference_high")
    return f"{_table(columns, rows)}\n\nThe difference is the model's AUC minus the other's, on paired draws."


def _features(training_set: TrainingSet, evaluation: dict) -> str:
    shares = {entry["feature"]: entry["share_ratio"] for entry in evaluation["importance"]}
    signs = {1: "+", -1: "-", 0: "0"}
    rows = [
        {"feature": f.name, "type": f.dtype, "sign": signs[f.monotone], "share": shares[f.name], "reason code": f.code}
        for f in training_set.features
    ]
    note = (
        "Sign: the direction in which the probability may move. Share: of the mean absolute contributions (TreeSHAP), development sample."
    )
    return f"{_table(('feature', 'type', 'sign', 'share', 'reason code'), rows)}\n\n{note}"


def _score(development: Development) -> str:
    cutoffs = [0.0, *development.grade_cutoffs, 1.0]
    rows = [{"grade": grade, "from": low, "to": high} for grade, low, high in zip(GRADES, cutoffs, cutoffs[1:], strict=False)]
    calibration = development.calibration
    text = (
        f"Log-odds = {calibration.intercept:.4f} + {calibration.slope:.4f} x raw log-odds of the trees. "
        "Score = round(501.8622 + 28.8539 ln((1 - p) / p)): 600 points at odds of 30:1, 20 points double the odds."
    )
    return f"{text}\n\n{_table(('grade', 'from', 'to'), rows)}"


def _table(columns: Sequence[str], rows: Sequence[dict]) -> str:
    head = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return "\n".join(head + [f"| {' | '.join(_cell(row.get(column)) for column in columns)} |" for row in rows])


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else str(value).replace("|", "\\|")
