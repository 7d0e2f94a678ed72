"""The feature store of the platform: registered once, history from a pinned release, and the `feast` command as Feast's users know it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from feast import FeatureStore

from features import store as store_module
from features.parity import check_parity
from features.publish import publish_online
from features.services import DEFAULT_RISK_V1_FEATURES, default_risk_v1
from features.store import feature_store
from features.tables import CLIENT_REPAYMENT
from features.views import client_repayment
from tests.features.releases import DAY, NEXT_DAY, release, settings_of
from warehouse.clock import end_of_day
from warehouse.lake import Lake, NoRelease
from warehouse.settings import Settings

ROOT = Path(__file__).parents[2]
REPO = ROOT / "features" / "repo"
ZONE = "Asia/Ho_Chi_Minh"
AT = end_of_day(DAY, ZONE)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of(tmp_path)


@pytest.fixture
def lake(settings: Settings) -> Iterator[Lake]:
    with Lake(settings) as opened:
        yield opened


def asked(*rows: tuple) -> pa.Table:
    return pa.table(
        {"client_id": [client for client, _ in rows], "event_timestamp": pa.array([at for _, at in rows], pa.timestamp("us", "UTC"))}
    )


def test_definitions_are_registered_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    applied = []
    original = store_module.FeatureStore.apply
    monkeypatch.setattr(store_module.FeatureStore, "apply", lambda store, objects: (applied.append(1), original(store, objects)))
    for _ in range(3):
        feature_store(settings)
    assert len(applied) == 1
    monkeypatch.setattr(store_module, "fingerprint", lambda: "of a later version of the code")
    feature_store(settings)
    assert len(applied) == 2
    settings.feast_registry.unlink()
    feature_store(settings)
    assert len(applied) == 3


def test_definitions_are_complete(settings: Settings) -> None:
    store = feature_store(settings)
    view = store.get_feature_view("client_repayment")
    assert [field.name for field in view.features] == [feature.name for feature in CLIENT_REPAYMENT]
    assert all(field.description and set(field.tags) >= {"unit", "owner", "window"} for field in view.features)
    assert [column.name for column in view.entity_columns] == ["client_id"]
    assert view.ttl == timedelta(days=35)
    assert all(
        thing.description and thing.owner for thing in (view, store.get_entity("client"), store.get_feature_service("default_risk_v1"))
    )
    assert view.batch_source.one_row_per_key_and_time


def test_a_service_names_its_features_one_by_one() -> None:
    """A feature that is added to the view must not enter the service of a trained model."""
    (projection,) = default_risk_v1.feature_view_projections
    assert tuple(field.name for field in projection.features) == DEFAULT_RISK_V1_FEATURES
    assert set(DEFAULT_RISK_V1_FEATURES) <= {field.name for field in client_repayment.features}
    assert len(DEFAULT_RISK_V1_FEATURES) == 21


def test_history_comes_from_the_pinned_release(settings: Settings, lake: Lake) -> None:
    release(lake, {DAY: {"00017": {"dpd": 3}}})
    release(lake, {DAY: {"00017": {"dpd": 4}}, NEXT_DAY: {"00017": {"dpd": 5}}})
    service = feature_store(settings).get_feature_service("default_risk_v1")
    late = AT + timedelta(days=1)
    for release_id, expected in ((1, [3, 3]), (2, [4, 5]), (None, [4, 5])):
        store = feature_store(settings, release_id, lake)
        table = store.get_historical_features(asked(("00017", AT), ("00017", late)), service).to_arrow()
        assert table["dpd"].to_pylist() == expected
        assert table.column_names == ["client_id", "event_timestamp", *DEFAULT_RISK_V1_FEATURES]
    first = feature_store(settings, lake=lake)
    assert first.get_historical_features(asked(("00017", AT)), service).to_arrow()["dpd"].to_pylist() == [4]
    release(lake, {DAY: {"00017": {"dpd": 6}}})
    assert first.get_historical_features(asked(("00017", AT)), service).to_arrow()["dpd"].to_pylist() == [4]


def test_the_time_to_live_includes_its_last_moment(settings: Settings, lake: Lake) -> None:
    release(lake, {DAY: {"00017": {"dpd": 3}}})
    store = feature_store(settings, lake=lake)
    ends = [AT, AT + timedelta(days=35), AT + timedelta(days=35, microseconds=1), AT - timedelta(microseconds=1)]
    table = store.get_historical_features(asked(*(("00017", at) for at in ends)), ["client_repayment:dpd"]).to_arrow()
    assert table["dpd"].to_pylist() == [3, 3, None, None]


def test_before_the_first_release_the_error_says_what_to_do(settings: Settings) -> None:
    store = feature_store(settings)
    with pytest.raises(NoRelease, match="lending build"):
        store.get_historical_features(asked(("00017", AT)), ["client_repayment:dpd"])


def test_feasts_own_materialize_agrees_with_the_release(settings: Settings, lake: Lake) -> None:
    """It reads through the offline store and writes through the online store; what it writes is what a publish would have written."""
    release(lake, {DAY: {"00017": {"dpd": 3}, "gone": {}}, NEXT_DAY: {"00017": {"dpd": 4}}})
    publish_online(settings, lake)
    store = feature_store(settings, lake=lake)
    store.materialize(AT - timedelta(days=3), AT + timedelta(days=2), feature_views=["client_repayment"])
    report = check_parity(settings, lake)
    assert report.is_equal
    assert report.views[0].rows_online == 1
    assert publish_online(settings, lake).rows_written == 0


def test_the_yaml_configures_the_same_stores(settings: Settings, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the `feast` command reads and writes is what the platform does: the current release, and the same online file."""
    feature_store(settings)
    release(lake, {DAY: {"00017": {"dpd": 3}}})
    monkeypatch.setenv("LENDING_HOME", str(settings.home))
    by_yaml = FeatureStore(repo_path=str(REPO))
    assert by_yaml.get_historical_features(asked(("00017", AT)), ["client_repayment:dpd"]).to_arrow()["dpd"].to_pylist() == [3]
    by_yaml.materialize(AT - timedelta(days=3), AT + timedelta(days=2), feature_views=["client_repayment"])
    assert feature_store(settings).get_online_features(["client_repayment:dpd"], [{"client_id": "00017"}]).to_dict()["dpd"] == [3]
