"""Small expressions that the curated functions share: exact money in cents, conditional values, lookups."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from warehouse.table import MONEY

ZERO = ibis.literal(Decimal("0.00"), MONEY)


def filled(amount: ir.DecimalValue) -> ir.DecimalValue:
    """A missing part of an amount is 0."""
    return amount.fill_null(ZERO).cast(MONEY)


def to_cents(amount: ir.DecimalValue) -> ir.IntegerValue:
    """Money as whole cents."""
    return (amount * 100).cast("int64")


def from_cents(cents: ir.IntegerValue) -> ir.DecimalValue:
    """Whole cents as money; multiplied, since a division of decimals would pass through floating point."""
    hundredths = cents.cast("decimal(20, 2)") * ibis.literal(Decimal("0.01"), "decimal(3, 2)")
    return hundredths.cast(MONEY)


def when(condition: ir.BooleanValue, value: ir.Value) -> ir.Value:
    """The value where the condition holds, else null."""
    return ibis.ifelse(condition, value, ibis.null())


def by_lower_edge(value: ir.IntegerValue, classes: Sequence[tuple[str | int, int]]) -> ir.Value:
    """The class of a value; a class begins at its lower edge, the lowest one takes what is below it too.

    Args:
        value: what is classed.
        classes: name and lower edge of each.
    """
    highest_first = sorted(classes, key=lambda one: -one[1])
    return ibis.cases(*((value >= lower, name) for name, lower in highest_first[:-1]), else_=highest_first[-1][0])


def lookup(left: ir.Table, right: ir.Table, key: Iterable[str]) -> ir.Table:
    """Left join on equal columns, without the right table's copy of them.

    Grain: as the left table, if the right one is unique by the key.
    """
    key = tuple(key)
    return left.left_join(right, key).drop(*(f"{name}_right" for name in key))


def literal_rows(rows: Sequence[Mapping[str, object]], schema: ibis.Schema) -> ir.Table:
    """Rows written in code as a table; through Arrow, since pandas has no missing decimal."""
    return ibis.memtable(pa.Table.from_pylist(list(rows), schema=schema.to_pyarrow()))


def nullable(table: ir.Table) -> ir.Table:
    """A table that promises nothing about nulls: set operations ask for equal schemas, and a join keeps no promise."""
    return table.cast({name: dtype.copy(nullable=True) for name, dtype in table.schema().items()})


def with_row(table: ir.Table, row: Mapping[str, object], schema: ibis.Schema) -> ir.Table:
    """Add one row written in code to a table, whatever either side promises about nulls."""
    nullable = ibis.schema({name: dtype(nullable=True) for name, dtype in schema.items()})
    return table.cast(nullable).union(literal_rows([row], schema).cast(nullable))
