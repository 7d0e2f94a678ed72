"""What the lake may forget: abandoned candidates, releases nobody keeps, their snapshots and the files that no snapshot needs.

PyIceberg expires snapshots but deletes no file. Nothing younger than the grace period is touched, since a run that is writing right now
has files that no snapshot knows yet; and nothing that a kept release, the head of the intake or a live candidate pins. A release that
somebody reads is kept (leases.py), and so is one that was the current one within the grace period, for readers on other machines.
"""

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from pyiceberg.manifest import ManifestEntryStatus
from pyiceberg.table import Table
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.update.snapshot import ExpireSnapshots, ManageSnapshots

from warehouse.lake.branches import branch_name
from warehouse.lake.candidate_log import OPEN, CandidateRow
from warehouse.lake.catalog import local_path, retried
from warehouse.lake.leases import unread
from warehouse.lake.records import INTAKE, RELEASE
from warehouse.lake.release_log import Release

if TYPE_CHECKING:
    from warehouse.lake.lake import Lake

GRACE = timedelta(days=1)
RELEASE_LOCK = "releases"  # held by gc and by rollback, which revives old snapshots


@dataclass
class GcReport:
    """What one collection removed."""

    candidates_dropped: int = 0
    releases_expired: list[int] = field(default_factory=list)
    snapshots_expired: int = 0
    files_removed: int = 0
    bytes_freed: int = 0


@dataclass(frozen=True)
class Kept:
    """What a collection must not touch."""

    snapshots: frozenset[tuple[str, int]]
    branches: frozenset[str]
    since: datetime


def collect(lake: "Lake", grace: timedelta = GRACE, retain: int | None = None, keep: Collection[int] = ()) -> GcReport:
    """Remove what nothing needs any more.

    Args:
        lake: to clean.
        grace: nothing younger is touched; must be longer than the longest run.
        retain: how many of the newest releases stay readable; None for all. Those that somebody reads stay as well.
        keep: releases that stay readable besides, such as those that models were trained on.

    Returns:
        Counts of what was removed.
    """
    since = datetime.now(UTC) - grace
    report = GcReport()
    with lake.catalog.lock(RELEASE_LOCK):
        live = _drop_candidates(lake, since, report)
        _expire_releases(lake, since, live, retain, set(keep), report)
        kept = Kept(frozenset(_pinned(lake, live)), frozenset(branch_name(row.channel, row.run_id) for row in live), since)
        for name in lake.catalog.names():
            with lake.catalog.lock(name):
                _clean_table(lake, name, kept, report)
    return report


def _drop_candidates(lake: "Lake", since: datetime, report: GcReport) -> list[CandidateRow]:
    """Close open candidates from before the grace period; returns those that live on."""
    live = []
    for row in lake.candidates.by_status(OPEN):
        if row.created_at >= since:
            live.append(row)
        elif lake.candidates.drop(row.channel, row.run_id):
            report.candidates_dropped += 1
    return live


def _expire_releases(lake: "Lake", since: datetime, live: list[CandidateRow], retain: int | None, keep: set[int], report: GcReport) -> None:
    bases = {row.base for row in live if row.channel == RELEASE}
    releases = lake.releases()
    report.releases_expired = list(_expired(lake, releases, retain or len(releases), keep | bases, since))
    # An intake is only needed until its tables are part of a release, which pins them itself.
    bases = {row.intake for row in live} | {row.base for row in live if row.channel == INTAKE}
    list(_expired(lake, lake.log.releases(INTAKE), 1, bases, since))


def _expired(lake: "Lake", releases: list[Release], retain: int, keep: set[int], since: datetime) -> Iterator[int]:
    """Expire releases that were superseded before the grace period and that nobody reads; yields their numbers."""
    for old, successor in pairwise(releases[: max(0, len(releases) - retain + 1)]):
        # From when it was superseded: until then it was the current one, which somebody may have begun to read at any moment.
        if successor.created_at >= since or old.release_id in keep:
            continue
        with unread(lake.catalog.locks, old.channel, old.release_id) as is_unread:
            if is_unread:
                lake.log.expire(old.channel, [old.release_id])
                yield old.release_id


def _pinned(lake: "Lake", live: Iterable[CandidateRow]) -> Iterator[tuple[str, int]]:
    pins: list[Release] = [*lake.releases(), *lake.log.releases(INTAKE)]
    for release in pins:
        yield from release.tables.items()
    for row in live:
        for staged in lake.candidates.staged(row.channel, row.run_id).values():
            yield staged.table_name, staged.snapshot_id


def _clean_table(lake: "Lake", name: str, kept: Kept, report: GcReport) -> None:
    table = lake.catalog.load(name)
    if table is not None:
        report.snapshots_expired += retried(lambda: _expire_snapshots(lake.catalog.reload(name), name, kept))
        removed = _remove_orphans(lake.catalog.reload(name), lake.catalog.folder(name), kept.since, report)
        lake.files.forget(removed)


def _expire_snapshots(table: Table, name: str, kept: Kept) -> int:
    """Drop branches of no live candidate, then the snapshots that nothing pins."""
    doomed_branches = [branch for branch in table.refs() if branch != MAIN_BRANCH and branch not in kept.branches]
    heads = {ref.snapshot_id for branch, ref in table.refs().items() if branch not in doomed_branches}
    oldest = int(kept.since.timestamp() * 1000)
    doomed = [
        snapshot.snapshot_id
        for snapshot in table.snapshots()
        if snapshot.timestamp_ms < oldest and snapshot.snapshot_id not in heads and (name, snapshot.snapshot_id) not in kept.snapshots
    ]
    with table.transaction() as transaction:
        for branch in doomed_branches:
            ManageSnapshots(transaction).remove_branch(branch).commit()
        if doomed:
            ExpireSnapshots(transaction).by_ids(doomed).commit()
    return len(doomed)


def _remove_orphans(table: Table, folder: Path, since: datetime, report: GcReport) -> list[str]:
    needed = {os.path.realpath(path) for path in _needed_files(table)}
    removed = []
    for path in sorted(folder.rglob("*"), reverse=True):  # files before the folders that hold them
        status = path.stat()
        if status.st_mtime >= since.timestamp() or str(path) in needed:
            continue
        if path.is_file():
            report.files_removed += 1
            report.bytes_freed += status.st_size
            path.unlink()
            removed.append(str(path))
        elif not any(path.iterdir()) and path.parent != folder:
            path.rmdir()
    return removed


def _needed_files(table: Table) -> Iterator[str]:
    """Paths of all files that the table's metadata still refers to."""
    yield local_path(table.metadata_location)
    yield from (local_path(entry.metadata_file) for entry in table.metadata.metadata_log)
    manifests = {}
    for snapshot in table.snapshots():
        yield local_path(snapshot.manifest_list)
        manifests.update({manifest.manifest_path: manifest for manifest in snapshot.manifests(table.io)})
    for path, manifest in manifests.items():
        yield local_path(path)
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
            if entry.status != ManifestEntryStatus.DELETED:
                yield local_path(entry.data_file.file_path)
