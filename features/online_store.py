"""Feast OnlineStore that keeps packed rows in SQLite: one value per feature view and key, instead of one row per feature.

Configure it as `online_store: {type: features.online_store.PackedSqliteOnlineStore, path: ...}`. A write never replaces a newer value, by
event time and then created time, and a correction at equal times arrives. Knows nothing of any project; docs/adr/0003 says why it exists.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from feast import Entity, FeatureView
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.online_store import OnlineStore
from feast.infra.supported_async_methods import SupportedAsyncMethods
from feast.protos.feast.types.EntityKey_pb2 import EntityKey as EntityKeyProto
from feast.protos.feast.types.Value_pb2 import Value as ValueProto
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from feast.value_type import ValueType
from pydantic import StrictStr, field_validator

from features import online_file
from features.online_file import OnlineFile, View
from features.packed import NEVER, Column, PackedSchema, decode, encode, times_of

# Feast type, packed type, and the field of Feast's value message. Everything else is kept as the message itself.
_KINDS = {
    ValueType.BOOL: ("bool", "bool_val"),
    ValueType.INT32: ("int32", "int32_val"),
    ValueType.INT64: ("int64", "int64_val"),
    ValueType.FLOAT: ("float32", "float_val"),
    ValueType.DOUBLE: ("float64", "double_val"),
    ValueType.UNIX_TIMESTAMP: ("timestamp", "unix_timestamp_val"),
    ValueType.STRING: ("string", "string_val"),
    ValueType.BYTES: ("bytes", "bytes_val"),
}
_ATTRIBUTES = dict(_KINDS.values())

FeatureRow = tuple[EntityKeyProto, dict[str, ValueProto], datetime, datetime | None]
ReadRow = tuple[datetime | None, dict[str, ValueProto] | None]


class PackedSqliteOnlineStoreConfig(FeastConfigBaseModel):
    """Configuration: the file, relative to the repository unless absolute."""

    type: StrictStr = "features.online_store.PackedSqliteOnlineStore"
    path: StrictStr

    @field_validator("path")
    @classmethod
    def _is_expanded(cls, path: str) -> str:
        if "$" in path:
            raise ValueError(f"path {path!r}: an environment variable in it is not set; export it before starting Feast")
        return path


def view_of(project: str, feature_view: FeatureView) -> View:
    """How a Feast feature view is kept."""
    keys = tuple((column.name, _KINDS.get(column.dtype.to_value_type(), ("other", ""))[0]) for column in _entity_columns(feature_view))
    fields = tuple((field.name, _KINDS.get(field.dtype.to_value_type(), ("proto", ""))[0]) for field in feature_view.features)
    return View(project, feature_view.name, keys, PackedSchema(fields))


class PackedSqliteOnlineStore(OnlineStore):
    """Feast's interface to the packed rows of one file."""

    def __init__(self) -> None:
        self._files: dict[Path, OnlineFile] = {}
        self._declared: set[tuple[Path, str, bytes]] = set()

    @property
    def async_supported(self) -> SupportedAsyncMethods:
        """Reads and writes have an async form, which runs in a thread: the file is local and a read takes microseconds."""
        return SupportedAsyncMethods(read=True, write=True)

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[FeatureRow],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Write feature rows; see OnlineStore. Features that a row does not name keep the value they have.

        Rows older than the served generation of the view are left out: that generation says what each key has at its time, so an older
        row could only bring back what it replaced or removed.
        """
        view = view_of(config.project, table)
        with self._file(config).writing() as con:
            online_file.declare(con, view)
            served = online_file.served_generation(con, config.project)
            since = online_file.microseconds(served.as_of) if served and view.name in served.views else NEVER
            rows = [row for row in data if online_file.microseconds(row[2]) >= since]
            keys = [_key(row[0], config) for row in rows]
            rows = self._completed(con, view, keys, rows)
            online_file.upsert(con, view, zip(keys, pack(view.schema, rows), strict=True))
        if progress:
            progress(len(data))

    async def online_write_batch_async(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[FeatureRow],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """The same without blocking the event loop."""
        await asyncio.to_thread(self.online_write_batch, config, table, data, progress)

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKeyProto],
        requested_features: list[str] | None = None,
    ) -> list[ReadRow]:
        """Read feature rows; see OnlineStore. A feature that a row was written without is left out of its answer."""
        view = view_of(config.project, table)
        wanted = requested_features if requested_features is not None else list(view.schema.names)
        keys = [_key(key, config) for key in entity_keys]
        file = self._file(config)
        self._declare_once(file, view)
        with file.reading() as con:
            values = online_file.fetch(con, view.table, keys)
            known = online_file.schemas(con, view.project, view.name)
        return _unpacked(view.schema, known, [values.get(key) for key in keys], wanted)

    async def online_read_async(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKeyProto],
        requested_features: list[str] | None = None,
    ) -> list[ReadRow]:
        """The same without blocking the event loop."""
        return await asyncio.to_thread(self.online_read, config, table, entity_keys, requested_features)

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
        partial: bool,
    ) -> None:
        """Create the tables of views to keep and remove those of views to delete; rows of kept views stay."""
        with self._file(config).writing() as con:
            for feature_view in tables_to_delete:
                online_file.drop(con, config.project, feature_view.name)
            for feature_view in tables_to_keep:
                online_file.declare(con, view_of(config.project, feature_view))

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]) -> None:
        """Remove the rows of the views and what was published of the project."""
        with self._file(config).writing() as con:
            for feature_view in tables:
                online_file.drop(con, config.project, feature_view.name)
            online_file.forget(con, config.project)

    def _file(self, config: RepoConfig) -> OnlineFile:
        """The file of a configuration, opened once."""
        path = Path(config.online_store.path)
        if not path.is_absolute():
            path = Path(config.repo_path or ".") / path
        return self._files.setdefault(path, OnlineFile(path, create=True))

    def _declare_once(self, file: OnlineFile, view: View) -> None:
        """Make sure that the table of a view exists, so that a removed file reads as empty and not as an error."""
        mark = (file.path, view.table, view.schema.fingerprint)
        if mark in self._declared and file.path.exists():
            return
        with file.reading() as con:
            known = con.execute("SELECT 1 FROM packed_view WHERE project = ? AND view = ?", (view.project, view.name)).fetchone()
        if not known:
            with file.writing() as con:
                online_file.declare(con, view)
        self._declared.add(mark)

    def _completed(self, con: Any, view: View, keys: list[bytes], rows: list[FeatureRow]) -> list[FeatureRow]:
        """Rows with the held values of the features that they do not name."""
        partial = [at for at, row in enumerate(rows) if any(name not in row[1] for name in view.schema.names)]
        if not partial:
            return rows
        held = online_file.fetch(con, view.table, [keys[at] for at in partial])
        known = online_file.schemas(con, view.project, view.name)
        answers = _unpacked(view.schema, known, [held.get(keys[at]) for at in partial], list(view.schema.names))
        completed = list(rows)
        for at, (_, old) in zip(partial, answers, strict=True):
            key, values, event, created = rows[at]
            completed[at] = (key, {**(old or {}), **values}, event, created)
        return completed


def pack(schema: PackedSchema, rows: Sequence[FeatureRow]) -> list[bytes]:
    """Feast's feature rows as packed rows; a feature that a row does not name becomes null."""
    columns = [_column(kind, name, [values.get(name) for _, values, _, _ in rows]) for name, kind in schema.fields]
    events = np.array([online_file.microseconds(row[2]) for row in rows], "i8")
    created = np.array([NEVER if row[3] is None else online_file.microseconds(row[3]) for row in rows], "i8")
    return encode(schema, columns, events, created)


def _column(kind: str, name: str, values: list[ValueProto | None]) -> Column:
    """Values of one feature for the packed layout."""
    is_null = [value is None or value.WhichOneof("val") in (None, "null_val") for value in values]
    if kind == "proto":
        return [b"" if null or value is None else value.SerializeToString() for value, null in zip(values, is_null, strict=True)], is_null
    attribute = _ATTRIBUTES[kind]
    for value, null in zip(values, is_null, strict=True):
        if value is not None and not null and value.WhichOneof("val") != attribute:
            raise TypeError(f"feature {name}: declared as {kind} but a row holds {value.WhichOneof('val')}; write the declared type")
    empty = {"string": "", "bytes": b""}.get(kind, 0)
    plain: list[Any] = [empty if null else getattr(value, attribute) for value, null in zip(values, is_null, strict=True)]
    return [text.encode() for text in plain] if kind == "string" else plain, is_null


def _unpacked(current: PackedSchema, known: dict[bytes, PackedSchema], rows: list[bytes | None], wanted: list[str]) -> list[ReadRow]:
    """Packed rows as Feast's answers; each row is read by its own schema, and a feature of another type is another feature."""
    answers: list[ReadRow] = [(None, None)] * len(rows)
    by_schema: dict[bytes, list[int]] = {}
    for at, row in enumerate(rows):
        if row is not None:
            by_schema.setdefault(row[:8], []).append(at)
    for fingerprint, places in by_schema.items():
        schema, group = known[fingerprint], [row for row in rows if row is not None and row[:8] == fingerprint]
        names = [name for name in wanted if name in schema.names and dict(schema.fields)[name] == dict(current.fields).get(name)]
        columns = [_values(dict(schema.fields)[name], column) for name, column in zip(names, decode(schema, group, names), strict=True)]
        events = times_of(group)[0].tolist()
        for index, at in enumerate(places):
            answers[at] = online_file.instant(events[index]), {name: column[index] for name, column in zip(names, columns, strict=True)}
    return answers


def _values(kind: str, column: list) -> list[ValueProto]:
    """One unpacked feature as Feast's value messages."""
    if kind == "proto":
        return [ValueProto() if value is None else ValueProto.FromString(value) for value in column]
    attribute = _ATTRIBUTES[kind]
    if kind == "string":
        column = [None if value is None else value.decode() for value in column]
    return [ValueProto() if value is None else ValueProto(**{attribute: value}) for value in column]


def _entity_columns(feature_view: FeatureView) -> Iterable[Any]:
    """Join key columns; views that Feast makes for itself have none."""
    return getattr(feature_view, "entity_columns", None) or ()


def _key(entity_key: EntityKeyProto, config: RepoConfig) -> bytes:
    """The key of a row, as Feast serializes it."""
    return serialize_entity_key(entity_key, entity_key_serialization_version=config.entity_key_serialization_version)
