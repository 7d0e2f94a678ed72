"""Who still reads a release: a shared file lock per release and process, which the kernel frees when its holder dies.

gc leaves a release alone while anybody holds its lock. A process lets go of it when it closes the lake, or a day after it last asked for
the release, so that servers do not keep every release there was. Readers on other machines are protected by gc's grace period alone.
"""

import errno
import fcntl
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)
HELD_SECONDS = 24 * 3600  # after the last question for a release


class Leases:
    """Releases that this process reads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[Path, tuple[IO[str], float]] = {}
        weakref.finalize(self, _let_go, self._held)  # of a lake that nobody closed

    def hold(self, channel: str, number: int) -> None:
        """Keep a release from gc; ask for the release only afterwards, since gc may have been first."""
        now = time.monotonic()
        for path in [path for path, (_, asked_at) in self._held.items() if now - asked_at > HELD_SECONDS]:
            self._held.pop(path)[0].close()
        path = _path(self._folder, channel, number)
        file = self._held[path][0] if path in self._held else _locked(path)
        if file is not None:
            self._held[path] = (file, now)

    def close(self) -> None:
        """Let go of all releases."""
        _let_go(self._held)


@contextmanager
def unread(folder: Path, channel: str, number: int) -> Iterator[bool]:
    """Whether nobody reads a release; if so, who asks for it meanwhile waits."""
    path = _path(folder, channel, number)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
        path.unlink(missing_ok=True)


def _let_go(held: dict[Path, tuple[IO[str], float]]) -> None:
    for file, _ in held.values():
        file.close()
    held.clear()


def _locked(path: Path) -> IO[str] | None:
    """The shared lock; None for a process that may only read, which has the grace period alone."""
    try:
        file = path.open("a")
    except OSError as error:
        if error.errno in READ_ONLY:
            return None
        raise
    try:
        fcntl.flock(file, fcntl.LOCK_SH)
    except BaseException:
        file.close()
        raise
    return file


def _path(folder: Path, channel: str, number: int) -> Path:
    return folder / f"reads-{channel}-{number}.lock"
