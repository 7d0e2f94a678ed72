"""Which online store the settings mean: for Feast, for its command, for the publisher and for scoring."""

import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from feast import FeatureStore, RepoConfig
from pydantic import ValidationError

from features.feast_config import feast_yaml
from features.online.redis_server import RedisBackend
from features.online_of_settings import online_backend
from features.online_store import PackedSqliteOnlineStoreConfig
from features.online_store_redis import PackedRedisOnlineStoreConfig
from features.publish import publish_online
from features.sources import ReleasedTables
from features.store import repo_config
from serving.lookup import Lookup, LookupNotReady
from tests.features.releases import DAY, release, settings_of
from warehouse.lake import Lake

SECRET = "redis://:secret@cache.example:6379/3"


def test_feast_gets_the_store_of_the_settings_and_its_file_no_password(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    stores = [repo_config(each, ReleasedTables(each)).online_store for each in (settings, replace(settings, online_address=SECRET))]
    assert isinstance(stores[0], PackedSqliteOnlineStoreConfig)
    assert stores[0].path == str(settings.online_store)
    assert isinstance(stores[1], PackedRedisOnlineStoreConfig)
    assert stores[1].connection_string == SECRET
    text = feast_yaml(replace(settings, online_address=SECRET))
    assert "connection_string: ${LENDING_ONLINE_STORE}" in text
    assert "secret" not in text
    assert str(settings.online_store) in feast_yaml(settings)


@pytest.mark.parametrize(
    "given",
    [
        {"connection_string": "http://:secret@h"},
        {"connection_string": "redis://:12/secret@h:6379/0"},
        {"connection_string": "rediss://default:secret/1@h:6379/0"},
        {"conection_string": "redis://:secret@h"},
        {"connection_string": "redis://:secret@h", "timeout_seconds": 0},
    ],
)
def test_no_error_about_the_configuration_has_its_password(given: dict[str, Any]) -> None:
    online = {"type": "features.online_store_redis.PackedRedisOnlineStore", **given}
    for call in (lambda: PackedRedisOnlineStoreConfig(**given), lambda: RepoConfig(project="p", registry="r.db", online_store=online)):
        with pytest.raises(ValidationError, match=r"connection_string|timeout_seconds") as refused:
            call()
        assert "secret" not in "".join(traceback.format_exception(refused.value)) + repr(refused.value.errors())


def test_no_text_of_the_feature_store_has_an_address(tmp_path: Path) -> None:
    registry = "postgresql+psycopg://feast:secret@db.example/feast"
    settings = replace(settings_of(tmp_path), online_address=SECRET, feast_registry_uri=registry)
    config = repo_config(settings, ReleasedTables(settings))
    store = FeatureStore(config=config)
    assert (config.registry.path, config.online_store.connection_string) == (registry, SECRET)
    for shown in (store, config, config.online_store, config.registry):
        assert "secret" not in f"{shown} {shown!r}"


def test_no_message_about_the_server_has_its_password(tmp_path: Path) -> None:
    backend = online_backend(settings_of(tmp_path, online_address=SECRET))
    assert isinstance(backend, RedisBackend)
    assert backend.where == "redis cache.example:6379/3"


def test_scoring_reads_the_same_from_both_and_says_when_it_cannot(tmp_path: Path, redis_address: str) -> None:
    file = settings_of(tmp_path)
    both = [file, replace(file, online_address=redis_address)]
    features = ["dpd", "no_such_feature", "late_pay_ratio_3m"]
    for settings in both:
        with pytest.raises(LookupNotReady, match="run lending materialize"):
            Lookup(online_backend(settings), features)
    with Lake(file) as lake:
        release(lake, {DAY: {"00017": {"dpd": 3}, "00018": {"late_pay_ratio_3m": 0.25}}})
        for settings in both:
            publish_online(settings, lake)
    answers = [Lookup(online_backend(settings), features).read(["00018", "nobody", "00017"]) for settings in both]
    for answer in answers:
        assert (answer.release_id, answer.rows.business_date, answer.rows.missing) == (1, DAY, ("no_such_feature",))
        np.testing.assert_array_equal(answer.rows.values, [[1, np.nan, 0.25], [np.nan] * 3, [3, np.nan, np.nan]])
        assert answer.rows.found.tolist() == [True, False, True]
    assert answers[0].rows.timestamps == answers[1].rows.timestamps
    down = urlsplit(redis_address)._replace(netloc="127.0.0.1:1").geturl()
    with pytest.raises(LookupNotReady, match=r"redis 127\.0\.0\.1:1/1 cannot be reached"):
        Lookup(online_backend(replace(file, online_address=down)), features)
