"""The SQLite file of packed rows: one table per feature view, the schemas of its rows, and the generations that were published into it.

Write-ahead logging lets readers go on with the state before a write until it commits, so a write is one transaction and never an outage.
A connection belongs to one thread and one process; the file opens them as they are needed.
"""

import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from features.online.backend import (
    OnlineGeneration,
    OnlineStoreMissing,
    OnlineStoreUnavailable,
    Pack,
    Pair,
    View,
    generation_of,
)
from features.online.packed import PackedSchema
from features.online.sqlite_publication import COLUMNS, PARITY, FilePublication

_TABLES = (
    """CREATE TABLE IF NOT EXISTS packed_view (
        project TEXT, view TEXT, fingerprint BLOB, join_keys TEXT, fields TEXT, is_current INTEGER,
        PRIMARY KEY (project, view, fingerprint)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS packed_service (
        project TEXT, service TEXT, features TEXT, PRIMARY KEY (project, service)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS packed_generation (
        generation INTEGER PRIMARY KEY, project TEXT, release_id INTEGER, business_date TEXT, as_of INTEGER, views TEXT,
        published_at INTEGER, rows_written INTEGER, rows_deleted INTEGER, row_count INTEGER, is_complete INTEGER)""",
)
_PARITY = {number: text for text, number in PARITY.items()}
_SERVED = f"SELECT {', '.join(COLUMNS)} FROM packed_generation WHERE project = ? ORDER BY generation DESC LIMIT 1"
_MOST_KEYS = 1024  # of one statement
_WAIT_SECONDS = 60


class SqliteBackend:
    """The packed rows of one project in one file; see OnlineBackend."""

    def __init__(self, path: Path, project: str, create: bool = False) -> None:
        """Name the file; it is opened when it is used.

        Args:
            path: the SQLite file.
            project: Feast project.
            create: whether to make the file if it is missing; a reader must not.
        """
        self.path = Path(path)
        self.project = project
        self._create = create
        self._local = threading.local()

    @property
    def where(self) -> str:
        """The path."""
        return str(self.path)

    def views(self) -> list[View]:
        """See OnlineBackend."""
        rows = self._rows("SELECT view, join_keys, fields FROM packed_view WHERE project = ? AND is_current ORDER BY view", self.project)
        return [View(self.project, name, _pairs(keys), PackedSchema(_pairs(fields))) for name, keys, fields in rows]

    def schemas(self, view: str) -> dict[bytes, PackedSchema]:
        """See OnlineBackend."""
        rows = self._rows("SELECT fields FROM packed_view WHERE project = ? AND view = ?", self.project, view)
        known = [PackedSchema(_pairs(fields)) for (fields,) in rows]
        return {schema.fingerprint: schema for schema in known}

    def service(self, name: str) -> tuple[str, ...] | None:
        """See OnlineBackend."""
        rows = self._rows("SELECT features FROM packed_service WHERE project = ? AND service = ?", self.project, name)
        return tuple(json.loads(rows[0][0])) if rows else None

    def generation(self) -> OnlineGeneration | None:
        """See OnlineBackend."""
        with _explained(self.path):
            return self._served(self._con)

    def read(self, asked: Sequence[tuple[str, Sequence[bytes]]]) -> tuple[OnlineGeneration | None, list[list[bytes | None]]]:
        """See OnlineBackend; one read transaction."""
        with self._reading() as con:
            generation = self._served(con)
            return generation, [self._fetch(con, view, keys) for view, keys in asked]

    def keys_with_times(self, view: str) -> Iterator[Pair]:
        """See OnlineBackend."""
        with self._reading() as con:
            yield from con.execute(f"SELECT entity_key, substr(value, 9, 16) FROM {self._table(view)}")

    def declare(self, views: Sequence[View]) -> None:
        """See OnlineBackend."""
        with self._writing() as con:
            for view in views:
                self._declare(con, view)

    def drop(self, views: Sequence[str]) -> None:
        """See OnlineBackend."""
        with self._writing() as con:
            for view in views:
                con.execute(f"DROP TABLE IF EXISTS {self._table(view)}")
                con.execute("DELETE FROM packed_view WHERE project = ? AND view = ?", (self.project, view))

    def forget(self) -> None:
        """See OnlineBackend."""
        with self._writing() as con:
            con.execute("DELETE FROM packed_generation WHERE project = ?", (self.project,))
            con.execute("DELETE FROM packed_service WHERE project = ?", (self.project,))

    def write(self, view: View, keys: Sequence[bytes], pack: Pack, partial: Sequence[bytes]) -> None:
        """See OnlineBackend; one write transaction."""
        with self._writing() as con:
            self._declare(con, view)
            found = zip(partial, self._fetch(con, view.name, partial), strict=True)
            held = {key: row for key, row in found if row is not None}
            rows = pack(self._served(con), held, self.schemas(view.name))
            con.executemany(
                f"INSERT INTO {self._table(view.name)} VALUES (?, ?) ON CONFLICT (entity_key) DO UPDATE SET value = excluded.value "
                "WHERE substr(excluded.value, 9, 16) >= substr(value, 9, 16)",
                ((key, row) for key, row in zip(keys, rows, strict=True) if row is not None),
            )

    @contextmanager
    def publishing(self, views: Sequence[View]) -> Iterator[FilePublication]:
        """See OnlineBackend; one write transaction, so that a commit shows everything at once and anything else nothing."""
        with self._writing() as con:
            for view in views:
                self._declare(con, view)
            publication = FilePublication(self.project, self._table, con, self._served(con))
            try:
                yield publication
            finally:
                if not publication.is_committed and con.in_transaction:  # a full disk, for one, ended it already
                    con.execute("ROLLBACK")

    def judge(self, served: OnlineGeneration, parity: str) -> None:
        """See OnlineBackend."""
        with self._writing() as con:
            held = self._served(con)
            if held is not None and replace(held, parity="") == replace(served, parity=""):
                con.execute(
                    "UPDATE packed_generation SET is_complete = ? WHERE generation = "
                    "(SELECT max(generation) FROM packed_generation WHERE project = ?)",
                    (PARITY[parity], self.project),
                )

    def close(self) -> None:
        """Close the connection of this thread."""
        held = getattr(self._local, "held", None)
        if held is not None and held[0][0] == os.getpid():
            held[1].close()
        self._local.held = None

    @property
    def _con(self) -> sqlite3.Connection:
        """The connection of this thread and process.

        Raises:
            OnlineStoreMissing: the file does not exist and is not to be created, or is no online store.
        """
        held: tuple[tuple, sqlite3.Connection] | None = getattr(self._local, "held", None)
        if held is None or held[0] != (os.getpid(), self._inode()):
            con = self._connect()
            self._local.held = held = ((os.getpid(), self._inode()), con)
        return held[1]

    def _rows(self, statement: str, *values: str) -> list[tuple]:
        """What one statement finds."""
        with _explained(self.path):
            return self._con.execute(statement, values).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One write transaction; it waits for other writers, and an error undoes all of it."""
        con = self._con
        with _explained(self.path):
            con.execute("BEGIN IMMEDIATE")
            try:
                yield con
            except BaseException:
                if con.in_transaction:
                    con.execute("ROLLBACK")
                raise
            if con.in_transaction:
                con.execute("COMMIT")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """One read transaction: everything read in it is of one state."""
        con = self._con
        with _explained(self.path):
            con.execute("BEGIN")
            try:
                yield con
            finally:
                if con.in_transaction:
                    con.execute("COMMIT")

    def _inode(self) -> int:
        """Which file the path names now; a removed or replaced file must not be served from an old connection."""
        try:
            return self.path.stat().st_ino
        except FileNotFoundError:
            return 0

    def _connect(self) -> sqlite3.Connection:
        if not self._create and not self.path.exists():
            raise OnlineStoreMissing(f"{self.path}: no online store here yet; publish the features first")
        if self._create:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        mode = "rwc" if self._create else "rw"
        with _explained(self.path):
            con = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode={mode}", uri=True, timeout=_WAIT_SECONDS, isolation_level=None)
            con.execute("PRAGMA mmap_size = 2147483648")
            if not self._create:
                con.execute("PRAGMA query_only = 1")
                self._check(con)
                return con
            con.execute("PRAGMA page_size = 8192")  # several rows a page; measured better than 4 KB for reads of 100 keys
            con.execute("PRAGMA journal_mode = WAL")
            con.execute("PRAGMA synchronous = NORMAL")
            for statement in _TABLES:
                con.execute(statement)
        return con

    def _check(self, con: sqlite3.Connection) -> None:
        """Refuse a file that no writer has made into an online store yet."""
        made = con.execute("SELECT count(*) FROM sqlite_master WHERE name LIKE 'packed!_%' ESCAPE '!'").fetchone()[0]
        if made < len(_TABLES):
            con.close()
            raise OnlineStoreMissing(f"{self.path}: this file is no online store yet; publish the features first")

    def _table(self, view: str) -> str:
        """The table of a view's rows, quoted."""
        return _quoted(f"{self.project}_{view}")

    def _declare(self, con: sqlite3.Connection, view: View) -> None:
        """Create the table of a view and remember the schema of its rows, which makes it the current one."""
        con.execute(f"CREATE TABLE IF NOT EXISTS {self._table(view.name)} (entity_key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID")
        stored = (self.project, view.name, view.schema.fingerprint, json.dumps(view.join_keys), json.dumps(view.schema.fields))
        con.execute("UPDATE packed_view SET is_current = 0 WHERE project = ? AND view = ? AND fingerprint <> ?", stored[:3])
        con.execute("INSERT OR REPLACE INTO packed_view VALUES (?, ?, ?, ?, ?, 1)", stored)

    def _fetch(self, con: sqlite3.Connection, view: str, keys: Sequence[bytes]) -> list[bytes | None]:
        """The packed rows of some keys in their order, None for a key without a row."""
        table, found = self._table(view), []
        for start in range(0, len(keys), _MOST_KEYS):
            part = keys[start : start + _MOST_KEYS]
            room = 1 << (len(part) - 1).bit_length()  # the next power of two, so that few different statements are prepared
            rows = con.execute(_select(table, room), [*part, *[None] * (room - len(part))]).fetchall()
            found += [row for (row,) in rows[: len(part)]]
        return found

    def _served(self, con: sqlite3.Connection) -> OnlineGeneration | None:
        row = con.execute(_SERVED, (self.project,)).fetchone()
        return _generation(row) if row else None


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Name the file in SQLite's errors."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if "no such table" in str(error):
            raise OnlineStoreMissing(f"{path}: {error}; it was never applied or published there, or the file was removed since") from error
        raise OnlineStoreUnavailable(f"online store {path}: {error}") from error


@lru_cache(maxsize=8)
def _generation(row: tuple) -> OnlineGeneration:
    """A stored row as a record; the same row is read with every lookup."""
    plain = dict(zip(COLUMNS, row, strict=True))
    return generation_of({**plain, "views": json.loads(plain["views"]), "parity": _PARITY[plain["is_complete"]]})


def _quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    """Pairs stored as JSON."""
    return tuple((name, kind) for name, kind in json.loads(text))


@lru_cache(maxsize=64)
def _select(table: str, count: int) -> str:
    """The lookup of so many keys; a join with them took a quarter less time than a list of them after IN, and keeps their order."""
    return f"WITH asked (key) AS (VALUES {', '.join(['(?)'] * count)}) SELECT value FROM asked LEFT JOIN {table} ON entity_key = key"
