"""The warehouse as people read it: tables by name, SQL, older releases.

Everything read through one Warehouse comes from one release, pinned when it is first used; tables of ops are not part of a release and
are shown as they are now.
"""

import ibis.expr.types as ir
import sqlglot
from sqlglot import exp

from warehouse.lake import Lake, Pinned, Release, UnknownTable
from warehouse.settings import Settings
from warehouse.table import LAYERS


class Warehouse:
    """Published tables for reading; make it with open_warehouse."""

    def __init__(self, lake: Lake, release_id: int | None = None) -> None:
        self.lake = lake
        self._release_id = release_id
        self._pinned: Pinned | None = None

    @property
    def pinned(self) -> Pinned:
        """The release that is read.

        Raises:
            NoRelease: nothing was published yet, or that release does not exist.
        """
        if self._pinned is None:
            self._pinned = self.lake.at(self._release_id)
        return self._pinned

    @property
    def release(self) -> Release:
        """Number, business date and tables of the release that is read."""
        return self.pinned.release

    def close(self) -> None:
        """Close the connections."""
        self.lake.close()

    def at(self, release_id: int) -> "Warehouse":
        """The warehouse as an older release shows it."""
        return Warehouse(self.lake, release_id)

    def tables(self) -> list[str]:
        """Names that `table` and `sql` know, sorted."""
        return sorted({*self.pinned.tables(), *self.lake.ops_names()})

    def table(self, name: str) -> ir.Table:
        """One table, such as `marts.portfolio_by_region_month`.

        Raises:
            NoRelease: nothing was published yet.
            UnknownTable: a KeyError that names near matches.
        """
        if name in self.lake.ops_names():  # of no release: why the first build failed can be read before there is one
            return self.lake.ops_table(name)
        pinned = self.pinned
        if name in pinned.release.tables:
            return pinned.table(name)
        raise UnknownTable(name, self.tables())

    def sql(self, query: str) -> ir.Table:
        """A query over `layer.table` names, as a table expression that stays on this release.

        Raises:
            NoRelease: nothing was published yet.
            UnknownTable: the query names a table that does not exist.
            ValueError: the text is not one SELECT, or not valid SQL; the message shows the place.
        """
        parsed = _parsed(query)
        return self.lake.con.sql(parsed.transform(self._resolve).sql(dialect="duckdb"))

    def _resolve(self, node: exp.Expression) -> exp.Expression:
        """Replace `layer.table` by the pinned view, and `layer.table.column` by `table.column`."""
        if isinstance(node, exp.Column) and node.args.get("db") is not None:
            return exp.column(node.this, table=node.args["table"])
        if isinstance(node, exp.Table) and node.db in LAYERS and not node.catalog:
            view = self.table(f"{node.db}.{node.name}").get_name()
            alias = node.args.get("alias") or exp.TableAlias(this=exp.to_identifier(node.name))
            return exp.Table(this=exp.to_identifier(view, quoted=True), alias=alias, **_rest(node))
        return node


def _parsed(query: str) -> exp.Query:
    try:
        statements = sqlglot.parse(query, dialect="duckdb")
    except sqlglot.errors.ParseError as error:
        place = error.errors[0]
        raise ValueError(f"not valid SQL at line {place['line']}, column {place['col']}: {place['description']}") from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise ValueError("one query can be run here, which begins with SELECT or WITH")
    return statements[0]


def _rest(node: exp.Table) -> dict[str, object]:
    """What else a table reference may carry, such as joins or a sample."""
    return {key: value for key, value in node.args.items() if key not in ("this", "db", "catalog", "alias")}


def open_warehouse(settings: Settings | None = None) -> Warehouse:
    """Open the warehouse for reading.

    Args:
        settings: of the lake; None reads the environment (LENDING_HOME).
    """
    return Warehouse(Lake(settings or Settings.from_env()))
