"""Which data files a snapshot has, all or by partition, and which files two snapshots do not share.

Iceberg keeps the files of a snapshot in manifests. Those of a partition range and those of a change are found without reading all
manifests, so that a day costs the same whatever lies before it.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import NamedTuple

from pyiceberg.manifest import DataFile, ManifestContent, ManifestEntryStatus, ManifestFile
from pyiceberg.table import Table

from warehouse.lake.catalog import local_path
from warehouse.lake.errors import LakeError
from warehouse.lake.tiers import StoredFile

EPOCH = date(1970, 1, 1)


class Difference(NamedTuple):
    """Data files that only the first, and only the second of two snapshots has."""

    gone: list[StoredFile]
    come: list[StoredFile]


def day_of(number: int) -> date:
    """The date of a partition."""
    return EPOCH + timedelta(days=number)


def day_number(day: date) -> int:
    """A date as Iceberg keeps it in a partition: days since 1970."""
    return (day - EPOCH).days


def stored_files(table: Table, snapshot_id: int) -> list[StoredFile]:
    """The data files of a snapshot.

    Raises:
        LakeError: a data file has delete files.
    """
    tasks = list(table.scan(snapshot_id=snapshot_id).plan_files())
    if any(task.delete_files for task in tasks):
        raise _foreign_deletes(table)
    return [_stored(task.file) for task in tasks]


def partition_files(table: Table, snapshot_id: int, first: date, last: date | None = None) -> list[StoredFile]:
    """The data files of a snapshot whose partition is in a range of dates.

    Args:
        table: holds the snapshot.
        snapshot_id: which.
        first: first date of the range.
        last: last date of the range; None for no end.

    Raises:
        LakeError: the table has no date partition, or a data file has delete files.
    """
    if table.spec().is_unpartitioned():
        raise LakeError(f"{'.'.join(table.name())} has no date partition, so its rows cannot be read from a date on; filter them instead")
    low, high = day_number(first), day_number(last or date.max)
    manifests = (manifest for manifest in _manifests(table, snapshot_id).values() if _overlaps(manifest, low, high))
    files = (file for manifest in manifests for file in _files(table, manifest))
    return [file for file in files if file.partition is not None and low <= file.partition <= high]


def difference(table: Table, old_id: int, new_id: int) -> Difference:
    """The data files that two snapshots do not share; both must be known to the table.

    Raises:
        LakeError: a data file has delete files.
    """
    old, new = _manifests(table, old_id), _manifests(table, new_id)
    of_old = {file.path: file for path in old.keys() - new.keys() for file in _files(table, old[path])}
    of_new = {file.path: file for path in new.keys() - old.keys() for file in _files(table, new[path])}
    return Difference(
        gone=[of_old[path] for path in sorted(of_old.keys() - of_new.keys())],
        come=[of_new[path] for path in sorted(of_new.keys() - of_old.keys())],
    )


def _manifests(table: Table, snapshot_id: int) -> dict[str, ManifestFile]:
    snapshot = table.snapshot_by_id(snapshot_id)
    return {manifest.manifest_path: manifest for manifest in snapshot.manifests(table.io)} if snapshot else {}


def _files(table: Table, manifest: ManifestFile) -> Iterator[StoredFile]:
    if manifest.content == ManifestContent.DELETES:
        raise _foreign_deletes(table)
    for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
        if entry.status != ManifestEntryStatus.DELETED:
            yield _stored(entry.data_file)


def _stored(file: DataFile) -> StoredFile:
    return StoredFile(local_path(file.file_path), file.record_count, next(iter(file.partition), None))


def _overlaps(manifest: ManifestFile, low: int, high: int) -> bool:
    """Whether a manifest may have a file of these partitions, by the bounds that the list of manifests holds for each."""
    bounds = manifest.partitions[0] if manifest.partitions else None
    if bounds is None or bounds.lower_bound is None or bounds.upper_bound is None:
        return True
    least, greatest = (int.from_bytes(bound, "little", signed=True) for bound in (bounds.lower_bound, bounds.upper_bound))
    return least <= high and greatest >= low


def _foreign_deletes(table: Table) -> LakeError:
    return LakeError(f"{'.'.join(table.name())}: has delete files of a foreign writer; rewrite the table with its own tool")
