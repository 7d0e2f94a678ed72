"""What a call of get_online_features asks for, resolved by Feast, with its keys as the online store has them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from feast import FeatureView, utils
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.registry.base_registry import BaseRegistry
from feast.protos.feast.serving.ServingService_pb2 import GetOnlineFeaturesResponse
from feast.protos.feast.types.EntityKey_pb2 import EntityKey as EntityKeyProto
from feast.protos.feast.types.Value_pb2 import Value as ValueProto
from feast.repo_config import RepoConfig

from features.online.backend import View
from features.online.entity_key import keys_of

_FIELDS = {"string": "string_val", "int32": "int32_val", "int64": "int64_val"}


@dataclass(frozen=True)
class Prepared:
    """A call, resolved.

    Attributes:
        views: the feature views and the features asked of each.
        message: Feast's answer, with the join keys alone.
        key_values: values of the join keys.
        key_names: join keys by entity.
    """

    views: list[tuple[FeatureView, list[str]]]
    message: GetOnlineFeaturesResponse
    key_values: Mapping[str, list[ValueProto]]
    key_names: dict[str, str]

    def keys(self, feature_view: FeatureView) -> dict[str, list[ValueProto]]:
        """The key columns of one view."""
        return utils._get_table_entity_values(feature_view, self.key_names, dict(self.key_values))


def prepare(registry: BaseRegistry, project: str, features: Any, entity_rows: Any, full_feature_names: bool) -> Prepared | None:
    """Resolve a call; None if it needs Feast's own way: features computed on demand, or keys that are missing, which Feast reports."""
    values, views, names, on_demand, _, _, message = utils._prepare_entities_to_read_from_online_store(
        registry=registry,
        project=project,
        features=features,
        entity_values=_columns(entity_rows),
        full_feature_names=full_feature_names,
        native_entity_values=True,
    )
    prepared = Prepared(views, message, values, names)
    if on_demand or any(not column for column in values.values()):
        return None
    return prepared if all(len(prepared.keys(view)) == len(view.entities) for view, _ in views) else None


def serialized(view: View, columns: Mapping[str, list[ValueProto]], config: RepoConfig) -> list[bytes]:
    """The keys of the asked rows, as Feast serializes them."""
    version = config.entity_key_serialization_version
    if version == 3 and len(columns) == 1 and len(view.join_keys) == 1:
        (name, kind), (column,) = view.join_keys[0], columns.values()
        field = _FIELDS.get(kind)
        if field and name in columns and {value.WhichOneof("val") for value in column} == {field}:
            return keys_of(name, kind, [getattr(value, field) for value in column])
    rows = zip(*columns.values(), strict=True)
    keys = [EntityKeyProto(join_keys=list(columns), entity_values=row) for row in rows]
    return [serialize_entity_key(key, entity_key_serialization_version=version) for key in keys]


def _columns(entity_rows: Any) -> Mapping[str, Sequence]:
    """Entity rows as columns, as Feast takes them apart."""
    if not isinstance(entity_rows, list):
        return entity_rows
    columns: dict[str, list] = {name: [] for name in entity_rows[0]}
    for row in entity_rows:
        for name, value in row.items():
            if name not in columns:
                raise ValueError("All entity_rows must have the same keys.")
            columns[name].append(value)
    return columns
