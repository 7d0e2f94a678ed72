"""Packed rows: every type, null, times whose bytes sort, keys as Feast's, Arrow and Feast's values give the same bytes."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import python_values_to_proto_values
from hypothesis import given, settings
from hypothesis import strategies as st

from features.online.entity_key import keys_of, text_of
from features.online.packed import BODY, FIXED, NEVER, TIMES, PackedSchema, decode, encode, times_of
from features.online.packed_arrow import encode_arrow
from features.online.values import pack, view_of
from tests.features.stores import INSTANT, driver_view, drivers, hours

CELLS = {
    "float64": st.floats(allow_nan=False),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "timestamp": st.integers(-(2**40), 2**40),
    "float32": st.floats(width=32, allow_nan=False),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "bool": st.booleans(),
    "string": st.text(max_size=5).map(str.encode),
    "bytes": st.binary(max_size=5),
    "proto": st.binary(max_size=5),
}


@st.composite
def packed_rows(draw: Callable) -> tuple[PackedSchema, list[list], list[int], list[int]]:
    kinds = draw(st.lists(st.sampled_from(list(CELLS)), min_size=1, max_size=12))
    schema = PackedSchema(tuple((f"f{place}", kind) for place, kind in enumerate(kinds)))
    count = draw(st.integers(0, 5))
    columns = [draw(st.lists(st.one_of(st.none(), CELLS[kind]), min_size=count, max_size=count)) for kind in kinds]
    times = st.lists(st.integers(-(2**62), 2**62), min_size=count, max_size=count)
    return schema, columns, draw(times), draw(times)


def packed(schema: PackedSchema, columns: list[list], events: list[int], created: list[int]) -> list[bytes]:
    empty = {"string": b"", "bytes": b"", "proto": b""}
    cells = [
        ([empty.get(kind, 0) if value is None else value for value in column], [value is None for value in column])
        for (_, kind), column in zip(schema.fields, columns, strict=True)
    ]
    return encode(schema, cells, np.array(events, "i8"), np.array(created, "i8"))


@given(packed_rows())
@settings(max_examples=60, deadline=None)
def test_what_is_packed_is_unpacked(rows: tuple) -> None:
    schema, columns, events, created = rows
    values = packed(schema, columns, events, created)
    assert decode(schema, values, schema.names) == columns
    assert [times.tolist() for times in times_of(values)] == [events, created]


@given(st.lists(st.tuples(st.integers(-(2**62), 2**62), st.integers(-(2**62), 2**62)), min_size=2, max_size=2))
@settings(max_examples=60, deadline=None)
def test_bytes_of_the_times_sort_as_the_times(pairs: list[tuple[int, int]]) -> None:
    schema = PackedSchema((("f", "int64"),))
    first, second = packed(schema, [[1, 2]], [pair[0] for pair in pairs], [pair[1] for pair in pairs])
    assert (first[TIMES] < second[TIMES]) == (pairs[0] < pairs[1])
    assert packed(schema, [[1]], [5], [NEVER])[0][TIMES] < packed(schema, [[1]], [5], [-(2**62)])[0][TIMES]


def test_a_nan_is_stored_as_null_as_feast_does() -> None:
    schema = PackedSchema((("f", "float64"), ("g", "float32")))
    value = encode(schema, [([float("nan")], [False]), ([float("nan")], [False])], np.array([1]), np.array([1]))
    assert decode(schema, value, ["f", "g"]) == [[None], [None]]
    assert value == packed(schema, [[None], [None]], [1], [1])


def test_keys_are_those_of_feast() -> None:
    for kind, field, values in (
        ("string", "string_val", ["", "C1", "é"]),
        ("int64", "int64_val", [-5, 2**40]),
        ("int32", "int32_val", [7]),
    ):
        keys = [EntityKey(join_keys=["k"], entity_values=[Value(**{field: value})]) for value in values]
        assert keys_of("k", kind, values) == [serialize_entity_key(one, 3) for one in keys]
        assert [text_of(one) for one in keys_of("k", kind, values)] == [str(value) for value in values]


def test_arrow_gives_the_same_bytes_as_feast_rows() -> None:
    """The publisher's way and Feast's way into the layout agree, so an unchanged row is found unchanged whoever wrote it."""
    table = drivers([("a", 1, 2, 1, 0.5, "x"), ("b", 2, 2, None, None, None), ("c", 3, 3, 3, float("nan"), "")])
    view = driver_view(None)
    schema = view_of("taxi", view).schema
    rows = [
        (
            EntityKey(join_keys=["driver"], entity_values=[Value(string_val=line["driver"])]),
            dict(
                zip(
                    schema.names,
                    (
                        python_values_to_proto_values([line[name]], field.dtype.to_value_type())[0]
                        for name, field in zip(schema.names, view.features, strict=True)
                    ),
                    strict=True,
                )
            ),
            line["at"],
            line["seen_at"],
        )
        for line in table.to_pylist()
    ]
    assert encode_arrow(schema, table.to_batches()[0], "at", "seen_at") == pack(schema, rows)


def test_a_value_that_does_not_fit_its_declared_type_is_refused() -> None:
    batch = pa.record_batch({"at": pa.array([hours(0)], INSTANT), "n": pa.array([1.5])})
    with pytest.raises(ValueError, match="feature n: a value of the double column does not fit the declared int64"):
        encode_arrow(PackedSchema((("n", "int64"),)), batch, "at", None)
    with pytest.raises(TypeError, match="feature trips: declared as int64 but a row holds string_val"):
        pack(PackedSchema((("trips", "int64"),)), [(EntityKey(), {"trips": Value(string_val="1")}, hours(0), None)])


def test_the_layout_names_its_types() -> None:
    with pytest.raises(ValueError, match="feature f: type 'decimal' must be one of float64"):
        PackedSchema((("f", "decimal"),))
    assert set(CELLS) >= set(FIXED)
    assert BODY.start == 24
