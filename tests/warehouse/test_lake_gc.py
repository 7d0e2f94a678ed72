"""Garbage collection: what nothing needs goes, what anything pins or what is young stays."""

import errno
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.warehouse.lake_book import (
    ACCOUNTS,
    ALERT,
    BALANCES,
    BOOK,
    DAYS,
    SCORES,
    STAGED,
    ended,
    processes,
    rows,
    settings_of,
    stage,
    values_of,
)
from warehouse.lake import CandidateClosed, Lake, NoRelease, leases, records
from warehouse.settings import Settings

NOW = timedelta(0)


@pytest.fixture
def lake(settings: Settings) -> Iterator[Lake]:
    with Lake(settings) as opened:
        yield opened


def files_of(lake: Lake) -> set[Path]:
    return {path for path in lake.settings.lake.rglob("*") if path.is_file()}


def age(path: Path, days: float) -> None:
    """Make a file look older."""
    moment = time.time() - days * 86400
    os.utime(path, (moment, moment))


def test_young_things_stay(lake: Lake) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    stage(lake, "second", 2)
    before = files_of(lake)
    report = lake.gc()
    assert (report.candidates_dropped, report.snapshots_expired, report.files_removed) == (0, 0, 0)
    assert files_of(lake) == before
    assert values_of(stage(lake, "second", 2).publish(DAYS[0]) and lake.at()) == {2}


def test_abandoned_candidates_go(lake: Lake) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    lake.gc(grace=NOW)
    before = {path for path in files_of(lake) if path.suffix == ".parquet"}
    abandoned = stage(lake, "second", 2)
    report = lake.gc(grace=NOW)
    assert report.candidates_dropped == 1
    assert report.snapshots_expired >= len(BOOK)
    assert report.bytes_freed > 0
    assert {path for path in files_of(lake) if path.suffix == ".parquet"} == before
    assert all(set(lake.catalog.reload(spec.name).refs()) == {"main"} for spec in BOOK)
    assert values_of(lake.at()) == {1}
    with pytest.raises(CandidateClosed):
        abandoned.publish(DAYS[0])
    stage(lake, "second", 3).publish(DAYS[0])
    assert values_of(lake.at()) == {3}


def test_every_release_stays_readable_by_default(lake: Lake) -> None:
    for value in (1, 2, 3):
        stage(lake, f"run-{value}", value).publish(DAYS[0])
    lake.gc(grace=NOW)
    assert [values_of(lake.at(number)) for number in (1, 2, 3)] == [{1}, {2}, {3}]
    lake.rollback(to=1)
    assert values_of(lake.at()) == {1}


def test_old_releases_go_unless_kept(lake: Lake) -> None:
    for value in (1, 2, 3, 4):
        stage(lake, f"run-{value}", value).publish(DAYS[0])
    stage(lake, "scores", 5, [SCORES]).publish(DAYS[0])  # shares the other tables with release 4
    report = lake.gc(grace=NOW, retain=1, keep=[2])
    assert report.releases_expired == [1, 3, 4]
    assert values_of(lake.at(2)) == {2}
    assert values_of(lake.at()) == {4, 5}
    assert [release.release_id for release in lake.releases()] == [2, 5]
    with pytest.raises(NoRelease, match="no release 3; there are 2, 5"):
        lake.at(3)
    with pytest.raises(NoRelease):
        lake.rollback(to=1)
    with Lake(lake.settings) as fresh:  # not only from what this process has cached
        assert values_of(fresh.at(2)) == {2}


@pytest.mark.parametrize("retain", [None, 3, 4, 9])
def test_retaining_more_than_there_are_keeps_all(lake: Lake, retain: int | None) -> None:
    for value in (1, 2, 3):
        stage(lake, f"run-{value}", value).publish(DAYS[0])
    assert lake.gc(grace=NOW, retain=retain).releases_expired == []


def test_base_of_a_live_candidate_stays(lake: Lake) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    candidate = stage(lake, "slow", 2, [SCORES])
    for value in (3, 4):
        stage(lake, f"run-{value}", value, [ACCOUNTS, BALANCES]).publish(DAYS[0])
    lake.gc(grace=timedelta(hours=1), retain=1)
    assert values_of(lake.at(1)) == {1}
    candidate.publish(DAYS[0])


def read_slowly(home: Path, release_id: int, signals: Connection) -> None:
    """Pin a release, say so, and read it only when told to."""
    with Lake(settings_of(home)) as lake:
        pinned = lake.at(release_id)
        signals.send("pinned")
        signals.recv()
        signals.send(values_of(pinned))
        signals.recv()


@pytest.fixture
def reader(lake: Lake) -> Iterator[tuple[ForkServerProcess, Connection]]:
    """Another process that has pinned release 1 of 3."""
    for value in (1, 2, 3):
        stage(lake, f"run-{value}", value).publish(DAYS[0])
    here, there = processes().Pipe()
    process = processes().Process(target=read_slowly, args=(lake.settings.home, 1, there))
    process.start()
    assert here.poll(60)
    assert here.recv() == "pinned"
    yield process, here
    process.kill()
    ended(process)
    here.close()


def test_e60_release_that_another_process_reads_stays(lake: Lake, reader: tuple[ForkServerProcess, Connection]) -> None:
    process, signals = reader
    assert lake.gc(grace=NOW, retain=1).releases_expired == [2]
    signals.send("read")
    assert signals.poll(60)
    assert signals.recv() == {1}
    signals.send("done")
    assert ended(process) == 0
    assert lake.gc(grace=NOW, retain=1).releases_expired == [1]
    with pytest.raises(NoRelease):
        lake.at(1)
    assert values_of(lake.at()) == {3}


def test_e60_killed_reader_keeps_nothing(lake: Lake, reader: tuple[ForkServerProcess, Connection]) -> None:
    process, _ = reader
    process.kill()
    ended(process)
    assert lake.gc(grace=NOW, retain=1).releases_expired == [1, 2]


def test_e60_release_is_safe_for_a_day_after_it_was_the_current_one(lake: Lake) -> None:
    # a reader on another machine holds no lock here, and may have begun to read a moment before the next release
    stage(lake, "first", 1).publish(DAYS[0])
    long_ago = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=9)
    with lake.catalog.engine.begin() as connection:
        connection.execute(sa.update(records.release).values(created_at=long_ago))
    stage(lake, "second", 2).publish(DAYS[0])
    assert lake.gc(retain=1).releases_expired == []
    with lake.catalog.engine.begin() as connection:
        connection.execute(sa.update(records.release).values(created_at=long_ago))
    assert lake.gc(retain=1).releases_expired == [1]


def test_e60_intake_that_is_read_stays(lake: Lake) -> None:
    for number in (1, 2):
        candidate = lake.candidate("intake", f"run-{number}")
        candidate.write(STAGED, rows(STAGED, [{"account_id": "a", "value": number}]))
        candidate.audit(STAGED)
        candidate.publish(DAYS[0])
        if number == 1:
            pinned = lake.intake()
    lake.gc(grace=NOW)
    assert pinned.table(STAGED.name).value.to_pyarrow().to_pylist() == [1]


def test_servers_let_go_of_releases_after_a_day(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (1, 2, 3):
        stage(lake, f"run-{value}", value).publish(DAYS[0])
    for number in (1, 2):
        lake.at(number)
    monkeypatch.setattr(leases, "HELD_SECONDS", -1)
    lake.at()
    assert lake.gc(grace=NOW, retain=1).releases_expired == [1, 2]


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.EIO])
def test_release_is_read_where_no_lock_can_be_written(lake: Lake, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    opened = Path.open

    def refuse(path: Path, mode: str = "r", *more: object) -> object:
        if path.name.startswith("reads-"):
            raise OSError(code, os.strerror(code))
        return opened(path, mode, *more)

    monkeypatch.setattr(Path, "open", refuse)
    if code == errno.EIO:
        with pytest.raises(OSError, match="Input/output error"):
            lake.at()
    else:
        assert values_of(lake.at()) == {1}


def test_orphan_files_go_when_they_are_old(lake: Lake) -> None:
    # trap 14: PyIceberg expires snapshots but removes no file
    stage(lake, "first", 1).publish(DAYS[0])
    data = lake.catalog.folder(ACCOUNTS.name) / "data"
    old, young = data / "aborted" / "part-0.parquet", data / "running" / "part-0.parquet"
    for path in (old, young):
        path.parent.mkdir()
        path.write_bytes(b"x" * 100)
    age(old, 2)
    age(old.parent, 2)
    report = lake.gc()
    assert (report.files_removed, report.bytes_freed) == (1, 100)
    assert not old.exists()
    assert young.exists()
    assert values_of(lake.at()) == {1}


def test_e60_old_files_that_a_release_pins_stay(lake: Lake) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    stage(lake, "second", 2).publish(DAYS[0])
    for path in files_of(lake):
        age(path, 30)
    lake.gc()
    with Lake(lake.settings) as fresh:
        assert values_of(fresh.at(1)) == {1}
        assert values_of(fresh.at(2)) == {2}
        assert fresh.catalog.reload(ACCOUNTS.name).scan().to_arrow().num_rows == 2


def test_ops_tables_keep_all_rows(lake: Lake) -> None:
    for key in ("x", "y", "z"):
        lake.append(ALERT, rows(ALERT, [{"alert_id": key, "at": None}]))
    lake.gc(grace=NOW)
    with Lake(lake.settings) as fresh:
        assert sorted(fresh.ops(ALERT).alert_id.to_pyarrow().to_pylist()) == ["x", "y", "z"]


def test_collecting_twice_removes_nothing_more(lake: Lake) -> None:
    for value in (1, 2):
        stage(lake, f"run-{value}", value).publish(DAYS[0])
    lake.gc(grace=NOW, retain=1)
    report = lake.gc(grace=NOW, retain=1)
    assert (report.releases_expired, report.snapshots_expired) == ([], 0)
    assert all(".metadata.json" in path.name or path.exists() for path in files_of(lake))
    assert values_of(lake.at()) == {2}
