"""Which online store the settings mean: for Feast, for its command, for the publisher and for scoring."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

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
