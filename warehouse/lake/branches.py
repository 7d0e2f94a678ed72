"""Iceberg commits: files onto a candidate's branch, files onto main, and main after a publish.

Every function loads the table afresh under its lock and commits once. A snapshot is identified by its id, never by its time: one
transaction that deletes and adds makes two snapshots.
"""

import logging
from collections.abc import Callable, Collection
from datetime import date

from pyiceberg.manifest import DataFile
from pyiceberg.table import Table
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.update.snapshot import ManageSnapshots

from warehouse.lake.catalog import Catalog, local_path, retried
from warehouse.lake.plan import day_number
from warehouse.table import TableSpec

log = logging.getLogger(__name__)

RECIPE = "lending.recipe"  # key in the summary of a snapshot

Replaces = Callable[[DataFile], bool]  # which files of the table as it is give way to the new ones


def everything(_: DataFile) -> bool:
    """The new files are the whole table."""
    return True


def nothing(_: DataFile) -> bool:
    """The new files are added."""
    return False


def partitions(days: Collection[date]) -> Replaces:
    """The new files replace these dates of the partition column."""
    numbers = {day_number(day) for day in days}
    return lambda file: file.partition[0] in numbers


def files(paths: Collection[str]) -> Replaces:
    """The new files stand for those at these paths."""
    return lambda file: local_path(file.file_path) in paths


def stage_files(
    catalog: Catalog, spec: TableSpec, branch: str, parent: int | None, replaces: Replaces, added: list[str], recipe: str | None = None
) -> int:
    """Put files on a candidate's branch, which starts anew at the parent snapshot.

    Args:
        catalog: the lake's catalog.
        spec: declaration of the table.
        branch: name of the branch.
        parent: snapshot to build on; None when no release holds the table, which then holds these files only.
        replaces: which files of the parent go.
        added: paths of Parquet files to add.
        recipe: by which all rows of the table were computed, kept with the snapshot; None says nothing.

    Returns:
        The snapshot id of the table as it would become.
    """
    with catalog.lock(spec.name):
        return retried(lambda: _stage(catalog.ensure(spec), branch, parent, replaces, added, {RECIPE: recipe} if recipe else {}))


def _stage(table: Table, branch: str, parent: int | None, replaces: Replaces, added: list[str], properties: dict[str, str]) -> int:
    start = _current(table) if parent is None else parent
    doomed = _doomed(table, start, everything if parent is None else replaces)
    if not added and not doomed and _has_newest_schema(table, start):
        return start
    with table.transaction() as transaction:
        # The branch must exist before the write: one made by the write would have no parent and hold the new rows only.
        ManageSnapshots(transaction).create_branch(start, branch).commit()
        if doomed:
            # By file, not by predicate: PyIceberg evaluates a predicate of n dates on n files in n * n steps, 13 s for 100 days.
            with transaction.update_snapshot(properties, branch).overwrite() as overwrite:
                for file in doomed:
                    overwrite.delete_data_file(file)
        if added:
            transaction.add_files(added, properties, branch=branch, check_duplicate_files=False)
        elif not doomed:
            transaction.append(table.schema().as_arrow().empty_table(), properties, branch)
    return table.refs()[branch].snapshot_id


def recipe_of(table: Table, snapshot_id: int) -> str | None:
    """By which recipe all rows of a snapshot were computed; None if that was not said."""
    snapshot = table.snapshot_by_id(snapshot_id)
    return snapshot.summary.additional_properties.get(RECIPE) if snapshot and snapshot.summary else None


def _doomed(table: Table, snapshot_id: int, replaces: Replaces) -> list[DataFile]:
    if replaces is nothing:
        return []  # without a look at all files that there are
    return [task.file for task in table.scan(snapshot_id=snapshot_id).plan_files() if replaces(task.file)]


def append_to_main(catalog: Catalog, spec: TableSpec, paths: list[str]) -> None:
    """Add files to the head of a table that is not part of any release."""
    with catalog.lock(spec.name):
        retried(lambda: _append(catalog.ensure(spec), paths))


def _append(table: Table, paths: list[str]) -> None:
    if paths:
        table.add_files(paths, check_duplicate_files=False)


def compact_main(catalog: Catalog, spec: TableSpec, doomed: Collection[str], added: list[str]) -> None:
    """Put new files in the place of others at the head of a table that is not part of any release, unless some have gone meanwhile."""
    with catalog.lock(spec.name):
        retried(lambda: _compact(catalog.ensure(spec), doomed, added))


def _compact(table: Table, doomed: Collection[str], added: list[str]) -> None:
    held = _doomed(table, _current(table), files(doomed))
    if len(held) < len(doomed):
        return  # another process was first
    with table.transaction() as transaction:
        with transaction.update_snapshot(branch=MAIN_BRANCH).overwrite() as overwrite:
            for file in held:
                overwrite.delete_data_file(file)
        transaction.add_files(added, check_duplicate_files=False)


def follow(catalog: Catalog, name: str, target: Callable[[], int | None], branch: str | None = None, wait: bool = True) -> None:
    """Move main, for foreign readers, to the released snapshot and drop the branch that brought it.

    The target is asked for under the lock, so that a slow process cannot set main back to an older release.

    Raises:
        LockBusy: another process commits to the table and `wait` is false.
    """
    with catalog.lock(name, wait):
        retried(lambda: _follow(catalog.load(name), target(), branch))


def _follow(table: Table | None, target: int | None, branch: str | None) -> None:
    if table is None:
        return
    current = _current(table)
    if target is not None and not (_descends(table, target, current) or _descends(table, current, target)):
        # PyIceberg would move main without a look at where it is; the rows of a foreign writer must not vanish without a word.
        log.warning("%s: main holds snapshot %s of a foreign writer; it is set to the released %s", ".".join(table.name()), current, target)
    with table.transaction() as transaction:
        if target is not None and current != target:
            # Main's change comes first: a transaction checks only its first requirement of a kind.
            ManageSnapshots(transaction).set_current_snapshot(snapshot_id=target).commit()
        if branch is not None and branch in table.refs():
            ManageSnapshots(transaction).remove_branch(branch).commit()


def drop_branch(catalog: Catalog, name: str, branch: str) -> None:
    """Remove a candidate's branch; its files go with the next gc."""
    follow(catalog, name, lambda: None, branch)


def _descends(table: Table, snapshot_id: int, ancestor_id: int) -> bool:
    """Whether a snapshot is another one or was built on it; true also where gc has cut the line, since then nobody knows."""
    while snapshot_id != ancestor_id:
        snapshot = table.snapshot_by_id(snapshot_id)
        if snapshot is None or snapshot.parent_snapshot_id is None:
            return snapshot is None
        snapshot_id = snapshot.parent_snapshot_id
    return True


def _current(table: Table) -> int:
    return table.refs()[MAIN_BRANCH].snapshot_id


def _has_newest_schema(table: Table, snapshot_id: int) -> bool:
    snapshot = table.snapshot_by_id(snapshot_id)
    return snapshot is not None and snapshot.schema_id == table.schema().schema_id


def branch_name(channel: str, run_id: str) -> str:
    """Branch of a candidate."""
    return f"{channel}-{run_id}"
