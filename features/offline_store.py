"""Feast OfflineStore over Ibis: exact point-in-time retrieval from anything that yields Parquet files or an Ibis table.

Configure it as `offline_store: {type: features.offline_store.IbisOfflineStore, tables: pkg.mod.function}`. The knowledge cut is always on:
a feature row counts only if its created time is not after the asked time. Knows nothing of any project; docs/adr/0003 says why it exists.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from feast import FeatureView
from feast.data_source import DataSource
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.feature_logging import LoggingConfig, LoggingSource
from feast.infra.offline_stores.file_source import FileSource
from feast.infra.offline_stores.ibis import IbisRetrievalJob
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalJob, RetrievalMetadata
from feast.infra.registry.base_registry import BaseRegistry
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from feast.utils import _strip_version_from_ref, compute_non_entity_date_range, make_tzaware
from ibis.backends import BaseBackend
from pydantic import StrictStr

from features.entity_frame import EVENT_TIMESTAMP, EntityRows, entity_rows
from features.point_in_time import ASOF_BACKENDS, AT, ROW, ViewRows, latest, point_in_time, utc

Tables = Callable[[DataSource], ir.Table | Sequence[str] | None]


class IbisOfflineStoreConfig(FeastConfigBaseModel):
    """Configuration.

    Attributes:
        tables: what turns a data source into an Ibis table or a list of Parquet files, as a function or as its dotted name; it returns
            None for a source that it does not know. File sources of Feast are read without it.
        asof: whether to use the backend's as-of join; by default where it is the engine's own.
    """

    type: StrictStr = "features.offline_store.IbisOfflineStore"
    tables: StrictStr | Callable | None = None
    asof: bool | None = None


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
            ValueError: a feature has the name of an entity column, or a join key has another type than the source.
        """
        views = [_view_rows(config, view, feature_refs, full_feature_names) for view in feature_views]
        backend = views[0].table.get_backend()
        if entity_df is None:
            start, end = compute_non_entity_date_range(feature_views, start_date, end_date)
            entity_df = _every_row(views, start, end)
        rows = entity_rows(entity_df, backend)
        _check(rows, views)
        job = _HistoricalJob(
            ibis.memtable({}, schema={ROW: "int64"}),
            OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry),
            full_feature_names,
            RetrievalMetadata(feature_refs, [name for name in rows.table.column_names if name != rows.at], *rows.range),
            _writer(config),
            None,
            None,
            str(config.repo_path),
        )
        job.rows, job.views, job.names = rows, views, _names(feature_views, feature_refs, full_feature_names)
        job.use_asof = config.offline_store.asof if config.offline_store.asof is not None else backend.name in ASOF_BACKENDS
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
        """The newest row of each key with an event time between two instants, both included; see OfflineStore."""
        times = [timestamp_field, *filter(None, (created_timestamp_column,))]
        rows = _between(source_table(config, data_source), timestamp_field, start_date, end_date)
        rows = rows.select(*join_key_columns, *feature_name_columns, *times)
        return _job(config, latest(rows, join_key_columns, [*times, *feature_name_columns]))

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
        rows = _between(source_table(config, data_source), timestamp_field, start_date, end_date)
        if feature_name_columns:
            times = [timestamp_field, *filter(None, (created_timestamp_column,))]
            rows = rows.select(*join_key_columns, *feature_name_columns, *times)
        return _job(config, rows)

    @staticmethod
    def offline_write_batch(config: RepoConfig, feature_view: FeatureView, table: pa.Table, progress: Callable[[int], Any] | None) -> None:
        """Refuse: the sources are written by whoever owns them.

        Raises:
            NotImplementedError: always.
        """
        source = feature_view.batch_source.name if feature_view.batch_source else "its source"
        raise NotImplementedError(
            f"view {feature_view.name}: IbisOfflineStore only reads, since rows pushed past the owner of {source} would miss its audits "
            "and snapshots. Write them with the tool that owns the table, and push with PushMode.ONLINE"
        )

    @staticmethod
    def write_logged_features(
        config: RepoConfig, data: pa.Table | Path, source: LoggingSource, logging_config: LoggingConfig, registry: BaseRegistry
    ) -> None:
        """Refuse: the store keeps no logs.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("IbisOfflineStore only reads and keeps no feature logs; log what was served where it is scored")


class _HistoricalJob(IbisRetrievalJob):
    """A point-in-time join that is run when its result is asked for.

    The engine sees keys and times only. What the caller passed is put beside the features afterwards, in the caller's order, so neither
    its columns nor its order depend on the engine.
    """

    rows: EntityRows
    views: list[ViewRows]
    names: list[str]
    use_asof: bool

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        given = self.rows.table
        answer = _in_order(self._answer(), given.num_rows)
        for name in self.names:
            given = given.append_column(name, answer[name])
        return given

    def _to_df_internal(self, timeout: int | None = None) -> Any:
        return self._to_arrow_internal(timeout).to_pandas()

    def persist(self, storage: Any, allow_overwrite: bool = False, timeout: int | None = None) -> None:
        """Write the result where a saved dataset is kept."""
        self.data_source_writer(self.to_arrow(), storage.to_data_source(), self.repo_path, "overwrite", allow_overwrite)

    def _answer(self) -> pa.Table:
        """The join, in the engine's order."""
        kinds = {name: view.table.schema()[source].to_pyarrow() for view in self.views for source, name in view.join_keys}
        keys = {name: self.rows.table[name] for name in kinds}
        # A key that is null in every row has no type of its own to compare.
        typed = {name: key.cast(kinds[name]) if pa.types.is_null(key.type) else key for name, key in keys.items()}
        count = self.rows.table.num_rows
        asked = pa.table({**typed, AT: self.rows.table[self.rows.at], ROW: np.arange(count)})
        earliest, last = self.rows.range
        if earliest is None or last is None:
            earliest = last = datetime(1970, 1, 1, tzinfo=UTC)
        with _stored(asked, self.views[0].table.get_backend()) as table:
            return point_in_time(table, self.views, (earliest, last), self.use_asof).to_pyarrow()


@contextmanager
def _stored(asked: pa.Table, backend: BaseBackend) -> Iterator[ir.Table]:
    """The asked rows as a table of the backend.

    DuckDB takes an Arrow table for one row, and its as-of join then compares every pair (measured: 20,000 rows in 4.2 s of CPU instead of
    0.25), so where there are temporary tables the rows become one. Backends without them get the rows in memory.
    """
    if backend.name not in ASOF_BACKENDS:
        yield ibis.memtable(asked)
        return
    name = ibis.util.gen_name("asked")
    table = backend.create_table(name, asked, temp=True)
    try:
        yield table
    finally:
        backend.drop_table(name, force=True)


def source_table(config: RepoConfig, source: DataSource) -> ir.Table:
    """The rows of a data source.

    Raises:
        ValueError: nothing configured knows the source.
    """
    tables = config.offline_store.tables
    found = _imported(tables)(source) if tables else None
    if found is None and isinstance(source, FileSource):
        found = [FileSource.get_uri_for_file_path(config.repo_path, source.path)]
    if found is None:
        raise ValueError(f"data source {source.name}: {tables or 'offline_store.tables, which is not set,'} does not know it")
    if isinstance(found, ir.Table):
        return found
    if not found:
        raise ValueError(f"data source {source.name}: it has no files; a resolver returns an empty Ibis table for an empty source")
    return ibis.read_parquet(list(found))


def _imported(tables: str | Tables) -> Tables:
    """A function, or the function of that dotted name."""
    if not isinstance(tables, str):
        return tables
    module, _, name = tables.rpartition(".")
    return getattr(import_module(module), name)


def _view_rows(config: RepoConfig, view: FeatureView, feature_refs: list[str], full_feature_names: bool) -> ViewRows:
    """What a retrieval asks of one view."""
    source = view.batch_source
    if source is None:
        raise ValueError(f"feature view {view.name}: it has no batch source, so it has no history to ask")
    original = {new: old for old, new in (source.field_mapping or {}).items()}
    wanted = {feature: name for of, feature, name in _wanted([view], feature_refs, full_feature_names)}
    aliases = view.projection.join_key_map
    return ViewRows(
        table=source_table(config, source),
        join_keys=tuple((original.get(key.name, key.name), aliases.get(key.name, key.name)) for key in view.entity_columns),
        features=tuple((original.get(feature, feature), name) for feature, name in wanted.items()),
        event=original.get(source.timestamp_field, source.timestamp_field),
        created=original.get(source.created_timestamp_column, source.created_timestamp_column),
        ttl=view.ttl or None,
        one_row_per_key_and_time=getattr(source, "one_row_per_key_and_time", False),
    )


def _wanted(views: list[FeatureView], feature_refs: list[str], full_feature_names: bool) -> list[tuple[str, str, str]]:
    """View, feature and name in the answer of each asked feature of some views, in the order in which they were asked."""
    prefixes = {view.projection.name_to_use(): f"{view.projection.name_alias or view.name}__" for view in views}
    parts = [_strip_version_from_ref(reference).partition(":") for reference in feature_refs]
    return [(view, feature, prefixes[view] * full_feature_names + feature) for view, _, feature in parts if view in prefixes]


def _names(views: list[FeatureView], feature_refs: list[str], full_feature_names: bool) -> list[str]:
    """The feature columns of the answer; features of on-demand views are put behind them by Feast."""
    return list(dict.fromkeys(name for _, _, name in _wanted(views, feature_refs, full_feature_names)))


def _every_row(views: list[ViewRows], start: datetime, end: datetime) -> pa.Table:
    """Every key and event time of the views between two instants, as entity rows in order of key and time."""
    names = [name for _, name in views[0].join_keys]
    if any([name for _, name in view.join_keys] != names for view in views):
        raise ValueError("entity rows can only be left out when all views have the same join keys; pass the rows to ask for")
    parts = []
    for view in views:
        rows = _between(view.table, view.event, start, end)
        keys = {name: rows[source] for source, name in view.join_keys}
        parts.append(rows.select(**keys, **{EVENT_TIMESTAMP: utc(rows[view.event])}))
    every = parts[0].union(*parts[1:], distinct=True) if len(parts) > 1 else parts[0].distinct()
    return every.to_pyarrow().sort_by([(name, "ascending") for name in (*names, EVENT_TIMESTAMP)])


def _check(rows: EntityRows, views: list[ViewRows]) -> None:
    """Refuse requests that could only give a wrong answer."""
    rows.require([name for view in views for _, name in view.join_keys])
    names = [name for view in views for _, name in view.features]
    for name in names:
        if name in rows.table.column_names or names.count(name) > 1:
            raise ValueError(
                f"feature {name}: the entity rows or another view have a column of this name; ask with full_feature_names=True"
            )
    asked = ibis.memtable(rows.table.slice(0, 0)).schema()
    for view in views:
        for source, name in view.join_keys:
            have, need = asked[name], view.table.schema()[source]
            if not have.is_null() and (have.is_string(), have.is_integer()) != (need.is_string(), need.is_integer()):
                raise ValueError(f"join key {name}: the entity rows hold {have}, the feature rows {need}; convert the entity rows")


def _between(rows: ir.Table, timestamp_field: str, start: datetime | None, end: datetime | None) -> ir.Table:
    """Rows with an event time between two instants, both included; an instant without a zone is UTC."""
    event = utc(rows[timestamp_field])
    if start is not None:
        rows = rows.filter(event >= ibis.literal(make_tzaware(start), type="timestamp('UTC', 6)"))
    if end is not None:
        rows = rows.filter(event <= ibis.literal(make_tzaware(end), type="timestamp('UTC', 6)"))
    return rows


def _in_order(answer: pa.Table, count: int) -> pa.Table:
    """The answer with one row per asked row, in the asked order.

    Raises:
        RuntimeError: the join gave another number of rows, which would put features beside the wrong entity.
    """
    places = answer[ROW].to_numpy()
    if len(places) != count or (np.bincount(places, minlength=count) != 1).any():
        raise RuntimeError(f"the point-in-time join gave {len(places)} rows for {count} entity rows")
    order = np.empty(count, "i8")
    order[places] = np.arange(count)
    return answer.take(pa.array(order))


def _job(config: RepoConfig, rows: ir.Table) -> RetrievalJob:
    """A retrieval without a join."""
    return IbisRetrievalJob(rows, [], False, None, _writer(config), None, None, str(config.repo_path))


def _writer(config: RepoConfig) -> Callable:
    """What writes saved datasets: one Parquet file, or a folder of them."""

    def write(result: ir.Table | pa.Table, target: DataSource, repo_path: str, mode: str, allow_overwrite: bool) -> None:
        if not isinstance(target, FileSource):
            raise ValueError(f"saved dataset {target.name}: IbisOfflineStore writes Parquet files only; use SavedDatasetFileStorage")
        path = Path(FileSource.get_uri_for_file_path(config.repo_path, target.path))
        if path.exists() and not allow_overwrite:
            raise SavedDatasetLocationAlreadyExists(location=str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(result if isinstance(result, pa.Table) else result.to_pyarrow(), path)

    return write
