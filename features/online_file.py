"""The SQLite file of packed rows: one table per feature view, the schemas of its rows, and the generations that were published into it.

Write-ahead logging lets readers go on with the state before a write until it commits, so a write is one transaction and never an outage.
A connection belongs to one thread and one process; the file opens them as they are needed.
"""

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from features.packed import PackedSchema

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
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


class OnlineFileMissing(FileNotFoundError):
    """The online store has not been written yet."""


@dataclass(frozen=True)
class View:
    """One feature view in the file.

    Attributes:
        project: Feast project.
        name: feature view.
        join_keys: (name, type) of its join keys.
        schema: the layout in which rows are written now; rows of older layouts carry their own fingerprint.
    """

    project: str
    name: str
    join_keys: tuple[tuple[str, str], ...]
    schema: PackedSchema

    @property
    def table(self) -> str:
        """The table of its rows, quoted."""
        return quoted(f"{self.project}_{self.name}")


@dataclass(frozen=True)
class OnlineGeneration:
    """What one publish wrote: the online store equals the named release for these views, as of one instant.

    Attributes:
        release_id: the release that the rows were taken from.
        business_date: its business date, by which the age of features is judged.
        as_of: event timestamp of the published snapshot, UTC.
        views: names of the published feature views.
        published_at: when it was committed, UTC.
        rows_written: rows that were new or had another value.
        rows_deleted: rows of keys that the release does not hold.
        row_count: rows in all, over the views.
        is_complete: always true of a recorded generation, since it is committed together with its rows.
    """

    release_id: int
    business_date: date
    as_of: datetime
    views: tuple[str, ...]
    published_at: datetime
    rows_written: int
    rows_deleted: int
    row_count: int
    is_complete: bool = True


class OnlineFile:
    """Connections to one file, and the statements that all users of it share."""

    def __init__(self, path: Path, create: bool = False) -> None:
        """Name the file; it is opened when it is used.

        Args:
            path: the SQLite file.
            create: whether to make the file if it is missing; a reader must not.
        """
        self.path = Path(path)
        self._create = create
        self._local = threading.local()

    @property
    def con(self) -> sqlite3.Connection:
        """The connection of this thread and process.

        Raises:
            OnlineFileMissing: the file does not exist and is not to be created.
        """
        mark = (os.getpid(), self._inode())
        held: tuple[tuple, sqlite3.Connection] | None = getattr(self._local, "held", None)
        if held is None or held[0] != mark:
            con = self._connect()
            held = ((os.getpid(), self._inode()), con)
            self._local.held = held
        return held[1]

    def close(self) -> None:
        """Close the connection of this thread."""
        held = getattr(self._local, "held", None)
        if held is not None and held[0][0] == os.getpid():
            held[1].close()
        self._local.held = None

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One write transaction; it waits for other writers, and an error undoes all of it."""
        con = self.con
        con.execute("BEGIN IMMEDIATE")
        try:
            yield con
        except BaseException:
            con.execute("ROLLBACK")
            raise
        con.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One read transaction: everything read in it is of one state."""
        con = self.con
        con.execute("BEGIN")
        try:
            yield con
        finally:
            con.execute("COMMIT")

    def _inode(self) -> int:
        """Which file the path names now; a removed or replaced file must not be served from an old connection."""
        try:
            return self.path.stat().st_ino
        except FileNotFoundError:
            return 0

    def _connect(self) -> sqlite3.Connection:
        if not self._create and not self.path.exists():
            raise OnlineFileMissing(f"{self.path}: no online store here yet; publish the features first")
        if self._create:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        mode = "rwc" if self._create else "rw"
        con = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode={mode}", uri=True, timeout=60, isolation_level=None)
        con.execute("PRAGMA mmap_size = 1073741824")
        if not self._create:
            con.execute("PRAGMA query_only = 1")
            return con
        con.execute("PRAGMA page_size = 8192")  # several rows a page; measured better than 4 KB for reads of 100 keys
        con.execute("PRAGMA journal_mode = WAL")
        con.execute("PRAGMA synchronous = NORMAL")
        for statement in _TABLES:
            con.execute(statement)
        return con


def check(con: sqlite3.Connection, path: Path) -> None:
    """Refuse a file that no writer has made into an online store yet.

    Raises:
        OnlineFileMissing: the tables are not there.
    """
    made = con.execute("SELECT count(*) FROM sqlite_master WHERE name LIKE 'packed!_%' ESCAPE '!'").fetchone()[0]
    if made < len(_TABLES):
        raise OnlineFileMissing(f"{path}: this file is no online store yet; publish the features first")


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def declare(con: sqlite3.Connection, view: View) -> None:
    """Create the table of a view and remember the schema of its rows, which makes it the current one."""
    con.execute(f"CREATE TABLE IF NOT EXISTS {view.table} (entity_key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID")
    stored = (view.project, view.name, view.schema.fingerprint, json.dumps(view.join_keys), json.dumps(view.schema.fields))
    con.execute("UPDATE packed_view SET is_current = 0 WHERE project = ? AND view = ? AND fingerprint <> ?", stored[:3])
    con.execute("INSERT OR REPLACE INTO packed_view VALUES (?, ?, ?, ?, ?, 1)", stored)


def drop(con: sqlite3.Connection, project: str, view: str) -> None:
    """Remove a view with its rows."""
    con.execute(f"DROP TABLE IF EXISTS {quoted(f'{project}_{view}')}")
    con.execute("DELETE FROM packed_view WHERE project = ? AND view = ?", (project, view))


def forget(con: sqlite3.Connection, project: str) -> None:
    """Remove what was published of a project; its views are removed one by one."""
    con.execute("DELETE FROM packed_generation WHERE project = ?", (project,))
    con.execute("DELETE FROM packed_service WHERE project = ?", (project,))


def views(con: sqlite3.Connection, project: str) -> list[View]:
    """The views of a project with their current schemas."""
    rows = con.execute("SELECT view, join_keys, fields FROM packed_view WHERE project = ? AND is_current ORDER BY view", (project,))
    return [View(project, name, _pairs(keys), PackedSchema(_pairs(fields))) for name, keys, fields in rows.fetchall()]


def schemas(con: sqlite3.Connection, project: str, view: str) -> dict[bytes, PackedSchema]:
    """All schemas that rows of a view may have, by fingerprint."""
    rows = con.execute("SELECT fields FROM packed_view WHERE project = ? AND view = ?", (project, view)).fetchall()
    known = [PackedSchema(_pairs(fields)) for (fields,) in rows]
    return {schema.fingerprint: schema for schema in known}


def upsert(con: sqlite3.Connection, view: View, rows: Iterable[tuple[bytes, bytes]]) -> None:
    """Write rows unless a newer one is held: by event time, then created time. At equal times the later write wins."""
    con.executemany(
        f"INSERT INTO {view.table} VALUES (?, ?) ON CONFLICT (entity_key) DO UPDATE SET value = excluded.value "
        "WHERE substr(excluded.value, 9, 16) >= substr(value, 9, 16)",
        rows,
    )


def replace_changed(con: sqlite3.Connection, view: View, rows: Iterable[tuple[bytes, bytes]]) -> int:
    """Write rows whose features or schema differ from the held ones, whatever their times; the number of rows written.

    A row with equal features but held as of a later time, which happens after a rollback, is written too.
    """
    before = con.total_changes
    con.executemany(
        f"INSERT INTO {view.table} VALUES (?, ?) ON CONFLICT (entity_key) DO UPDATE SET value = excluded.value "
        "WHERE substr(excluded.value, 1, 8) <> substr(value, 1, 8) OR substr(excluded.value, 25) <> substr(value, 25) "
        "OR substr(excluded.value, 9, 16) < substr(value, 9, 16)",
        rows,
    )
    return con.total_changes - before


def fetch(con: sqlite3.Connection, table: str, keys: Sequence[bytes]) -> dict[bytes, bytes]:
    """The packed rows of some keys; keys without a row are absent."""
    found: dict[bytes, bytes] = {}
    for start in range(0, len(keys), 1024):
        part = keys[start : start + 1024]
        padded = [*part, *[part[-1]] * (_room(len(part)) - len(part))]
        found.update(con.execute(_select(table, len(padded)), padded).fetchall())
    return found


def service_features(con: sqlite3.Connection, project: str, service: str) -> tuple[str, ...] | None:
    """The features of a service as `view:feature`, in its order; None if it was never published."""
    row = con.execute("SELECT features FROM packed_service WHERE project = ? AND service = ?", (project, service)).fetchone()
    return tuple(json.loads(row[0])) if row else None


def record_service(con: sqlite3.Connection, project: str, service: str, features: Sequence[str]) -> None:
    """Remember the features of a service, so that readers resolve it without Feast."""
    con.execute("INSERT OR REPLACE INTO packed_service VALUES (?, ?, ?)", (project, service, json.dumps(list(features))))


def record_generation(con: sqlite3.Connection, project: str, made: OnlineGeneration) -> None:
    """Remember what was published."""
    con.execute(
        "INSERT INTO packed_generation (project, release_id, business_date, as_of, views, published_at, rows_written, rows_deleted, "
        "row_count, is_complete) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(project, made.release_id, made.business_date.isoformat(), microseconds(made.as_of), json.dumps(made.views)),
            *(microseconds(made.published_at), made.rows_written, made.rows_deleted, made.row_count, int(made.is_complete)),
        ),
    )


def served_generation(con: sqlite3.Connection, project: str) -> OnlineGeneration | None:
    """The generation that readers see now; None before the first publish."""
    row = con.execute(
        "SELECT release_id, business_date, as_of, views, published_at, rows_written, rows_deleted, row_count, is_complete "
        "FROM packed_generation WHERE project = ? ORDER BY generation DESC LIMIT 1",
        (project,),
    ).fetchone()
    return _generation(row) if row else None


@lru_cache(maxsize=8)
def _generation(row: tuple) -> OnlineGeneration:
    """A stored row as a record; the same row is read with every lookup."""
    release_id, business_date, as_of, names, published_at, written, deleted, count, is_complete = row
    return OnlineGeneration(
        release_id=release_id,
        business_date=date.fromisoformat(business_date),
        as_of=instant(as_of),
        views=tuple(json.loads(names)),
        published_at=instant(published_at),
        rows_written=written,
        rows_deleted=deleted,
        row_count=count,
        is_complete=bool(is_complete),
    )


def microseconds(at: datetime) -> int:
    """A UTC instant as whole microseconds since 1970; one without a zone is UTC."""
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)


def instant(at: int) -> datetime:
    """Microseconds since 1970 as an instant in UTC."""
    return _EPOCH + timedelta(microseconds=at)


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    """Pairs stored as JSON."""
    return tuple((name, kind) for name, kind in json.loads(text))


def _room(count: int) -> int:
    """The next power of two, so that few different statements are prepared."""
    return 1 << (count - 1).bit_length()


@lru_cache(maxsize=64)
def _select(table: str, count: int) -> str:
    """The lookup of so many keys."""
    return f"SELECT entity_key, value FROM {table} WHERE entity_key IN ({', '.join('?' * count)})"
