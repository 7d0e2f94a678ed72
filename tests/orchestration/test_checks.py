"""Asset checks of marts: a failed comparison fails the reconciliation, says where, and leaves the contract check alone."""

import pytest

from orchestration.assets import warehouse
from orchestration.checks import contract_result, key, reconciliation_result
from warehouse.marts import BUILT_MARTS, PORTFOLIO_BY_REGION_MONTH

AUDIT = [
    {"rule": "grain", "passed": True, "failed_rows": 0, "message": "(month_on) is unique"},
    {"rule": "reconciles with the curated facts", "passed": True, "failed_rows": 0, "message": "amounts are those of the curated facts"},
]
DIFFERS = {
    "rule": "reconciles with the curated facts",
    "passed": False,
    "failed_rows": 1,
    "message": "month_on 2024-01-31: due_amount is 2, not 1: must equal the curated facts",
}


def test_every_built_mart_has_a_blocking_reconciliation():
    checked = {spec.asset_key for spec in warehouse.marts.check_specs if spec.name == "reconciliation" and spec.blocking}
    assert checked == {key(spec) for spec in BUILT_MARTS}


def test_both_checks_pass_when_all_rules_hold():
    assert contract_result(PORTFOLIO_BY_REGION_MONTH, AUDIT).passed
    assert reconciliation_result(PORTFOLIO_BY_REGION_MONTH, AUDIT).passed


def test_a_difference_fails_the_reconciliation_alone_and_is_told():
    audit = [AUDIT[0], DIFFERS]
    assert contract_result(PORTFOLIO_BY_REGION_MONTH, audit).passed
    result = reconciliation_result(PORTFOLIO_BY_REGION_MONTH, audit)
    assert (result.passed, result.description) == (False, DIFFERS["message"])


@pytest.mark.parametrize("judge", [contract_result, reconciliation_result])
def test_what_was_never_checked_has_not_passed(judge):
    assert not judge(PORTFOLIO_BY_REGION_MONTH, []).passed
