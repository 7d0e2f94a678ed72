"""The promotion gate: the rules that a model must meet before serving reads it.

Every rule is judged with its uncertainty: a rule fails when the 95 % interval lies wholly on the wrong side. A small book is not refused
for noise, and a large one is held to the rule itself.
"""

from typing import NamedTuple

RULE_MARGIN = 0.0  # the trees must rank better than the current dpd alone, on the test sample itself
SCORECARD_MARGIN = 0.0  # and must not be shown worse than the logistic scorecard
CHAMPION_MARGIN = -0.002  # nor worse than the champion by more than this
SLOPE_RANGE = (0.8, 1.25)  # calibration slope: under 1 the model is too sure, above 1 not sure enough
ACTUAL_TO_EXPECTED_RANGE = (0.8, 1.25)  # defaults that happened over defaults predicted
LEAK_GINI = 0.85  # clients with nothing overdue cannot be told apart this well; more means that a feature knows the future


class Check(NamedTuple):
    """One rule, whether it is met, and the figures."""

    rule: str
    is_met: bool
    detail: str


def gate(evaluation: dict) -> list[Check]:
    """All rules on an evaluation.

    Args:
        evaluation: of Development, or the same read back from evaluation.json.
    """
    checks = [_ranks(evaluation), *_beats_baselines(evaluation["baselines"]), *_calibrated(evaluation["test"])]
    if "test_zero_dpd" in evaluation:
        checks.append(_no_leak(evaluation["test_zero_dpd"]))
    champion = evaluation["champion"]
    if champion and champion["is_compared"]:
        checks.append(_not_worse(f"champion (version {champion['version']})", champion, CHAMPION_MARGIN))
    return checks


def failed(checks: list[Check]) -> list[Check]:
    """The rules that are not met."""
    return [check for check in checks if not check.is_met]


def _ranks(evaluation: dict) -> Check:
    low, auc = evaluation["test"]["auc_low"], evaluation["test"]["auc"]
    detail = f"AUC {_text(auc)}, at least {_text(low)} with 97.5 % confidence; must be above 0.5"
    return Check("ranks better than chance", low is not None and low > 0.5, detail)


def _beats_baselines(baselines: dict) -> list[Check]:
    rule = baselines["current_dpd"]
    margin = rule["auc_difference"]
    ranks = Check(
        "ranks better than the current dpd alone",
        margin is not None and margin > RULE_MARGIN,
        f"AUC difference {_text(margin)}; must be above {RULE_MARGIN}",
    )
    return [ranks, _not_worse("logistic scorecard", baselines["logistic_scorecard"], SCORECARD_MARGIN)]


def _not_worse(name: str, figures: dict, margin: float) -> Check:
    high = figures["auc_difference_high"]
    span = f"{_text(figures['auc_difference'])} ({_text(figures['auc_difference_low'])} to {_text(high)})"
    return Check(f"not worse than the {name}", high is not None and high >= margin, f"AUC difference {span}; must reach {margin}")


def _calibrated(test: dict) -> list[Check]:
    return [
        _within("calibration slope", test, "calibration_slope", SLOPE_RANGE),
        _within("actual to expected defaults", test, "actual_to_expected_ratio", ACTUAL_TO_EXPECTED_RANGE),
    ]


def _within(rule: str, figures: dict, name: str, allowed: tuple[float, float]) -> Check:
    low, high = figures[f"{name}_low"], figures[f"{name}_high"]
    is_met = low is not None and low <= allowed[1] and high >= allowed[0]
    detail = f"{_text(figures[name])} ({_text(low)} to {_text(high)}); the interval must reach {allowed[0]} to {allowed[1]}"
    return Check(rule, is_met, detail)


def _no_leak(clean: dict) -> Check:
    low = clean["gini_low"]
    detail = f"Gini {_text(clean['gini'])} of clients with nothing overdue; must not be above {LEAK_GINI} with 97.5 % confidence"
    return Check("no sign of a leak", low is None or low <= LEAK_GINI, detail)


def _text(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"
