"""Packed rows on a Redis server: one hash per feature view, key to row, all under `packed:<project>:`.

A publish stages the rows that changed in a hash of their own. One script then shows them, as an overlay that readers look into first,
together with the generation; afterwards they are moved to their place in small steps, which no reader can tell. Each hash of rows has one
field with an empty name, its mark: it tells a hash that is gone (flushed, evicted, never made) from rows that do not exist, and holds the
generation, so that one command reads rows and the generation that they belong to.
"""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import hiredis
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from features.online.backend import OnlineGeneration, OnlineStoreMissing, OnlineStoreUnavailable, Pack, Pair, View, generation_row
from features.online.packed import PackedSchema
from features.online.redis_publication import RedisPublication, generation_in
from features.online.redis_scripts import ALL

TIMEOUT_SECONDS = 2.0  # of a connection and of an answer, unless the address says another (?socket_timeout=0.5)
ROWS_AT_ONCE = 1000  # in one step of the server, a few milliseconds
_MOST_KEYS = 5000  # of one read; more are read in parts and the generation is compared
_WAIT_SECONDS = 60.0
_MARK = b""  # the field that every hash of rows has; see redis_scripts.py
_COVERED = b"1"  # begins the mark while rows are shown that are not in their place yet
_TRIES = 100


class RedisBackend:
    """The packed rows of one project on one server; see OnlineBackend."""

    def __init__(self, address: str, project: str, timeout: float = TIMEOUT_SECONDS) -> None:
        """Name the server; it is connected to when it is used.

        Args:
            address: redis://host:port/db or rediss://, with user and password if it asks for them.
            project: Feast project.
            timeout: seconds to wait for a connection and for an answer.
        """
        self.project = project
        # Any, since the types of the client's answers are those of its asynchronous form too.
        self.client: Any = redis.Redis.from_url(
            address, socket_timeout=timeout, socket_connect_timeout=timeout, retry=Retry(NoBackoff(), 0)
        )
        self.scripts = {name: self.client.register_script(text) for name, text in ALL.items()}

    @property
    def where(self) -> str:
        """Host, port and database."""
        known = self.client.connection_pool.connection_kwargs
        return f"redis {known.get('host', 'localhost')}:{known.get('port', 6379)}/{known.get('db', 0)}"

    def key(self, *parts: str) -> bytes:
        """A name on the server."""
        return ":".join(("packed", self.project, *parts)).encode()

    def views(self) -> list[View]:
        """See OnlineBackend."""
        with self.explained():
            pipe = self.client.pipeline(transaction=False)  # a full server refuses transactions, of reads too
            current, stored = pipe.hgetall(self.key("views")).hgetall(self.key("schemas")).execute()
        found = []
        for name, mark in sorted(current.items()):
            described = stored.get(name + b":" + mark)
            if described:  # else the view was dropped between the two
                keys, fields = json.loads(described)
                found.append(View(self.project, name.decode(), _pairs(keys), PackedSchema(_pairs(fields))))
        return found

    def schemas(self, view: str) -> dict[bytes, PackedSchema]:
        """See OnlineBackend."""
        with self.explained():
            stored = self.client.hgetall(self.key("schemas"))
        known = [PackedSchema(_pairs(json.loads(text)[1])) for name, text in stored.items() if name.rpartition(b":")[0] == view.encode()]
        return {schema.fingerprint: schema for schema in known}

    def service(self, name: str) -> tuple[str, ...] | None:
        """See OnlineBackend."""
        with self.explained():
            stored = self.client.hget(self.key("services"), name)
        return tuple(json.loads(stored)) if stored else None

    def generation(self) -> OnlineGeneration | None:
        """See OnlineBackend."""
        return generation_in(self.latest())

    def latest(self) -> bytes:
        """The served generation as it is stored; nothing before the first publish."""
        with self.explained():
            return self.client.lindex(self.key("generations"), 0) or b""

    def read(self, asked: Sequence[tuple[str, Sequence[bytes]]]) -> tuple[OnlineGeneration | None, list[list[bytes | None]]]:
        """See OnlineBackend; one round trip, and one more for each view whose shown rows are being moved to their place."""
        latest, answers = self._read(asked)
        return generation_in(latest), answers

    def keys_with_times(self, view: str) -> Iterator[Pair]:
        """See OnlineBackend; what a publish changes meanwhile may be missed."""
        over = dict(self.scan(self.key("overlay", view)))
        yield from ((key, times) for key, times in over.items() if times)
        yield from ((key, times) for key, times in dict(self.scan(self.key("rows", view))).items() if key not in over)

    def scan(self, name: bytes) -> Iterator[Pair]:
        """Keys and times of a hash of rows; a key may come twice."""
        cursor = b"0"
        while True:
            with self.explained():
                cursor, *flat = self.scripts["times"](keys=[name], args=[cursor, ROWS_AT_ONCE])
            yield from ((key, times) for key, times in zip(flat[::2], flat[1::2], strict=True) if key != _MARK)
            if cursor == b"0":
                return

    def declare(self, views: Sequence[View]) -> None:
        """See OnlineBackend."""
        self.remember(views, "apply")

    def remember(self, views: Sequence[View], reason: str) -> None:
        """Keep the schemas of views, so that their rows can be read, and make their hashes.

        Args:
            views: to keep.
            reason: `apply`, `write` or `publish`. A publish makes the schemas current when it shows its rows. A write makes no hash of a
                view that is known: it was evicted, and with the written rows alone all other keys would seem unknown.
        """
        names = [*(self.key(part) for part in ("generations", "schemas", "views")), *(self.key("rows", view.name) for view in views)]
        stored = [(view.name, view.schema.fingerprint.hex(), json.dumps([view.join_keys, view.schema.fields])) for view in views]
        with self.explained():
            self.scripts["declare"](keys=names, args=[reason, *(part for line in stored for part in line)])

    def drop(self, views: Sequence[str]) -> None:
        """See OnlineBackend."""
        for view in views:
            with self.explained():
                schemas = self.client.hkeys(self.key("schemas"))
                pipe = self.client.pipeline(transaction=False)  # a full server refuses transactions
                pipe.hdel(self.key("views"), view)
                for name in schemas:
                    if name.rpartition(b":")[0] == view.encode():
                        pipe.hdel(self.key("schemas"), name)
                pipe.unlink(*(self.key(part, view) for part in ("rows", "staged", "overlay")))
                pipe.execute()

    def forget(self) -> None:
        """See OnlineBackend. Names are known, so nothing is searched for and nothing of anybody else is touched."""
        with self.explained():
            self.client.unlink(self.key("generations"), self.key("services"))

    def write(self, view: View, keys: Sequence[bytes], pack: Pack, partial: Sequence[bytes]) -> None:
        """See OnlineBackend; a row at a time is atomic, in steps of bounded size."""
        self.remember([view], "write")
        until = time.monotonic() + _WAIT_SECONDS
        while True:
            latest, (found,) = self._read([(view.name, partial)])
            held = {key: row for key, row in zip(partial, found, strict=True) if row is not None}
            rows = pack(generation_in(latest), held, self.schemas(view.name))
            expected = {key: b"a" if row is None else b"h" + row for key, row in zip(partial, found, strict=True)}
            lines = [(key, row, expected.get(key, b"n")) for key, row in zip(keys, rows, strict=True) if row is not None]
            if self._write(view, latest, lines) == b"done":
                return
            if time.monotonic() > until:
                raise OnlineStoreUnavailable(
                    f"{self.where}: a publish or other writers kept view {view.name} for {_WAIT_SECONDS:.0f} seconds"
                )
            time.sleep(0.02)

    @contextmanager
    def publishing(self, views: Sequence[View]) -> Iterator[RedisPublication]:
        """See OnlineBackend."""
        publication = RedisPublication(self, views, _WAIT_SECONDS)
        try:
            publication.begin()
            yield publication
            publication.settle()
        except BaseException:
            with suppress(OnlineStoreUnavailable):  # the error that is on its way says more; the lock ends by itself
                publication.end()
            raise
        publication.end()

    def judge(self, served: OnlineGeneration, parity: str) -> None:
        """See OnlineBackend."""
        latest = self.latest()
        held = generation_in(latest)
        if held is not None and replace(held, parity="") == replace(served, parity=""):
            judged = json.dumps(generation_row(replace(held, parity=parity)))
            with self.explained():
                self.scripts["judge"](keys=[self.key("generations"), self.key("views")], args=[self.key("rows", ""), latest, judged])

    def close(self) -> None:
        """Close all connections."""
        self.client.close()

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Name the server in the errors of its client, and what to do."""
        try:
            yield
        except redis.RedisError as error:
            raise OnlineStoreUnavailable(f"online store {self.where} {_reason(error)}") from error

    def _read(self, asked: Sequence[tuple[str, Sequence[bytes]]]) -> tuple[bytes, list[list[bytes | None]]]:
        """Rows, and the generation as it is stored; read again if a publish came between two parts."""
        parts = [(view, keys[start : start + _MOST_KEYS]) for view, keys in asked for start in range(0, len(keys) or 1, _MOST_KEYS)]
        for _ in range(_TRIES):
            answers = self._read_parts(parts)
            marks = {rows[0][1:] for rows in answers}
            if len(marks) <= 1:
                break
        else:
            raise OnlineStoreUnavailable(f"{self.where}: {_TRIES} publishes came between the parts of one read; read fewer keys at once")
        if len(parts) == len(asked):
            found = [rows[1:] for rows in answers]
        else:
            found = [[row for (of, _), rows in zip(parts, answers, strict=True) if of == view for row in rows[1:]] for view, _ in asked]
        return marks.pop() if marks else self.latest(), found

    def _read_parts(self, parts: Sequence[tuple[str, Sequence[bytes]]]) -> list[list[Any]]:
        """The mark and the rows of each part, each of one moment, in one round trip.

        This goes past the client's own pipeline, which takes longer than the server does. A transaction would be refused by a full server.
        """
        if not parts:
            return []
        pool = self.client.connection_pool
        with self.explained():
            connection = pool.get_connection()
            try:
                connection.send_packed_command([_packed(b"HMGET", self.key("rows", view), _MARK, *keys) for view, keys in parts])
                answers = [connection.read_response() for _ in parts]
            except BaseException:
                connection.disconnect()  # an answer may still come, and must not be taken for that of another question
                raise
            finally:
                pool.release(connection)
            for at, (view, keys) in enumerate(parts):
                if answers[at][0] is None:
                    raise OnlineStoreMissing(
                        f"online store {self.where} does not hold the feature view {view} of project {self.project}: it was never applied "
                        "or published there, or it was flushed or evicted; run feast apply, and write or publish the features again"
                    )
                if answers[at][0][:1] == _COVERED and keys:
                    answers[at] = self.scripts["read"](keys=[self.key("rows", view), self.key("overlay", view)], args=keys)
        return answers

    def _write(self, view: View, latest: bytes, lines: list[tuple[bytes, bytes, bytes]]) -> bytes:
        """Write rows that were made for one generation; what became of it."""
        names = [self.key("lock"), self.key("generations"), self.key("rows", view.name), self.key("overlay", view.name)]
        for start in range(0, len(lines), ROWS_AT_ONCE):
            flat = [part for line in lines[start : start + ROWS_AT_ONCE] for part in line]
            with self.explained():
                done = self.scripts["write"](keys=names, args=[latest, *flat])
            if done != b"done":
                return done
        return b"done"


def _packed(*parts: bytes) -> bytes:
    """A command as it is sent."""
    return hiredis.pack_command(parts)  # type: ignore[arg-type]  # its types allow one part only


def _reason(error: redis.RedisError) -> str:
    """What went wrong and what to do about it, in words; no message of the client holds the password."""
    text = str(error)
    if isinstance(error, redis.TimeoutError):
        return f"did not answer in time ({text}); look at its load, or give it longer with ?socket_timeout= in the address"
    if isinstance(error, redis.AuthenticationError) or text.startswith(("NOAUTH", "WRONGPASS", "NOPERM")):
        return f"refuses the login or the rights of its user: {text}; check user and password in the address"
    if isinstance(error, redis.ConnectionError):
        return f"cannot be reached: {text}; start it, or correct the address"
    if "'maxmemory'" in text:
        return f"is full and may evict nothing, so nothing was written: {text}; raise maxmemory"
    if "WRONGTYPE" in text:
        return f"holds something else under a name of ours: {text}; remove it, or use another database number"
    if "READONLY" in text:
        return f"is a replica: {text}; name the primary in the address"
    return f"refused a command: {text}"


def _pairs(stored: Sequence[Sequence[str]]) -> tuple[tuple[str, str], ...]:
    """Pairs stored as JSON."""
    return tuple((name, kind) for name, kind in stored)
