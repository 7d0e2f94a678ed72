"""The engine's edge to storage: one expression to Parquet files that Iceberg can register.

This is the only raw SQL of the platform: ibis has no way to set Parquet field ids, and its cast of a literal is dropped where the engine
thinks it knows better, so every column is cast once more in the text of the COPY.
"""

import shutil
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends import BaseBackend

from warehouse.lake.durable import sync_files
from warehouse.lake.errors import SchemaMismatch
from warehouse.lake.schema import sql_type
from warehouse.table import TableSpec


@dataclass(frozen=True)
class WrittenFiles:
    """Parquet files of one write.

    Attributes:
        folder: holds these files and nothing else.
        paths: files with at least one row.
        rows: rows in all files.
        partitions: values of the partition column that occur; empty for a table without partitions.
    """

    folder: Path
    paths: list[str]
    rows: int
    partitions: frozenset[date]


def write_parquet(
    con: BaseBackend, spec: TableSpec, data: ir.Table | pa.Table, folder: Path, allowed: Collection[date] | None = None
) -> WrittenFiles:
    """Write data, cast to the declared types, into a new folder below the table's data folder.

    Args:
        con: engine connection that the expression is bound to.
        spec: declaration of the table.
        data: the rows; same columns as declared, in any order.
        folder: the table's data folder.
        allowed: partition values that may occur; None for any.

    Raises:
        SchemaMismatch: a column is missing or too much, text and another type are mixed, a partition value is null or not allowed.
    """
    expression = ibis.memtable(data) if isinstance(data, pa.Table) else data
    check_columns(spec, expression)
    target = folder / uuid.uuid4().hex
    target.mkdir(parents=True)
    try:
        written = WrittenFiles(target, *_copy(con, spec, expression, target))
        _check_partitions(spec, written, allowed)
    except Exception:
        shutil.rmtree(target)
        raise
    return written


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


def _copy(con: BaseBackend, spec: TableSpec, expression: ir.Table, target: Path) -> tuple[list[str], int, frozenset[date]]:
    view = f"write_{target.name}"
    con.create_view(view, expression)
    try:
        result = con.raw_sql(_copy_text(spec, view, target)).fetchall()  # one row per file: path, rows, ..., partition values
    finally:
        con.drop_view(view)
    paths = [row[0] for row in result if row[1]]
    sync_files(paths)
    values = {value for row in result if row[1] for value in (row[5] or {}).values()}
    return paths, sum(row[1] for row in result), frozenset(_partition_value(spec, value) for value in values)


def _copy_text(spec: TableSpec, view: str, target: Path) -> str:
    casts = ", ".join(f"CAST({_quoted(column.name)} AS {sql_type(column)}) AS {_quoted(column.name)}" for column in spec.columns)
    ids = ", ".join(f"{_quoted(name)}: {field_id}" for field_id, name in enumerate(spec.column_names, start=1))
    options = ["FORMAT parquet", "COMPRESSION zstd", f"FIELD_IDS {{{ids}}}", "RETURN_STATS true"]
    path = target
    if spec.partition_by is None:
        path = target / "part-0.parquet"
    else:
        # The partition column must be in the file as well: add_files infers the partition from the file's own minimum and maximum.
        options += [f"PARTITION_BY ({_quoted(spec.partition_by)})", "WRITE_PARTITION_COLUMNS true", "FILENAME_PATTERN 'part-{i}'"]
    return f"COPY (SELECT {casts} FROM {_quoted(view)}) TO {_text(str(path))} ({', '.join(options)})"


def _partition_value(spec: TableSpec, value: str | None) -> date:
    if value is None:
        raise SchemaMismatch(f"{spec.name}: {spec.partition_by} is null in a row; it is the partition of the table and needs a date")
    return date.fromisoformat(value)


def _check_partitions(spec: TableSpec, written: WrittenFiles, allowed: Collection[date] | None) -> None:
    other = sorted(written.partitions.difference(allowed)) if allowed is not None else []
    if other:
        names = ", ".join(map(str, other[:5]))
        raise SchemaMismatch(f"{spec.name}: the data holds {spec.partition_by} {names}, which is not among the dates to replace")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
