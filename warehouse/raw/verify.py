"""Verify a delivery: hash and read every file to its end before anything is stored."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from warehouse.raw.delivery import DeliveredFile, find_delivery
from warehouse.raw.reader import FileRejected, Spooled, fingerprint, read_file


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


def verify_delivery(path: Path, is_delivered: Callable[[str, str], bool], work: Path) -> VerifiedDelivery:
    """Read all files of a delivery that were not delivered before.

    Args:
        path: folder, zip or single file.
        is_delivered: whether a table name and a hash were taken for this business date.
        work: empty folder for unpacked files and spools.

    Raises:
        FileNotFoundError: nothing is at the path.
        DeliveryError: the delivery as a whole cannot be used.
    """
    unpacked = work / "unpacked"
    unpacked.mkdir(parents=True)
    delivery = find_delivery(path, unpacked)
    seen: set[tuple[str, str]] = set()
    verified = []
    for number, file in enumerate(delivery.files):
        identity = (file.source.name, fingerprint(file.path))
        is_known = identity in seen or is_delivered(*identity)
        seen.add(identity)
        verified.append(VerifiedFile(file, identity[1]) if is_known else _verify(file, identity[1], work / f"{number}.parquet"))
    return VerifiedDelivery(tuple(verified), tuple((name, fingerprint(found)) for name, found in delivery.unknown.items()))


def _verify(file: DeliveredFile, sha256: str, spool: Path) -> VerifiedFile:
    try:
        spooled = read_file(file, spool)
    except FileRejected as rejected:
        return VerifiedFile(file, sha256, error=str(rejected), rows=rejected.rows_read)
    return VerifiedFile(file, sha256, spooled, rows=spooled.rows)
