"""Files that survive a power loss: what PyIceberg writes to local disk is on the disk before the catalog refers to it.

PyIceberg closes its metadata files without fsync, while SQLite syncs the row that points to them; after a power loss the row could be
there and the file empty. On object storage a completed write is durable by itself.
"""

import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pyiceberg.io import OutputStream
from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO

MAX_SYNCS = 16


class SyncedStream(io.BufferedWriter):
    """A local file that is synced when it is closed."""

    def close(self) -> None:
        """Write what is buffered, wait until the disk has it, close."""
        if not self.closed:
            self.flush()
            os.fsync(self.fileno())
        super().close()


class DurableFile(PyArrowFile):
    """A local output file of PyIceberg."""

    def create(self, overwrite: bool = False) -> OutputStream:
        """Open the file for writing.

        Raises:
            FileExistsError: it exists and `overwrite` is false.
        """
        path = Path(self._path)
        path.parent.mkdir(parents=True, exist_ok=True)
        return SyncedStream(io.FileIO(path, "wb" if overwrite else "xb"))


class DurableFileIO(PyArrowFileIO):
    """PyIceberg's file access, with durable local writes."""

    def new_output(self, location: str) -> PyArrowFile:
        """The output file of an address."""
        file = super().new_output(location)
        scheme, _, path = self.parse_location(location, self.properties)
        if scheme != "file":
            return file
        return DurableFile(location=location, path=path, fs=file._filesystem, buffer_size=file._buffer_size)


def sync_files(paths: Sequence[str]) -> None:
    """Wait until the disk has files that another program wrote; together, since the disk settles many at once nearly as fast as one."""
    if paths:
        with ThreadPoolExecutor(min(len(paths), MAX_SYNCS)) as pool:
            list(pool.map(_sync_file, paths))


def _sync_file(path: str) -> None:
    with Path(path).open("rb") as file:
        os.fsync(file.fileno())
