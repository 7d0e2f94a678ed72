"""Data files as they were written: size and SHA-256 of each, so that a damaged one is found before a row of it is believed.

A file is checked when a process first reads it. Its content is hashed (1.7 GB/s) only if the file has changed on disk since it was last
hashed, or that was a week ago: else every process would read whole tables for a few rows of them.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa
import sqlalchemy.exc
from sqlalchemy.engine import Engine, RowMapping

from warehouse.lake.errors import DamagedFile
from warehouse.lake.records import file as _file

HASH_AGAIN = timedelta(days=7)
MAX_HASHES = 4  # files hashed at once
PATHS_A_QUERY = 500


class WrittenFile(NamedTuple):
    """A data file on disk: path, bytes, SHA-256 in hex, time of its last change in nanoseconds since 1970."""

    path: str
    size: int
    sha256: str
    modified_ns: int


def fingerprints(paths: Sequence[str]) -> list[WrittenFile]:
    """Size and hash of files, in the order of the paths.

    Raises:
        OSError: one cannot be read.
    """
    if not paths:
        return []
    with ThreadPoolExecutor(min(len(paths), MAX_HASHES)) as pool:
        return list(pool.map(_fingerprint, paths))


def _fingerprint(path: str) -> WrittenFile:
    with Path(path).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    status = Path(path).stat()
    return WrittenFile(path, status.st_size, digest.hexdigest(), status.st_mtime_ns)


class FileLog:
    """What is known of the data files of one lake."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine = engine
        self._prefix = f"{folder}/"
        self._checked: dict[str, int | None] = {}

    def add(self, name: str, schema_id: int, files: Sequence[WrittenFile]) -> None:
        """Record new files, before a snapshot refers to them.

        Args:
            name: table that they belong to.
            schema_id: Iceberg schema whose columns they have.
            files: as they are on disk.
        """
        if files:
            place = {"table_name": name, "schema_id": schema_id, "hashed_at": _now()}
            with self._engine.begin() as connection:
                connection.execute(sa.insert(_file), [place | file._asdict() | {"path": self._key(file.path)} for file in files])

    def check(self, name: str, paths: Sequence[str]) -> dict[str, int | None]:
        """Make sure that files are as they were written; each once in a process.

        Args:
            name: table that they belong to.
            paths: files that are about to be read; one of which nothing is recorded must only be there.

        Returns:
            Iceberg schema whose columns each file has; None if nothing is recorded.

        Raises:
            DamagedFile: one is missing, or has other bytes than were written; names table, file and what to do.
        """
        new = [path for path in paths if path not in self._checked]
        if not new:
            return {path: self._checked[path] for path in paths}
        known = self._known(new)
        doubtful = [path for path in new if not self._is_as_last_seen(name, path, known.get(path))]
        found = fingerprints(doubtful)
        for file in found:
            if file.sha256 != known[file.path]["sha256"]:
                raise DamagedFile(name, file.path, "its content is not what was written (other SHA-256)")
        self._note(found)
        self._checked |= {path: known[path]["schema_id"] if path in known else None for path in new}
        return {path: self._checked[path] for path in paths}

    def forget(self, paths: Iterable[str]) -> None:
        """Drop the records of files that were removed."""
        with self._engine.begin() as connection:
            for keys in _batches(map(self._key, paths)):
                connection.execute(sa.delete(_file).where(_file.c.path.in_(keys)))

    def _is_as_last_seen(self, name: str, path: str, known: RowMapping | None) -> bool:
        """Whether the file need not be hashed."""
        try:
            status = Path(path).stat()
        except FileNotFoundError:
            why = (
                "it is missing"
                if known
                else "it is missing and nothing is known of it, as if lending gc had removed it: read a newer release"
            )
            raise DamagedFile(name, path, why) from None
        if known is None:
            return True  # written by an older version, or by another program
        if status.st_size != known["size"]:
            raise DamagedFile(name, path, f"it has {status.st_size} bytes and was written with {known['size']}")
        return status.st_mtime_ns == known["modified_ns"] and _now() - known["hashed_at"] < HASH_AGAIN

    def _note(self, files: Sequence[WrittenFile]) -> None:
        if not files:
            return
        update = sa.update(_file).where(_file.c.path == sa.bindparam("key")).values(modified_ns=sa.bindparam("at"), hashed_at=_now())
        # Who may read but not write hashes again in its next process.
        with suppress(sqlalchemy.exc.OperationalError), self._engine.begin() as connection:
            connection.execute(update, [{"key": self._key(file.path), "at": file.modified_ns} for file in files])

    def _known(self, paths: Sequence[str]) -> dict[str, RowMapping]:
        by_key = {self._key(path): path for path in paths}
        found: dict[str, RowMapping] = {}
        with self._engine.connect() as connection:
            for keys in _batches(by_key):
                rows = connection.execute(sa.select(_file).where(_file.c.path.in_(keys))).mappings()
                found |= {by_key[row["path"]]: row for row in rows}
        return found

    def _key(self, path: str) -> str:
        return path.removeprefix(self._prefix)


def _batches(keys: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(keys)
    while batch := list(islice(remaining, PATHS_A_QUERY)):
        yield batch


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
