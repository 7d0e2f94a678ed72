"""The Feast online stores over packed rows, on SQLite and on Redis: every type, newer wins, schema changes, keys of every kind."""

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pytest
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, ValueType
from feast.infra.online_stores.online_store import OnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import python_values_to_proto_values
from feast.types import Array, Bool, Bytes, Float32, Float64, Int32, Int64, Json, Map, String, UnixTimestamp

from features.online.backend import OnlineGeneration, OnlineStoreMissing
from features.online.packed_store import PackedOnlineStore
from features.online.reader import OnlineReader, UnknownFeature
from features.online.redis_server import RedisBackend
from features.online.values import pack, view_of
from features.online_store import PackedSqliteOnlineStoreConfig
from features.online_store_redis import PackedRedisOnlineStoreConfig
from tests.features.online_stores import Online
from tests.features.stores import CAR, CAR_SCHEMA, DRIVER, car_view, driver_view, drivers, hours, project, source

Row = tuple[EntityKey, dict[str, Value], datetime, datetime | None]


class Tables(dict):
    """A resolver: the Arrow tables that a test put in."""

    def __call__(self, wanted: Any) -> Any:
        return ibis.memtable(self[wanted.table])


def feature_tables() -> dict[str, pa.Table]:
    return {
        "driver_stats": drivers([("a", 1, 1, 1, 0.5, "x"), ("b", 2, 2, None, None, None)]),
        "car_stats": pa.table([[7], [hours(1)], [hours(1)], [3]], schema=CAR_SCHEMA),
    }


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
PAIR = [Entity(name=name, join_keys=[name], value_type=ValueType.INT64) for name in ("n", "m")]
SEAT = Entity(name="seat", join_keys=["seat"], value_type=ValueType.INT32)
VIEWS = [
    driver_view(timedelta(days=1)),
    car_view(None),
    FeatureView(
        name="types", entities=[DRIVER], schema=[Field(name=name, dtype=kind) for name, (kind, _) in TYPES.items()], source=source("types")
    ),
    FeatureView(name="pairs", entities=PAIR, schema=[Field(name="v", dtype=Int64)], source=source("pairs")),
    FeatureView(name="seats", entities=[SEAT], schema=[Field(name="w", dtype=Float32)], source=source("seats")),
]
TRIP = FeatureService(name="trip", features=[VIEWS[0][["rate_y", "trips"]], VIEWS[2][["b", "i", "l", "f", "d", "t"]]])
World = tuple[FeatureStore, Tables, Online]


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    """One project for all tests of the module, since registering takes longer than they do."""
    home = tmp_path_factory.mktemp(request.param)
    address = request.getfixturevalue("redis_server") if request.param == "redis" else ""
    tables, online = Tables(), Online(home / "online.db", address)
    return project(home, tables, [DRIVER, CAR, SEAT, *PAIR, *VIEWS, TRIP], online=online.config()), tables, online


@pytest.fixture
def store(world: World) -> FeatureStore:
    """The project, with nothing in its online store."""
    store, tables, online = world
    online.lose()
    tables.clear()
    tables.update(feature_tables())
    views = store.list_feature_views()
    store._get_provider().online_store.update(store.config, [], views, [], [], False)
    return store


@pytest.fixture
def tables(world: World) -> Tables:
    return world[1]


@pytest.fixture
def online(world: World) -> Online:
    return world[2]


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


def test_every_type_comes_back(store: FeatureStore) -> None:
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


def test_views_with_other_keys_and_composite_keys(store: FeatureStore) -> None:
    """The keys (1, 23) and (12, 3) are different, whatever their texts have in common."""
    keys = [EntityKey(join_keys=["m", "n"], entity_values=[Value(int64_val=m), Value(int64_val=n)]) for m, n in ((23, 1), (3, 12))]
    write(store, [(one, {"v": Value(int64_val=at)}, hours(1), None) for at, one in enumerate(keys)], "pairs")
    answer = store.get_online_features(["pairs:v"], [{"n": 12, "m": 3}, {"n": 1, "m": 23}, {"n": 1, "m": 3}]).to_dict()
    assert answer["v"] == [1, 0, None]
    seat = EntityKey(join_keys=["seat"], entity_values=[Value(int32_val=-4)])
    write(store, [(seat, {"w": Value(float_val=0.5)}, hours(1), None)], "seats")
    assert store.get_online_features(["seats:w"], [{"seat": -4}, {"seat": 4}]).to_dict()["w"] == [0.5, None]


def test_rows_of_an_older_schema_are_not_misread(store: FeatureStore, online: Online) -> None:
    """Kept: the same name and type. Gone: a feature that was removed. Not there: a new one, and one whose type changed."""
    write(store, [row("a", 1, 1, 4)])
    opened_before = OnlineReader(online.backend(), features=["rate_y", "driver_stats:trips"])
    kinds = {"driver": String, "extra": Float64, "trips": Float64, "rate_y": Float64}
    fields = [Field(name=name, dtype=kind) for name, kind in kinds.items()]
    changed = FeatureView(name="driver_stats", entities=[DRIVER], schema=fields, source=source("driver_stats"))
    plugin = store._get_provider().online_store
    plugin.update(store.config, [], [changed], [], [], True)
    assert plugin.online_read(store.config, changed, [key("a")]) == [(hours(1), {"rate_y": Value(double_val=2.0)})]
    values = {name: Value(double_val=7.0) for name in ("extra", "trips", "rate_y")}
    plugin.online_write_batch(store.config, changed, [(key("b"), values, hours(2), None)], None)
    rows = OnlineReader(online.backend(), features=["rate_y", "driver_stats:trips", "extra"]).read(["a", "b"])
    assert rows.found.tolist() == [True, True]
    assert rows.absent.tolist() == [[False, True, True], [False, False, False]]
    np.testing.assert_array_equal(rows.values, [[2.0, np.nan, np.nan], [7.0, 7.0, 7.0]])
    older = opened_before.read(["a", "b"])
    np.testing.assert_array_equal(older.values, [[2.0, 4.0], [7.0, np.nan]])
    assert older.absent.tolist() == [[False, False], [False, True]]


def test_async_forms(store: FeatureStore) -> None:
    online, view = store._get_provider().online_store, store.get_feature_view("driver_stats")

    async def both() -> list:
        await online.online_write_batch_async(store.config, view, [row("a", 1, 1, 4)], None)
        return await online.online_read_async(store.config, view, [key("a")], ["trips"])

    assert asyncio.run(both()) == [(hours(1), {"trips": Value(int64_val=4)})]
    answer = asyncio.run(store.get_online_features_async(["driver_stats:trips"], [{"driver": "a"}]))
    assert answer.to_dict()["trips"] == [4]


def test_feast_materialize_and_push(store: FeatureStore, tables: Tables) -> None:
    store.materialize(hours(0), hours(9), feature_views=["driver_stats", "car_stats"])
    answer = store.get_online_features(["driver_stats:trips", "driver_stats:note", "car_stats:age"], [{"driver": "a", "car": 7}]).to_dict()
    assert (answer["trips"], answer["note"], answer["age"]) == ([1], ["x"], [3])
    tables["driver_stats"] = drivers([("a", 0, 0, 99, 0.0, "older"), ("a", 3, 3, 5, 0.0, "y"), ("a", 3, 4, 6, 0.0, "z")])
    store.materialize(hours(0), hours(9), feature_views=["driver_stats"])
    assert trips(store, "a") == 6
    store.materialize(hours(0), hours(2), feature_views=["driver_stats"])
    assert trips(store, "a") == 6
    store.write_to_online_store("driver_stats", drivers([("a", 8, 8, 8, 0.5, "pushed")]).to_pandas())
    assert trips(store, "a") == 8


def test_a_removed_view_takes_its_rows_with_it_and_nothing_of_anybody_else(store: FeatureStore, online: Online) -> None:
    write(store, [row("a", 1, 1, 4)])
    other, stats = online.backend("bus", create=True), store.get_feature_view("driver_stats")
    other.declare([view_of("bus", stats)])
    other.write(view_of("bus", stats), [b"key"], lambda served, held, known: pack(view_of("bus", stats).schema, [row("a", 1, 1, 9)]), [])
    plugin = store._get_provider().online_store
    plugin.update(store.config, [], [stats], [], [], True)
    assert trips(store, "a") == 4
    plugin.update(store.config, [stats], [], [], [], True)
    assert "driver_stats" not in {view.name for view in online.backend().views()}
    with pytest.raises(OnlineStoreMissing, match="driver_stats"):
        read(store, ["a"])
    plugin.teardown(store.config, store.list_feature_views(), [])
    assert (online.backend().views(), online.backend().generation()) == ([], None)
    assert [key for key, _ in other.keys_with_times("driver_stats")] == [b"key"]


def test_a_lost_store_is_an_error_and_is_made_again(store: FeatureStore, online: Online) -> None:
    """Nothing is answered where nothing is known: a removed file and a flushed server must not look like unknown keys."""
    write(store, [row("a", 1, 1, 4)])
    reader = OnlineReader(online.backend(), features=["driver_stats:trips"])
    assert reader.read(["a"]).values.tolist() == [[4]]
    online.lose()
    with pytest.raises(OnlineStoreMissing, match=r"driver_stats|publish the features first"):
        reader.read(["a"])
    with pytest.raises(OnlineStoreMissing, match="driver_stats"):
        trips(store, "a")
    with pytest.raises(OnlineStoreMissing, match="publish the features first"):
        OnlineReader(online.backend(), features=["driver_stats:trips"])
    write(store, [row("a", 1, 1, 5)])
    assert trips(store, "a") == 5


def test_nothing_older_than_a_published_generation_comes_back(store: FeatureStore, online: Online) -> None:
    """The generation says that b has no row as of hour 5; Feast's materialize of an older range must not bring one back."""
    write(store, [row("a", 1, 1, 4)])
    made = OnlineGeneration(3, date(2024, 1, 1), hours(5), ("driver_stats",), hours(6), 1, 0, 1)
    with online.backend(create=True).publishing([]) as publication:
        publication.commit(made, {"trip": ["driver_stats:trips"]})
    write(store, [row("a", 4, 4, 7), row("b", 4, 4, 7), row("c", 5, 5, 7)])
    assert [trips(store, name) for name in "abc"] == [4, None, 7]
    assert online.backend().generation() == made
    assert OnlineReader(online.backend(), service="trip").features == ("driver_stats:trips",)


def test_rows_of_one_batch_that_name_parts_add_up(store: FeatureStore) -> None:
    rate, note = {"rate_y": Value(double_val=9.0)}, {"note": Value(string_val="n")}
    write(store, [row("a", 1, 1, 4), (key("a"), rate, hours(2), None), (key("a"), note, hours(2), None), (key("a"), {}, hours(1), None)])
    assert read(store, ["a"])[0] == (hours(2), {"trips": Value(int64_val=4), **rate, **note})


def test_writers_at_once_lose_nothing(store: FeatureStore) -> None:
    """Each thread names another feature of the same keys, again and again; no write undoes that of the other."""
    names = [f"d{at}" for at in range(5)]
    write(store, [row(name, 0, 0, 0) for name in names])

    def writes(feature: str, field: str) -> None:
        for at in range(1, 6):
            write(store, [(key(name), {feature: Value(**{field: at})}, hours(1), None) for name in names])

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(writes, "trips", "int64_val"), pool.submit(writes, "rate_y", "double_val")]:
            done.result()
    kept = {"trips": Value(int64_val=5), "rate_y": Value(double_val=5.0), "note": Value(string_val="0")}
    assert read(store, names) == [(hours(1), kept)] * 5


def feasts_own(store: FeatureStore, features: Any, rows: Any, full: bool, at_once: bool = False) -> Any:
    """The answer by the code that all stores inherit, from our online_read, or from our read of all views at once."""
    plugin = store._get_provider().online_store
    with pytest.MonkeyPatch.context() as patch:
        if not at_once:
            patch.setattr(PackedOnlineStore, "_read_features_per_fv", OnlineStore._read_features_per_fv)
        return _feasts_own(plugin, store, features, rows, full)


def _feasts_own(plugin: Any, store: FeatureStore, features: Any, rows: Any, full: bool) -> Any:
    return OnlineStore.get_online_features(plugin, store.config, features, rows, store.registry, store.project, full)


@pytest.mark.parametrize("full", [True, False])
def test_the_fast_answer_is_the_answer_of_feasts_own_code(store: FeatureStore, full: bool) -> None:
    """Values, statuses, times, types and order; rows of an older schema, nulls, unknown and repeated keys, views by other keys."""
    lacking = FeatureView(name="types", entities=[DRIVER], schema=[Field(name="driver", dtype=String), Field(name="l", dtype=Int64)])
    plugin = store._get_provider().online_store
    plugin.online_write_batch(store.config, lacking, [(key("b"), {"l": Value(int64_val=3)}, hours(1.5), None)], None)
    columns = {name: python_values_to_proto_values(values, kind.to_value_type()) for name, (kind, values) in TYPES.items()}
    write(store, [(key(name), {of: column[at] for of, column in columns.items()}, hours(2), None) for at, name in enumerate("ac")], "types")
    write(store, [row(name, 1, 1, 4) for name in "ab"])
    car = EntityKey(join_keys=["car"], entity_values=[Value(int64_val=7)])
    write(store, [(car, {"age": Value(int64_val=3)}, hours(1), None)], "car_stats")
    rows = [{"driver": name, "car": 6 + at % 2, "other": 1} for at, name in enumerate("xabcab")]
    wanted = [*(f"types:{name}" for name in reversed(TYPES)), "driver_stats:note", "car_stats:age"]
    for features in (wanted, store.get_feature_service("trip")):
        ours, theirs = store.get_online_features(features, rows, full), feasts_own(store, features, rows, full)
        assert ours.to_dict(include_event_timestamps=True) == theirs.to_dict(include_event_timestamps=True)
        assert list(ours.to_dict()) == list(theirs.to_dict())
        assert ours.proto == theirs.proto
        assert feasts_own(store, features, rows, full, at_once=True).proto == theirs.proto
        assert ours.to_df().equals(theirs.to_df())
        assert ours.to_arrow().equals(theirs.to_arrow())
    by_column = {"driver": ["a", "b"], "car": [7, 7]}
    assert store.get_online_features(wanted, by_column).to_dict() == feasts_own(store, wanted, by_column, False).to_dict()
    for wrong in ([{"car": 7}], [{"driver": "a"}, {"car": 7}], [{"driver": "a", "car": 1}, {"driver": "a"}]):
        with pytest.raises((KeyError, ValueError)) as refused:
            feasts_own(store, ["driver_stats:trips"], wrong, full)
        with pytest.raises(refused.type):
            store.get_online_features(["driver_stats:trips"], wrong, full)


# --- the reader ---------------------------------------------------------------------------------------------------------------------


def test_the_reader_equals_get_online_features_cell_by_cell(store: FeatureStore, online: Online) -> None:
    """All numeric types and nulls, two views, keys without a row in one of them or in both, and a key asked for twice."""
    store.materialize(hours(0), hours(9), feature_views=["driver_stats"])
    write(store, [row(f"d{n}", n % 7, n % 7, n) for n in range(40)])
    columns = {name: python_values_to_proto_values(values, kind.to_value_type()) for name, (kind, values) in TYPES.items()}
    rows = [
        (key(name), {of: column[at % 2] for of, column in columns.items()}, hours(1), None) for at, name in enumerate(["a", "d3", "d6"])
    ]
    write(store, rows, "types")
    wanted = [f"{view.name}:{field.name}" for view in TRIP.feature_view_projections for field in view.features]
    names = [f"d{n * 3}" for n in range(20)] + ["a", "b", "nobody", "a"]
    answer = store.get_online_features(wanted, [{"driver": name} for name in names]).to_dict()
    read_rows = OnlineReader(online.backend(), features=wanted).read(names)
    both = [name in ("a", "d3", "d6") for name in names]
    assert read_rows.found.tolist() == both
    for column, name in enumerate(wanted):
        theirs = [as_number(value) if found else None for value, found in zip(answer[name.partition(":")[2]], both, strict=True)]
        assert [None if np.isnan(value) else value for value in read_rows.values[:, column].tolist()] == theirs
    single = OnlineReader(online.backend(), features=["rate_y", "driver_stats:trips"])
    ours = single.read(names)
    assert ours.found.tolist() == [name in ("a", "b") or (name != "nobody" and int(name[1:]) < 40) for name in names]
    for column, name in enumerate(("rate_y", "trips")):
        assert [None if np.isnan(value) else value for value in ours.values[:, column].tolist()] == answer[name]
    assert ours.feature_timestamps[names.index("d3")] == np.datetime64(hours(3).replace(tzinfo=None))
    assert ours.generation is None
    assert single.read([]).values.shape == (0, 2)


def as_number(value: Any) -> float | None:
    return value.timestamp() if isinstance(value, datetime) else value


def test_a_read_of_many_keys_keeps_their_order(store: FeatureStore, online: Online) -> None:
    write(store, [row(f"d{n}", 1, 1, n) for n in range(6000)])
    names = [f"d{n % 6500}" for n in range(13000)]
    values = OnlineReader(online.backend(), features=["trips"]).read(names).values[:, 0]
    np.testing.assert_array_equal(values, [n % 6500 if n % 6500 < 6000 else np.nan for n in range(13000)])


def test_features_that_cannot_be_read_are_refused(store: FeatureStore, online: Online) -> None:
    for name, message in (("speed", "feature speed: 0 views"), ("note", "type string is no number")):
        with pytest.raises(UnknownFeature, match=message):
            OnlineReader(online.backend(), features=[name])
    with pytest.raises(ValueError, match="either a service or its features"):
        OnlineReader(online.backend())
    with pytest.raises(ValueError, match=r"view pairs: has join keys .* needs exactly one"):
        OnlineReader(online.backend(), features=["pairs:v"])


@pytest.mark.parametrize("module", ["online.reader", "online_of_settings"])
def test_reading_needs_neither_feast_nor_arrow(module: str) -> None:
    program = (
        f"import sys, features.{module}; print([m for m in ('feast', 'pyarrow', 'pandas', 'ibis', 'duckdb', 'redis') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


# --- configuration ------------------------------------------------------------------------------------------------------------------


def test_an_unset_variable_in_the_path_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\$\{HOME_OF_IT\}/online.db.*not set; export it"):
        PackedSqliteOnlineStoreConfig(path="${HOME_OF_IT}/online.db")
    with pytest.raises(ValueError, match="not set; export it"):
        PackedRedisOnlineStoreConfig(connection_string="${ONLINE_STORE}")
    with pytest.raises(ValueError, match="must be redis://host:port/0"):
        PackedRedisOnlineStoreConfig(connection_string="cache.example:6379")


def test_no_text_of_the_configuration_holds_the_password() -> None:
    config = PackedRedisOnlineStoreConfig(connection_string="redis://:secret@cache.example:6379/0")
    assert "secret" not in f"{config!r} {config}"
    backend = RedisBackend(config.connection_string, "taxi")
    assert backend.where == "redis cache.example:6379/0"
