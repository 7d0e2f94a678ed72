"""Feast's OnlineStore interface over a backend of packed rows; what our SQLite and Redis online stores share.

A subclass says which backend a configuration means. A write never replaces a newer value, by event time and then created time, and a
correction at equal times arrives. Knows nothing of any project; docs/online-store.md describes layout, guarantees and limits.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import is_
from typing import Any

from feast import Entity, FeatureView, utils
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.online_store import OnlineStore
from feast.infra.registry.base_registry import BaseRegistry
from feast.infra.supported_async_methods import SupportedAsyncMethods
from feast.online_response import OnlineResponse
from feast.protos.feast.types.EntityKey_pb2 import EntityKey as EntityKeyProto
from feast.repo_config import RepoConfig

from features.online.answer import PackedOnlineResponse, answered, unpacked
from features.online.backend import OnlineBackend, OnlineGeneration, Pack, View, microseconds
from features.online.packed import NEVER, PackedSchema
from features.online.request import prepare, serialized
from features.online.values import FeatureRow, ReadRow, pack, view_of


class PackedOnlineStore(OnlineStore):
    """Feast's interface to the packed rows of one backend a configuration."""

    def __init__(self) -> None:
        self._backends: dict[tuple, OnlineBackend] = {}
        self._views: dict[int, tuple[FeatureView, list, View]] = {}
        self._known: dict[tuple[str, str, str], dict[bytes, PackedSchema]] = {}

    def _opened(self, config: RepoConfig) -> OnlineBackend:
        """The backend that a configuration names."""
        raise NotImplementedError

    @property
    def async_supported(self) -> SupportedAsyncMethods:
        """Reads and writes have an async form, which runs in a thread: the event loop stays free, and both forms are one code."""
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
        view, backend = view_of(config.project, table), self._backend(config)
        for keys, rows in _waves([_key(row[0], config) for row in data], data):
            partial = [
                key for key, row in zip(keys, rows, strict=True) if len(row[1].keys() & set(view.schema.names)) < len(view.schema.fields)
            ]
            backend.write(view, keys, _packer(view, keys, rows), partial)
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
        """Read feature rows; see OnlineStore. A feature that a row was written without is left out of its answer.

        Raises:
            OnlineStoreMissing: the store does not know the view; it was removed or flushed, or never applied.
        """
        view, backend = self._view(config.project, table), self._backend(config)
        wanted = requested_features if requested_features is not None else list(view.schema.names)
        _, (rows,) = backend.read([(view.name, [_key(key, config) for key in entity_keys])])
        return unpacked(view.schema, self._schemas(backend, view, rows), rows, wanted)

    def get_online_features(
        self,
        config: RepoConfig,
        features: Any,
        entity_rows: Any,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        include_feature_view_version_metadata: bool = False,
    ) -> OnlineResponse:
        """See OnlineStore; all views are read at once, so their rows are of one generation, and no message is made of a cell.

        What needs Feast's messages on the way (features computed on demand, versions) goes Feast's own way.
        """
        prepared = None
        if entity_rows and not include_feature_view_version_metadata and not getattr(features, "precompute_online", False):
            prepared = prepare(registry, project, features, entity_rows, full_feature_names)
        if prepared is None:
            return super().get_online_features(
                config, features, entity_rows, registry, project, full_feature_names, include_feature_view_version_metadata
            )
        self._check_versioned_read_support(prepared.views)
        views = [self._view(config.project, table) for table, _ in prepared.views]
        backend = self._backend(config)
        keys = [serialized(view, prepared.keys(table), config) for view, (table, _) in zip(views, prepared.views, strict=True)]
        _, answers = backend.read([(view.name, part) for view, part in zip(views, keys, strict=True)])
        found = []
        for view, (table, wanted), rows in zip(views, prepared.views, answers, strict=True):
            prefix = f"{table.projection.name_to_use()}__" if full_feature_names else ""
            found += answered(view.schema, self._schemas(backend, view, rows), rows, wanted, prefix)
        return PackedOnlineResponse(prepared.message, found, self._build_feature_types(prepared.views))

    def _read_features_per_fv(
        self,
        config: RepoConfig,
        grouped_refs: list,
        join_key_values: dict,
        entity_name_to_join_key_map: dict,
        online_features_response: Any,
        full_feature_names: bool,
        include_feature_view_version_metadata: bool,
    ) -> None:
        """What Feast's own way reads, also of all views at once."""
        asked, places = [], []
        for table, _ in grouped_refs:
            entities, at, count = utils._get_unique_entities(table, join_key_values, entity_name_to_join_key_map)
            asked.append((table.name, [_key(key, config) for key in utils._get_entity_key_protos(entities)]))
            places.append((at, count))
        backend = self._backend(config)
        _, answers = backend.read(asked)
        for (table, wanted), rows, (at, count) in zip(grouped_refs, answers, places, strict=True):
            view = self._view(config.project, table)
            found = unpacked(view.schema, self._schemas(backend, view, rows), rows, wanted)
            utils._populate_response_from_feature_data(
                wanted, found, at, online_features_response, full_feature_names, table, count, include_feature_view_version_metadata
            )

    async def get_online_features_async(self, *args: Any, **options: Any) -> OnlineResponse:
        """The same without blocking the event loop."""
        return await asyncio.to_thread(self.get_online_features, *args, **options)

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
        """Remember the views to keep and remove those to delete; rows of kept views stay."""
        backend = self._backend(config)
        backend.drop([feature_view.name for feature_view in tables_to_delete])
        backend.declare([view_of(config.project, feature_view) for feature_view in tables_to_keep])

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]) -> None:
        """Remove the rows of the views and what was published of the project, and nothing of anybody else."""
        backend = self._backend(config)
        backend.drop([feature_view.name for feature_view in tables])
        backend.forget()

    def _backend(self, config: RepoConfig) -> OnlineBackend:
        """The backend of a configuration, opened once."""
        mark = (config.project, *sorted((name, str(value)) for name, value in config.online_store.model_dump().items()))
        if mark not in self._backends:
            self._backends[mark] = self._opened(config)
        return self._backends[mark]

    def _view(self, project: str, feature_view: FeatureView) -> View:
        """How a feature view is kept; Feast gives the same object for every read until its registry changes."""
        features = list(feature_view.features)
        held = self._views.get(id(feature_view))
        if (
            held
            and held[0] is feature_view
            and held[2].project == project
            and all(map(is_, held[1], features))
            and len(held[1]) == len(features)
        ):
            return held[2]
        if len(self._views) > 100:
            self._views.clear()
        view = view_of(project, feature_view)
        self._views[id(feature_view)] = feature_view, features, view
        return view

    def _schemas(self, backend: OnlineBackend, view: View, rows: Sequence[bytes | None]) -> dict[bytes, PackedSchema]:
        """The schemas of some rows, looked up again if one is new."""
        mark = (backend.where, view.project, view.name)
        used = {row[:8] for row in rows if row is not None}
        if used - self._known.get(mark, {}).keys():
            self._known[mark] = backend.schemas(view.name)
        return self._known.get(mark, {})


def _packer(view: View, keys: Sequence[bytes], rows: Sequence[FeatureRow]) -> Pack:
    """What makes packed rows of feature rows, with the held values of the features that they do not name."""

    def packer(served: OnlineGeneration | None, held: Mapping[bytes, bytes], known: Mapping[bytes, PackedSchema]) -> list[bytes | None]:
        since = microseconds(served.as_of) if served and view.name in served.views else NEVER
        old = dict(zip(held, unpacked(view.schema, known, list(held.values()), list(view.schema.names)), strict=True))
        full = [
            (key, {**(old[at][1] or {}), **values} if at in old else values, event, created)
            for at, (key, values, event, created) in zip(keys, rows, strict=True)
        ]
        packed = pack(view.schema, full)
        return [row if microseconds(line[2]) >= since else None for row, line in zip(packed, rows, strict=True)]

    return packer


def _waves(keys: list[bytes], rows: list[FeatureRow]) -> Iterable[tuple[list[bytes], list[FeatureRow]]]:
    """The rows in parts in which each key comes once, in their order; nearly always one part."""
    while keys:
        first = list({key: at for at, key in reversed(list(enumerate(keys)))}.values())
        taken = set(first)
        yield [keys[at] for at in sorted(taken)], [rows[at] for at in sorted(taken)]
        rest = [at for at in range(len(keys)) if at not in taken]
        keys, rows = [keys[at] for at in rest], [rows[at] for at in rest]


def _key(entity_key: EntityKeyProto, config: RepoConfig) -> bytes:
    """The key of a row, as Feast serializes it."""
    return serialize_entity_key(entity_key, entity_key_serialization_version=config.entity_key_serialization_version)
