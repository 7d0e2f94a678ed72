"""Packed rows and the Feast online store over them: every type, newer wins, schema changes, keys of every kind, Feast's own commands."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pytest
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, ValueType
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import python_values_to_proto_values
from feast.types import Array, Bool, Bytes, Float32, Float64, Int32, Int64, Json, Map, String, UnixTimestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from features.entity_key import keys_of, text_of
from features.online_backend import OnlineGeneration, OnlineStoreMissing
from features.online_file import SqliteBackend
from features.online_reader import OnlineReader, UnknownFeature
from features.online_store import PackedSqliteOnlineStore, PackedSqliteOnlineStoreConfig
from features.online_values import pack, view_of
from features.packed import BODY, FIXED, NEVER, TIMES, PackedSchema, decode, encode, times_of
from features.packed_arrow import encode_arrow
from tests.features.stores import CAR, CAR_SCHEMA, DRIVER, INSTANT, car_view, driver_view, drivers, hours, project, source

Row = tuple[EntityKey, dict[str, Value], datetime, datetime | None]


class Tables(dict):
    """A resolver: the Arrow tables that a test put in."""

    def __call__(self, wanted: Any) -> Any:
        return ibis.memtable(self[wanted.table])


@pytest.fixture
def tables() -> Tables:
    return Tables(
        driver_stats=drivers([("a", 1, 1, 1, 0.5, "x"), ("b", 2, 2, None, None, None)]),
        car_stats=pa.table([[7], [hours(1)], [hours(1)], [3]], schema=CAR_SCHEMA),
    )


@pytest.fixture
def store(tmp_path: Path, tables: Tables) -> FeatureStore:
    return project(tmp_path, tables, [DRIVER, CAR, driver_view(timedelta(days=1)), car_view(None)])


def key(name: str) -> EntityKey:
    return EntityKey(join_keys=["driver"], entity_values=[Value(string_val=name)])


def row(name: str, at: float, seen: float | None, trips: int) -> Row:
    values = {"trips": Value(int64_val=trips), "rate_y": Value(double_val=trips / 2), "note": Value(string_val=str(trips))}
    return key(name), values, hours(at), None if seen is None else hours(seen)


def write(store: FeatureStore, rows: list[Row], view: str = "driver_stats") -> None:
    store._get_provider().online_store.online_write_batch(store.config, store.get_feature_view(view), rows, None)


def read(store: FeatureStore, names: list[str], view: str = "driver_stats", features: list[str] | None = None) -> list:
    online = store._get_provider().online_store
    return online.online_read(store.config, store.get_feature_view(view), [key(name) for name in names], features)


def trips(store: FeatureStore, name: str) -> int | None:
    return store.get_online_features(["driver_stats:trips"], [{"driver": name}]).to_dict()["trips"][0]


# --- the layout ---------------------------------------------------------------------------------------------------------------------

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
            key(line["driver"]),
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
        pack(PackedSchema((("trips", "int64"),)), [(key("a"), {"trips": Value(string_val="1")}, hours(0), None)])


# --- Feast's interface --------------------------------------------------------------------------------------------------------------

TYPES = {
    "b": (Bool, [True, None]),
    "i": (Int32, [-7, None]),
    "l": (Int64, [2**62, None]),
    "f": (Float32, [0.5, None]),
    "d": (Float64, [0.1, None]),
    "s": (String, ["é", None]),
    "y": (Bytes, [b"\x00\xff", None]),
    "t": (UnixTimestamp, [datetime(2024, 1, 1, 5, tzinfo=UTC), None]),
    "fl": (Array(Float64), [[0.5, 1.5], None]),
    "sl": (Array(String), [["a", ""], []]),
    "tl": (Array(UnixTimestamp), [[datetime(2024, 1, 1, tzinfo=UTC)], None]),
    "m": (Map, [{"k": 1}, None]),
    "j": (Json, ['{"a": 1}', None]),
}


def test_every_type_comes_back(tmp_path: Path, tables: Tables) -> None:
    fields = [Field(name=name, dtype=dtype) for name, (dtype, _) in TYPES.items()]
    view = FeatureView(name="types", entities=[DRIVER], schema=fields, source=source("types"))
    store = project(tmp_path, tables, [DRIVER, view])
    columns = {name: python_values_to_proto_values(values, dtype.to_value_type()) for name, (dtype, values) in TYPES.items()}
    rows = [(key(f"d{at}"), {name: column[at] for name, column in columns.items()}, hours(1), None) for at in range(2)]
    write(store, rows, "types")
    for at, (event, values) in enumerate(read(store, ["d0", "d1"], "types")):
        assert event == hours(1)
        assert values == rows[at][1]
    assert read(store, ["d0"], "types", ["l"])[0][1] == {"l": Value(int64_val=2**62)}


@pytest.mark.parametrize(
    ("second", "kept"),
    [
        (row("a", 6, 6, 2), 2),
        (row("a", 5, 7, 2), 2),
        (row("a", 5, 6, 2), 2),
        (row("a", 5, 5, 2), 1),
        (row("a", 4, 9, 2), 1),
        (row("a", 5, None, 2), 1),
    ],
    ids=[
        "newer event",
        "same event known later",
        "the same times: a correction",
        "same event known earlier",
        "older event",
        "not known when",
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_a_write_never_goes_back_and_a_correction_arrives(store: FeatureStore, second: Row, kept: int, at_once: bool) -> None:
    for batch in ([row("a", 5, 6, 1), second],) if at_once else ([row("a", 5, 6, 1)], [second]):
        write(store, batch)
    assert trips(store, "a") == kept


def test_features_that_a_row_does_not_name_keep_their_value(store: FeatureStore) -> None:
    write(store, [row("a", 1, 1, 4)])
    write(store, [(key("a"), {"rate_y": Value(double_val=9.0)}, hours(2), hours(2)), (key("b"), {"rate_y": Value()}, hours(2), None)])
    answer = store.get_online_features(["driver_stats:trips", "driver_stats:rate_y"], [{"driver": "a"}, {"driver": "b"}]).to_dict()
    assert (answer["trips"], answer["rate_y"]) == ([4, None], [9.0, None])


def test_unknown_keys_are_not_found_and_duplicates_are_kept(store: FeatureStore) -> None:
    write(store, [row("a", 1, 1, 4)])
    answer = store.get_online_features(["driver_stats:trips"], [{"driver": name} for name in ("x", "a", "a")])
    assert answer.to_dict()["trips"] == [None, 4, 4]
    assert read(store, ["x", "a"])[0] == (None, None)
    assert read(store, []) == []


def test_views_with_other_keys_and_composite_keys(tmp_path: Path, tables: Tables) -> None:
    """The keys (1, 23) and (12, 3) are different, whatever their texts have in common."""
    entities = [Entity(name=name, join_keys=[name], value_type=ValueType.INT64) for name in ("n", "m")]
    pair = FeatureView(name="pairs", entities=entities, schema=[Field(name="v", dtype=Int64)], source=source("pairs"))
    store = project(tmp_path, tables, [*entities, pair, CAR, car_view(None)])
    keys = [EntityKey(join_keys=["m", "n"], entity_values=[Value(int64_val=m), Value(int64_val=n)]) for m, n in ((23, 1), (3, 12))]
    write(store, [(one, {"v": Value(int64_val=at)}, hours(1), None) for at, one in enumerate(keys)], "pairs")
    answer = store.get_online_features(["pairs:v"], [{"n": 12, "m": 3}, {"n": 1, "m": 23}, {"n": 1, "m": 3}]).to_dict()
    assert answer["v"] == [1, 0, None]


def test_rows_of_an_older_schema_are_not_misread(tmp_path: Path, tables: Tables) -> None:
    """Kept: the same name and type. Gone: a feature that was removed. Not there: a new one, and one whose type changed."""

    def views(*fields: tuple[str, Any]) -> FeatureView:
        return FeatureView(
            name="driver_stats",
            entities=[DRIVER],
            schema=[Field(name=name, dtype=dtype) for name, dtype in fields],
            source=source("driver_stats"),
        )

    store = project(tmp_path, tables, [DRIVER, views(("trips", Int64), ("rate_y", Float64), ("note", String))])
    write(store, [row("a", 1, 1, 4)])
    reader = OnlineReader(SqliteBackend(tmp_path / "online.db", "taxi"), features=["rate_y", "trips"])
    store.apply([views(("extra", Float64), ("trips", Float64), ("rate_y", Float64))])
    assert read(store, ["a"]) == [(hours(1), {"rate_y": Value(double_val=2.0)})]
    answer = store.get_online_features([f"driver_stats:{name}" for name in ("rate_y", "trips", "extra")], [{"driver": "a"}]).to_dict()
    assert [answer[name] for name in ("rate_y", "trips", "extra")] == [[2.0], [None], [None]]
    write(store, [(key("b"), {name: Value(double_val=7.0) for name in ("extra", "trips", "rate_y")}, hours(2), None)])
    rows = OnlineReader(SqliteBackend(tmp_path / "online.db", "taxi"), features=["rate_y", "trips", "extra"]).read(["a", "b"])
    assert rows.found.tolist() == [True, True]
    assert rows.absent.tolist() == [[False, True, True], [False, False, False]]
    np.testing.assert_array_equal(rows.values, [[2.0, np.nan, np.nan], [7.0, 7.0, 7.0]])
    opened_before = reader.read(["a", "b"])
    np.testing.assert_array_equal(opened_before.values, [[2.0, 4.0], [7.0, np.nan]])
    assert opened_before.absent.tolist() == [[False, False], [False, True]]


def test_async_forms(store: FeatureStore) -> None:
    online, view = store._get_provider().online_store, store.get_feature_view("driver_stats")

    async def both() -> list:
        await online.online_write_batch_async(store.config, view, [row("a", 1, 1, 4)], None)
        return await online.online_read_async(store.config, view, [key("a")], ["trips"])

    assert asyncio.run(both()) == [(hours(1), {"trips": Value(int64_val=4)})]
    answer = asyncio.run(store.get_online_features_async(["driver_stats:trips"], [{"driver": "a"}]))
    assert answer.to_dict()["trips"] == [4]


def test_feast_materialize_and_push(store: FeatureStore, tables: Tables) -> None:
    store.materialize(hours(0), hours(9))
    answer = store.get_online_features(["driver_stats:trips", "driver_stats:note", "car_stats:age"], [{"driver": "a", "car": 7}]).to_dict()
    assert (answer["trips"], answer["note"], answer["age"]) == ([1], ["x"], [3])
    tables["driver_stats"] = drivers([("a", 0, 0, 99, 0.0, "older"), ("a", 3, 3, 5, 0.0, "y"), ("a", 3, 4, 6, 0.0, "z")])
    store.materialize(hours(0), hours(9), feature_views=["driver_stats"])
    assert trips(store, "a") == 6
    store.materialize(hours(0), hours(2), feature_views=["driver_stats"])
    assert trips(store, "a") == 6
    store.write_to_online_store("driver_stats", drivers([("a", 8, 8, 8, 0.5, "pushed")]).to_pandas())
    assert trips(store, "a") == 8


def test_a_removed_view_takes_its_rows_with_it_and_a_kept_one_does_not(store: FeatureStore, tmp_path: Path) -> None:
    write(store, [row("a", 1, 1, 4)])
    store.apply([DRIVER, CAR, driver_view(timedelta(days=2)), car_view(None)])
    assert trips(store, "a") == 4
    store.apply([], objects_to_delete=[store.get_feature_view("driver_stats")], partial=False)
    backend = SqliteBackend(tmp_path / "online.db", "taxi")
    assert [view.name for view in backend.views()] == ["car_stats"]
    store.teardown()
    assert backend.views() == []


def test_a_removed_file_is_an_error_and_is_made_again(store: FeatureStore, tmp_path: Path) -> None:
    write(store, [row("a", 1, 1, 4)])
    for path in tmp_path.glob("online.db*"):
        path.unlink()
    with pytest.raises(OnlineStoreMissing, match=r"driver_stats.*removed"):
        trips(store, "a")
    write(store, [row("a", 1, 1, 5)])
    assert trips(store, "a") == 5


def test_nothing_older_than_a_published_generation_comes_back(store: FeatureStore, tmp_path: Path) -> None:
    """The generation says that b has no row as of hour 5; Feast's materialize of an older range must not bring one back."""
    write(store, [row("a", 1, 1, 4)])
    made = OnlineGeneration(3, date(2024, 1, 1), hours(5), ("driver_stats",), hours(6), 1, 0, 1)
    with SqliteBackend(tmp_path / "online.db", "taxi", create=True).publishing([]) as publication:
        publication.commit(made, {})
    write(store, [row("a", 4, 4, 7), row("b", 4, 4, 7), row("c", 5, 5, 7)])
    assert [trips(store, name) for name in "abc"] == [4, None, 7]


def test_an_unset_variable_in_the_path_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\$\{HOME_OF_IT\}/online.db.*not set; export it"):
        PackedSqliteOnlineStoreConfig(path="${HOME_OF_IT}/online.db")
    assert PackedSqliteOnlineStore().async_supported.read


# --- the reader ---------------------------------------------------------------------------------------------------------------------


def test_the_reader_equals_get_online_features_cell_by_cell(store: FeatureStore, tmp_path: Path) -> None:
    store.materialize(hours(0), hours(9))
    write(store, [row(f"d{n}", n % 7, n % 7, n) for n in range(40)])
    service = FeatureService(name="trip", features=[store.get_feature_view("driver_stats")[["rate_y", "trips"]]])
    store.apply([service])
    names = [f"d{n * 3}" for n in range(20)] + ["a", "b", "nobody"]
    answer = store.get_online_features(service, [{"driver": name} for name in names]).to_dict()
    rows = OnlineReader(SqliteBackend(tmp_path / "online.db", "taxi"), features=["driver_stats:rate_y", "trips"]).read(names)
    for column, name in enumerate(("rate_y", "trips")):
        ours = [None if np.isnan(value) else value for value in rows.values[:, column].tolist()]
        assert ours == answer[name]
    assert rows.found.tolist() == [name in ("a", "b") or int(name[1:] if name[1:].isdigit() else 99) < 40 for name in names]
    assert rows.generation is None
    assert OnlineReader(SqliteBackend(tmp_path / "online.db", "taxi"), features=["trips"]).read([]).values.shape == (0, 1)


def test_features_that_cannot_be_read_are_refused(store: FeatureStore, tmp_path: Path) -> None:
    for name, message in (("speed", "feature speed: 0 views"), ("note", "type string is no number")):
        with pytest.raises(UnknownFeature, match=message):
            OnlineReader(SqliteBackend(tmp_path / "online.db", "taxi"), features=[name])
    with pytest.raises(ValueError, match="either a service or its features"):
        OnlineReader(SqliteBackend(tmp_path / "online.db", "taxi"))


def test_the_reader_needs_neither_feast_nor_arrow() -> None:
    program = "import sys, features.online_reader; print([m for m in ('feast', 'pyarrow', 'pandas', 'ibis', 'duckdb') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_the_layout_names_its_types() -> None:
    with pytest.raises(ValueError, match="feature f: type 'decimal' must be one of float64"):
        PackedSchema((("f", "decimal"),))
    assert set(CELLS) >= set(FIXED)
    assert BODY.start == 24
