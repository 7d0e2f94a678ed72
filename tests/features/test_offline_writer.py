"""Pushing feature rows: through the audit into a release of its own, or nothing."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from feast import FeatureStore
from feast.data_source import PushMode

from features.offline_writer import CannotPush
from features.store import feature_store
from tests.features.releases import COMPUTED, DAY, NEXT_DAY, THIRD_DAY, feature_rows, release, settings_of
from warehouse.clock import end_of_day
from warehouse.lake import AuditFailed, Lake

REFS = ["client_repayment:dpd", "client_repayment:open_contract_count"]


def pushed(clients: dict, day: Any = DAY) -> pd.DataFrame:
    return feature_rows(day, clients).to_pandas()


def dpd(store: FeatureStore, day: Any = DAY) -> list:
    asked = pd.DataFrame({"client_id": ["a", "b", "c"], "event_timestamp": [end_of_day(day, "Asia/Ho_Chi_Minh")] * 3})
    return store.get_historical_features(asked, REFS).to_arrow()["dpd"].to_pylist()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A release of two days, and the store of its environment."""
    home: Path = tmp_path_factory.mktemp("lake")
    settings = settings_of(home)
    with Lake(settings) as lake:
        release(lake, {DAY: {"a": {"dpd": 1}, "b": {"dpd": 2}}, NEXT_DAY: {"a": {"dpd": 3}, "b": {"dpd": 4}}})
        yield settings, lake


def test_a_push_replaces_rows_by_key_and_adds_others_in_a_new_release(made: Any) -> None:
    settings, lake = made
    before = feature_store(settings)
    assert dpd(before) == [1, 2, None]
    before.write_to_offline_store("client_repayment", pushed({"b": {"dpd": 20}, "c": {"dpd": 30}}))
    assert dpd(before) == [1, 2, None]  # a store keeps the release that it pinned
    after = feature_store(settings)
    assert dpd(after) == [1, 20, 30]
    assert dpd(after, NEXT_DAY) == [3, 4, 30]
    newest = lake.release()
    assert (newest.business_date, newest.note) == (NEXT_DAY, "rows pushed to features.client_repayment: 2")
    assert dpd(feature_store(settings, release_id=newest.release_id - 1)) == [1, 2, None]


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (pushed({"a": {"dpd": -5}}), AuditFailed, "nothing published.*dpd"),
        (pd.concat([pushed({"a": {"dpd": 5}})] * 2), AuditFailed, "nothing published"),
        (pushed({"a": {}}, THIRD_DAY), CannotPush, "no snapshot of 2025-07-01.*backfill"),
        (pushed({"a": {}}, NEXT_DAY), CannotPush, "2025-06-30 is the date that is served online.*deliver the correction"),
        (pushed({"a": {"created_timestamp": COMPUTED}}), CannotPush, "rows of 2025-06-29 have event_timestamp"),
        (pushed({"a": {}}).assign(dpd="many"), ValueError, "do not fit"),
        (pushed({"a": {}}).drop(columns="dpd"), ValueError, "dpd"),
    ],
    ids=[
        "out of bounds",
        "twice the same key",
        "a date without a snapshot",
        "the served date",
        "another time",
        "another type",
        "a column less",
    ],
)
def test_rows_that_break_a_rule_publish_nothing_and_say_why(made: Any, rows: pd.DataFrame, error: type, message: str) -> None:
    settings, lake = made
    before = lake.release().release_id
    with pytest.raises(error, match=message):
        feature_store(settings).write_to_offline_store("client_repayment", rows)
    assert lake.release().release_id == before


def test_a_push_source_takes_rows_for_the_offline_store(made: Any) -> None:
    settings, lake = made
    feature_store(settings).push("client_repayment_push", pushed({"a": {"dpd": 11}}), to=PushMode.OFFLINE)
    assert dpd(feature_store(settings))[0] == 11
    assert lake.release().note == "rows pushed to features.client_repayment: 1"


def test_no_rows_are_no_release(made: Any) -> None:
    settings, lake = made
    before = lake.release().release_id
    feature_store(settings).write_to_offline_store("client_repayment", pushed({"a": {}}).head(0))
    assert lake.release().release_id == before
