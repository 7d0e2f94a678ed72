"""Row-level change of a table, copy on write by file.

A row that goes is found by its grain; only the files that hold such rows are written again, without them. Added rows are files of their
own, and where small files have gathered, they become one on the way (tiers.py).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends import BaseBackend

from warehouse.lake.catalog import Catalog
from warehouse.lake.errors import SchemaMismatch
from warehouse.lake.plan import day_number
from warehouse.lake.reader import Reader
from warehouse.lake.tiers import StoredFile, crowded
from warehouse.lake.writer import WrittenFiles, write_parquet
from warehouse.table import TableSpec

FILE = "__file"  # column with the path of the file that holds a row


@dataclass(frozen=True)
class Change:
    """What a merge wrote: added rows, rows of other files that stay, and the files of the parent that these stand for."""

    added: WrittenFiles
    kept: WrittenFiles | None = None
    doomed: frozenset[str] = frozenset()

    @property
    def written(self) -> list[WrittenFiles]:
        """All that was written."""
        return [self.added] + ([self.kept] if self.kept else [])


@dataclass(frozen=True)
class Merger:
    """Changes one table of a lake."""

    con: BaseBackend
    catalog: Catalog
    reader: Reader
    spec: TableSpec

    def change(self, parent: int | None, added: ir.Table | pa.Table, removed: ir.Table | pa.Table | None) -> Change:
        """Write the files that turn the parent snapshot into the changed table; nothing refers to them yet.

        Args:
            parent: snapshot that is changed; None for a table that starts with the added rows.
            added: rows with all declared columns.
            removed: the grain, at least, of the rows that go.

        Raises:
            SchemaMismatch: columns or types do not fit.
        """
        written = write_parquet(self.con, self.spec, added, self.catalog.target(self.spec))
        if parent is None:
            return Change(written)
        files = self.reader.stored(self.spec.name, parent)
        with self._keys(removed) as keys:
            hit = self._hit(files, keys) if keys is not None else set()
            if not hit and not written.files:
                return Change(written)
            old = hit | crowded(file for file in files if file.path not in hit)
            return Change(written, self._rewrite(old, keys), frozenset(old))

    @contextmanager
    def _keys(self, removed: ir.Table | pa.Table | None) -> Iterator[ir.Table | None]:
        """The grain of the rows that go, stored, since it is read more than once; None if there are none."""
        if removed is None:
            yield None
            return
        table = ibis.memtable(removed) if isinstance(removed, pa.Table) else removed
        missing = [name for name in self.spec.grain if name not in table.columns]
        if missing:
            raise SchemaMismatch(f"{self.spec.name}: rows to remove are named by their grain; {', '.join(missing)} is missing")
        types = self.spec.nullable_schema()
        keys = table.select(**{name: table[name].cast(types[name]) for name in self.spec.grain}).distinct()
        name = ibis.util.gen_name("removed")
        stored = self.con.create_table(name, keys, temp=True)
        try:
            yield stored if stored.count().to_pyarrow().as_py() else None
        finally:
            self.con.drop_table(name)

    def _hit(self, files: Sequence[StoredFile], keys: ir.Table) -> set[str]:
        """Paths of the files that hold a row that goes."""
        if self.spec.partition_by in self.spec.grain:
            days = {day_number(day) for day in keys[self.spec.partition_by].to_pyarrow().to_pylist()}
            files = [file for file in files if file.partition in days]
        if not files:
            return set()
        with self.reader.rows(self.spec, [file.path for file in files], FILE) as held:
            return set(held.semi_join(keys, list(self.spec.grain)).select(FILE).distinct()[FILE].to_pyarrow().to_pylist())

    def _rewrite(self, old: set[str], keys: ir.Table | None) -> WrittenFiles | None:
        """Write what stays of files, by partition."""
        if not old:
            return None
        with self.reader.rows(self.spec, sorted(old)) as held:
            kept = held if keys is None else held.anti_join(keys, list(self.spec.grain))
            return write_parquet(self.con, self.spec, kept, self.catalog.target(self.spec))
