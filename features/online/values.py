"""Feast's views and values in the packed layout, and back."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from feast import FeatureView
from feast.protos.feast.types.EntityKey_pb2 import EntityKey as EntityKeyProto
from feast.protos.feast.types.Value_pb2 import Value as ValueProto
from feast.value_type import ValueType

from features.online.backend import View, microseconds
from features.online.packed import NEVER, Column, PackedSchema, encode

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


def view_of(project: str, feature_view: FeatureView) -> View:
    """How a Feast feature view is kept."""
    keys = tuple((column.name, _KINDS.get(column.dtype.to_value_type(), ("other", ""))[0]) for column in _entity_columns(feature_view))
    fields = tuple((field.name, _KINDS.get(field.dtype.to_value_type(), ("proto", ""))[0]) for field in feature_view.features)
    return View(project, feature_view.name, keys, PackedSchema(fields))


def pack(schema: PackedSchema, rows: Sequence[FeatureRow | tuple[Any, ...]]) -> list[bytes]:
    """Feast's feature rows as packed rows; a feature that a row does not name becomes null."""
    columns = [_column(kind, name, [values.get(name) for _, values, _, _ in rows]) for name, kind in schema.fields]
    events = np.array([microseconds(row[2]) for row in rows], "i8")
    created = np.array([NEVER if row[3] is None else microseconds(row[3]) for row in rows], "i8")
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


def messages(kind: str, column: list) -> list[ValueProto]:
    """One feature as Feast's value messages; texts are texts."""
    if kind == "proto":
        return [ValueProto() if value is None else ValueProto.FromString(value) for value in column]
    attribute = _ATTRIBUTES[kind]
    return [ValueProto() if value is None else ValueProto(**{attribute: value}) for value in column]


def _entity_columns(feature_view: FeatureView) -> Iterable[Any]:
    """Join key columns; views that Feast makes for itself have none."""
    return getattr(feature_view, "entity_columns", None) or ()
