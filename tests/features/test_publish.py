"""Publishing a release online: changed rows only, deletions, rollback, backfill, kills, and readers that go on meanwhile."""

import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import redis

from features.online.backend import OnlineGeneration, OnlineStoreMissing
from features.online.reader import OnlineReader, UnknownFeature
from features.online_of_settings import online_backend
from features.publish import NoSnapshot, OnlineStoreAhead, publish_online
from tests.features.releases import COMPUTED, DAY, NEXT_DAY, THIRD_DAY, release, settings_of
from warehouse.clock import end_of_day
from warehouse.lake import Lake, NoRelease
from warehouse.settings import Settings

ZONE = "Asia/Ho_Chi_Minh"
BOOK = {"00017": {"dpd": 3, "overdue_amount": 12.5}, "00018": {"late_pay_ratio_3m": 0.25}, "é19": {}}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of(tmp_path)


@pytest.fixture
def both(settings: Settings, redis_address: str) -> list[Settings]:
    """The same lake with each online store; what a test asserts holds of both."""
    return [settings, replace(settings, online_address=redis_address)]


@pytest.fixture
def lake(settings: Settings) -> Iterator[Lake]:
    with Lake(settings) as opened:
        yield opened


def publish(both: list[Settings], lake: Lake) -> OnlineGeneration:
    """Publish to both stores, which must say the same of it."""
    made = [replace(publish_online(settings, lake), published_at=COMPUTED) for settings in both]
    assert made[0] == made[1]
    return made[0]


def reader(settings: Settings) -> OnlineReader:
    return OnlineReader(online_backend(settings), service="default_risk_v1")


def value(both: list[Settings], client: str, feature: str) -> float:
    values = []
    for settings in both:
        online = reader(settings)
        rows = online.read([client])
        online.close()
        values.append(float(rows.values[0, online.features.index(f"client_repayment:{feature}")]))
    assert values[0] == values[1]
    return values[0]


def test_what_is_published_is_read_in_the_order_of_the_keys(both: list[Settings], lake: Lake) -> None:
    release(lake, {DAY: {}, NEXT_DAY: BOOK})
    made = publish(both, lake)
    assert (made.release_id, made.business_date, made.rows_written, made.rows_deleted, made.row_count) == (1, NEXT_DAY, 3, 0, 3)
    for settings in both:
        online = reader(settings)
        rows = online.read(["é19", "00017", "nobody", "00017"])
        dpd, overdue, ratio = (online.features.index(f"client_repayment:{name}") for name in ("dpd", "overdue_amount", "late_pay_ratio_3m"))
        assert rows.found.tolist() == [True, True, False, True]
        assert rows.values[[1, 3]][:, [dpd, overdue]].tolist() == [[3, 12.5]] * 2
        assert np.isnan(rows.values[0, ratio])
        assert np.isnan(rows.values[2]).all()
        assert not rows.absent.any()
        assert replace(rows.generation, published_at=COMPUTED) == made
        assert rows.feature_timestamps[0] == np.datetime64(end_of_day(NEXT_DAY, ZONE).replace(tzinfo=None))
        assert np.isnat(rows.feature_timestamps[2])


def test_only_rows_whose_features_changed_are_written(both: list[Settings], lake: Lake) -> None:
    release(lake, {DAY: BOOK})
    publish(both, lake)
    release(lake, {NEXT_DAY: {**BOOK, "00017": {"dpd": 4, "overdue_amount": 12.5}, "new": {}}})
    made = publish(both, lake)
    assert (made.release_id, made.rows_written, made.rows_deleted, made.row_count) == (2, 2, 0, 4)
    assert value(both, "00017", "dpd") == 4
    for settings in both:
        unchanged = reader(settings).read(["00018"])
        assert unchanged.feature_timestamps[0] == np.datetime64(end_of_day(NEXT_DAY, ZONE).replace(tzinfo=None))


def test_publishing_again_changes_nothing(both: list[Settings], lake: Lake) -> None:
    release(lake, {DAY: BOOK})
    first = publish(both, lake)
    again = publish(both, lake)
    assert again == replace(first, rows_written=0)
    for settings in both:
        assert replace(reader(settings).generation(), published_at=COMPUTED) == first


def test_clients_without_a_row_any_more_are_removed(both: list[Settings], lake: Lake) -> None:
    release(lake, {DAY: BOOK})
    publish(both, lake)
    release(lake, {NEXT_DAY: {"00018": BOOK["00018"]}})
    made = publish(both, lake)
    assert (made.rows_written, made.rows_deleted, made.row_count) == (0, 2, 1)
    for settings in both:
        assert reader(settings).read(["00017", "00018"]).found.tolist() == [False, True]


def test_a_correction_of_the_same_day_arrives(both: list[Settings], lake: Lake) -> None:
    release(lake, {DAY: BOOK})
    publish(both, lake)
    release(lake, {DAY: {**BOOK, "00017": {"dpd": 9}}})
    assert publish(both, lake).rows_written == 1
    assert value(both, "00017", "dpd") == 9


def test_a_backfill_of_an_older_day_changes_nothing_online(both: list[Settings], lake: Lake) -> None:
    release(lake, {NEXT_DAY: BOOK})
    publish(both, lake)
    release(lake, {DAY: {"00017": {"dpd": 77}}}, business_date=NEXT_DAY)
    made = publish(both, lake)
    assert (made.release_id, made.rows_written) == (2, 0)
    assert value(both, "00017", "dpd") == 3


def test_a_rollback_serves_the_older_values_again(both: list[Settings], lake: Lake) -> None:
    """Also the row whose features never changed is as of the older day again, and the client of the newer release is gone."""
    release(lake, {DAY: BOOK})
    publish(both, lake)
    release(lake, {NEXT_DAY: {**BOOK, "00017": {"dpd": 4}, "new": {}}})
    publish(both, lake)
    lake.rollback(1)
    made = publish(both, lake)
    assert (made.release_id, made.business_date, made.rows_written, made.rows_deleted) == (3, DAY, 1, 1)
    assert value(both, "00017", "dpd") == 3
    for settings in both:
        rows = reader(settings).read(["00017", "00018", "new"])
        assert rows.found.tolist() == [True, True, False]
        assert (rows.feature_timestamps[:2] == np.datetime64(end_of_day(DAY, ZONE).replace(tzinfo=None))).all()


def test_a_slow_publisher_does_not_undo_a_newer_one(both: list[Settings], lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    release(lake, {DAY: BOOK})
    older = lake.at()
    release(lake, {NEXT_DAY: {**BOOK, "00017": {"dpd": 4}}})
    newest = publish(both, lake)
    monkeypatch.setattr(lake, "at", lambda: older)
    assert publish(both, lake) == newest
    assert value(both, "00017", "dpd") == 4


def test_rows_that_something_else_changed_are_mended(both: list[Settings], lake: Lake) -> None:
    release(lake, {DAY: BOOK})
    publish(both, lake)
    con = sqlite3.connect(both[0].online_store, isolation_level=None)
    con.execute("UPDATE lending_client_repayment SET value = (SELECT min(value) FROM lending_client_repayment)")
    con.execute("DELETE FROM lending_client_repayment WHERE entity_key = (SELECT max(entity_key) FROM lending_client_repayment)")
    con.close()
    with redis.Redis.from_url(both[1].online_address) as client:
        rows = client.hgetall("packed:lending:rows:client_repayment")
        least, greatest = min(rows.keys() - {b""}), max(rows)
        client.hset("packed:lending:rows:client_repayment", mapping=dict.fromkeys(rows.keys() - {b""}, rows[least]))
        client.hdel("packed:lending:rows:client_repayment", greatest)
    for settings in both:
        assert publish_online(settings, lake).rows_written >= 2
    assert value(both, "00017", "dpd") == 3


def test_a_killed_publisher_leaves_one_release_and_the_next_publish_completes(settings: Settings, lake: Lake, redis_address: str) -> None:
    """At named points and at moments of no choosing; what each kill leaves is what the next publish begins with."""
    many = [f"c{n:04d}" for n in range(1500)]
    release(lake, {DAY: {client: {"dpd": 1} for client in [*many, "old"]}})
    release(lake, {NEXT_DAY: {client: {"dpd": 2} for client in [*many, "new"]}})
    program = [sys.executable, "-m", "tests.features.killing", str(settings.home), redis_address]
    done = subprocess.run(program, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    kills = [json.loads(line) for line in done.stdout.splitlines()]
    for kill in kills:
        assert kill["after_kill"] in ([kill["before"]], [kill["wanted"]]), kill
        assert kill["after_next"] == [kill["wanted"]], kill
    named = {(kill["store"], kill["point"]): (kill["code"], kill["after_kill"] == [kill["before"]]) for kill in kills if kill["point"]}
    assert named == {
        ("", "after_online_rows"): (137, True),
        ("", "after_online_commit"): (137, True),  # the transaction did not end
        ("redis", "after_some_online_rows"): (137, True),
        ("redis", "before_online_commit"): (137, True),
        ("redis", "after_online_commit"): (137, False),  # what was shown stays, though it is not in its place yet
    }


def test_readers_go_on_while_a_release_is_published_and_never_see_two_releases(both: list[Settings], lake: Lake) -> None:
    """Two threads a store read all the time; a read is of the old or of the new release, never of both."""
    clients = [f"c{n:04d}" for n in range(400)]
    release(lake, {DAY: {client: {"dpd": 1} for client in clients}})
    publish(both, lake)
    seen, failures, done = set(), [], threading.Event()

    def read(online: OnlineReader) -> None:
        dpd = online.features.index("client_repayment:dpd")
        while not done.is_set():
            rows = online.read(clients)
            assert rows.generation is not None
            values = set(rows.values[:, dpd].tolist())
            seen.add(rows.generation.release_id)
            if values != {float(rows.generation.release_id)}:
                failures.append((rows.generation.release_id, values))
        online.close()

    threads = [threading.Thread(target=read, args=(reader(settings),)) for settings in both for _ in range(2)]
    for thread in threads:
        thread.start()
    for number, day in enumerate((NEXT_DAY, THIRD_DAY), 2):
        release(lake, {day: {client: {"dpd": number} for client in clients}})
        publish(both, lake)
    done.set()
    for thread in threads:
        thread.join()
    assert not failures
    assert 1 in seen


def test_nothing_to_publish_is_an_error_that_says_what_to_do(both: list[Settings], settings: Settings, lake: Lake) -> None:
    with pytest.raises(NoRelease, match="lending build"):
        publish_online(settings, lake)
    for each in both:
        with pytest.raises(OnlineStoreMissing, match="publish the features first"):
            reader(each)
    release(lake, {DAY: BOOK}, business_date=NEXT_DAY)
    with pytest.raises(NoSnapshot, match="as of 2025-06-30; run lending build"):
        publish_online(settings, lake)
    assert not settings.online_store.exists()
    release(lake, {NEXT_DAY: BOOK})
    publish_online(settings, lake)
    with pytest.raises(UnknownFeature, match="service no_such_service"):
        OnlineReader(online_backend(settings), service="no_such_service")


def test_an_online_store_of_another_lake_is_refused(tmp_path: Path, settings: Settings, lake: Lake) -> None:
    for day in (DAY, NEXT_DAY):
        release(lake, {day: BOOK})
    publish_online(settings, lake)
    other = settings_of(tmp_path / "other")
    with Lake(other) as fresh:
        release(fresh, {DAY: BOOK})
        (tmp_path / "other" / "online.db").symlink_to(settings.online_store)
        with pytest.raises(OnlineStoreAhead, match="serves release 2"):
            publish_online(other, fresh)
