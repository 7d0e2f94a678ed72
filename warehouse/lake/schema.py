"""TableSpec to Iceberg: types, schema, partition, and which changes of a declaration an existing table follows.

Field ids are positions (from 1), so columns are only ever added at the end. Every Iceberg field is optional: the engine writes
optional Parquet columns and a required one could not be added later; that a column is never null is held by the audits.
"""

import ibis.expr.datatypes as dt
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
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
    """The Iceberg schema of a declaration, with the column descriptions as docs."""
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


def evolve(table: Table, spec: TableSpec) -> None:
    """Bring an existing table to a declaration that gained columns at its end or widened an integer or a float.

    Raises:
        SchemaMismatch: any other difference; the message names the columns.
    """
    held, wanted = table.schema().fields, iceberg_schema(spec).fields
    _refuse_other_changes(spec, held, wanted)
    widened = [(new.name, new.field_type) for old, new in zip(held, wanted, strict=False) if old.field_type != new.field_type]
    added = wanted[len(held) :]
    if not widened and not added:
        return
    with table.update_schema() as update:
        for name, field_type in widened:
            update.update_column(name, field_type=field_type)
        for field in added:
            update.add_column(field.name, field.field_type, doc=field.doc)


def _refuse_other_changes(spec: TableSpec, held: tuple[NestedField, ...], wanted: tuple[NestedField, ...]) -> None:
    rule = "a table only gains columns at its end, or widens int32 to int64 or float32 to float64; give another change a new table name"
    if len(wanted) < len(held):
        missing = ", ".join(field.name for field in held if field.name not in spec.column_names)
        raise SchemaMismatch(f"{spec.name}: the declaration dropped {missing or 'columns'}; {rule}")
    for old, new in zip(held, wanted, strict=False):
        if old.name != new.name:
            raise SchemaMismatch(f"{spec.name}: column {old.field_id} is {old.name} in the lake and {new.name} in the declaration; {rule}")
        if old.field_type != new.field_type and (old.field_type, new.field_type) not in WIDER:
            raise SchemaMismatch(f"{spec.name}.{old.name}: {old.field_type} in the lake, {new.field_type} in the declaration; {rule}")
