"""Which rows a delivery touches: the keys of staging that have to be judged again, and from which business date on.

A row is judged by what was delivered up to its own business date, or by the first version of a parent that came later. So new rows touch
their own keys from their business date on; a parent whose versions changed touches the rows that name it from that date on; and a parent
that is held for the first time touches rows that wait for it or were warned of, which are all in the quarantine. Nothing else can change.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.clock import BEGINNING
from warehouse.sources import SOURCES, SourceColumn, SourceTable
from warehouse.staging.typed import key_text

RAW_PLACE = ("business_date", "source_sha256", "source_row_number")


@dataclass(frozen=True)
class Edge:
    """A column that names a row of another table, and the rules of rows that name one that is not held."""

    column: str
    parent: str
    rules: tuple[str, ...] = ("orphan",)


EDGES: dict[str, tuple[Edge, ...]] = {
    "products": (Edge("product_type_id", "product_types", ("unknown_product_type",)),),
    "clients": (Edge("region_id", "regions", ("unknown_region",)),),
    "contracts": (Edge("client_id", "clients"), Edge("product_code", "products", ("unknown_product",))),
    "contract_status_history": (Edge("contract_number", "contracts"),),
    "installments": (Edge("contract_number", "contracts"),),
    "repayments": (
        Edge("installment_id", "installments", ("orphan", "unknown_installment")),
        Edge("contract_number", "contracts"),
        Edge("reverses_repayment_id", "repayments"),
    ),
    "penalties": (Edge("installment_id", "installments"),),
}
WHOLE_HISTORY = ("contract_status_history",)  # an event is judged by all events of its contract, refused ones too


@dataclass(frozen=True)
class Changed:
    """Keys of a staging table whose versions an intake changed.

    Attributes:
        moved: key, from_on: versions that count from that date on are others than before.
        born: key: held for the first time.
        since: least from_on; None if no key is moved.
        has_born: whether there is a born key.
    """

    moved: ir.Table
    born: ir.Table
    since: date | None
    has_born: bool


def affected(changed: Collection[str]) -> tuple[SourceTable, ...]:
    """The tables that new raw rows of some can concern, parents first."""
    names = set(changed)
    for source in SOURCES:  # parents come before children
        if names & {edge.parent for edge in EDGES.get(source.name, ())}:
            names.add(source.name)
    return tuple(source for source in SOURCES if source.name in names)


def changed_keys(before: ir.Table, after: ir.Table, key: str) -> tuple[ir.Table, ir.Table]:
    """Keys whose versions differ between two states of a staging table.

    Args:
        before: rows of some keys, all versions.
        after: the same keys' rows afterwards.
        key: the key column by which other tables refer to it.

    Returns:
        moved (key, from_on) and born (key), see Changed. Where the first version changed, everything may have: from_on is the beginning.
    """
    difference = before.difference(after).union(after.difference(before)).group_by(key).agg(differs_on=_.business_date.min())
    first_before = _first_on(before, key, "first_before")
    first_after = _first_on(after, key, "first_after")
    compared = difference.left_join(first_before, key).drop(f"{key}_right").left_join(first_after, key).drop(f"{key}_right")
    reaches_first = (compared.differs_on <= compared.first_before) | (compared.differs_on <= compared.first_after).fill_null(True)
    is_born = compared.first_before.isnull()
    moved = compared.filter(~is_born).select(key=_[key], from_on=ibis.ifelse(reaches_first, ibis.date(BEGINNING), compared.differs_on))
    return moved, compared.filter(is_born).select(key=_[key])


def reaching(touched: ir.Table, before: ir.Table, key: str) -> ir.Table:
    """Touched keys with the date from which their versions may count differently: key, from_on.

    It is the beginning where the first held version is among those judged again, since a first version counts for all earlier dates.
    """
    first = _first_on(before.semi_join(touched, before[key] == touched.key), key, "first_on")
    found = touched.left_join(first, touched.key == first[key])
    return found.select("key", from_on=ibis.ifelse((found.first_on >= found.from_on).fill_null(False), ibis.date(BEGINNING), found.from_on))


def _first_on(rows: ir.Table, key: str, name: str) -> ir.Table:
    live = rows.filter(~rows.is_deleted)
    return live.group_by(key).agg(**{name: live.business_date.min()})


def key_of(rows: ir.Table, source: SourceTable) -> ir.StringValue:
    """The key by which rows of raw are judged together; empty where there is none."""
    return key_text(rows, _column(source, source.key[0]))


def keys_of(rows: ir.Table, source: SourceTable) -> ir.Table:
    """The keys of rows of raw, with their business date: key, from_on."""
    return rows.select(key=key_of(rows, source), from_on=rows.business_date)


def naming(rows: ir.Table, source: SourceTable, edge: Edge, moved: ir.Table) -> ir.Table:
    """Rows of raw that name a moved key on or after the date from which it counts differently."""
    reference = key_text(rows, _column(source, edge.column))
    named = rows.mutate(named=reference)
    found = named.join(moved, [named.named == moved.key, named.business_date >= moved.from_on])
    return found.select(rows.columns)


def waiting(entries: ir.Table, source: SourceTable, edge: Edge, born: ir.Table) -> ir.Table:
    """Places in raw of rows that broke a rule because a key was not held that now is: the columns of RAW_PLACE."""
    column = _column(source, edge.column)
    mine = entries.filter(_.table_name == source.name, _.column_name == edge.column, _.rule.isin(edge.rules))
    text = mine.value.strip()
    named = mine.mutate(named=text.re_replace(*column.rewrite) if column.rewrite else text)
    return named.semi_join(born, named.named == born.key).select(*RAW_PLACE)


def refused(entries: ir.Table, tables: Collection[str], rules: Collection[str] = ()) -> ir.Table:
    """Places in raw of rows of some tables that are not in staging because of a rule."""
    out = entries.filter(_.table_name.isin(tuple(tables)), _.disposition.isin(("quarantined", "parked")))
    return (out.filter(_.rule.isin(tuple(rules))) if rules else out).select(*RAW_PLACE)


def at_places(rows: ir.Table, places: ir.Table) -> ir.Table:
    """Rows of raw at some places."""
    return rows.semi_join(places, list(RAW_PLACE))


def earliest(asked: list[ir.Table], source: SourceTable) -> ir.Table:
    """Touched keys, each from the earliest date on that somebody asks for.

    Grain: one row per key.

    Args:
        asked: tables of key and from_on, at least one.
        source: the table.
    """
    first, *others = asked
    every = ibis.union(first, *others) if others else first
    if source.name in WHOLE_HISTORY:
        every = every.mutate(from_on=ibis.date(BEGINNING))
    return every.group_by("key").agg(from_on=every.from_on.min())


def in_scope(rows: ir.Table, key: ir.StringValue, touched: ir.Table) -> ir.Table:
    """Rows of touched keys, with from_on."""
    keyed = rows.mutate(scope_key=key)
    found = keyed.join(touched, keyed.scope_key == touched.key)
    return found.drop("scope_key", "key")


def _column(source: SourceTable, name: str) -> SourceColumn:
    return next(column for column in source.columns if column.name == name)


REFERRED = {edge.parent for edges in EDGES.values() for edge in edges}
KEYS = {source.name: source.key[0] for source in SOURCES}
