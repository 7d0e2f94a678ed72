"""Fixtures of all tests: an engine connection, the lender's terms, literal rows as typed staging tables, and no network.

Rows are plain dicts. A row may leave out whatever its test does not care about: nullable columns are null, and the columns that staging
adds (business_date, known_at, ...) get the values of a row of an opening delivery that has been known for ever.
"""

import ipaddress
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest
from ibis.backends import BaseBackend

from warehouse.engine import connect
from warehouse.settings import Settings
from warehouse.sources import SOURCES
from warehouse.table import TableSpec
from warehouse.terms import Terms

Row = Mapping[str, Any]

OPENING = date(1900, 1, 1)
STAGED_DEFAULTS = {
    "is_deleted": False,
    "is_opening": True,
    "business_date": OPENING,
    "known_at": datetime(1900, 1, 1, tzinfo=UTC),
    "source_file": "rows.csv",
    "source_sha256": "0" * 64,
    "source_row_number": 2,
}
STAGING = {source.name: source.staging_spec() for source in SOURCES}


def typed(spec: TableSpec, rows: Sequence[Row], defaults: Row | None = None) -> ir.Table:
    """Literal rows as an ibis table with the schema of a spec; a column that no row and no default names is null.

    Raises:
        KeyError: a row names a column that the spec does not have, which is nearly always a slip in a test.
    """
    return ibis.memtable(arrow(spec, rows, defaults))


def arrow(spec: TableSpec, rows: Sequence[Row], defaults: Row | None = None) -> pa.Table:
    """The same as an Arrow table."""
    names = set(spec.column_names)
    for row in rows:
        if unknown := set(row) - names:
            raise KeyError(f"{spec.name} has no column {', '.join(sorted(unknown))}")
    filled = [{name: row.get(name, (defaults or {}).get(name)) for name in spec.column_names} for row in rows]
    return pa.Table.from_pylist(filled, schema=spec.ibis_schema().to_pyarrow())


def staging_table(name: str, rows: Sequence[Row]) -> ir.Table:
    """Literal rows as staging.<name>: the name without its layer, the rows as dicts."""
    return typed(STAGING[name], rows, STAGED_DEFAULTS)


def staging_tables(rows: Mapping[str, Sequence[Row]]) -> dict[str, ir.Table]:
    """All staging tables by their short name; tables without rows are empty and typed."""
    if unknown := set(rows) - set(STAGING):
        raise KeyError(f"no staging table {', '.join(sorted(unknown))}")
    return {name: staging_table(name, rows.get(name, ())) for name in STAGING}


def stored(con: BaseBackend, rows: Mapping[str, Sequence[Row]]) -> Any:
    """The staging tables as warehouse.curated.staged.Staged, stored in the engine so that many expressions read them cheaply."""
    from warehouse.curated.staged import Staged

    tables = {
        f"staging.{name}": con.create_table(ibis.util.gen_name(name), obj=arrow(spec, rows.get(name, ()), STAGED_DEFAULTS), temp=True)
        for name, spec in STAGING.items()
    }
    return Staged.read(tables.__getitem__)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of an empty home of its own."""
    return Settings(home=tmp_path, catalog_uri=f"sqlite:///{tmp_path}/catalog.db")


@pytest.fixture(scope="session")
def con(tmp_path_factory: pytest.TempPathFactory) -> BaseBackend:
    """One engine connection for tests that only evaluate expressions."""
    return connect(Settings(home=tmp_path_factory.mktemp("engine")))


@pytest.fixture
def terms() -> Terms:
    """The default lending terms."""
    return Terms()


@pytest.fixture
def stage() -> Callable[[Mapping[str, Sequence[Row]]], Any]:
    """A function from literal rows by table name to warehouse.curated.staged.Staged."""
    from warehouse.curated.staged import Staged

    def build(rows: Mapping[str, Sequence[Row]]) -> Any:
        tables = staging_tables(rows)
        return Staged.read(lambda name: tables[name.removeprefix("staging.")])

    return build


class NetworkBlocked(RuntimeError):
    """A test tried to leave this machine."""


def _is_local(address: Any) -> bool:
    """Unix sockets and loopback addresses are this machine."""
    if not isinstance(address, tuple):
        return True
    host = address[0].decode() if isinstance(address[0], bytes) else str(address[0] or "")
    if host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback or host in ("0.0.0.0", "::")
    except ValueError:
        return False


@pytest.fixture(autouse=True, scope="session")
def blocked_network() -> Iterator[None]:
    """Sockets reach loopback only: a test that needs the world would pass here and fail elsewhere."""

    def guarded(call: Callable[..., Any]) -> Callable[..., Any]:
        def connect_locally(self: socket.socket, address: Any) -> Any:
            if not _is_local(address):
                raise NetworkBlocked(f"a test tried to connect to {address!r}; tests use loopback only")
            return call(self, address)

        return connect_locally

    def resolve_locally(host: Any, *args: Any, **kwargs: Any) -> Any:
        if not _is_local((host,)) and host != socket.gethostname():
            raise NetworkBlocked(f"a test tried to resolve {host!r}; tests use loopback only")
        return resolve(host, *args, **kwargs)

    resolve = socket.getaddrinfo
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded(socket.socket.connect))
        patch.setattr(socket.socket, "connect_ex", guarded(socket.socket.connect_ex))
        patch.setattr(socket, "getaddrinfo", resolve_locally)
        yield
