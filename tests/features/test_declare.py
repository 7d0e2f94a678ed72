"""Rules that every declaration keeps, and the projections of a record."""

import ibis
import pandera.ibis as pa
import pytest
from feast.types import Float64, Int64

from features.asof import LEDGERS
from features.declare import LIFETIME, Feature, Months, docs_row, feast_field, pandera_column, table_column
from features.repayment import LATE_PAY_RATIO_3M, SKIPPED_COUNT_3M, late_pay_ratio
from features.tables import CLIENT_REPAYMENT, CLIENT_REPAYMENT_SPEC

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
SIGNS = dict(zip(CONTRACT_F, [0, 0, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, 1, 1, 1, 1, 0, 0, -1], strict=True))
NULLABLE = {name for name in CONTRACT_F if "_ratio" in name}
FLOATS = NULLABLE | {"overdue_amount", "outstanding_principal_amount"}

every_feature = pytest.mark.parametrize("feature", CLIENT_REPAYMENT, ids=lambda feature: feature.name)


def test_the_columns_that_others_rely_on_keep_their_names_order_types_and_signs():
    first = CLIENT_REPAYMENT[: len(CONTRACT_F)]
    assert [feature.name for feature in first] == CONTRACT_F
    assert {feature.name: feature.monotone for feature in first} == SIGNS
    assert {feature.name for feature in first if feature.null_means} == NULLABLE
    assert {feature.name for feature in first if feature.dtype == "float64"} == FLOATS


def test_the_stored_table_has_its_key_first_and_new_features_last():
    names = CLIENT_REPAYMENT_SPEC.column_names
    assert names[:4] == ("client_id", "event_timestamp", "created_timestamp", "computed_at")
    assert list(names[4:24]) == CONTRACT_F
    assert names[24] == "as_of_on"
    assert CLIENT_REPAYMENT_SPEC.grain == ("client_id", "event_timestamp")


def test_names_are_unique():
    names = [feature.name for feature in CLIENT_REPAYMENT]
    assert len(set(names)) == len(names)


@every_feature
def test_the_suffix_is_the_window(feature: Feature):
    last = feature.name.rpartition("_")[2]
    windows = {"3m": Months(3), "6m": Months(6), "12m": Months(12), "lifetime": LIFETIME}
    assert windows.get(last) == feature.window


@every_feature
def test_the_docstring_is_one_sentence(feature: Feature):
    assert feature.description.endswith(".")
    assert feature.description.count(". ") == 0
    assert len(feature.description) > 10


@every_feature
def test_a_client_can_read_the_reason(feature: Feature):
    assert feature.reason.endswith(".")
    assert feature.reason[0].isupper()
    for jargon in ("dpd", "ratio", "_", "null", "as-of", "delinquen"):
        assert jargon not in feature.reason.lower()
    assert feature.code == feature.code.upper()


def test_reasons_differ_where_features_differ():
    reasons = [feature.reason for feature in CLIENT_REPAYMENT]
    assert len(set(reasons)) == len(reasons)


@every_feature
def test_a_count_or_amount_is_never_null_and_a_ratio_may_be(feature: Feature):
    assert (feature.null_means is not None) == (feature.unit == "ratio")
    assert (feature.dtype == "float64") == (feature.unit in ("ratio", "money"))


@every_feature
def test_every_ledger_exists_and_no_feature_is_personal(feature: Feature):
    assert feature.ledger in LEDGERS
    assert not feature.pii
    assert feature.owner


@every_feature
def test_projections_agree_with_the_record(feature: Feature):
    column, check, field = table_column(feature), pandera_column(feature), feast_field(feature)
    assert (column.name, column.dtype, column.bounds) == (feature.name, feature.dtype, feature.bounds)
    assert column.nullable == check.nullable == (feature.null_means is not None)
    assert field.name == feature.name
    assert field.dtype == {"int64": Int64, "float64": Float64}[feature.dtype]
    assert field.description == feature.description
    assert field.tags == {"unit": feature.unit, "owner": feature.owner, "window": feature.window_text}


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
        " | no installment fell due in the window | + | `LATE_PAYMENTS` |"
    )
    assert "| never (0) | + |" in docs_row(SKIPPED_COUNT_3M)


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
