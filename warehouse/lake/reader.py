"""Reading a pinned snapshot: Iceberg plans the list of Parquet files, the engine reads them.

Measured as fast as plain Parquet and four to five times faster than reading through Arrow. A snapshot never changes, so each is planned
once per process.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ibis
import ibis.expr.types as ir
import sqlglot
from ibis.backends import BaseBackend
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.types import DecimalType

from warehouse.lake.catalog import Catalog, local_path, schema_at
from warehouse.lake.errors import LakeError, UnknownTable
from warehouse.lake.release_log import Release
from warehouse.lake.schema import TYPES
from warehouse.lake.tiers import StoredFile
from warehouse.table import TableSpec


class Reader:
    """Tables of pinned snapshots on one engine connection."""

    def __init__(self, con: BaseBackend, catalog: Catalog) -> None:
        self._con = con
        self._catalog = catalog
        self._tables: dict[tuple[str, int], ir.Table] = {}

    def table(self, name: str, snapshot_id: int) -> ir.Table:
        """The table as of a snapshot, with the columns that it had then."""
        key = (name, snapshot_id)
        if key not in self._tables:
            self._tables[key] = self._open(name, snapshot_id)
        return self._tables[key]

    def files(self, name: str, snapshot_id: int) -> list[str]:
        """Paths of the Parquet files of a snapshot; none for an empty table.

        Raises:
            LakeError: a foreign writer left delete files, which a plain read of the data files would ignore.
        """
        return planned_files(self._catalog.holding(name, snapshot_id), snapshot_id)

    def changed(self, spec: TableSpec, snapshot_id: int, base_id: int | None) -> ir.Table:
        """The rows of a staged table that an audit has to look at: its changed partitions, or all of it.

        Partitions whose files are those of the base were audited when the base was published. All rows are looked at when the grain does
        not hold the partition, so that a key could be in two of them, or when the columns changed.
        """
        if base_id is None or spec.partition_by not in spec.grain:
            return self.table(spec.name, snapshot_id)
        table = self._catalog.holding(spec.name, snapshot_id)
        staged, base = ({file.path: file.partition for file in stored_files(table, each)} for each in (snapshot_id, base_id))
        touched = {staged[path] for path in staged.keys() - base.keys()}
        if schema_at(table, snapshot_id) != schema_at(table, base_id) or touched >= set(staged.values()):
            return self.table(spec.name, snapshot_id)
        return self._read(table, snapshot_id, sorted(path for path, day in staged.items() if day in touched))

    @contextmanager
    def rows(self, table: Table, paths: list[str], file_column: str | None = None) -> Iterator[ir.Table]:
        """Rows of some data files of a table, with the columns that it has now, while they are needed.

        Args:
            table: with its newest metadata.
            paths: at least one.
            file_column: name of a column to add that holds the path of the row's file.
        """
        rows = self._view(table, table.schema(), paths, {"filename": file_column} if file_column else {})
        try:
            yield rows
        finally:
            self._con.drop_view(rows.op().name)

    def empty(self, spec: TableSpec) -> ir.Table:
        """A typed table without rows, for one that was never written."""
        return self._empty(spec.ibis_schema())

    def _open(self, name: str, snapshot_id: int) -> ir.Table:
        table = self._catalog.holding(name, snapshot_id)
        return self._read(table, snapshot_id, planned_files(table, snapshot_id))

    def _read(self, table: Table, snapshot_id: int, paths: list[str]) -> ir.Table:
        schema = schema_at(table, snapshot_id)
        if not paths:  # the engine cannot read an empty list of files
            return self._empty(ibis.Schema.from_pyarrow(schema.as_arrow()))
        return self._view(table, schema, paths, {})

    def _view(self, table: Table, schema: Schema, paths: list[str], options: dict[str, Any]) -> ir.Table:
        name = ibis.util.gen_name("_".join(table.name()))
        by_id = {"schema": _by_field_id(schema)} if len(table.schemas()) > 1 else {}
        # Folder names are not columns here, and a home folder such as /data/env=prod must not become one.
        return self._con.read_parquet(paths, table_name=name, hive_partitioning=False, **by_id, **options)

    def _empty(self, schema: ibis.Schema) -> ir.Table:
        return self._con.create_table(ibis.util.gen_name("empty"), schema=schema, temp=True)


class Pinned:
    """A release as a reader sees it: every table of one release, whatever is published meanwhile."""

    def __init__(self, reader: Reader, release: Release) -> None:
        self._reader = reader
        self.release = release

    def tables(self) -> list[str]:
        """Names of the tables, sorted."""
        return sorted(self.release.tables)

    def table(self, name: str) -> ir.Table:
        """One table of the release.

        Raises:
            UnknownTable: the release does not hold it; the message names near matches.
        """
        return self._reader.table(name, self._snapshot(name))

    def files(self, name: str) -> list[str]:
        """Paths of the table's Parquet files; an empty list for an empty table.

        Raises:
            UnknownTable: the release does not hold it.
        """
        return self._reader.files(name, self._snapshot(name))

    def _snapshot(self, name: str) -> int:
        if name not in self.release.tables:
            raise UnknownTable(name, self.release.tables)
        return self.release.tables[name]


def planned_files(table: Table, snapshot_id: int) -> list[str]:
    """Paths of a snapshot's data files, sorted.

    Raises:
        LakeError: a data file has delete files.
    """
    return sorted(file.path for file in stored_files(table, snapshot_id))


def stored_files(table: Table, snapshot_id: int) -> list[StoredFile]:
    """The data files of a snapshot.

    Raises:
        LakeError: a data file has delete files.
    """
    tasks = list(table.scan(snapshot_id=snapshot_id).plan_files())
    if any(task.delete_files for task in tasks):
        raise LakeError(f"{'.'.join(table.name())}: has delete files of a foreign writer; rewrite the table with its own tool")
    files = (task.file for task in tasks)
    return [StoredFile(local_path(file.file_path), file.record_count, next(iter(file.partition), None)) for file in files]


def _by_field_id(schema: Schema) -> sqlglot.exp.Expr:
    """The read schema of a table that changed its columns: files are matched by field id, since names and types may differ."""
    sql_types = {iceberg: sql for _, iceberg, sql in TYPES}
    columns = []
    for field in schema.fields:
        is_decimal = isinstance(field.field_type, DecimalType)
        sql = str(field.field_type).upper() if is_decimal else sql_types.get(field.field_type)
        if sql is None:
            sql = "TIMESTAMP WITH TIME ZONE" if str(field.field_type) == "timestamptz" else "TIMESTAMP"
        name = field.name.replace("'", "''")
        columns.append(f"{field.field_id}: {{'name': '{name}', 'type': '{sql}', 'default_value': NULL}}")
    return sqlglot.parse_one(f"MAP {{{', '.join(columns)}}}", dialect="duckdb")
