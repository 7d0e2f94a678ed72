"""The scorer: statuses before numbers, numbers by hand, reasons that raise the risk."""

import math
from datetime import UTC, date, datetime

import numpy as np
import pytest

from serving.scorer import FeatureRows, score_rows

DAY = date(2025, 6, 30)
STAMP = datetime(2025, 6, 30, 16, 59, 59, 999999, UTC)
GOOD, BAD = [0.0, 0.0, 0.0], [0.9, 8.0, 80.0]


def rows(values, found=None, business_date=DAY, missing=()):
    count = len(values)
    return FeatureRows(
        client_ids=tuple(f"C{place}" for place in range(count)),
        values=np.array(values, float).reshape(count, 3),
        found=np.array([True] * count if found is None else found),
        timestamps=(STAMP,) * count,
        business_date=business_date,
        missing=missing,
    )


@pytest.mark.parametrize(
    ("values", "kwargs", "today", "expected"),
    [
        (GOOD, {}, DAY, "scored"),
        (GOOD, {}, date(2025, 7, 3), "scored"),  # exactly the allowed age of 3 days
        (GOOD, {}, date(2025, 7, 4), "stale_features"),  # one day more
        (GOOD, {"business_date": None}, DAY, "stale_features"),  # nothing was ever published
        (GOOD, {"found": [False]}, DAY, "unknown_client"),
        (GOOD, {"found": [False], "business_date": None}, DAY, "unknown_client"),  # the first match decides
        ([math.nan, 0, 0], {}, DAY, "scored"),  # a ratio without evidence may be null
        ([0, math.nan, 0], {}, DAY, "missing_features"),  # a count is never null
        (GOOD, {"missing": ("dpd",)}, DAY, "missing_features"),  # the store does not have the column
    ],
)
def test_status(bundle, values, kwargs, today, expected):
    (score,) = score_rows(bundle, rows([values], **kwargs), today, max_age_days=3)
    assert score.status == expected
    numbers = (score.probability, score.score, score.grade)
    assert all(value is not None for value in numbers) if expected == "scored" else numbers == (None, None, None)
    assert expected == "scored" or score.reasons == ()


def test_numbers_follow_from_the_raw_score(bundle):
    (score,) = score_rows(bundle, rows([BAD]), DAY, 3)
    raw = bundle.booster.predict(np.array([BAD]), raw_score=True)[0]
    p = 1 / (1 + math.exp(-raw))
    assert score.probability == pytest.approx(p, abs=1e-12)
    assert score.score == round(501.8622 + 28.8539 * math.log((1 - p) / p))
    assert score.grade == "ABCDE"[sum(p >= cut for cut in (0.05, 0.1, 0.2, 0.4))]


def test_reasons_are_the_strongest_that_raise_the_risk_one_a_code(bundle):
    (score,) = score_rows(bundle, rows([BAD]), DAY, 3)
    contributions = dict(zip(bundle.feature_names, bundle.contributions(np.array([BAD]))[0], strict=True))
    late = max("late_pay_ratio_3m", "late_count_lifetime", key=contributions.__getitem__)
    expected = sorted((contributions[late], contributions["dpd"]), reverse=True)
    assert [reason.contribution for reason in score.reasons] == expected
    assert {reason.code for reason in score.reasons} == {"LATE", "OVERDUE"}
    assert next(reason.feature for reason in score.reasons if reason.code == "LATE") == late


def test_a_client_without_anything_against_them_has_no_reasons(bundle):
    (score,) = score_rows(bundle, rows([GOOD]), DAY, 3)
    assert score.reasons == ()
    assert score.probability < 0.1


def test_order_and_duplicates_of_the_request_are_kept(bundle):
    many = score_rows(bundle, rows([BAD, GOOD, BAD, [0.5, 2, 10]], found=[True, True, True, False]), DAY, 3)
    assert [score.client_id for score in many] == ["C0", "C1", "C2", "C3"]
    assert many[0].probability == many[2].probability != many[1].probability
    assert many[3].status == "unknown_client"


def test_a_score_does_not_depend_on_who_else_is_asked(bundle):
    x = np.random.default_rng(3).random((50, 3)) * [1, 9, 90]
    together = [score.probability for score in score_rows(bundle, rows(x), DAY, 3, with_reasons=False)]
    alone = [score_rows(bundle, rows([one]), DAY, 3, with_reasons=False)[0].probability for one in x]
    assert together == alone


def test_nobody_asked_nobody_scored(bundle):
    assert score_rows(bundle, rows([]), DAY, 3) == []
