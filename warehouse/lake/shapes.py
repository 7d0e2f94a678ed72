"""Data files whose columns are not those that are wanted: matched by Iceberg field id, since names, types and order may differ."""

import ibis
import ibis.expr.types as ir
import sqlglot
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.types import DecimalType, IcebergType

from warehouse.lake.schema import TYPES


def has_columns(table: Table, schema_id: int | None, wanted: Schema) -> bool:
    """Whether a file has the wanted columns under their names, in their types and order."""
    if schema_id is None:
        return len(table.schemas()) == 1
    return _shape(table.schemas()[schema_id]) == _shape(wanted)


def _shape(schema: Schema) -> list[tuple[int, str, IcebergType]]:
    return [(field.field_id, field.name, field.field_type) for field in schema.fields]


def brought_to(wanted: Schema, rows: ir.Table, schema: Schema, file_column: str | None) -> ir.Table:
    """Rows of files of one schema with the columns of another."""
    names = {field.field_id: field.name for field in schema.fields}
    types = ibis.Schema.from_pyarrow(wanted.as_arrow())
    columns = {}
    for field in wanted.fields:
        held = rows[names[field.field_id]] if field.field_id in names else ibis.null()
        columns[field.name] = held.cast(types[field.name])
    if file_column is not None:
        columns[file_column] = rows[file_column]
    return rows.select(**columns)


def by_field_id(schema: Schema) -> sqlglot.exp.Expr:
    """The read schema for files of which nothing is recorded, in a table that changed its columns."""
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
