"""The Iceberg catalog: open it, create and load tables, and commit to one table at a time under its file lock.

The lock makes commits of the processes of this machine take turns, since PyIceberg does not retry the sequence-number error that commits
on two branches of one table raise; the retry is for writers that do not know the lock. The kernel frees it when its holder dies.
"""

import fcntl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import urlparse

import sqlalchemy as sa
import sqlalchemy.exc
from pyiceberg.catalog.sql import IcebergTables, SqlCatalog
from pyiceberg.exceptions import CommitFailedException, NamespaceAlreadyExistsError, NoSuchTableError, ValidationException
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from sqlalchemy.engine import Engine

from warehouse.lake import records
from warehouse.lake.durable import DurableFileIO
from warehouse.lake.errors import MovedLake
from warehouse.lake.schema import evolve, iceberg_schema, is_declared, partition_spec
from warehouse.settings import Settings
from warehouse.table import TableSpec

NAME = "lending"
SQLITE_WAIT_SECONDS = 60
COMMIT_ATTEMPTS = 20
TRANSIENT = (  # in a ValueError of PyIceberg, an OperationalError of SQLite, and a ValidationException of PyIceberg:
    "sequence number",
    "database is locked",
    "Missing required files to delete",  # its threads share the evaluator of manifests, so one may look with the bounds of another's
)
TABLE_PROPERTIES = {
    # PyIceberg's own retry forgets a branch made in the same transaction and would write a rootless one; `retried` starts afresh.
    "commit.retry.num-retries": "0",
    "commit.manifest-merge.enabled": "true",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
    "write.parquet.compression-codec": "zstd",
}

T = TypeVar("T")


class LockBusy(Exception):
    """Another process holds a lock and the caller did not want to wait."""


class Target(NamedTuple):
    """Where files of a table go: a folder, the Iceberg schema whose columns they have, and its field ids by column."""

    folder: Path
    schema_id: int
    field_ids: dict[str, int]


class Catalog:
    """Tables of one lake, with the metadata of each as this process saw it last.

    Raises:
        MovedLake: the lake was written in another folder.
    """

    def __init__(self, settings: Settings) -> None:
        self.lake = settings.lake.resolve()  # one spelling of each path, through whichever link it was opened
        uri = settings.catalog_uri or f"sqlite:///{settings.home}/catalog.db"
        self.locks = settings.home / "locks"
        self.locks.mkdir(parents=True, exist_ok=True)
        with self.lock("catalog"):
            self._iceberg = _connect(uri, self.lake)
            records.create_tables(self._iceberg.engine)
        _refuse_moved(self._iceberg.engine, self.lake)
        self.engine = self._iceberg.engine
        self._tables: dict[str, Table] = {}

    def close(self) -> None:
        """Close the connections to the catalog's database."""
        self.engine.dispose()

    def names(self, layer: str | None = None) -> list[str]:
        """Tables of one layer or of all, as `layer.table`."""
        layers = [namespace for namespace in self._iceberg.list_namespaces() if layer in (None, namespace[0])]
        return sorted(".".join(name) for namespace in layers for name in self._iceberg.list_tables(namespace))

    def load(self, name: str) -> Table | None:
        """The table with its newest metadata, or None if it was never created."""
        with suppress(NoSuchTableError):
            return self.reload(name)
        return None

    def reload(self, name: str) -> Table:
        """The table with its newest metadata.

        Raises:
            NoSuchTableError: it was never created.
        """
        self._tables[name] = self._iceberg.load_table(name)
        return self._tables[name]

    def holding(self, name: str, *snapshot_ids: int) -> Table:
        """The table with metadata that knows some snapshots; reloads only if what this process saw last does not.

        Raises:
            LookupError: a snapshot is gone.
        """
        table = self._tables.get(name)
        if table is None or _unknown(table, snapshot_ids):
            table = self.load(name)
        unknown = _unknown(table, snapshot_ids) if table else snapshot_ids
        if table is None or unknown:
            raise LookupError(f"{name}: snapshot {unknown[0]} is gone; it was expired by lending gc, read a newer release")
        return table

    def has_columns(self, spec: TableSpec, snapshot_id: int) -> bool:
        """Whether a snapshot has the columns of a declaration, so that nothing of it has to evolve."""
        return is_declared(schema_at(self.holding(spec.name, snapshot_id), snapshot_id), spec)

    def target(self, spec: TableSpec) -> Target:
        """Where to write files of a table, which is created or evolved if it is not as declared.

        Raises:
            SchemaMismatch: the declaration changed in a way that an existing table cannot follow.
        """
        table = self._tables.get(spec.name)
        if table is None or not is_declared(table.schema(), spec):
            with self.lock(spec.name):
                table = retried(lambda: self.ensure(spec))
        schema = table.schema()
        return Target(self.folder(spec.name) / "data", schema.schema_id, {field.name: field.field_id for field in schema.fields})

    def ensure(self, spec: TableSpec) -> Table:
        """The table of a declaration: created if missing, evolved if the declaration changed. Call it under the table's lock.

        Raises:
            SchemaMismatch: the declaration changed in a way that an existing table cannot follow.
        """
        table = self.load(spec.name) or self._create(spec)
        if table.current_snapshot() is None:
            # The first write to a branch of a table without any snapshot fails, so it starts with an empty one.
            table.append(table.schema().as_arrow().empty_table())
        evolve(table, spec)
        return table

    def folder(self, name: str) -> Path:
        """Folder of a table's files."""
        return self.lake.joinpath(*name.split("."))

    @contextmanager
    def lock(self, name: str, wait: bool = True) -> Iterator[None]:
        """Hold a lock among the processes and threads of this machine.

        Raises:
            LockBusy: it is held and `wait` is false.
        """
        with (self.locks / f"{name}.lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as busy:
                raise LockBusy(name) from busy
            yield

    def _create(self, spec: TableSpec) -> Table:
        with suppress(NamespaceAlreadyExistsError):
            if not self._iceberg.namespace_exists(spec.layer):
                self._iceberg.create_namespace(spec.layer)
        table = self._iceberg.create_table(
            spec.name,
            iceberg_schema(spec),
            location=f"file://{self.folder(spec.name)}",
            partition_spec=partition_spec(spec),
            properties={**TABLE_PROPERTIES, "comment": spec.description},
        )
        self._tables[spec.name] = table
        return table


def _unknown(table: Table, snapshot_ids: Sequence[int]) -> Sequence[int]:
    return [snapshot_id for snapshot_id in snapshot_ids if table.snapshot_by_id(snapshot_id) is None]


def _refuse_moved(engine: Engine, lake: Path) -> None:
    """Iceberg's metadata holds absolute paths: a moved lake has no files, and a copy would go on in the files of its original."""
    query = sa.select(IcebergTables.metadata_location).where(IcebergTables.catalog_name == NAME).limit(1)
    with engine.connect() as connection:
        location = connection.execute(query).scalar()
    if location is None or urlparse(location).scheme != "file":
        return
    written_at = Path(local_path(location)).parents[3]  # lake/layer/table/metadata/file
    if written_at.resolve() != lake:
        raise MovedLake(
            f"the lake at {lake} was written at {written_at}, and its tables hold absolute paths: move it back there, or deliver landing/ "
            "again to a new home"
        )


def schema_at(table: Table, snapshot_id: int) -> Schema:
    """The columns that a table had in a snapshot."""
    snapshot = table.snapshot_by_id(snapshot_id)
    schema_id = snapshot.schema_id if snapshot else None
    return table.schemas()[schema_id] if schema_id is not None else table.schema()


def local_path(location: str) -> str:
    """The path of a file address of the lake."""
    return location.removeprefix("file://") if urlparse(location).scheme == "file" else location


def retried(commit: Callable[[], T], attempts: int = COMMIT_ATTEMPTS) -> T:
    """Run a commit again while a writer that does not hold our lock gets in between, or keeps the catalog's database to itself.

    Raises:
        CommitFailedException: it still fails at the last attempt.
        ValueError: the commit is wrong for another reason than its sequence number.
        OperationalError: the database fails for another reason than a lock.
        ValidationException: the commit contradicts the table, such as by deleting files that it does not have.
    """
    for attempt in range(attempts):
        try:
            return commit()
        except CommitFailedException:
            if attempt == attempts - 1:
                raise
        except (ValueError, ValidationException, sqlalchemy.exc.OperationalError) as error:
            if not any(text in str(error) for text in TRANSIENT) or attempt == attempts - 1:
                raise
        time.sleep(min(0.02 * 2**attempt, 1.0))
    raise AssertionError("unreachable")


def _connect(uri: str, lake: Path) -> SqlCatalog:
    is_sqlite = uri.startswith("sqlite")
    if is_sqlite and "timeout=" not in uri:
        uri += f"{'&' if '?' in uri else '?'}timeout={SQLITE_WAIT_SECONDS}"
    options = {"uri": uri, "warehouse": f"file://{lake}", "py-io-impl": f"{DurableFileIO.__module__}.{DurableFileIO.__name__}"}
    catalog = SqlCatalog(NAME, **options)
    if is_sqlite:
        with catalog.engine.connect() as connection:
            # WAL stays set in the file; asking again would only contend for the lock.
            if connection.exec_driver_sql("PRAGMA journal_mode").scalar() != "wal":
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    return catalog
