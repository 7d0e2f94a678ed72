"""What to do with a step that several others read: keep its rows in the engine, or leave it an expression."""

from collections.abc import Callable

import ibis.expr.types as ir

Keep = Callable[[ir.Table], ir.Table]


def in_engine(table: ir.Table) -> ir.Table:
    """Compute a table now and keep it in the engine for as long as an expression refers to it."""
    return table.cache()
