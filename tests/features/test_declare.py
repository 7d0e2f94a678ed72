"""Rules that every declaration keeps, and the projections of a record."""

import inspect

import ibis
import pandera.ibis as pa
import pytest
from feast.types import Float64, Int64

from features.asof import LEDGERS, ledger_of
from features.catalog import VIEWS, features_page
from features.declare import LIFETIME, VALUES, Feature, Months, docs_row, feast_field, pandera_column, table_column
from features.repayment import LATE_PAY_RATIO_3M, SKIPPED_COUNT_3M, late_pay_ratio
from features.tables import CLIENT_REPAYMENT, CLIENT_REPAYMENT_SPEC
from features.tenure import FULL_TERM_RATIO_LIFETIME
from features.trend import FEWER_THAN_TWO, LATE_DAYS_SLOPE_6_12M

CONTRACT_F = [
    "installments_due_count_3m",
    "installments_due_count_lifetime",
    "late_pay_ratio_3m",
    "late_pay_ratio_6m",
    "late_pay_ratio_12m",
    "late_pay_ratio_lifetime",
    "late_count_lifetime",
    "skipped_count_3m",
    "skipped_count_12m",
    "skipped_ratio_lifetime",
    "early_pay_ratio_12m",
    "early_settlement_count_12m",
    "early_settlement_count_lifetime",
    "max_dpd_12m",
    "max_dpd_lifetime",
    "dpd",
    "overdue_amount",
    "open_contract_count",
    "outstanding_principal_amount",
    "months_since_first_contract",
]
NEW = [
    "installments_due_count_6m", "installments_due_count_12m", "late_count_3m", "late_count_12m", "late_over_5_days_ratio_3m",
    "late_over_5_days_ratio_6m", "late_over_5_days_ratio_12m", "late_over_5_days_ratio_lifetime", "late_30_days_ratio_lifetime",
    "skipped_count_6m", "mean_late_days_3m", "mean_late_days_6m", "mean_late_days_12m", "mean_late_days_lifetime",
    "late_days_deviation_lifetime", "amount_weighted_late_days_3m", "amount_weighted_late_days_6m", "amount_weighted_late_days_12m",
    "paid_ratio_3m", "paid_ratio_6m", "paid_ratio_12m", "paid_3_days_early_ratio_3m", "paid_3_days_early_ratio_6m",
    "paid_3_days_early_ratio_12m", "repayment_count_3m", "repayment_count_6m", "repayment_count_12m", "penalty_ratio_3m",
    "penalty_ratio_6m", "penalty_ratio_12m", "decayed_late_days_3m", "decayed_late_days_6m", "decayed_late_days_12m",
    "months_since_last_late", "max_dpd_3m", "max_dpd_6m", "late_pay_ratio_change_12m", "late_pay_ratio_growth_12m",
    "late_days_slope_6_12m", "late_days_slope_12_12m", "on_time_run_count_12m", "late_run_count_12m", "last_late_days_12m",
    "last_3_mean_late_days_12m", "last_5_max_late_days_12m", "latest_contract_late_ratio", "unpaid_installment_count", "overdue_ratio",
    "outstanding_principal_ratio", "next_month_due_amount", "longest_open_contract_months", "par30_amount", "contract_count_lifetime",
    "cash_loan_ratio_lifetime", "consumer_durable_loan_ratio_lifetime", "two_wheeler_loan_ratio_lifetime",
    "latest_principal_ratio_lifetime", "latest_tenor_months", "latest_interest_ratio", "refinanced_count_lifetime",
    "months_since_latest_contract", "max_principal_amount_lifetime", "max_tenor_months_lifetime", "fpd30_count_lifetime",
    "latest_contract_first_late_days", "paid_off_contract_count_lifetime", "full_term_ratio_lifetime",
]  # fmt: skip
PRODUCT_RATIOS = {"cash_loan_ratio_lifetime", "consumer_durable_loan_ratio_lifetime", "two_wheeler_loan_ratio_lifetime"}
NEVER_NULL_RATIOS = PRODUCT_RATIOS | {"full_term_ratio_lifetime"}
LOWER_THE_RISK = {
    "early_pay_ratio", "early_settlement_count", "months_since_first_contract", "paid_ratio", "paid_3_days_early_ratio",
    "months_since_last_late", "on_time_run_count", "paid_off_contract_count", "full_term_ratio",
}  # fmt: skip
DO_EITHER = {
    "installments_due_count", "repayment_count", "open_contract_count", "outstanding_principal_amount", "outstanding_principal_ratio",
    "longest_open_contract_months", "contract_count", "cash_loan_ratio", "consumer_durable_loan_ratio", "two_wheeler_loan_ratio",
    "latest_principal_ratio", "latest_tenor_months", "months_since_latest_contract", "max_principal_amount", "max_tenor_months",
}  # fmt: skip
UNBOUNDED = {
    "late_days_slope_6_12m", "late_days_slope_12_12m", "last_late_days_12m", "last_3_mean_late_days_12m", "last_5_max_late_days_12m",
    "latest_contract_first_late_days",
}  # fmt: skip
UNITS = {"count", "ratio", "days", "months", "money"}
WINDOWS = {"3m": Months(3), "6m": Months(6), "12m": Months(12), "lifetime": LIFETIME}

FEATURES = [feature for view in VIEWS.values() for feature in view]
every_feature = pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)


def base(name: str) -> str:
    """The name without its window."""
    head, _, last = name.rpartition("_")
    return head if last in WINDOWS else name


def test_the_columns_that_others_rely_on_keep_their_names_and_order():
    assert [feature.name for feature in CLIENT_REPAYMENT] == [*CONTRACT_F, "penalty_amount_12m", *NEW]
    assert len(CLIENT_REPAYMENT) == 88


def test_the_stored_table_has_its_key_first_and_new_features_last():
    names = CLIENT_REPAYMENT_SPEC.column_names
    assert names[:4] == ("client_id", "event_timestamp", "created_timestamp", "computed_at")
    assert list(names[4:24]) == CONTRACT_F
    assert names[24:26] == ("as_of_on", "penalty_amount_12m")
    assert list(names[26:]) == NEW
    assert CLIENT_REPAYMENT_SPEC.grain == ("client_id", "event_timestamp")


@pytest.mark.parametrize("feature", CLIENT_REPAYMENT, ids=lambda feature: feature.name)
def test_the_sign_is_the_agreed_one(feature: Feature):
    expected = -1 if base(feature.name) in LOWER_THE_RISK else 0 if base(feature.name) in DO_EITHER else 1
    assert feature.monotone == expected


def test_names_are_unique():
    names = [feature.name for feature in FEATURES]
    assert len(set(names)) == len(names)


@every_feature
def test_the_suffix_is_the_window(feature: Feature):
    assert WINDOWS.get(feature.name.rpartition("_")[2]) == feature.window


@every_feature
def test_the_name_is_written_out_where_it_is_declared(feature: Feature):
    assert f'name="{feature.name}"' in inspect.getsource(inspect.getmodule(feature.expr))


@every_feature
def test_the_docstring_is_one_sentence(feature: Feature):
    assert feature.description.endswith(".")
    assert feature.description.count(". ") == 0
    assert len(feature.description) > 10


@every_feature
def test_a_client_can_read_the_reason(feature: Feature):
    assert feature.reason.endswith(".")
    assert feature.reason[0].isupper()
    assert feature.reason.count(".") == 1
    for jargon in ("dpd", "ratio", "_", "null", "as-of", "delinquen", "region", "fault", "bad ", "failed"):
        assert jargon not in feature.reason.lower()
    assert feature.code == feature.code.upper()


def test_reasons_differ_where_features_differ():
    reasons = [feature.reason for feature in FEATURES]
    assert len(set(reasons)) == len(reasons)


@every_feature
def test_the_unit_decides_type_bounds_and_whether_a_value_may_be_missing(feature: Feature):
    assert feature.unit in UNITS
    if feature.dtype == "int64":
        assert feature.unit in ("count", "days", "months")
        assert feature.null_means is None
    if feature.unit == "count":
        assert feature.dtype == "int64"
    if feature.unit == "money":
        assert (feature.dtype, feature.null_means, feature.bounds) == ("float64", None, (0, None))
    if feature.unit == "ratio":
        assert feature.dtype == "float64"
        assert (feature.null_means is None) == (feature.name in NEVER_NULL_RATIOS)
    # Without null and without a least value of 0, the 0 of a client with nothing to count would look like a measured one.
    if feature.null_means is None:
        assert feature.bounds[0] == 0
    else:
        assert feature.null_means == feature.null_means.strip(" .")


@every_feature
def test_bounds_are_in_order_and_only_what_can_be_negative_has_none(feature: Feature):
    least, greatest = feature.bounds
    assert (feature.bounds == (None, None)) == (feature.name in UNBOUNDED)
    assert least in (None, 0, -1)
    assert greatest in (None, 1)


@every_feature
def test_every_ledger_exists_and_no_feature_is_personal(feature: Feature):
    assert feature.ledger in (*LEDGERS, VALUES, "region")
    assert feature.pii is False
    assert feature.owner == "credit-risk"


@every_feature
def test_projections_agree_with_the_record(feature: Feature):
    column, check, field = table_column(feature), pandera_column(feature), feast_field(feature)
    assert (column.name, column.dtype, column.bounds) == (feature.name, feature.dtype, feature.bounds)
    assert column.nullable == check.nullable == (feature.null_means is not None)
    assert field.name == feature.name
    assert field.dtype == {"int64": Int64, "float64": Float64}[feature.dtype]
    assert field.description == feature.description
    assert field.tags == {
        "unit": feature.unit,
        "owner": feature.owner,
        "window": feature.window_text,
        "bounds": feature.bounds_text,
        "null_means": feature.null_text,
        "monotone": str(feature.monotone),
        "reason_code": feature.code,
        "pii": "false",
    }


@pytest.fixture(scope="module")
def page() -> str:
    return features_page()


@every_feature
def test_the_page_shows_a_feature_under_its_subject(feature: Feature, page: str):
    place = page.index(docs_row(feature))
    heading = page.rindex("\n### ", 0, place)
    assert page[heading:].splitlines()[1] == f"### {feature.subject.capitalize()}"


def test_the_check_refuses_values_outside_the_bounds_and_undeclared_nulls(con):
    ratio = pa.DataFrameSchema({"late_pay_ratio_3m": pandera_column(LATE_PAY_RATIO_3M)})
    count = pa.DataFrameSchema({"skipped_count_3m": pandera_column(SKIPPED_COUNT_3M)})

    def stored(name: str, values: list, dtype: str) -> ibis.Table:
        return con.create_table(f"check_{name}", ibis.memtable({name: values}, schema={name: dtype}), overwrite=True)

    ratio.validate(stored("late_pay_ratio_3m", [0.0, 1.0, None], "float64"), lazy=True)
    with pytest.raises(pa.errors.SchemaErrors, match="late_pay_ratio_3m"):
        ratio.validate(stored("late_pay_ratio_3m", [1.5], "float64"), lazy=True)
    with pytest.raises(pa.errors.SchemaErrors, match="skipped_count_3m"):
        count.validate(stored("skipped_count_3m", [None], "int64"), lazy=True)


def test_the_documentation_row_shows_null_and_sign():
    assert docs_row(LATE_PAY_RATIO_3M) == (
        "| `late_pay_ratio_3m` | float64 | ratio | last 3 months | "
        "Share of the installments due that were paid late or are late and unpaid."
        " | no installment fell due in the window | 0..1 | + | `LATE_PAYMENTS` | credit-risk |"
    )
    assert "| never (0) | 0.. | + |" in docs_row(SKIPPED_COUNT_3M)
    assert "| never | 0..1 | - |" in docs_row(FULL_TERM_RATIO_LIFETIME)
    assert f"| {FEWER_THAN_TWO} | .. | + |" in docs_row(LATE_DAYS_SLOPE_6_12M)


def _feature(**changes):
    fields = {
        "name": "late_pay_ratio_3m", "expr": late_pay_ratio, "ledger": "due", "window": Months(3), "dtype": "float64", "unit": "ratio",
        "bounds": (0, 1), "monotone": 1, "null_means": "nothing due", "code": "LATE", "reason": "You paid late.",
    }  # fmt: skip
    return Feature(**fields | changes)


def test_a_record_that_breaks_a_rule_is_refused_with_the_rule():
    with pytest.raises(ValueError, match="must end in _6m"):
        _feature(window=Months(6))
    with pytest.raises(ValueError, match="dtype 'decimal' must be one of int64, float64"):
        _feature(dtype="decimal")
    with pytest.raises(ValueError, match="monotone 2 must be -1, 0 or 1"):
        _feature(monotone=2)
    with pytest.raises(ValueError, match="int64 is never null"):
        _feature(dtype="int64")


def test_a_ledger_that_does_not_exist_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match="late_pay_ratio_3m: ledger 'dues' does not exist; a feature declares one of due, "):
        ledger_of(_feature(ledger="dues"))
