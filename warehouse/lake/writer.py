"""The engine's edge to storage: one expression to Parquet files that Iceberg can register.

This is the only raw SQL of the platform: ibis has no way to set Parquet field ids, and its cast of a literal is dropped where the engine
thinks it knows better, so every column is cast once more in the text of the COPY.
"""

import shutil
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NamedTuple

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends import BaseBackend

from warehouse.lake.catalog import Target
from warehouse.lake.durable import sync_files
from warehouse.lake.errors import SchemaMismatch
from warehouse.lake.files import WrittenFile, fingerprints
from warehouse.lake.schema import sql_type
from warehouse.table import TableSpec

FILE_NAME = "part-0.parquet"
# The partition column must be in the files as well, since add_files infers the partition from it.
BY_DATE = ("WRITE_PARTITION_COLUMNS true", "FILENAME_PATTERN 'part-{i}'")
# About 2.4 million rows a file: a change of one row writes the rows of its file again.
IN_PARTS = ("ROW_GROUPS_PER_FILE 20", "FILENAME_PATTERN 'part-{i}'")


class _File(NamedTuple):
    path: str
    rows: int
    statistics: dict[str, dict[str, str]]  # by quoted column name


@dataclass(frozen=True)
class WrittenFiles:
    """Parquet files of one write.

    Attributes:
        files: those with at least one row, each as it is on disk.
        rows: rows in all files.
        partitions: values of the partition column that occur; empty for a table without partitions.
        schema_id: Iceberg schema whose columns they have.
    """

    files: list[WrittenFile]
    rows: int
    partitions: frozenset[date]
    schema_id: int

    @property
    def paths(self) -> list[str]:
        """Where they are."""
        return [file.path for file in self.files]


def write_parquet(
    con: BaseBackend, spec: TableSpec, data: ir.Table | pa.Table, target: Target, allowed: Collection[date] | None = None
) -> WrittenFiles:
    """Write data, cast to the declared types, into a new folder below the table's data folder; it is on the disk, and known by its hash.

    An expression that ends with order_by keeps its order within each file.

    Args:
        con: engine connection that the expression is bound to.
        spec: declaration of the table.
        data: the rows; same columns as declared, in any order.
        target: the table's data folder and field ids.
        allowed: partition values that may occur; None for any.

    Raises:
        SchemaMismatch: a column is missing or too much, text and another type are mixed, a partition value is null or not allowed.
    """
    expression = ibis.memtable(data) if isinstance(data, pa.Table) else data
    check_columns(spec, expression)
    folder = target.folder / uuid.uuid4().hex
    folder.mkdir(parents=True)
    try:
        files = [file for file in _copy(con, spec, expression, target._replace(folder=folder), allowed) if file.rows]
        days = frozenset(day for file in files for day in _dates(spec, file))
        _check_partitions(spec, days, allowed)
        paths = [file.path for file in files]
        sync_files(paths)
        return WrittenFiles(fingerprints(paths), sum(file.rows for file in files), days, target.schema_id)
    except Exception:
        shutil.rmtree(folder)
        raise


def check_columns(spec: TableSpec, data: ir.Table) -> None:
    """Refuse data whose columns are not those of the declaration.

    Raises:
        SchemaMismatch: names the columns.
    """
    held, wanted = data.schema(), spec.ibis_schema()
    missing = [name for name in wanted if name not in held]
    extra = [name for name in held if name not in wanted]
    if missing or extra:
        parts = [f"{text} {', '.join(names)}" for text, names in (("missing", missing), ("not declared", extra)) if names]
        raise SchemaMismatch(f"{spec.name}: the data has other columns than the declaration: {'; '.join(parts)}")
    mixed = [
        f"{name} is {held[name]} and declared {dtype}"
        for name, dtype in wanted.items()
        if held[name].is_string() != dtype.is_string() and not held[name].is_null()
    ]
    if mixed:
        raise SchemaMismatch(f"{spec.name}: convert text before the write: {'; '.join(mixed)}")


def _copy(con: BaseBackend, spec: TableSpec, expression: ir.Table, target: Target, allowed: Collection[date] | None) -> list[_File]:
    """Run the COPY that fits: files of some size, one file of a single date, or files by date."""
    source = f"write_{target.folder.name}"
    if spec.partition_by is None:
        with _view(con, source, expression):
            return _run(con, _copy_text(spec, source, target, target.folder, IN_PARTS))
    if allowed is not None and len(allowed) == 1:
        with _view(con, source, expression):
            return _run(con, _copy_text(spec, source, target, target.folder / FILE_NAME))
    if isinstance(expression.op(), ops.Sort):
        return _copy_each_date(con, spec, expression, source, target)
    with _view(con, source, expression):
        return _run(con, _copy_text(spec, source, target, target.folder, [f"PARTITION_BY ({_quoted(spec.partition_by)})", *BY_DATE]))


def _copy_each_date(con: BaseBackend, spec: TableSpec, expression: ir.Table, source: str, target: Target) -> list[_File]:
    """One COPY per date of a stored result: the engine's PARTITION_BY does not keep the order of the rows."""
    column = _quoted(str(spec.partition_by))
    con.create_table(source, expression, temp=True)
    try:
        files = []
        for (day,) in con.raw_sql(f"SELECT DISTINCT {column} FROM {_quoted(source)}").fetchall():
            path = target.folder / f"{spec.partition_by}={day}" / FILE_NAME
            path.parent.mkdir()
            rows = f"WHERE {column} IS NOT DISTINCT FROM {'NULL' if day is None else _text(str(day))} ORDER BY rowid"
            files += _run(con, _copy_text(spec, source, target, path, rows=rows))
        return files
    finally:
        con.drop_table(source)


def _copy_text(spec: TableSpec, source: str, target: Target, path: Path, more: Sequence[str] = (), rows: str = "") -> str:
    casts = ", ".join(f"CAST({_quoted(column.name)} AS {sql_type(column)}) AS {_quoted(column.name)}" for column in spec.columns)
    ids = ", ".join(f"{_quoted(name)}: {target.field_ids[name]}" for name in spec.column_names)
    options = ["FORMAT parquet", "COMPRESSION zstd", f"FIELD_IDS {{{ids}}}", "RETURN_STATS true", *more]
    return f"COPY (SELECT {casts} FROM {_quoted(source)} {rows}) TO {_text(str(path))} ({', '.join(options)})"


@contextmanager
def _view(con: BaseBackend, name: str, expression: ir.Table) -> Iterator[None]:
    """Give an expression a name, which also registers the literal tables in it."""
    con.create_view(name, expression)
    try:
        yield
    finally:
        con.drop_view(name)


def _run(con: BaseBackend, text: str) -> list[_File]:
    return [_File(row[0], row[1], row[4]) for row in con.raw_sql(text).fetchall()]


def _dates(spec: TableSpec, file: _File) -> list[date]:
    """Dates of the partition column in a file, from the file's own statistics, which is where add_files takes the partition from."""
    if spec.partition_by is None:
        return []
    column = file.statistics[_quoted(spec.partition_by)]
    if column["null_count"] != "0":
        raise SchemaMismatch(f"{spec.name}: {spec.partition_by} is null in a row; it is the partition of the table and needs a date")
    return [date.fromisoformat(column["min"]), date.fromisoformat(column["max"])]


def _check_partitions(spec: TableSpec, days: frozenset[date], allowed: Collection[date] | None) -> None:
    other = sorted(days.difference(allowed)) if allowed is not None else []
    if other:
        names = ", ".join(map(str, other[:5]))
        raise SchemaMismatch(f"{spec.name}: the data holds {spec.partition_by} {names}, which is not among the dates to replace")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
