"""The answer to get_online_features, kept as columns of plain values; Feast's messages are made when somebody asks for them.

Most callers of `get_online_features(...)` take `to_dict()` of it. To make a message of every cell, put it into another one and take the
value out again took most of the time of a read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from feast.online_response import TIMESTAMP_POSTFIX, OnlineResponse
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus, GetOnlineFeaturesResponse
from feast.type_map import feast_value_type_to_python_type
from feast.value_type import ValueType
from google.protobuf.timestamp_pb2 import Timestamp

from features.online.backend import instant
from features.online.packed import PackedSchema, decode, times_of
from features.online.values import ReadRow, messages

_PLAIN = {"float64", "float32", "int64", "int32", "bool", "string", "bytes"}  # their packed value is what Feast gives back
_FeatureVector = GetOnlineFeaturesResponse.FeatureVector


@dataclass(frozen=True)
class Answered:
    """One feature of the answer.

    Attributes:
        name: under which it is asked for.
        kind: packed type.
        values: one per asked row; None for null and where nothing was found. What is no plain value is its message, serialized.
        is_present: whether a row was found that was written with this feature; one for all features of most answers.
        times: event time of each row, microseconds since 1970; None where nothing was found.
    """

    name: str
    kind: str
    values: list
    is_present: list[bool]
    times: list[int | None]

    def plain(self, feature_type: ValueType | None) -> list:
        """The values as Feast gives them back."""
        if self.kind in _PLAIN:
            return list(self.values)
        return [feast_value_type_to_python_type(value, feature_type) for value in messages(self.kind, self.values)]

    def vector(self, stamps: Mapping[int | None, Timestamp]) -> _FeatureVector:
        """The values as Feast's message."""
        return _FeatureVector(
            values=messages(self.kind, self.values),
            statuses=[FieldStatus.PRESENT if present else FieldStatus.NOT_FOUND for present in self.is_present],
            event_timestamps=[stamps[at] for at in self.times],
        )


class PackedOnlineResponse(OnlineResponse):
    """Feast's response, with its message made on demand."""

    def __init__(self, keys: GetOnlineFeaturesResponse, features: Sequence[Answered], feature_types: dict[str, ValueType]) -> None:
        """Take the answer.

        Args:
            keys: Feast's message with the join keys, to which the features are added when it is asked for.
            features: in the order in which they were asked for.
            feature_types: Feast types by name.
        """
        self._keys, self._features, self._feature_types = keys, features, feature_types
        self._message: GetOnlineFeaturesResponse | None = None

    @property
    def proto(self) -> GetOnlineFeaturesResponse:  # type: ignore[override]  # an attribute there, which only Feast itself sets
        """Feast's message of the whole answer."""
        if self._message is None:
            message = GetOnlineFeaturesResponse()
            message.CopyFrom(self._keys)
            message.metadata.feature_names.val.extend(feature.name for feature in self._features)
            times = {at for feature in self._features for at in feature.times}
            stamps = {at: Timestamp() if at is None else Timestamp(seconds=at // 10**6, nanos=at % 10**6 * 1000) for at in times}
            message.results.extend(feature.vector(stamps) for feature in self._features)
            self._message = message
        return self._message

    def to_dict(self, include_event_timestamps: bool = False) -> dict[str, Any]:
        """See OnlineResponse."""
        answer: dict[str, list] = {}
        for name, vector in zip(self._keys.metadata.feature_names.val, self._keys.results, strict=True):
            answer[name] = [feast_value_type_to_python_type(value, self._feature_types.get(name)) for value in vector.values]
            if include_event_timestamps:
                answer[name + TIMESTAMP_POSTFIX] = [stamp.seconds for stamp in vector.event_timestamps]
        for feature in self._features:
            answer[feature.name] = feature.plain(self._feature_types.get(feature.name))
            if include_event_timestamps:
                answer[feature.name + TIMESTAMP_POSTFIX] = [0 if at is None else at // 10**6 for at in feature.times]
        return answer


@dataclass(frozen=True)
class _Decoded:
    """The wanted features of packed rows, by place of the row.

    Attributes:
        kinds: packed type of each feature.
        values: by feature; texts are texts.
        present: by feature, whether a row was found that was written with it; one list for all features of most answers.
        times: event time of each row; None where nothing was found.
    """

    kinds: Mapping[str, str]
    values: Mapping[str, list]
    present: Mapping[str, list[bool]]
    times: list[int | None]


def answered(
    current: PackedSchema, known: Mapping[bytes, PackedSchema], rows: Sequence[bytes | None], wanted: Sequence[str], prefix: str
) -> list[Answered]:
    """The wanted features of packed rows, for a response; see `_decoded`."""
    found = _decoded(current, known, rows, wanted)
    return [Answered(prefix + name, found.kinds[name], found.values[name], found.present[name], found.times) for name in wanted]


def unpacked(
    current: PackedSchema, known: Mapping[bytes, PackedSchema], rows: Sequence[bytes | None], wanted: Sequence[str]
) -> list[ReadRow]:
    """The wanted features of packed rows as Feast's rows, without those that a row was written without; see `_decoded`."""
    found = _decoded(current, known, rows, wanted)
    columns = [(name, found.present[name], messages(found.kinds[name], found.values[name])) for name in wanted]
    return [
        (None, None) if at is None else (instant(at), {name: column[place] for name, present, column in columns if present[place]})
        for place, at in enumerate(found.times)
    ]


def _decoded(current: PackedSchema, known: Mapping[bytes, PackedSchema], rows: Sequence[bytes | None], wanted: Sequence[str]) -> _Decoded:
    """Packed rows read each by its own schema; a feature of another type is another feature."""
    now, count = dict(current.fields), len(rows)
    by_schema: dict[bytes, list[int]] = {}
    for at, row in enumerate(rows):
        if row is not None:
            by_schema.setdefault(row[:8], []).append(at)
    times: list[int | None] = [None] * count
    values: dict[str, list] = {name: [None] * count for name in wanted}
    present: dict[str, list[bool]] = {}
    whole = [False] * count  # shared by all features that every schema of these rows has
    for fingerprint, places in by_schema.items():
        schema = known[fingerprint]
        group = list(rows) if len(places) == count else [rows[at] for at in places]
        kinds = dict(schema.fields)
        names = [name for name in wanted if name in kinds and kinds[name] == now.get(name)]
        columns = dict(zip(names, decode(schema, group, names), strict=True))  # type: ignore[arg-type]  # none of them is None
        events = times_of(group)[0].tolist()  # type: ignore[arg-type]
        for name in wanted:
            if name not in columns:
                present.setdefault(name, list(whole))
            elif name in present:
                for at in places:
                    present[name][at] = True
        for at, event in zip(places, events, strict=True):
            whole[at], times[at] = True, event
        for name, column in columns.items():
            if now[name] == "string":
                column = [None if value is None else value.decode() for value in column]
            if len(places) == count:
                values[name] = column
            else:
                for at, value in zip(places, column, strict=True):
                    values[name][at] = value
    present = {name: present.get(name, whole) for name in wanted}
    return _Decoded({name: now.get(name, "proto") for name in wanted}, values, present, times)
