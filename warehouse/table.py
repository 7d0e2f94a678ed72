"""TableSpec: the declaration of one table, and its projections.

A column's name, type, nullability and meaning are written once, beside the function that computes the table. The lake makes the Iceberg
schema from it, the audits make the pandera schema from it, docs/tables.md and the Dagster asset take their text from it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import ibis
import ibis.expr.datatypes as dt

LAYERS = ("raw", "staging", "curated", "marts", "features", "ops")
MONEY = "decimal(18, 2)"
TIMESTAMP = "timestamp('UTC', 6)"


@dataclass(frozen=True)
class Column:
    """One column: ibis type name, meaning, whether null is allowed, the allowed values or range, and names that it had before."""

    name: str
    dtype: str
    description: str
    nullable: bool = False
    bounds: tuple[float | None, float | None] | None = None
    values: tuple[str, ...] | None = None
    renamed_from: tuple[str, ...] = ()

    @property
    def ibis_dtype(self) -> dt.DataType:
        """The ibis data type, with its nullability."""
        return dt.dtype(self.dtype, nullable=self.nullable)


@dataclass(frozen=True)
class TableSpec:
    """One table of the lake.

    Attributes:
        name: `layer.table`, which is also the Dagster asset key and the physical name.
        description: one sentence; what a row is and what it is for.
        grain: columns that together are unique and never null.
        columns: in physical order. A stored table follows a declaration that gains, moves, renames (Column.renamed_from) or widens
            columns: Iceberg knows each by a field id of its own, so that older files and releases stay readable.
        partition_by: date column whose values are written, replaced and pruned as whole partitions.
        retired: names of columns that the declaration once had. Without a name here a column cannot be left out; older releases keep it.
    """

    name: str
    description: str
    grain: tuple[str, ...]
    columns: tuple[Column, ...]
    partition_by: str | None = None
    retired: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = self.column_names
        if self.layer not in LAYERS:
            raise ValueError(f"{self.name}: layer must be one of {', '.join(LAYERS)}")
        if len(set(names)) != len(names):
            raise ValueError(f"{self.name}: a column is declared twice")
        former = [*self.retired, *(old for column in self.columns for old in column.renamed_from)]
        for name in former:
            if name in names or former.count(name) > 1:
                raise ValueError(f"{self.name}: {name} is a former name and must not be declared or listed a second time")
        for column in (*self.grain, *filter(None, (self.partition_by,))):
            if column not in names:
                raise ValueError(f"{self.name}: {column} is in the grain or partition but is no column")

    @property
    def layer(self) -> str:
        """First part of the name."""
        return self.name.partition(".")[0]

    @property
    def table(self) -> str:
        """Second part of the name."""
        return self.name.partition(".")[2]

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names in physical order."""
        return tuple(column.name for column in self.columns)

    def ibis_schema(self) -> ibis.Schema:
        """The schema that an expression must have to be written to the table."""
        return ibis.schema({column.name: column.ibis_dtype for column in self.columns})

    def nullable_schema(self) -> ibis.Schema:
        """The same with every column nullable, as tables read from files are: set operations ask for equal schemas."""
        return ibis.schema({name: dtype.copy(nullable=True) for name, dtype in self.ibis_schema().items()})


def columns(rows: Iterable[tuple]) -> tuple[Column, ...]:
    """Declare columns compactly: (name, type, description) for required ones, with `?` after the type for nullable ones."""
    declared = []
    for name, dtype, description, *rest in rows:
        options = rest[0] if rest else {}
        declared.append(Column(name, dtype.removesuffix("?"), description, nullable=dtype.endswith("?"), **options))
    return tuple(declared)
