"""Publishing a release online: changed rows only, deletions, rollback, backfill, kills, and readers that go on meanwhile."""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from features.online import online_backend
from features.online_backend import OnlineStoreMissing
from features.online_reader import OnlineReader, UnknownFeature
from features.publish import NoSnapshot, OnlineStoreAhead, publish_online
from tests.features.releases import DAY, NEXT_DAY, THIRD_DAY, release, settings_of
from warehouse.clock import end_of_day
from warehouse.lake import Lake, NoRelease
from warehouse.settings import Settings

ZONE = "Asia/Ho_Chi_Minh"
BOOK = {"00017": {"dpd": 3, "overdue_amount": 12.5}, "00018": {"late_pay_ratio_3m": 0.25}, "é19": {}}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of(tmp_path)


@pytest.fixture
def lake(settings: Settings) -> Iterator[Lake]:
    with Lake(settings) as opened:
        yield opened


def reader(settings: Settings) -> OnlineReader:
    return OnlineReader(online_backend(settings), service="default_risk_v1")


def value(settings: Settings, client: str, feature: str) -> float:
    online = reader(settings)
    rows = online.read([client])
    online.close()
    return float(rows.values[0, online.features.index(f"client_repayment:{feature}")])


def test_what_is_published_is_read_in_the_order_of_the_keys(settings: Settings, lake: Lake) -> None:
    release(lake, {DAY: {}, NEXT_DAY: BOOK})
    made = publish_online(settings, lake)
    assert (made.release_id, made.business_date, made.rows_written, made.rows_deleted, made.row_count) == (1, NEXT_DAY, 3, 0, 3)
    online = reader(settings)
    rows = online.read(["é19", "00017", "nobody", "00017"])
    dpd, overdue, ratio = (online.features.index(f"client_repayment:{name}") for name in ("dpd", "overdue_amount", "late_pay_ratio_3m"))
    assert rows.found.tolist() == [True, True, False, True]
    assert rows.values[[1, 3]][:, [dpd, overdue]].tolist() == [[3, 12.5]] * 2
    assert np.isnan(rows.values[0, ratio])
    assert np.isnan(rows.values[2]).all()
    assert not rows.absent.any()
    assert rows.generation == made
    assert rows.feature_timestamps[0] == np.datetime64(end_of_day(NEXT_DAY, ZONE).replace(tzinfo=None))
    assert np.isnat(rows.feature_timestamps[2])


def test_only_rows_whose_features_changed_are_written(settings: Settings, lake: Lake) -> None:
    release(lake, {DAY: BOOK})
    publish_online(settings, lake)
    release(lake, {NEXT_DAY: {**BOOK, "00017": {"dpd": 4, "overdue_amount": 12.5}, "new": {}}})
    made = publish_online(settings, lake)
    assert (made.release_id, made.rows_written, made.rows_deleted, made.row_count) == (2, 2, 0, 4)
    assert value(settings, "00017", "dpd") == 4
    unchanged = reader(settings).read(["00018"])
    assert unchanged.feature_timestamps[0] == np.datetime64(end_of_day(NEXT_DAY, ZONE).replace(tzinfo=None))


def test_publishing_again_changes_nothing(settings: Settings, lake: Lake) -> None:
    release(lake, {DAY: BOOK})
    first = publish_online(settings, lake)
    again = publish_online(settings, lake)
    assert again == replace(first, rows_written=0)
    assert reader(settings).generation() == first


def test_clients_without_a_row_any_more_are_removed(settings: Settings, lake: Lake) -> None:
    release(lake, {DAY: BOOK})
    publish_online(settings, lake)
    release(lake, {NEXT_DAY: {"00018": BOOK["00018"]}})
    made = publish_online(settings, lake)
    assert (made.rows_written, made.rows_deleted, made.row_count) == (0, 2, 1)
    assert reader(settings).read(["00017", "00018"]).found.tolist() == [False, True]


def test_a_correction_of_the_same_day_arrives(settings: Settings, lake: Lake) -> None:
    release(lake, {DAY: BOOK})
    publish_online(settings, lake)
    release(lake, {DAY: {**BOOK, "00017": {"dpd": 9}}})
    assert publish_online(settings, lake).rows_written == 1
    assert value(settings, "00017", "dpd") == 9


def test_a_backfill_of_an_older_day_changes_nothing_online(settings: Settings, lake: Lake) -> None:
    release(lake, {NEXT_DAY: BOOK})
    publish_online(settings, lake)
    release(lake, {DAY: {"00017": {"dpd": 77}}}, business_date=NEXT_DAY)
    made = publish_online(settings, lake)
    assert (made.release_id, made.rows_written) == (2, 0)
    assert value(settings, "00017", "dpd") == 3


def test_a_rollback_serves_the_older_values_again(settings: Settings, lake: Lake) -> None:
    """Also the row whose features never changed is as of the older day again, and the client of the newer release is gone."""
    release(lake, {DAY: BOOK})
    publish_online(settings, lake)
    release(lake, {NEXT_DAY: {**BOOK, "00017": {"dpd": 4}, "new": {}}})
    publish_online(settings, lake)
    lake.rollback(1)
    made = publish_online(settings, lake)
    assert (made.release_id, made.business_date, made.rows_written, made.rows_deleted) == (3, DAY, 1, 1)
    assert value(settings, "00017", "dpd") == 3
    rows = reader(settings).read(["00017", "00018", "new"])
    assert rows.found.tolist() == [True, True, False]
    assert (rows.feature_timestamps[:2] == np.datetime64(end_of_day(DAY, ZONE).replace(tzinfo=None))).all()


def test_a_slow_publisher_does_not_undo_a_newer_one(settings: Settings, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    release(lake, {DAY: BOOK})
    older = lake.at()
    release(lake, {NEXT_DAY: {**BOOK, "00017": {"dpd": 4}}})
    newest = publish_online(settings, lake)
    monkeypatch.setattr(lake, "at", lambda: older)
    assert publish_online(settings, lake) == newest
    assert value(settings, "00017", "dpd") == 4


def test_rows_that_something_else_changed_are_mended(settings: Settings, lake: Lake) -> None:
    release(lake, {DAY: BOOK})
    publish_online(settings, lake)
    con = sqlite3.connect(settings.online_store, isolation_level=None)
    con.execute("UPDATE lending_client_repayment SET value = (SELECT min(value) FROM lending_client_repayment)")
    con.execute("DELETE FROM lending_client_repayment WHERE entity_key = (SELECT max(entity_key) FROM lending_client_repayment)")
    con.close()
    assert publish_online(settings, lake).rows_written >= 2
    assert value(settings, "00017", "dpd") == 3


@pytest.mark.parametrize("point", ["after_online_rows", "before_online_commit"])
def test_a_killed_publish_leaves_the_old_release_and_the_next_one_completes(tmp_path: Path, point: str) -> None:
    settings = settings_of(tmp_path)
    with Lake(settings) as lake:
        release(lake, {DAY: BOOK})
        publish_online(settings, lake)
        release(lake, {NEXT_DAY: {**BOOK, "00017": {"dpd": 4}, "new": {}}})
    program = (
        "import sys; from pathlib import Path; from features.publish import publish_online; from warehouse.lake import Lake; "
        "from tests.features.releases import settings_of; "
        "settings = settings_of(Path(sys.argv[1]), crash_at=sys.argv[2]); publish_online(settings, Lake(settings))"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path), point], check=False, capture_output=True, text=True)
    assert killed.returncode == 137, killed.stderr
    assert value(settings, "00017", "dpd") == 3
    assert reader(settings).read(["new"]).generation.release_id == 1
    with Lake(settings) as lake:
        assert publish_online(settings, lake).rows_written == 2
    assert value(settings, "00017", "dpd") == 4


def test_readers_go_on_while_a_release_is_published_and_never_see_two_releases(settings: Settings, lake: Lake) -> None:
    clients = [f"c{n:04d}" for n in range(400)]
    release(lake, {DAY: {client: {"dpd": 1} for client in clients}})
    publish_online(settings, lake)
    online, seen, failures, done = reader(settings), set(), [], threading.Event()
    dpd = online.features.index("client_repayment:dpd")

    def read() -> None:
        while not done.is_set():
            rows = online.read(clients)
            assert rows.generation is not None
            values = set(rows.values[:, dpd].tolist())
            seen.add(rows.generation.release_id)
            if values != {float(rows.generation.release_id)}:
                failures.append((rows.generation.release_id, values))
        online.close()

    thread = threading.Thread(target=read)
    thread.start()
    for number, day in enumerate((NEXT_DAY, THIRD_DAY), 2):
        release(lake, {day: {client: {"dpd": number} for client in clients}})
        publish_online(settings, lake)
    done.set()
    thread.join()
    assert not failures
    assert 1 in seen


def test_nothing_to_publish_is_an_error_that_says_what_to_do(settings: Settings, lake: Lake) -> None:
    with pytest.raises(NoRelease, match="lending build"):
        publish_online(settings, lake)
    with pytest.raises(OnlineStoreMissing, match="publish the features first"):
        reader(settings)
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
