"""One publish to Redis: a lock that ends with its holder, staged rows, one step that shows them, and their way to their place."""

import json
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from features.online.backend import OnlineGeneration, OnlineStoreUnavailable, View, differs, generation_of, generation_row

if TYPE_CHECKING:
    from features.online.redis_server import RedisBackend

LOCK_SECONDS = 60  # without a sign of life; a holder on this machine that is gone is not waited for
GENERATIONS_KEPT = 100
_AT_ONCE = 1000


class RedisPublication:
    """One publish under way; see Publication."""

    def __init__(self, backend: "RedisBackend", views: Sequence[View], wait: float) -> None:
        """Take the lock.

        Raises:
            OnlineStoreUnavailable: another publish went on for as long as it may be waited for.
        """
        self._backend, self._views = backend, views
        self._token = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex}".encode()
        self._lock = backend.key("lock")
        self._new: dict[str, int] = {}
        self._before: dict[str, int] = {}
        self._take_lock(wait)
        self._latest = b""
        self.served: OnlineGeneration | None = None

    def begin(self) -> None:
        """Look at what is served, and finish or remove what a killed publish left."""
        self._latest = self._backend.latest()
        self.served = generation_in(self._latest)
        if not self._unstage():
            raise self._lost()
        self.settle()
        self._backend.remember(self._views, "publish")

    def replace_changed(self, view: View, keys: Sequence[bytes], rows: Sequence[bytes]) -> int:
        """See Publication; rows are compared here and staged there."""
        written = 0
        for start in range(0, len(keys), _AT_ONCE):
            part = keys[start : start + _AT_ONCE]
            held = self._held(view, part)
            changed = [(key, row) for key, row, old in zip(part, rows[start : start + _AT_ONCE], held, strict=True) if differs(row, old)]
            self._new[view.name] = self._new.get(view.name, 0) + held.count(None)
            self._stage(view, changed)
            written += len(changed)
        return written

    def _held(self, view: View, keys: Sequence[bytes]) -> list[bytes | None]:
        """The rows of some keys; nothing is asked of a view that has none."""
        if view.name not in self._before:
            with self._backend.explained():
                self._before[view.name] = self._backend.client.hlen(self._backend.key("rows", view.name)) - 1
        return self._backend.read([(view.name, keys)])[1][0] if self._before[view.name] else [None] * len(keys)

    def keep_only(self, view: View, count: int, keys: Callable[[], Iterable[Sequence[bytes]]]) -> int:
        """See Publication; a row to remove is staged as an empty one. Equal counts mean that there is nothing to look for."""
        name = self._backend.key("rows", view.name)
        with self._backend.explained():
            held = self._backend.client.hlen(name) - 1
        if held + self._new.get(view.name, 0) == count:
            return 0
        kept = {key for part in keys() for key in part}
        others = list({key for key, _ in self._backend.scan(name)} - kept)
        for start in range(0, len(others), _AT_ONCE):
            self._stage(view, [(key, b"") for key in others[start : start + _AT_ONCE]])
        return len(others)

    def commit(self, made: OnlineGeneration | None, services: Mapping[str, Sequence[str]]) -> None:
        """See Publication; one script."""
        key, views = self._backend.key, self._views
        names = [key("generations"), self._lock, key("services"), key("views")]
        names += [key(part, view.name) for view in views for part in ("rows", "staged", "overlay")]
        stored = json.dumps(generation_row(made)) if made else ""
        arguments: list[bytes | str | int] = [self._token, self._latest, stored, GENERATIONS_KEPT, key("rows", ""), len(views)]
        arguments += [part for view in views for part in (view.name, view.schema.fingerprint.hex())]
        arguments += [part for name, features in services.items() for part in (name, json.dumps(list(features)))]
        with self._backend.explained():
            done = self._backend.scripts["show"](keys=names, args=arguments)
        if done == b"moved":
            raise OnlineStoreUnavailable(f"{self._backend.where}: the served generation was changed during this publish; publish again")
        if done != b"done":
            raise self._lost()

    def settle(self) -> None:
        """Move shown rows to their place, also those that a killed publish left in the overlay."""
        for view in self._views:
            key, cursor, left = self._backend.key, b"0", 1
            names = [key("generations"), key("rows", view.name), key("overlay", view.name)]
            while left:
                with self._backend.explained():
                    cursor, left = self._backend.scripts["settle"](keys=names, args=[cursor, _AT_ONCE])
                    self._backend.scripts["hand_over"](keys=[self._lock], args=[self._token, self._token, LOCK_SECONDS * 1000])

    def end(self) -> None:
        """Remove what was staged and not shown, and free the lock, if it is still held."""
        self._unstage()
        with self._backend.explained():
            self._backend.scripts["hand_over"](keys=[self._lock], args=[self._token, "", 0])

    def _unstage(self) -> bool:
        """Remove staged rows, those of a killed publish too, unless the lock was lost: then they are of another publish."""
        if not self._views:
            return True
        names = [self._lock, *(self._backend.key("staged", view.name) for view in self._views)]
        with self._backend.explained():
            return bool(self._backend.scripts["unstage"](keys=names, args=[self._token]))

    def _stage(self, view: View, rows: Sequence[tuple[bytes, bytes]]) -> None:
        """Keep rows for the last step, and show a sign of life."""
        flat = [part for row in rows for part in row]
        names = [self._lock, self._backend.key("staged", view.name)]
        with self._backend.explained():
            is_held = self._backend.scripts["stage"](keys=names, args=[self._token, LOCK_SECONDS * 1000, *flat])
        if not is_held:
            raise self._lost()

    def _take_lock(self, wait: float) -> None:
        until, hand_over = time.monotonic() + wait, self._backend.scripts["hand_over"]
        while True:
            with self._backend.explained():
                if self._backend.client.set(self._lock, self._token, nx=True, px=LOCK_SECONDS * 1000):
                    return
                held = self._backend.client.get(self._lock)
                if held and _is_gone(held) and hand_over(keys=[self._lock], args=[held, self._token, LOCK_SECONDS * 1000]):
                    return
            if time.monotonic() > until:
                raise OnlineStoreUnavailable(
                    f"{self._backend.where}: another publish has been going on for {wait:.0f} seconds; wait for it"
                )
            time.sleep(0.05)

    def _lost(self) -> OnlineStoreUnavailable:
        return OnlineStoreUnavailable(
            f"{self._backend.where}: another publish began, since this one gave no sign of life for {LOCK_SECONDS} seconds; nothing "
            "of this one is shown; publish again"
        )


@lru_cache(maxsize=8)
def generation_in(stored: bytes) -> OnlineGeneration | None:
    """A stored generation as a record; the same one is read with every lookup."""
    return generation_of(json.loads(stored)) if stored else None


def _is_gone(token: bytes) -> bool:
    """Whether the process that holds a lock ran on this machine and does no longer."""
    host, pid, _ = token.decode().rsplit(":", 2)
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
