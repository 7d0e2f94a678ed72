"""TableSpec to Iceberg: types, schema, partition, and which changes of a declaration an existing table follows.

A column is known by its Iceberg field id, in the schema of each snapshot and in each Parquet file, so that names, types and order may
change while older files and snapshots stay readable. Every Iceberg field is optional: the engine writes optional Parquet columns and a
required one could not be added later; that a column is never null is held by the audits, which read all rows when a rule is new.
"""

from collections.abc import Mapping
from itertools import pairwise

import ibis.expr.datatypes as dt
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.update.schema import UpdateSchema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import (
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IcebergType,
    IntegerType,
    LongType,
    NestedField,
    StringType,
    TimestampType,
    TimestamptzType,
)

from warehouse.lake.errors import SchemaMismatch
from warehouse.table import Column, TableSpec

PARTITION_FIELD_ID = 1000
WIDER = {(IntegerType(), LongType()), (FloatType(), DoubleType())}
TYPES: tuple[tuple[type[dt.DataType], IcebergType, str], ...] = (
    (dt.String, StringType(), "VARCHAR"),
    (dt.Boolean, BooleanType(), "BOOLEAN"),
    (dt.Date, DateType(), "DATE"),
    (dt.Int32, IntegerType(), "INTEGER"),
    (dt.Int64, LongType(), "BIGINT"),
    (dt.Float32, FloatType(), "REAL"),
    (dt.Float64, DoubleType(), "DOUBLE"),
)


def iceberg_type(column: Column) -> IcebergType:
    """The Iceberg type of a declared column.

    Raises:
        SchemaMismatch: Iceberg has no such type, for example int8 or a timestamp in another zone than UTC.
    """
    return _types(column)[0]


def sql_type(column: Column) -> str:
    """The engine's type name of a declared column, for the casts around the final COPY."""
    return _types(column)[1]


def _types(column: Column) -> tuple[IcebergType, str]:
    dtype = column.ibis_dtype
    if isinstance(dtype, dt.Decimal) and dtype.precision is not None and dtype.scale is not None:
        return DecimalType(dtype.precision, dtype.scale), f"DECIMAL({dtype.precision}, {dtype.scale})"
    if isinstance(dtype, dt.Timestamp) and dtype.timezone in (None, "UTC") and (dtype.scale or 6) <= 6:
        return (TimestamptzType(), "TIMESTAMP WITH TIME ZONE") if dtype.timezone else (TimestampType(), "TIMESTAMP")
    for kind, iceberg, sql in TYPES:
        if isinstance(dtype, kind):
            return iceberg, sql
    raise SchemaMismatch(
        f"column {column.name}: the lake cannot store {dtype}; use int32, int64, float64, decimal, string, date or UTC time"
    )


def iceberg_schema(spec: TableSpec) -> Schema:
    """The Iceberg schema of a new table, with the column descriptions as docs."""
    fields = (
        NestedField(field_id, column.name, iceberg_type(column), required=False, doc=column.description)
        for field_id, column in enumerate(spec.columns, start=1)
    )
    return Schema(*fields)


def partition_spec(spec: TableSpec) -> PartitionSpec:
    """Identity partition on the declared date column, or none."""
    if spec.partition_by is None:
        return UNPARTITIONED_PARTITION_SPEC
    source = spec.column_names.index(spec.partition_by) + 1
    return PartitionSpec(PartitionField(source, PARTITION_FIELD_ID, IdentityTransform(), spec.partition_by))


def is_declared(schema: Schema, spec: TableSpec) -> bool:
    """Whether a stored schema has the columns of a declaration: names, types, order."""
    return [(field.name, field.field_type) for field in schema.fields] == [(column.name, iceberg_type(column)) for column in spec.columns]


def evolve(table: Table, spec: TableSpec) -> None:
    """Bring an existing table to its declaration: add, rename, widen, drop and move columns.

    Raises:
        SchemaMismatch: a change that would lose values or change their meaning; the message names the columns.
    """
    if is_declared(table.schema(), spec):
        return
    stored = stored_names(table.schema(), spec)
    _refuse_losses(table, spec, stored)
    with table.update_schema() as update:
        for column in spec.columns:
            _follow(update, table.schema(), column, stored.get(column.name))
        for name in _left_out(table.schema(), stored):
            update.delete_column(name)
    if table.schema().column_names != list(spec.column_names):
        with table.update_schema() as update:
            update.move_first(spec.column_names[0])
            for before, name in pairwise(spec.column_names):
                update.move_after(name, before)


def stored_names(schema: Schema, spec: TableSpec) -> dict[str, str]:
    """The stored name of each declared column, its own or a former one; new columns are left out."""
    held = set(schema.column_names)
    names = ((column.name, (column.name, *column.renamed_from)) for column in spec.columns)
    found = ((name, next((each for each in known if each in held), None)) for name, known in names)
    return {name: stored for name, stored in found if stored is not None}


def _follow(update: UpdateSchema, schema: Schema, column: Column, stored: str | None) -> None:
    if stored is None:
        update.add_column(column.name, iceberg_type(column), doc=column.description)
        return
    if schema.find_type(stored) != iceberg_type(column):
        update.update_column(stored, field_type=iceberg_type(column))
    if stored != column.name:
        update.rename_column(stored, column.name)


def _left_out(schema: Schema, stored: Mapping[str, str]) -> list[str]:
    return [name for name in schema.column_names if name not in stored.values()]


def _refuse_losses(table: Table, spec: TableSpec, stored: Mapping[str, str]) -> None:
    undeclared = [name for name in _left_out(table.schema(), stored) if name not in spec.retired]
    if undeclared:
        raise SchemaMismatch(
            f"{spec.name}: the lake has {', '.join(undeclared)}, the declaration does not; a column with a new name says so in "
            "renamed_from, one that is to go is listed in the table's retired"
        )
    for column in spec.columns:
        wanted = iceberg_type(column)
        held = table.schema().find_type(stored[column.name]) if column.name in stored else wanted
        if held != wanted and not _is_wider(held, wanted):
            raise SchemaMismatch(
                f"{spec.name}.{column.name}: {held} in the lake, {wanted} in the declaration; a type only widens (int to long, "
                "float to double, a decimal to more digits of its scale), so declare a new column instead"
            )
    _refuse_other_partition(table, spec, stored)


def _refuse_other_partition(table: Table, spec: TableSpec, stored: Mapping[str, str]) -> None:
    held = [table.schema().find_column_name(field.source_id) for field in table.spec().fields]
    if held != ([stored.get(spec.partition_by)] if spec.partition_by else []):
        raise SchemaMismatch(
            f"{spec.name}: partitioned by {', '.join(map(str, held)) or 'nothing'} in the lake and by "
            f"{spec.partition_by or 'nothing'} in the declaration; that cannot change, so give the table a new name"
        )


def _is_wider(held: IcebergType, wanted: IcebergType) -> bool:
    if isinstance(held, DecimalType) and isinstance(wanted, DecimalType):
        return held.scale == wanted.scale and held.precision < wanted.precision
    return (held, wanted) in WIDER
