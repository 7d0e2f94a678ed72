"""Reading a pinned snapshot: Iceberg plans the list of Parquet files, the engine reads them.

Measured as fast as plain Parquet and four to five times faster than reading through Arrow. A snapshot never changes, so each is planned
once per process.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from functools import lru_cache
from typing import Any

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
from ibis.backends import BaseBackend
from pyiceberg.schema import Schema
from pyiceberg.table import Table

from warehouse.lake.branches import recipe_of
from warehouse.lake.catalog import Catalog, schema_at
from warehouse.lake.files import FileLog
from warehouse.lake.plan import day_of, difference, partition_files, stored_files
from warehouse.lake.schema import stored_names
from warehouse.lake.shapes import brought_to, by_field_id, has_columns
from warehouse.lake.tiers import StoredFile
from warehouse.table import TableSpec

EMPTY = "empty"
MAX_PLANS = 256  # file lists of snapshots that a process remembers


class Reader:
    """Tables of pinned snapshots on one engine connection."""

    def __init__(self, con: BaseBackend, catalog: Catalog, log: FileLog) -> None:
        self._con = con
        self._catalog = catalog
        self._log = log
        self._parts: dict[str, list[str]] = {}  # views that a view is made of
        self._tables: dict[tuple[str, int, date | None], ir.Table] = {}
        self.stored = lru_cache(MAX_PLANS)(self._plan)

    def table(self, name: str, snapshot_id: int, since: date | None = None) -> ir.Table:
        """The table as of a snapshot, with the columns that it had then.

        Args:
            name: layer.table.
            snapshot_id: which.
            since: leave out partitions before this date, whose files are then not opened.

        Raises:
            LakeError: since is given and the table has no date partition; or a foreign writer left delete files.
        """
        key = (name, snapshot_id, since)
        if key not in self._tables:
            self._tables[key] = self._open(name, snapshot_id, since)
        return self._tables[key]

    def as_declared(self, spec: TableSpec, snapshot_id: int) -> ir.Table:
        """The table as of a snapshot with the columns of its declaration, which may have changed since."""
        held = self.table(spec.name, snapshot_id)
        stored = stored_names(schema_at(self._catalog.holding(spec.name, snapshot_id), snapshot_id), spec)
        types = spec.nullable_schema()
        return held.select(**{name: (held[stored[name]] if name in stored else ibis.null()).cast(types[name]) for name in types})

    def files(self, name: str, snapshot_id: int) -> list[str]:
        """Paths of the Parquet files of a snapshot; none for an empty table.

        Raises:
            LakeError: a foreign writer left delete files, which a plain read of the data files would ignore.
        """
        return sorted(file.path for file in self.stored(name, snapshot_id))

    def plain_files(self, name: str, snapshot_id: int) -> list[str]:
        """Paths of the files of a snapshot that can be read without the table's history of columns; none if one cannot.

        Raises:
            DamagedFile: a file is missing or has other bytes.
        """
        table = self._catalog.holding(name, snapshot_id)
        schema, paths = schema_at(table, snapshot_id), self.files(name, snapshot_id)
        written = self._log.check(name, paths)
        return paths if all(has_columns(table, schema_id, schema) for schema_id in written.values()) else []

    def recipe(self, name: str, snapshot_id: int) -> tuple[str, str]:
        """By which recipe all rows of a snapshot were computed, and from which staging tables; empty if that was not said."""
        made, _, of = (recipe_of(self._catalog.holding(name, snapshot_id), snapshot_id) or "").partition("@")
        return made, of

    def check(self, name: str, paths: Sequence[str]) -> None:
        """Make sure that data files are as they were written.

        Raises:
            DamagedFile: one is missing or has other bytes.
        """
        self._log.check(name, paths)

    def changed_rows(self, name: str, old_id: int, new_id: int) -> tuple[ir.Table, ir.Table]:
        """The rows that only one of two snapshots of a table holds: those that are gone, and those that have come.

        Only files that the snapshots do not share are read. Columns that one of them lacks are left out, so that a new column alone is
        no change; names and types are those of the new snapshot.

        Raises:
            LookupError: a snapshot is gone.
        """
        table = self._catalog.holding(name, old_id, new_id)
        files = difference(table, old_id, new_id)
        shared = {field.field_id for field in schema_at(table, old_id).fields}
        names = [field.name for field in schema_at(table, new_id).fields if field.field_id in shared]
        old, new = (self._read(table, new_id, [file.path for file in side]).select(*names) for side in files)
        return old.difference(new), new.difference(old)

    @contextmanager
    def changed(self, spec: TableSpec, snapshot_id: int, base_id: int | None) -> Iterator[tuple[ir.Table, ir.Table | None]]:
        """What an audit of a staged table has to look at, given that the base was audited, while it does so.

        Args:
            spec: declaration.
            snapshot_id: the table as it would become.
            base_id: the audited snapshot that it was made from; None if there is none.

        Returns:
            Rows of new files, and rows of the other files that may have the key of one of them, if there are any. All rows are new
            where there is no base or the columns changed.
        """
        table = self._catalog.holding(spec.name, snapshot_id, *([base_id] if base_id is not None else []))
        if base_id is None or schema_at(table, snapshot_id) != schema_at(table, base_id):
            with self._rows(table, snapshot_id, self.files(spec.name, snapshot_id)) as rows:
                yield rows, None
            return
        new = difference(table, base_id, snapshot_id).come
        with self._rows(table, snapshot_id, [file.path for file in new]) as rows:
            kept = self._kept(spec, table, snapshot_id, new)
            if not kept:
                yield rows, None
                return
            with self._rows(table, snapshot_id, kept) as kept_rows:
                yield rows, kept_rows

    def _kept(self, spec: TableSpec, table: Table, snapshot_id: int, new: Sequence[StoredFile]) -> list[str]:
        """Other files than the new ones that may hold a key of theirs."""
        if not new:
            return []
        if spec.partition_by in spec.grain:
            touched = {file.partition for file in new if file.partition is not None}
            around = partition_files(table, snapshot_id, day_of(min(touched)), day_of(max(touched)))
            files = {file.path for file in around if file.partition in touched}
        else:
            files = {file.path for file in self.stored(spec.name, snapshot_id)}
        return sorted(files - {file.path for file in new})

    @contextmanager
    def _rows(self, table: Table, snapshot_id: int, paths: list[str]) -> Iterator[ir.Table]:
        rows = self._read(table, snapshot_id, paths)
        try:
            yield rows
        finally:
            self._drop(rows)

    @contextmanager
    def rows(self, spec: TableSpec, paths: list[str], file_column: str | None = None) -> Iterator[ir.Table]:
        """Rows of some data files of a table, with its declared columns, while they are needed.

        Args:
            spec: declaration, which the stored table follows.
            paths: at least one.
            file_column: name of a column to add that holds the path of the row's file.
        """
        table = self._catalog.reload(spec.name)
        rows = self._view(table, table.schema(), paths, file_column)
        try:
            yield rows
        finally:
            self._drop(rows)

    def empty(self, spec: TableSpec) -> ir.Table:
        """A typed table without rows, for one that was never written."""
        return self._empty(spec.ibis_schema())

    def _open(self, name: str, snapshot_id: int, since: date | None) -> ir.Table:
        table = self._catalog.holding(name, snapshot_id)
        if since is None:
            return self._read(table, snapshot_id, self.files(name, snapshot_id))
        return self._read(table, snapshot_id, sorted(file.path for file in partition_files(table, snapshot_id, since)))

    def _plan(self, name: str, snapshot_id: int) -> tuple[StoredFile, ...]:
        return tuple(stored_files(self._catalog.holding(name, snapshot_id), snapshot_id))

    def _read(self, table: Table, snapshot_id: int, paths: list[str]) -> ir.Table:
        schema = schema_at(table, snapshot_id)
        if not paths:  # the engine cannot read an empty list of files
            return self._empty(ibis.Schema.from_pyarrow(schema.as_arrow()))
        return self._view(table, schema, paths)

    def _view(self, table: Table, schema: Schema, paths: list[str], file_column: str | None = None) -> ir.Table:
        """Files as one table. Those that have other columns than it are brought to them by field id; names and types may differ."""
        name = ".".join(table.name())
        written = self._log.check(name, paths)
        if all(has_columns(table, schema_id, schema) for schema_id in written.values()):
            return self._parquet(name, paths, file_column)
        parts = []
        for schema_id in sorted(set(written.values()), key=str):
            here = [path for path in paths if written[path] == schema_id]
            if schema_id is None:
                parts.append(self._parquet(name, here, file_column, schema=by_field_id(schema)))
            else:
                parts.append(brought_to(schema, self._parquet(name, here, file_column), table.schemas()[schema_id], file_column))
        view = ibis.util.gen_name(name.replace(".", "_"))
        self._parts[view] = [root.name for part in parts for root in part.op().find(ops.DatabaseTable)]
        return self._con.create_view(view, ibis.union(parts[0], *parts[1:]) if len(parts) > 1 else parts[0])

    def _parquet(self, name: str, paths: list[str], file_column: str | None, **options: Any) -> ir.Table:
        if file_column is not None:
            options["filename"] = file_column
        # Folder names are not columns here, and a home folder such as /data/env=prod must not become one.
        return self._con.read_parquet(paths, table_name=ibis.util.gen_name(name.replace(".", "_")), hive_partitioning=False, **options)

    def _drop(self, rows: ir.Table) -> None:
        name = rows.op().name
        if name.startswith(f"ibis_{EMPTY}_"):
            self._con.drop_table(name)
            return
        for view in [name, *self._parts.pop(name, [])]:
            self._con.drop_view(view)

    def _empty(self, schema: ibis.Schema) -> ir.Table:
        name = ibis.util.gen_name(EMPTY)
        self._con.create_table(name, schema=schema, temp=True)
        return self._con.table(name)  # under its plain name, as text queries need it
