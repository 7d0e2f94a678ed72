"""Traps of PyIceberg 0.12 and DuckDB that the lake steps around: each test says what would go wrong.

Traps are numbered. The other traps have their tests where
the behavior belongs: empty tables (8) and cleared days (9) in test_lake_tables, stale branches (3) in test_lake_release, orphan files (14)
in test_lake_gc, renamed columns in test_lake_schema.
"""

import io
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import ibis
import pytest
import sqlalchemy as sa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.table import Table
from pyiceberg.table.update import AssertRefSnapshotId
from pyiceberg.table.update.snapshot import ManageSnapshots

from tests.warehouse.lake_book import ACCOUNTS, BALANCES, DAYS, build, rows, settings_of, stage, values_of
from warehouse.lake import Lake, LakeError, MovedLake
from warehouse.lake.catalog import LockBusy, retried
from warehouse.lake.durable import DurableFileIO, SyncedStream
from warehouse.lake.plan import stored_files
from warehouse.settings import Settings


@pytest.fixture
def lake(settings: Settings) -> Iterator[Lake]:
    with Lake(settings) as opened:
        yield opened


def empty(table) -> object:
    return table.schema().as_arrow().empty_table()


def test_new_table_has_a_snapshot_before_its_first_branch(lake: Lake) -> None:
    # trap 1: `Table has no snapshots and can only be written to the main BRANCH`
    assert lake.catalog.ensure(ACCOUNTS).current_snapshot() is not None


def test_branch_is_never_rootless(lake: Lake) -> None:
    # trap 2: writing to a branch that does not exist makes one with the new rows only
    stage(lake, "first", 1).publish(DAYS[0])
    candidate = lake.candidate("release", "second")
    candidate.write(BALANCES, rows(BALANCES, [{"account_id": "c", "day_on": DAYS[0], "value": 2}]), replace="append")
    table = lake.catalog.reload(BALANCES.name)
    ancestors, snapshot = set(), table.snapshot_by_name("release-second")
    while snapshot is not None:
        ancestors.add(snapshot.snapshot_id)
        snapshot = table.snapshot_by_id(snapshot.parent_snapshot_id) if snapshot.parent_snapshot_id else None
    assert lake.release().tables[BALANCES.name] in ancestors


def test_pyiceberg_does_not_retry_by_itself(lake: Lake) -> None:
    # trap 12: its own retry drops the creation of the branch from the transaction, and the branch becomes rootless
    assert lake.catalog.ensure(ACCOUNTS).properties["commit.retry.num-retries"] == "0"


def test_commits_on_two_branches_are_retried(lake: Lake) -> None:
    # trap 4: `Cannot add snapshot with sequence number 3 older than last sequence number 3`, which PyIceberg raises as a plain ValueError
    table, foreign = lake.catalog.ensure(ACCOUNTS), None
    attempts = []

    def commit() -> None:
        nonlocal foreign
        mine = lake.catalog.reload(ACCOUNTS.name)
        attempts.append(1)
        with mine.transaction() as transaction:
            ManageSnapshots(transaction).create_branch(mine.current_snapshot().snapshot_id, "mine").commit()
            transaction.append(empty(mine), branch="mine")
            if foreign is None:  # another writer, who does not know our lock, commits in between
                foreign = table
                foreign.append(empty(foreign))

    retried(commit)
    assert len(attempts) == 2
    assert {"main", "mine"} <= set(lake.catalog.reload(ACCOUNTS.name).refs())


def test_only_conflicts_are_retried() -> None:
    attempts = []

    def fails(error: Exception) -> None:
        attempts.append(error)
        raise error

    with pytest.raises(ValueError, match="other reason"):
        retried(lambda: fails(ValueError("other reason")))
    assert len(attempts) == 1
    with pytest.raises(CommitFailedException):
        retried(lambda: fails(CommitFailedException("again and again")), attempts=3)
    assert len(attempts) == 4


def test_files_that_threads_overlooked_are_looked_for_again() -> None:
    """PyIceberg's threads share one evaluator, which keeps the bounds of the manifest it looked at last; seen once in hours of builds."""
    overlooked = iter([ValidationException("Missing required files to delete: part-0.parquet")])

    def commit() -> str:
        for error in overlooked:
            raise error
        return "done"

    assert retried(commit) == "done"
    with pytest.raises(ValidationException, match="something else"):
        retried(lambda: (_ for _ in ()).throw(ValidationException("something else")))


@pytest.mark.parametrize(("message", "attempts"), [("database is locked", 2), ("disk I/O error", 1)])
def test_locked_database_is_asked_again(message: str, attempts: int) -> None:
    made = []

    def commit() -> None:
        made.append(1)
        if len(made) == 1:
            raise sa.exc.OperationalError("update", {}, sqlite3.OperationalError(message))

    if attempts == 1:
        with pytest.raises(sa.exc.OperationalError, match=message):
            retried(commit)
    else:
        retried(commit)
    assert len(made) == attempts


def test_lock_is_held_per_table(lake: Lake, settings: Settings) -> None:
    # trap 4: and the kernel frees it when its holder dies, see test_lake_crash
    with lake.catalog.lock("curated.accounts"):
        with pytest.raises(LockBusy), lake.catalog.lock("curated.accounts", wait=False):
            pass
        with lake.catalog.lock("marts.balances", wait=False):
            pass
    with lake.catalog.lock("curated.accounts", wait=False):
        pass


def test_release_pins_the_last_of_two_snapshots(lake: Lake) -> None:
    # trap 7: delete and add are one commit but two snapshots: by timestamp a reader could get the one without rows
    stage(lake, "first", 1).publish(DAYS[0])
    release = stage(lake, "second", 2).publish(DAYS[0])
    table = lake.catalog.reload(BALANCES.name)
    pinned = table.snapshot_by_id(release.tables[BALANCES.name])
    between = table.snapshot_by_id(pinned.parent_snapshot_id)
    assert stored_files(table, between.snapshot_id) == []
    assert len(stored_files(table, pinned.snapshot_id)) == 2


def test_publish_checks_where_main_was(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    # trap 5: a transaction keeps one requirement of a kind, so the check of main is lost if the branch comes first
    seen = []
    commit = SqlCatalog.commit_table

    def watched(self: SqlCatalog, table: Table, requirements: tuple, updates: tuple) -> object:
        seen.append([requirement.ref for requirement in requirements if isinstance(requirement, AssertRefSnapshotId)])
        return commit(self, table, requirements, updates)

    candidate = stage(lake, "first", 1, [ACCOUNTS])
    monkeypatch.setattr(SqlCatalog, "commit_table", watched)
    candidate.publish(DAYS[0])
    assert ["main"] in [refs[:1] for refs in seen]
    assert set(lake.catalog.reload(ACCOUNTS.name).refs()) == {"main"}


def test_moves_of_main_are_retried(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    # trap 6: PyIceberg does not retry a commit that only moves refs
    commit, failures = SqlCatalog.commit_table, [CommitFailedException("another writer was first")]

    def fails_once(self: SqlCatalog, table: Table, requirements: tuple, updates: tuple) -> object:
        if failures and any(update.action == "set-snapshot-ref" for update in updates):
            raise failures.pop()
        return commit(self, table, requirements, updates)

    candidate = stage(lake, "first", 1, [ACCOUNTS])
    monkeypatch.setattr(SqlCatalog, "commit_table", fails_once)
    release = candidate.publish(DAYS[0])
    assert failures == []
    assert lake.catalog.reload(ACCOUNTS.name).current_snapshot().snapshot_id == release.tables[ACCOUNTS.name]


@pytest.mark.parametrize("move", [shutil.move, shutil.copytree], ids=["moved", "copied"])
def test_moved_lake_is_refused(tmp_path: Path, move: Callable[[str, str], object]) -> None:
    # trap 11: metadata holds absolute paths; a copy would go on in the files of its original
    old, new = tmp_path / "old", tmp_path / "new"
    build(old, "first", 1)
    move(str(old), str(new))
    with pytest.raises(MovedLake, match=rf"the lake at {new}/lake was written at {old}/lake.*: move it back there"):
        Lake(settings_of(new))
    if not old.exists():
        move(str(new), str(old))
    with Lake(settings_of(old)) as lake:
        assert values_of(lake.at()) == {1}


def test_lake_may_be_opened_through_a_link(tmp_path: Path) -> None:
    # beside trap 11: the files are the same
    build(tmp_path / "real", "first", 1)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with Lake(settings_of(tmp_path / "link")) as lake:
        assert values_of(lake.at()) == {1}
    build(tmp_path / "link", "second", 2)
    with Lake(settings_of(tmp_path / "real")) as lake:
        lake.gc(grace=timedelta(0), retain=1)  # which must know the files by either path
        assert values_of(lake.at()) == {2}


def test_each_file_holds_one_partition(lake: Lake) -> None:
    # trap 10: add_files infers the partition from the minimum and maximum of the file's own column
    stage(lake, "first", 1).publish(DAYS[0])
    table = lake.catalog.reload(BALANCES.name)
    epoch = DAYS[0].fromordinal(719163)
    found = {task.file.partition[0] for task in table.scan().plan_files()}
    assert found == {(day - epoch).days for day in DAYS}


def test_folder_names_are_not_columns(lake: Lake) -> None:
    # beside trap 10: DuckDB reads `day_on=2025-01-31` in a path as a column, and would let it win over the file's own
    stage(lake, "first", 1).publish(DAYS[0])
    assert any("day_on=2025-01-31" in path for path in lake.at().files(BALANCES.name))
    assert lake.at().table(BALANCES.name).schema()["day_on"] == ibis.dtype("date")


def test_sqlite_catalog_does_not_block_readers(lake: Lake) -> None:
    # trap 12: WAL is set once and stays in the file
    with lake.catalog.engine.connect() as connection:
        assert connection.execute(sa.text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(sa.text("PRAGMA busy_timeout")).scalar() == 60_000


def test_old_metadata_files_are_deleted(lake: Lake) -> None:
    # trap 12: delete-after-commit is off by default
    table = lake.catalog.ensure(ACCOUNTS)
    for number in range(25):
        with table.transaction() as transaction:
            transaction.set_properties({"number": str(number)})
    kept = list((lake.catalog.folder(ACCOUNTS.name) / "metadata").glob("*.metadata.json"))
    assert len(kept) <= 21 + 1


def test_e44_metadata_is_on_the_disk_before_the_catalog_refers_to_it(lake: Lake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # trap 13: PyIceberg closes its files without fsync; SQLite syncs the row that points to them
    synced = set()
    monkeypatch.setattr(os, "fsync", lambda number: synced.add(str(Path(f"/proc/self/fd/{number}").readlink())))
    stage(lake, "first", 1, [ACCOUNTS]).publish(DAYS[0])
    assert isinstance(lake.catalog.reload(ACCOUNTS.name).io, DurableFileIO)
    written = {str(path) for path in lake.catalog.folder(ACCOUNTS.name).rglob("*") if path.is_file()}
    assert written
    assert written <= synced
    with SyncedStream(io.FileIO(tmp_path / "file", "wb")) as stream:
        stream.write(b"x")
    assert str(tmp_path / "file") in synced


def test_rows_of_a_foreign_writer_do_not_vanish_without_a_word(lake: Lake, caplog: pytest.LogCaptureFixture) -> None:
    # trap 3: PyIceberg moves main to any snapshot, whether or not it was built on what main holds
    stage(lake, "first", 1).publish(DAYS[0])
    stage(lake, "second", 2).publish(DAYS[0])
    lake.rollback(to=1)
    assert caplog.messages == []  # forth and back among releases is no surprise
    lake.catalog.reload(ACCOUNTS.name).append(rows(ACCOUNTS, [{"account_id": "x", "value": 1}]).to_pyarrow())
    stage(lake, "third", 3).publish(DAYS[0])
    (message,) = caplog.messages
    assert message.startswith("curated.accounts: main holds snapshot")
    assert lake.catalog.reload(ACCOUNTS.name).current_snapshot().snapshot_id == lake.release().tables[ACCOUNTS.name]


def test_delete_files_of_a_foreign_writer_are_not_ignored(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    # a plain read of the data files would bring deleted rows back
    stage(lake, "first", 1).publish(DAYS[0])
    table = lake.catalog.reload(ACCOUNTS.name)
    (task,) = table.scan().plan_files()
    task.delete_files.add(task.file)
    monkeypatch.setattr("pyiceberg.table.DataScan.plan_files", lambda self: [task])
    with pytest.raises(LakeError, match=r"curated.accounts: has delete files"):
        stored_files(table, table.current_snapshot().snapshot_id)


def test_versions_of_engine_and_ibis_fit() -> None:
    # duckdb 2.0 lacks methods that ibis 12 calls; sqlglot 30.18 makes ibis emit DROP TABLE without a name
    con = ibis.duckdb.connect()
    con.create_table("t", ibis.memtable({"a": [1]}))
    con.create_table("t", ibis.memtable({"a": [2]}), overwrite=True)
    assert con.sql("select a from t").to_pyarrow().to_pylist() == [{"a": 2}]
    assert [batch.num_rows for batch in con.table("t").to_pyarrow_batches()] == [1]
