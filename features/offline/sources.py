"""Data sources as rows: what a resolver, or a file source of Feast, stands for, and what a retrieval asks of the views over them."""

import inspect
from collections.abc import Callable
from datetime import datetime
from importlib import import_module
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from feast import FeatureView
from feast.data_format import ParquetFormat
from feast.data_source import DataSource
from feast.infra.offline_stores.file_source import FileSource
from feast.repo_config import RepoConfig
from feast.utils import _strip_version_from_ref, make_tzaware

from features.offline.entity_frame import EVENT_TIMESTAMP
from features.offline.parquet_rows import local_files
from features.offline.point_in_time import ViewRows, utc


def source_rows(config: RepoConfig, source: DataSource) -> tuple[ir.Table, tuple[str, ...]]:
    """The rows of a data source as a table, and the local Parquet files that they are, if they are.

    Raises:
        ValueError: nothing configured knows the source, or it has no files.
    """
    tables = config.offline_store.tables
    found = imported(tables)(source) if tables else None
    if found is None and isinstance(source, FileSource):
        found = _files_of(config, source)
    if found is None:
        raise ValueError(f"data source {source.name}: {tables or 'offline_store.tables, which is not set,'} does not know it")
    if isinstance(found, ir.Table):
        return found, ()
    if isinstance(found, tuple) and found and isinstance(found[0], ir.Table):
        return found[0], tuple(str(path) for path in found[1])
    if not found:
        raise ValueError(f"data source {source.name}: it has no files; a resolver returns an empty Ibis table for an empty source")
    paths = [str(path) for path in found]
    files = [local_files(path) for path in paths]
    if any(local is None for local in files):
        return ibis.read_parquet(paths), ()
    every = tuple(path for local in files for path in local or ())
    if not every:
        raise ValueError(f"data source {source.name}: {', '.join(paths)} holds no Parquet files")
    return ibis.read_parquet(list(every), hive_partitioning=False), every


def source_table(config: RepoConfig, source: DataSource) -> ir.Table:
    """The rows of a data source; see source_rows."""
    return source_rows(config, source)[0]


def imported(function: str | Callable) -> Callable:
    """A function, or the function of that dotted name."""
    if not isinstance(function, str):
        return function
    module, _, name = function.rpartition(".")
    return getattr(import_module(module), name)


def view_rows(config: RepoConfig, view: FeatureView, feature_refs: list[str], full_feature_names: bool) -> ViewRows:
    """What a retrieval asks of one view.

    Raises:
        ValueError: it has no batch source.
    """
    source = view.batch_source
    if source is None:
        raise ValueError(f"feature view {view.name}: it has no batch source, so it has no history to ask")
    original = {new: old for old, new in (source.field_mapping or {}).items()}
    wanted = {feature: name for _, feature, name in asked_features([view], feature_refs, full_feature_names)}
    aliases = view.projection.join_key_map
    table, files = source_rows(config, source)
    return ViewRows(
        table=table,
        join_keys=tuple((original.get(key.name, key.name), aliases.get(key.name, key.name)) for key in view.entity_columns),
        features=tuple((original.get(feature, feature), name) for feature, name in wanted.items()),
        event=original.get(source.timestamp_field, source.timestamp_field),
        created=original.get(source.created_timestamp_column, source.created_timestamp_column),
        ttl=view.ttl or None,
        one_row_per_key_and_time=getattr(source, "one_row_per_key_and_time", False),
        files=files,
    )


def asked_features(views: list[FeatureView], feature_refs: list[str], full_feature_names: bool) -> list[tuple[str, str, str]]:
    """View, feature and name in the answer of each asked feature of some views, in the order in which they were asked."""
    prefixes = {view.projection.name_to_use(): f"{view.projection.name_alias or view.name}__" for view in views}
    parts = [_strip_version_from_ref(reference).partition(":") for reference in feature_refs]
    return [(view, feature, prefixes[view] * full_feature_names + feature) for view, _, feature in parts if view in prefixes]


def refs_of_caller(feature_refs: list[str]) -> list[str]:
    """The features that the caller of `FeatureStore.get_historical_features` asked for, among those that it passes on.

    It adds the source features of on-demand views and does not say which they are, so they are told by the variable of its frame that
    holds the asked ones. Whoever calls the store otherwise gets all columns.
    """
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_name == "get_historical_features" and frame.f_globals.get("__name__") == "feast.feature_store":
            asked = set(frame.f_locals.get("_feature_refs", feature_refs))
            return [reference for reference in feature_refs if reference in asked]
        frame = frame.f_back
    return feature_refs


def every_row(views: list[ViewRows], start: datetime, end: datetime) -> pa.Table:
    """Every key and event time of the views between two instants, as entity rows in order of key and time.

    Raises:
        ValueError: the views have different join keys.
    """
    names = [name for _, name in views[0].join_keys]
    if any([name for _, name in view.join_keys] != names for view in views):
        raise ValueError("entity rows can only be left out when all views have the same join keys; pass the rows to ask for")
    parts = []
    for view in views:
        rows = between(view.table, view.event, start, end)
        keys = {name: rows[source] for source, name in view.join_keys}
        parts.append(rows.select(**keys, **{EVENT_TIMESTAMP: utc(rows[view.event])}).distinct().to_pyarrow())
    every = pa.concat_tables(parts, promote_options="permissive").group_by([*names, EVENT_TIMESTAMP]).aggregate([])
    return every.sort_by([(name, "ascending") for name in (*names, EVENT_TIMESTAMP)])


def between(rows: ir.Table, timestamp_field: str, start: datetime | None, end: datetime | None) -> ir.Table:
    """Rows with an event time between two instants, both included; an instant without a zone is UTC."""
    event = utc(rows[timestamp_field])
    if start is not None:
        rows = rows.filter(event >= ibis.literal(make_tzaware(start), type="timestamp('UTC', 6)"))
    if end is not None:
        rows = rows.filter(event <= ibis.literal(make_tzaware(end), type="timestamp('UTC', 6)"))
    return rows


def _files_of(config: RepoConfig, source: FileSource) -> list[Any]:
    """Where a file source of Feast points; a relative path is relative to the repository.

    Raises:
        ValueError: it is no Parquet.
    """
    if source.file_format is not None and not isinstance(source.file_format, ParquetFormat):
        kind = type(source.file_format).__name__
        raise ValueError(
            f"data source {source.name}: {kind} is not read; name a function in offline_store.tables that returns an Ibis table"
        )
    return [FileSource.get_uri_for_file_path(config.repo_path, source.path)]
