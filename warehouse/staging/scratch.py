"""Intermediate tables of one ingest, on the engine of the lake: computed once, or named so that what they hold is written once.

Ibis inlines what an expression is built from. A name stops that where an expression is used by many others: the engine computes the column
once and the text of the statement stays short.
"""

from types import TracebackType
from typing import Protocol

import ibis
import ibis.expr.types as ir
from ibis.backends import BaseBackend


class Scratch(Protocol):
    """Where steps put their intermediate tables."""

    def keep(self, table: ir.Table) -> ir.Table:
        """Compute a table once, for steps that read it several times."""
        ...

    def name(self, table: ir.Table) -> ir.Table:
        """Give an expression a name; it is computed wherever it is read."""
        ...


class EngineScratch:
    """Temporary tables and views of one connection, dropped at the end of the block."""

    def __init__(self, con: BaseBackend) -> None:
        self._con = con
        self._tables: list[str] = []
        self._views: list[str] = []

    def keep(self, table: ir.Table) -> ir.Table:
        """Compute a table once; it may spill to disk."""
        self._tables.append(ibis.util.gen_name("kept"))
        return self._con.create_table(self._tables[-1], table, temp=True)

    def name(self, table: ir.Table) -> ir.Table:
        """Give an expression a name."""
        self._views.append(ibis.util.gen_name("named"))
        return self._con.create_view(self._views[-1], table)

    def __enter__(self) -> "EngineScratch":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for view in reversed(self._views):
            self._con.drop_view(view, force=True)
        for table in self._tables:
            self._con.drop_table(table, force=True)
