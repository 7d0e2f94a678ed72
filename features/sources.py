"""Feast sources: tables of the lake, by name. Which files they consist of is decided when they are read, by the pinned release.

`ReleasedTables` is the resolver that the offline store calls; a store that it was given to reads one release for as long as it lives.
"""

from functools import cached_property, lru_cache

import ibis.expr.types as ir
from feast.data_source import DataSource

from features.parquet_source import ParquetSource
from features.region import CLIENT_REGION_SPEC
from features.tables import CLIENT_REPAYMENT_SPEC
from warehouse.lake import Lake, Pinned
from warehouse.settings import Settings
from warehouse.table import TableSpec


def feature_source(spec: TableSpec) -> ParquetSource:
    """The source of a feature table; each table is audited before it is published, and both of its times are the end of the as-of date."""
    return ParquetSource(
        name=spec.table,
        table=spec.name,
        timestamp_field="event_timestamp",
        created_timestamp_column="created_timestamp",
        one_row_per_key_and_time=True,
        description=spec.description,
        owner="credit-risk",
        tags={"layer": spec.layer},
    )


client_repayment_source = feature_source(CLIENT_REPAYMENT_SPEC)
client_region_source = feature_source(CLIENT_REGION_SPEC)

SOURCES = (client_repayment_source, client_region_source)


class ReleasedTables:
    """Turns a source into the table of one release of the lake."""

    def __init__(self, settings: Settings, release_id: int | None = None, lake: Lake | None = None) -> None:
        """Name the release; the lake is opened and pinned when the first table is read.

        Args:
            settings: where the lake is.
            release_id: the release to read; None for the current one at the first read.
            lake: an open lake to share.
        """
        self._settings = settings
        self._release_id = release_id
        self._lake = lake

    @cached_property
    def pinned(self) -> Pinned:
        """The release that all reads of this resolver see.

        Raises:
            NoRelease: nothing was published yet, or not that release.
        """
        return (self._lake or Lake(self._settings)).at(self._release_id)

    def __call__(self, source: DataSource) -> tuple[ir.Table, list[str]] | None:
        """The rows of a source, and the Parquet files that hold just them; None if it is no table of a lake.

        Raises:
            UnknownTable: the release does not hold the table.
        """
        if not isinstance(source, ParquetSource):
            return None
        return self.pinned.table(source.table), self.pinned.plain_files(source.table)


def released_table(source: DataSource) -> tuple[ir.Table, list[str]] | None:
    """The resolver of the `feast` command, which names it in feature_store.yaml: the current release of the environment's lake."""
    return _of_environment(Settings.from_env())(source)


@lru_cache(maxsize=1)
def _of_environment(settings: Settings) -> ReleasedTables:
    """One resolver for a process, so that the lake is opened once."""
    return ReleasedTables(settings)
