"""Garbage collection: what nothing needs goes, what anything pins or what is young stays."""

import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.warehouse.lake_book import ACCOUNTS, ALERT, BALANCES, BOOK, DAYS, SCORES, rows, stage, values_of
from warehouse.lake import CandidateClosed, Lake, NoRelease
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


def test_base_of_a_live_candidate_stays(lake: Lake) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    candidate = stage(lake, "slow", 2, [SCORES])
    for value in (3, 4):
        stage(lake, f"run-{value}", value, [ACCOUNTS, BALANCES]).publish(DAYS[0])
    lake.gc(grace=timedelta(hours=1), retain=1)
    assert values_of(lake.at(1)) == {1}
    candidate.publish(DAYS[0])


def test_orphan_files_go_when_they_are_old(lake: Lake) -> None:
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


def test_old_files_that_a_release_pins_stay(lake: Lake) -> None:
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
