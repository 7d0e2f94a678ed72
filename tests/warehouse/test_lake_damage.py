"""Damaged data files: what was written is what is read, or an error that names the table, the file and what to do."""

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.warehouse.lake_book import ACCOUNTS, ALERT, BALANCES, DAYS, rows, stage
from warehouse.lake import DamagedFile, Lake, files, records
from warehouse.settings import Settings


@pytest.fixture
def lake(settings: Settings) -> Iterator[Lake]:
    with Lake(settings) as opened:
        stage(opened, "first", 1).publish(DAYS[0])
        yield opened


def released(lake: Lake) -> Path:
    (path,) = lake.at().files(ACCOUNTS.name)
    return Path(path)


def flip_bit(path: Path) -> None:
    """Change one bit in the middle of a file, where the rows are."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (flip_bit, "its content is not what was written"),
        (truncate, "it has [0-9]+ bytes and was written with [0-9]+"),
        (Path.unlink, "it is missing"),
    ],
    ids=["bit flip", "truncated", "missing"],
)
def test_e52_damaged_file_is_not_read(lake: Lake, damage: Callable[[Path], None], message: str) -> None:
    path = released(lake)
    damage(path)
    with Lake(lake.settings) as reader:
        with pytest.raises(DamagedFile, match=message) as raised:
            reader.at().table(ACCOUNTS.name)
        assert str(raised.value).startswith(f"curated.accounts: data file {path} is damaged")
        assert "Restore this file from a backup" in str(raised.value)
        assert "lending build --force or go back with lending rollback" in str(raised.value)
        assert (raised.value.table, raised.value.path) == (ACCOUNTS.name, str(path))
        with pytest.raises(DamagedFile):
            reader.at().files(ACCOUNTS.name)  # who reads the files without us is told as well
        with pytest.raises(DamagedFile):
            reader.candidate("release", "second").merge(ACCOUNTS, rows(ACCOUNTS, []), rows(ACCOUNTS, [{"account_id": "a", "value": 1}]))
        assert reader.at().table(BALANCES.name).count().to_pyarrow().as_py() == 4  # other tables are read


def test_e52_restored_file_is_read_again(lake: Lake) -> None:
    path = released(lake)
    backup = path.read_bytes()
    flip_bit(path)
    with Lake(lake.settings) as reader:
        with pytest.raises(DamagedFile):
            reader.at().table(ACCOUNTS.name)
        path.write_bytes(backup)
        assert reader.at().table(ACCOUNTS.name).count().to_pyarrow().as_py() == 2


def test_e52_older_release_is_the_way_back(lake: Lake) -> None:
    stage(lake, "second", 2).publish(DAYS[0])
    flip_bit(released(lake))
    with Lake(lake.settings) as reader:
        reader.rollback(to=1)
        assert set(reader.at().table(ACCOUNTS.name).value.to_pyarrow().to_pylist()) == {1}


def test_e52_damage_that_keeps_the_time_of_the_file_is_found_within_a_week(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    path = released(lake)
    before = path.stat()
    flip_bit(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with Lake(lake.settings) as reader:
        assert reader.at().files(ACCOUNTS.name) == [str(path)]
    monkeypatch.setattr(files, "HASH_AGAIN", files.HASH_AGAIN * 0)
    with Lake(lake.settings) as reader, pytest.raises(DamagedFile, match="its content is not what was written"):
        reader.at().table(ACCOUNTS.name)


def test_file_is_hashed_again_only_when_it_may_have_changed(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []
    fingerprint = files._fingerprint

    def counted(path: str) -> files.WrittenFile:
        hashed.append(path)
        return fingerprint(path)

    monkeypatch.setattr(files, "_fingerprint", counted)
    path = released(lake)
    for expected in ([], [str(path)], [str(path)]):
        with Lake(lake.settings) as reader:
            reader.at().table(ACCOUNTS.name)
            reader.candidate("release", "second").table(ACCOUNTS.name)
        assert hashed == expected
        if not expected:
            path.touch()  # a copy back from a backup, for example


def test_files_without_a_record_are_read_as_before(lake: Lake) -> None:
    path = released(lake)
    with lake.catalog.engine.begin() as connection:
        connection.execute(sa.delete(records.file))
    path.touch()
    with Lake(lake.settings) as reader:
        assert reader.at().table(ACCOUNTS.name).count().to_pyarrow().as_py() == 2
    path.unlink()
    with Lake(lake.settings) as reader, pytest.raises(DamagedFile, match="it is missing"):
        reader.at().table(ACCOUNTS.name)


def test_every_file_is_recorded_before_it_can_be_read(lake: Lake) -> None:
    lake.append(ALERT, rows(ALERT, [{"alert_id": "x", "at": None}]))
    data = {str(path.relative_to(lake.settings.lake)) for path in lake.settings.lake.rglob("*.parquet")}
    with lake.catalog.engine.connect() as connection:
        assert set(connection.execute(sa.select(records.file.c.path)).scalars()) == data
        assert all(len(digest) == 64 for digest in connection.execute(sa.select(records.file.c.sha256)).scalars())


def test_reader_that_may_not_write_still_reads(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    released(lake).touch()
    with Lake(lake.settings) as reader:
        monkeypatch.setattr(reader.catalog.engine.dialect, "do_begin", lambda connection: connection.execute("PRAGMA query_only = 1"))
        assert reader.at().table(ACCOUNTS.name).count().to_pyarrow().as_py() == 2


def test_records_of_removed_files_go(lake: Lake) -> None:
    stage(lake, "second", 2).publish(DAYS[0])
    lake.gc(grace=timedelta(0), retain=1)
    data = {str(path.relative_to(lake.settings.lake)) for path in lake.settings.lake.rglob("*.parquet")}
    with lake.catalog.engine.connect() as connection:
        assert set(connection.execute(sa.select(records.file.c.path)).scalars()) == data
