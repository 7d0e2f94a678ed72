"""Verify a delivery: hash and read every file to its end before anything is stored."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from warehouse.raw.control import Expected, checked, expected_files
from warehouse.raw.delivery import DeliveredFile, FileChanged, find_delivery
from warehouse.raw.reader import FileRejected, Spooled, fingerprint, read_file
from warehouse.sources.dialect import Dialect


@dataclass(frozen=True)
class VerifiedFile:
    """A known file of a delivery.

    Attributes:
        file: its name, place and source table.
        sha256: of its bytes.
        spooled: its rows; None if it was rejected, or delivered before and so not read.
        error: why it was rejected, with the place and the fix.
        rows: rows that could be read.
    """

    file: DeliveredFile
    sha256: str
    spooled: Spooled | None = None
    error: str | None = None
    rows: int = 0

    @property
    def is_new(self) -> bool:
        """Whether the file can be taken and was not taken before."""
        return self.spooled is not None


@dataclass(frozen=True)
class VerifiedDelivery:
    """All files of a delivery, and the names and hashes of those that no source table claims."""

    files: tuple[VerifiedFile, ...]
    unknown: tuple[tuple[str, str], ...]

    @property
    def rejected(self) -> tuple[VerifiedFile, ...]:
        """Files that cannot be used."""
        return tuple(file for file in self.files if file.error is not None)

    @property
    def new(self) -> tuple[VerifiedFile, ...]:
        """Files to take."""
        return tuple(file for file in self.files if file.is_new)


def verify_delivery(
    path: Path, is_delivered: Callable[[str, str], bool], work: Path, dialects: Mapping[str, Dialect] | None = None
) -> VerifiedDelivery:
    """Read all files of a delivery that were not delivered before, or whose control totals are to be compared.

    Args:
        path: folder, zip or single file.
        is_delivered: whether a table name and a hash were taken for this business date.
        work: empty folder for unpacked files and spools.
        dialects: how the files are written, by source table; None if all are plain.

    Raises:
        FileNotFoundError: nothing is at the path.
        DeliveryError: the delivery as a whole cannot be used, or a file changes while it is read.
    """
    unpacked = work / "unpacked"
    unpacked.mkdir(parents=True)
    delivery = find_delivery(path, unpacked)
    reading = _Reading(dialects or {}, expected_files(delivery, dialects or {}))
    seen: set[tuple[str, str]] = set()
    verified = []
    for number, file in enumerate(delivery.files):
        before = _stamp(file.path)
        identity = (file.source.name, fingerprint(file.path))
        is_known = identity in seen or is_delivered(*identity)
        seen.add(identity)
        verified.append(reading.verify(file, identity[1], work / f"{number}.parquet", is_known))
        if _stamp(file.path) != before:
            raise FileChanged(file.name)
    return VerifiedDelivery(tuple(verified), tuple((name, fingerprint(found)) for name, found in delivery.unknown.items()))


@dataclass(frozen=True)
class _Reading:
    """How the files of one delivery are read, and what their sender says of them."""

    dialects: Mapping[str, Dialect]
    expected: Mapping[str, Expected]

    def verify(self, file: DeliveredFile, sha256: str, spool: Path, is_known: bool) -> VerifiedFile:
        expected = self.expected.get(file.name)
        if is_known and expected is None:
            return VerifiedFile(file, sha256)
        dialect = self.dialects.get(file.source.name, Dialect())
        try:
            spooled = read_file(file, spool, dialect)
            if expected is not None:
                checked(file, expected, sha256, spooled.rows, spool, dialect)
        except FileRejected as rejected:
            return VerifiedFile(file, sha256, error=str(rejected), rows=rejected.rows_read)
        return VerifiedFile(file, sha256) if is_known else VerifiedFile(file, sha256, spooled, rows=spooled.rows)


def _stamp(path: Path) -> tuple[int, ...]:
    """What changes when somebody writes to the file."""
    facts = path.stat()
    return facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns
