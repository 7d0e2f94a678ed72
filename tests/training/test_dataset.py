"""The training set from a real lake through a real feature store: order, content, refusals, and a training from end to end."""

from collections.abc import Iterator
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from ibis import _

from features.build import build_features
from features.tables import CLIENT_REPAYMENT_SPEC
from tests.conftest import STAGING, staging_table
from tests.features.books import Rows, book, loan, paid
from tests.features.releases import settings_of
from training.dataset import FEATURE_SERVICE, load
from training.frame import KEY, FeatureMismatch, canonical, content_hash
from training.promote import promote
from training.records import TrainingSet
from training.train import TrainingRefused, reproduce, train
from warehouse.clock import month_ends
from warehouse.lake import Lake

CLIENTS, BAD = 160, 70
DUE = [day.replace(day=15) for day in month_ends(date(2023, 1, 1), date(2024, 12, 31))]
LABEL_ON = date(2024, 6, 30)  # cohorts up to May 2023 are mature
COHORTS = month_ends(date(2023, 1, 1), date(2023, 5, 31))
TOO_EARLY, ENOUGH, WITHOUT_APRIL = 1, 2, 3  # releases


def lender() -> Rows:
    """Every client has one loan from December 2022; the first BAD ones pay some days late and stop in March, April or May 2023."""
    parts = []
    for client in range(CLIENTS):
        is_bad = client < BAD
        parts.append(loan(f"c{client}", f"k{client}", "2022-12-20", [day.isoformat() for day in DUE]))
        paid_count = 2 + client % 3 if is_bad else len(DUE)
        days_late = 1 + client % 9 if is_bad or client % 4 == 0 else 0
        for place, due in enumerate(DUE[:paid_count], 1):
            parts.append(paid(f"k{client}-{place}", due.replace(day=15 + days_late).isoformat()))
    return book(*parts)


@pytest.fixture(scope="module")
def lake(tmp_path_factory) -> Iterator[Lake]:
    """A lake with three releases; only the second can be trained on."""
    with Lake(settings_of(tmp_path_factory.mktemp("home"))) as lake:
        rows = lender()
        intake = lake.candidate("intake", "delivery")
        for name, spec in STAGING.items():
            intake.write(spec, staging_table(name, rows.get(name, ())).to_pyarrow())
            intake.audit(spec)
        intake.publish(LABEL_ON)
        candidate = lake.candidate("release", "first")
        build_features(candidate, COHORTS, lake.settings.terms)
        candidate.publish(date(2023, 12, 31))
        for run, day, replaced in (("second", LABEL_ON, []), ("third", LABEL_ON, [COHORTS[3]])):
            candidate = lake.candidate("release", run)
            features = candidate.table(CLIENT_REPAYMENT_SPEC.name)
            again = replaced or [COHORTS[0]]
            kept = features.filter(_.as_of_on.isin(again) & ~_.as_of_on.isin(replaced)).to_pyarrow()
            candidate.write(CLIENT_REPAYMENT_SPEC, kept, replace=again)
            candidate.audit(CLIENT_REPAYMENT_SPEC)
            candidate.publish(day)
        yield lake


@pytest.fixture(scope="module")
def loaded(lake) -> TrainingSet:
    return load(lake.settings, lake, ENOUGH)


def test_one_row_a_client_and_mature_cohort_in_canonical_order(loaded):
    table = loaded.table
    assert sorted(set(table.column("as_of_on").to_pylist())) == COHORTS
    keys = list(zip(*(table.column(name).to_pylist() for name in KEY), strict=True))
    assert keys == sorted(set(keys))
    assert canonical(table).equals(table.combine_chunks())


def test_labels_are_those_of_the_story(loaded):
    """A good client is good in all five cohorts; a bad one is bad until 90 days past due take it out of the spine."""
    found = loaded.table.group_by("client_id").aggregate([("is_default", "min"), ("is_default", "max")]).to_pylist()
    assert len(found) == CLIENTS
    for row in found:
        is_bad = int(row["client_id"].removeprefix("c")) < BAD
        assert (row["is_default_min"], row["is_default_max"]) == (is_bad, is_bad)
    assert set(loaded.table.column("label_reason").to_pylist()) == {None, "dpd_90"}


def test_features_are_the_stored_values_of_the_month_end(lake, loaded):
    stored = lake.at(ENOUGH).table(CLIENT_REPAYMENT_SPEC.name).semi_join(_keys(loaded), KEY).to_pyarrow()
    names = [feature.name for feature in loaded.features]
    assert content_hash(canonical(stored).select(names)) == content_hash(loaded.table.select(names))


def _keys(loaded: TrainingSet):
    import ibis

    return ibis.memtable(loaded.table.select(list(KEY)))


def test_the_record_names_what_was_read(lake, loaded):
    assert (loaded.release_id, loaded.label_on, loaded.feature_service) == (ENOUGH, LABEL_ON, FEATURE_SERVICE)
    assert loaded.content_hash == content_hash(loaded.table)
    assert [feature.name for feature in loaded.features][:3] == [
        "installments_due_count_3m",
        "installments_due_count_lifetime",
        "late_pay_ratio_3m",
    ]
    assert {feature.dtype for feature in loaded.features} == {"int64", "float64"}


def test_a_release_without_mature_cohorts_is_refused(lake):
    with pytest.raises(TrainingRefused) as refusal:
        train(lake.settings, lake, TOO_EARLY)
    assert str(refusal.value) == "too few outcomes: 0 defaults in 0 mature cohorts; at least 50 and 2 are needed"
    assert not (lake.settings.home / "mlflow.db").exists()


def test_a_cohort_without_features_is_an_error_and_never_an_older_value(lake):
    """Feast would give March's values for April, which are within their time to live."""
    message = "release 3 has no features as of 2023-04-30; run lending backfill --from 2023-04-30 --to 2023-04-30"
    with pytest.raises(FeatureMismatch, match=message):
        load(lake.settings, lake, WITHOUT_APRIL)


def test_from_the_lake_to_a_bundle_and_the_same_set_again(lake, loaded):
    result = train(lake.settings, lake, ENOUGH)
    assert result.training_set_sha256 == loaded.content_hash
    assert result.rows == len(loaded.table)
    assert result.defaults == pc.sum(loaded.table.column("is_default")).as_py() >= 50
    assert "test AUC" in result.summary
    assert promote(lake.settings, result.run_id, force=True).name == result.model_version
    before, again = reproduce(lake.settings, lake, result.run_id)
    assert before == again == loaded.content_hash


def test_the_schema_is_fixed(loaded):
    assert loaded.table.schema.field("is_default").type == pa.int8()
    assert loaded.table.column_names[: len(loaded.table.column_names) - len(loaded.features)] == [
        "client_id",
        "event_timestamp",
        "as_of_on",
        "region_id",
        "product_type_id",
        "vintage_month",
        "is_default",
        "label_reason",
    ]
