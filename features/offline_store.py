"""Feast OfflineStore over Ibis: exact point-in-time retrieval from anything that yields Parquet files or an Ibis table.

Configure it as `offline_store: {type: features.offline_store.IbisOfflineStore, tables: pkg.mod.function}`. The knowledge cut is always on:
a feature row counts only if its created time is not after the asked time. Knows nothing of any project; docs/adr/0003 says why it exists.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from feast import FeatureView
from feast.data_source import DataSource
from feast.feature_logging import LoggingConfig, LoggingSource
from feast.infra.offline_stores.file_source import FileLoggingDestination, FileSource
from feast.infra.offline_stores.ibis import IbisRetrievalJob
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalJob, RetrievalMetadata
from feast.infra.registry.base_registry import BaseRegistry
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from feast.utils import compute_non_entity_date_range
from pydantic import StrictStr

from features.offline import files
from features.offline.entity_frame import EntityRows, entity_rows
from features.offline.point_in_time import ROW, ViewRows, latest, utc
from features.offline.retrieval import HistoricalJob
from features.offline.sources import asked_features, between, every_row, imported, refs_of_caller, source_table, view_rows

__all__ = ["IbisOfflineStore", "IbisOfflineStoreConfig", "source_table"]


class IbisOfflineStoreConfig(FeastConfigBaseModel):
    """Configuration; docs/offline-store.md explains it.

    Attributes:
        tables: what turns a data source into an Ibis table, a list of Parquet files, or a table and the local files that it reads, as a
            function or as its dotted name; it returns None for a source that it does not know. File sources of Feast are read without it.
        writer: what adds rows to a data source, as a function (DataSource, pyarrow.Table) -> None or as its dotted name. File sources of
            Feast are written without it.
        plan: how views are joined: "auto" chooses by shape, the others are for comparing them.
    """

    type: StrictStr = "features.offline_store.IbisOfflineStore"
    tables: StrictStr | Callable | None = None
    writer: StrictStr | Callable | None = None
    plan: Literal["auto", "merge", "asof", "interval"] = "auto"


class IbisOfflineStore(OfflineStore):
    """Feast's interface to feature rows behind Ibis."""

    supports_filter_by_created_timestamp = True

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: Any,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = True,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> RetrievalJob:
        """The features of each entity row as of its time; see OfflineStore.

        The answer has the entity rows in their order and number, duplicates included, with the features behind them. The cut by created
        time is applied whatever filter_by_created_timestamp says: without it a correction made later would reach earlier rows.

        Args:
            config: of the feature store.
            feature_views: views of the asked features.
            feature_refs: features as `view:feature`.
            entity_df: pandas frame, Arrow table or anything that Arrow can read, a query in the backend's SQL, or None for every
                key and event time of the views between start_date and end_date, both included.
            registry: of the feature store.
            project: Feast project.
            full_feature_names: whether names are `view__feature`.
            filter_by_created_timestamp: kept for Feast's callers.
            start_date: of a retrieval without entity rows.
            end_date: of a retrieval without entity rows.

        Raises:
            FeastEntityDFMissingColumnsError: a join key is missing.
            ValueError: a feature has the name of an entity column, a join key has another type than the source, or there are neither
                entity rows nor views to take them from.
        """
        views = [view_rows(config, view, feature_refs, full_feature_names) for view in feature_views]
        if entity_df is None:
            if not views:
                raise ValueError("entity rows can only be left out when a feature view is asked; pass the rows to ask for")
            start, end = compute_non_entity_date_range(feature_views, start_date, end_date)
            entity_df = every_row(views, start, end)
        rows = entity_rows(entity_df, views[0].table.get_backend() if views else ibis.get_backend())
        _check(rows, views)
        job = HistoricalJob(
            ibis.memtable({}, schema={ROW: "int64"}),
            OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry),
            full_feature_names,
            RetrievalMetadata(feature_refs, [name for name in rows.table.column_names if name != rows.at], *rows.range),
            _writer(config),
            None,
            None,
            str(config.repo_path),
        )
        job.rows, job.views, job.plan = rows, views, config.offline_store.plan
        job.names, shown = (
            list(dict.fromkeys(name for _, _, name in asked_features(feature_views, refs, full_feature_names)))
            for refs in (feature_refs, refs_of_caller(feature_refs))
        )
        job.hidden = [name for name in job.names if name not in shown]
        return job

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime,
        end_date: datetime,
    ) -> RetrievalJob:
        """The newest row of each key with an event time between two instants, both included; see OfflineStore.

        Newest is what it is in a retrieval, so that an online store filled from here says the same.
        """
        times = [timestamp_field, *filter(None, (created_timestamp_column,))]
        rows = between(source_table(config, data_source), timestamp_field, start_date, end_date)
        rows = rows.select(*join_key_columns, *feature_name_columns, *times)
        event = utc(rows[timestamp_field])
        # A row without a created time was known when it happened.
        created = [utc(rows[created_timestamp_column]).fill_null(event)] if created_timestamp_column else []
        return _job(config, latest(rows, join_key_columns, [event, *created, *(rows[name] for name in feature_name_columns)]))

    @staticmethod
    def pull_all_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> RetrievalJob:
        """All rows with an event time between two instants, both included; see OfflineStore. No features asked means all columns."""
        rows = between(source_table(config, data_source), timestamp_field, start_date, end_date)
        if feature_name_columns:
            times = [timestamp_field, *filter(None, (created_timestamp_column,))]
            rows = rows.select(*join_key_columns, *feature_name_columns, *times)
        return _job(config, rows)

    def get_table_column_names_and_types_from_data_source(self, config: RepoConfig, data_source: DataSource) -> list[tuple[str, str]]:
        """Names and Arrow types of the columns of a data source, read as a retrieval reads it."""
        return [(field.name, str(field.type)) for field in source_table(config, data_source).schema().to_pyarrow()]

    @staticmethod
    def offline_write_batch(config: RepoConfig, feature_view: FeatureView, table: pa.Table, progress: Callable[[int], Any] | None) -> None:
        """Add rows to the source of a view, by the configured writer or, for a file source, as a new Parquet file.

        Raises:
            ValueError: the view has no batch source, or the rows do not fit its columns.
            NotImplementedError: the source is no file and no writer is configured.
        """
        source = feature_view.batch_source
        if source is None:
            raise ValueError(f"feature view {feature_view.name}: it has no batch source to write to")
        writer = config.offline_store.writer
        if writer is None and not isinstance(source, FileSource):
            raise NotImplementedError(
                f"view {feature_view.name}: offline_store.writer is not set, so {source.name} is only read. Name a function "
                "(DataSource, pyarrow.Table) -> None there, write with the tool that owns the table, or push with PushMode.ONLINE"
            )
        rows = _fitted(table, source_table(config, source).schema().to_pyarrow(), source.name)
        if writer is not None:
            imported(writer)(source, rows)
        else:
            files.append(config, rows, source)
        if progress:
            progress(rows.num_rows)

    @staticmethod
    def write_logged_features(
        config: RepoConfig, data: pa.Table | Path, source: LoggingSource, logging_config: LoggingConfig, registry: BaseRegistry
    ) -> None:
        """Add logged features to their destination: a folder of Parquet files, or whatever the configured writer writes to.

        Raises:
            NotImplementedError: the destination is no file and no writer is configured.
        """
        destination = logging_config.destination
        writer = config.offline_store.writer
        if isinstance(destination, FileLoggingDestination):
            files.log(config, data, destination)
        elif writer is not None:
            imported(writer)(destination.to_data_source(), data if isinstance(data, pa.Table) else files.read(data))
        else:
            kind = type(destination).__name__
            raise NotImplementedError(f"logs to {kind} need offline_store.writer, which is not set; or log to FileLoggingDestination")


def _fitted(rows: pa.Table, schema: pa.Schema, name: str) -> pa.Table:
    """Rows in the columns and types of their source.

    Raises:
        ValueError: a column is missing, or one is left over, or a value does not fit.
    """
    # Feast hands over the index of a pandas frame that was filtered or concatenated as a column.
    given = {column for column in rows.column_names if not column.startswith("__index_level_")}
    missing, strange = sorted(set(schema.names) - given), sorted(given - set(schema.names))
    if missing or strange:
        raise ValueError(f"rows for data source {name}: missing columns {missing}, columns that it does not have {strange}")
    try:
        return rows.select(schema.names).replace_schema_metadata().cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as problem:
        raise ValueError(f"rows do not fit the types of data source {name}: {problem}") from problem


def _check(rows: EntityRows, views: list[ViewRows]) -> None:
    """Refuse requests that could only give a wrong answer."""
    rows.require([name for view in views for _, name in view.join_keys])
    names = [name for view in views for _, name in view.features]
    for name in names:
        if name in rows.table.column_names or names.count(name) > 1:
            raise ValueError(
                f"feature {name}: the entity rows or another view have a column of this name; ask with full_feature_names=True"
            )
    for view in views:
        for source, name in view.join_keys:
            have, need = ibis.dtype(rows.table.schema.field(name).type), view.table.schema()[source]
            if not have.is_null() and (have.is_string(), have.is_integer()) != (need.is_string(), need.is_integer()):
                raise ValueError(f"join key {name}: the entity rows hold {have}, the feature rows {need}; convert the entity rows")


def _job(config: RepoConfig, rows: ir.Table) -> RetrievalJob:
    """A retrieval without a join."""
    return IbisRetrievalJob(rows, [], False, None, _writer(config), None, None, str(config.repo_path))


def _writer(config: RepoConfig) -> Callable:
    """What writes saved datasets, as Feast's job calls it."""

    def write(result: ir.Table | pa.Table, target: DataSource, repo_path: str, mode: str, allow_overwrite: bool) -> None:
        files.save(config, result, target, allow_overwrite)

    return write
