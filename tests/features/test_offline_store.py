"""Point-in-time retrieval: worked cases, a plain-Python oracle on generated rows, every plan against the others."""

import itertools
import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import FeatureService, FeatureStore, FeatureView, Field, FileSource
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.types import Array as ArrayType
from feast.types import Int64
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.offline.parquet_rows import CannotMerge
from features.offline.point_in_time import ViewRows, asked_rows, point_in_time
from tests.features.stores import CAR, CAR_SCHEMA, DRIVER, INSTANT, car_view, driver_view, drivers, hours, project, source

REFS = ["driver_stats:trips", "driver_stats:rate_y", "driver_stats:note"]
TTL = timedelta(hours=10)
PLANS = ("merge", "asof", "interval")


class Tables(dict):
    """A resolver: the Arrow tables that a test put in, as Ibis tables."""

    def __call__(self, source: Any) -> Any:
        return ibis.memtable(self[source.table]) if hasattr(source, "table") else None


def files_of(tables: Tables, home: Path) -> Any:
    """A resolver: the same tables as Parquet files, two of them where there are rows enough, of small row groups."""
    numbers = itertools.count()

    def files(source: Any) -> list[str] | None:
        if not hasattr(source, "table"):
            return None
        table, number = tables[source.table], next(numbers)
        paths = [home / f"{source.table}_{number}_{part}.parquet" for part in (0, 1)]
        half = table.num_rows // 2
        pq.write_table(table.slice(0, half), paths[0], row_group_size=max(5, half // 3))
        pq.write_table(table.slice(half), paths[1], row_group_size=max(5, half // 3), use_dictionary=number % 2 == 0)
        return [str(path) for path in paths]

    return files


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tables, dict[str, FeatureStore]]:
    """The same definitions on every plan, with a TTL and without, reading tables that tests replace."""
    tables = Tables()
    home = tmp_path_factory.mktemp("feast")
    made = {
        f"{plan}{'' if ttl else '_forever'}": project(
            home,
            files_of(tables, home) if plan == "merge" else tables,
            [DRIVER, CAR, driver_view(ttl), car_view(ttl)],
            plan,
            f"{plan}{ttl}.db",
        )
        for plan in PLANS
        for ttl in (TTL, None)
    }
    return tables, made


def asked(rows: list[tuple[str | None, float]]) -> pd.DataFrame:
    """Entity rows (driver, hours)."""
    return pd.DataFrame({"driver": [driver for driver, _ in rows], "event_timestamp": [hours(at) for _, at in rows]})


def oracle(history: list[tuple], questions: list[tuple[str | None, float]], ttl_hours: float | None) -> list[tuple]:
    """Answers by loops: the newest row that had happened and was known by the asked time, unless it is older than the TTL."""
    answers = []
    for driver, at in questions:
        best = None
        for row in history:
            known = row[0] == driver and driver is not None and row[1] <= at and row[2] <= at
            # The values are last in the order, missing ones greatest, so that rows equal in all times have one answer.
            rank = (row[1], row[2], tuple((value is None, value) for value in row[3:]))
            if known and (best is None or rank > best[0]):
                best = (rank, row)
        in_time = best is not None and (ttl_hours is None or at - best[1][1] <= ttl_hours)
        answers.append(tuple(best[1][3:]) if best is not None and in_time else (None, None, None))
    return answers


def answers(store: FeatureStore, entity_df: Any, **options: Any) -> list[tuple]:
    """What the store says, as tuples in the order of the answer."""
    table = store.get_historical_features(entity_df, REFS, **options).to_arrow()
    return list(zip(*(table[name].to_pylist() for name in ("trips", "rate_y", "note")), strict=True))


CASES = [
    # (what it shows, history, question, answer with a TTL of ten hours)
    ("no row at all", [], ("a", 5), (None, None, None)),
    ("a row at the asked time counts", [("a", 5, 5, 1, 0.5, "x")], ("a", 5), (1, 0.5, "x")),
    ("a row after it does not", [("a", 6, 6, 1, 0.5, "x")], ("a", 5), (None, None, None)),
    ("exactly as old as the TTL counts", [("a", 5, 5, 1, 0.5, "x")], ("a", 15), (1, 0.5, "x")),
    ("older than the TTL does not", [("a", 4.9997, 4.9997, 1, 0.5, "x")], ("a", 15), (None, None, None)),
    ("known later is not known", [("a", 1, 1, 1, 0.1, "x"), ("a", 4, 6, 2, 0.2, "y")], ("a", 5), (1, 0.1, "x")),
    ("known at the asked time is known", [("a", 1, 1, 1, 0.1, "x"), ("a", 4, 5, 2, 0.2, "y")], ("a", 5), (2, 0.2, "y")),
    ("of equal event times the later known", [("a", 4, 5, 2, 0.2, "y"), ("a", 4, 4, 1, 0.1, "x")], ("a", 9), (2, 0.2, "y")),
    ("a late row of an older event is no answer", [("a", 4, 4, 2, 0.2, "y"), ("a", 1, 6, 1, 0.1, "x")], ("a", 9), (2, 0.2, "y")),
    ("a null in the newest row is the answer", [("a", 1, 1, 1, 0.1, "x"), ("a", 2, 2, None, None, None)], ("a", 5), (None, None, None)),
    ("another key is another key", [("a1", 1, 1, 1, 0.1, "x")], ("a", 5), (None, None, None)),
    ("a null key has no features", [("a", 1, 1, 1, 0.1, "x")], (None, 5), (None, None, None)),
]


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize(("history", "question", "answer"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_worked_cases(stores: Any, plan: str, history: list, question: tuple, answer: tuple) -> None:
    tables, made = stores
    tables["driver_stats"] = drivers(history)
    assert answers(made[plan], asked([question])) == [answer]


moments = st.integers(0, 30)
value = st.one_of(st.none(), st.integers(-3, 3))
histories = st.lists(
    st.tuples(st.sampled_from(["a", "ab", "b"]), moments, moments, value, value, value).map(
        lambda row: (*row[:4], None if row[4] is None else row[4] / 4, None if row[5] is None else str(row[5]))
    ),
    max_size=25,
)
questions = st.lists(st.tuples(st.sampled_from(["a", "ab", "b", "c", None]), st.integers(-1, 45)), min_size=1, max_size=12)


@given(history=histories, question=questions)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_equals_the_oracle_with_every_plan(stores: Any, history: list[tuple], question: list[tuple]) -> None:
    tables, made = stores
    tables["driver_stats"] = drivers(history)
    for name, store in made.items():
        expected = oracle(history, question, None if name.endswith("forever") else TTL / timedelta(hours=1))
        assert answers(store, asked(question)) == expected, name


def test_order_count_and_duplicates_of_entity_rows_are_kept(stores: Any) -> None:
    tables, made = stores
    tables["driver_stats"] = drivers([(f"d{n}", n % 5, n % 5, n, n / 8, str(n)) for n in range(500)])
    rows = asked([(f"d{n * 7 % 600}", 7) for n in range(1000)] + [("d1", 7)] * 3)
    rows["weight"] = range(len(rows))
    for plan in PLANS:
        result = made[plan].get_historical_features(rows, REFS).to_df()
        assert list(result.columns) == ["driver", "event_timestamp", "weight", "trips", "rate_y", "note"]
        assert result["weight"].tolist() == list(range(len(rows)))
        assert result["driver"].tolist() == rows["driver"].tolist()
        assert [None if pd.isna(trips) else f"d{int(trips)}" for trips in result["trips"]] == [
            driver if int(driver[1:]) < 500 else None for driver in rows["driver"]
        ]


def test_integers_stay_integers_where_nothing_is_missing(stores: Any) -> None:
    """With a null among them pandas has no integer for them, as everywhere in pandas; the Arrow answer stays int64."""
    tables, made = stores
    tables["driver_stats"] = drivers([("a", 1, 1, 2**53 + 1, 0.5, "x")])
    whole = made["asof"].get_historical_features(asked([("a", 2), ("a", 3)]), REFS)
    assert whole.to_df()["trips"].dtype == "int64"
    assert whole.to_df()["trips"].tolist() == [2**53 + 1] * 2
    assert made["asof"].get_historical_features(asked([("a", 2), ("b", 3)]), REFS).to_arrow().schema.field("trips").type == pa.int64()


@pytest.mark.parametrize(
    "times",
    [
        [hours(5), hours(1)],
        [hours(5).replace(tzinfo=None), hours(1).replace(tzinfo=None)],
        ["2024-01-01T05:00:00Z", "2024-01-01 01:00"],
        ["2024-01-01T12:00:00+07:00", "2024-01-01T01:00:00"],
        pd.to_datetime(["2024-01-01 12:00", "2024-01-01 08:00"]).tz_localize("Asia/Ho_Chi_Minh"),
        pd.Series(pd.to_datetime(["2024-01-01 05:00", "2024-01-01 01:00"])).astype("datetime64[s]"),
    ],
    ids=["utc", "naive is utc", "texts", "texts with offsets", "another zone", "seconds"],
)
def test_times_in_every_form(stores: Any, times: Any) -> None:
    tables, made = stores
    tables["driver_stats"] = drivers([("a", 5, 5, 2, 0.2, "y"), ("a", 1, 1, 1, 0.1, "x")])
    frame = pd.DataFrame({"driver": ["a", "a"], "event_timestamp": times})
    for plan in ("merge", "asof"):
        result = made[plan].get_historical_features(frame, REFS).to_arrow()
        assert result["trips"].to_pylist() == [2, 1]
        assert result["event_timestamp"].to_pylist() == [hours(5), hours(1)]


def test_dates_are_the_start_of_the_day_in_utc(stores: Any) -> None:
    tables, made = stores
    tables["driver_stats"] = drivers([("a", 24, 24, 2, 0.2, "y"), ("a", 20, 20, 1, 0.1, "x")])
    frame = pa.table({"driver": ["a"], "event_timestamp": pa.array([datetime(2024, 1, 2, tzinfo=UTC).date()])})
    assert answers(made["asof"], frame) == [(2, 0.2, "y")]


def test_entity_rows_in_every_form(stores: Any) -> None:
    tables, made = stores
    tables["driver_stats"] = drivers([("a", 5, 5, 2, 0.2, "y"), ("b", 1, 1, 1, 0.1, "x")])
    frame = asked([("b", 6), ("a", 6), ("b", 6)])
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    text = (
        "SELECT * FROM (VALUES ('b', TIMESTAMPTZ '2024-01-01 06:00:00Z', 1), ('a', '2024-01-01 06:00:00Z', 2), "
        "('b', '2024-01-01 06:00:00Z', 3)) AS asked(driver, event_timestamp, place) ORDER BY place"
    )
    expected = [(1, 0.1, "x"), (2, 0.2, "y"), (1, 0.1, "x")]
    for form in (frame, arrow, arrow.to_batches()[0], ibis.memtable(arrow), text, {name: arrow[name] for name in arrow.column_names}):
        for plan in PLANS:
            assert answers(made[plan], form) == expected


def test_no_entity_rows_means_every_row_between_two_times(stores: Any) -> None:
    """Both ends are included, and the knowledge cut holds: what was known later than its own time is not the answer at that time."""
    tables, made = stores
    tables["driver_stats"] = drivers(
        [("b", 5, 5, 2, 0.2, "y"), ("a", 1, 1, 1, 0.1, "x"), ("a", 4, 6, 3, 0.3, "z"), ("a", 0, 0, 0, 0.0, "w"), ("b", 9, 9, 4, 0.4, "v")]
    )
    for plan in PLANS:
        job = made[plan].get_historical_features(None, REFS, start_date=hours(1), end_date=hours(5))
        rows = job.to_arrow().select(["driver", "event_timestamp", "trips"]).to_pylist()
        assert [tuple(row.values()) for row in rows] == [("a", hours(1), 1), ("a", hours(4), 1), ("b", hours(5), 2)]


def test_several_views_with_keys_of_their_own(stores: Any) -> None:
    tables, made = stores
    tables["driver_stats"] = drivers([("a", 5, 5, 2, 0.2, "y"), ("b", 1, 1, 1, 0.1, "x")])
    tables["car_stats"] = pa.table([[1, 2], [hours(1), hours(4)], [hours(1), hours(4)], [10, 20]], schema=CAR_SCHEMA)
    frame = asked([("a", 6), ("b", 3), ("c", 6)]).assign(car=[2, 1, 1])
    for plan in PLANS:
        job = made[plan].get_historical_features(frame, ["car_stats:age", "driver_stats:rate_y"], full_feature_names=True)
        table = job.to_arrow()
        assert table.column_names == ["driver", "event_timestamp", "car", "car_stats__age", "driver_stats__rate_y"]
        assert table["car_stats__age"].to_pylist() == [20, 10, 10]
        assert table["driver_stats__rate_y"].to_pylist() == [0.2, 0.1, None]


def test_a_view_without_an_entity(tmp_path: Path) -> None:
    view = FeatureView(name="driver_stats", entities=[], ttl=TTL, schema=[Field(name="trips", dtype=Int64)], source=source("driver_stats"))
    tables = Tables(driver_stats=drivers([("a", 5, 5, 2, 0.2, "y"), ("a", 1, 1, 1, 0.1, "x")]))
    for plan in PLANS:
        resolver = files_of(tables, tmp_path) if plan == "merge" else tables
        store = project(tmp_path, resolver, [view], plan, f"{plan}.db")
        frame = pd.DataFrame({"event_timestamp": [hours(9), hours(0), hours(3)]})
        assert store.get_historical_features(frame, ["driver_stats:trips"]).to_arrow()["trips"].to_pylist() == [2, None, 1]


def test_empty_and_one_row_requests(stores: Any) -> None:
    tables, made = stores
    tables["driver_stats"] = drivers([("a", 5, 5, 2, 0.2, "y")])
    empty = pa.schema([("driver", pa.string()), ("event_timestamp", INSTANT)]).empty_table()
    for plan in PLANS:
        result = made[plan].get_historical_features(empty, REFS).to_arrow()
        assert result.num_rows == 0
        assert result.column_names == ["driver", "event_timestamp", "trips", "rate_y", "note"]
        assert answers(made[plan], asked([("a", 5)])) == [(2, 0.2, "y")]


def test_the_promise_of_one_row_per_key_and_time_changes_nothing_but_the_work(tmp_path: Path) -> None:
    history = [(f"d{n % 40}", n // 40, n // 40, n, n / 8, str(n)) for n in range(2000)]
    tables = Tables(plain=drivers(history), promised=drivers(history))
    views = [driver_view(TTL, promise=name == "promised", name=name) for name in ("plain", "promised")]
    frame = asked([(f"d{n % 45}", n % 60 - 2) for n in range(700)])
    for plan in PLANS:
        resolver = files_of(tables, tmp_path) if plan == "merge" else tables
        store = project(tmp_path, resolver, [DRIVER, *views], plan, f"{plan}.db")
        plain, promised = (
            store.get_historical_features(frame, [f"{name}:trips", f"{name}:note"]).to_arrow() for name in ("plain", "promised")
        )
        assert plain.equals(promised)
        assert plain["trips"].null_count not in (0, 700)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"event_timestamp": [hours(1)]}), "driver"),
        (pd.DataFrame({"driver": ["a"], "event_timestamp": [3.5]}), "holds no time"),
        (pd.DataFrame({"driver": [7], "event_timestamp": [hours(1)]}), "convert the entity rows"),
        (pd.DataFrame({"driver": ["a"], "event_timestamp": [hours(1)], "trips": [1]}), "full_feature_names"),
    ],
    ids=["no join key", "no time", "another key type", "a column named as a feature"],
)
def test_a_request_that_cannot_be_answered_is_refused(stores: Any, frame: pd.DataFrame, message: str) -> None:
    tables, made = stores
    tables["driver_stats"] = drivers([("a", 5, 5, 2, 0.2, "y")])
    with pytest.raises(Exception, match=message):
        made["asof"].get_historical_features(frame, REFS)


def test_renamed_columns_and_aliased_keys(tmp_path: Path) -> None:
    """The source names a column otherwise than the view, and the request names the driver otherwise than the entity."""
    table = drivers([("a", 5, 5, 2, 0.2, "y")]).rename_columns(["driver", "at", "seen_at", "n_trips", "rate_y", "note"])
    view = driver_view(TTL)
    view.batch_source.field_mapping = {"n_trips": "trips"}
    store = project(tmp_path, Tables(driver_stats=table), [DRIVER, view])
    frame = pd.DataFrame({"first": ["a"], "event_timestamp": [hours(6)]})
    aliased = view.with_name("first_driver").with_join_key_map({"driver": "first"})
    service = FeatureService(name="trip", features=[aliased])
    store.apply([service])
    result = store.get_historical_features(frame, service).to_arrow()
    assert result["trips"].to_pylist() == [2]


def test_pull_latest_and_pull_all(stores: Any) -> None:
    tables, made = stores
    tables["driver_stats"] = drivers(
        [("a", 1, 1, 1, 0.1, "x"), ("a", 4, 4, 2, 0.2, "y"), ("a", 4, 5, 3, 0.3, "z"), ("b", 2, 2, 4, 0.4, "v"), ("b", 9, 9, 5, 0.5, "u")]
    )
    store = made["asof"]
    offline, arguments = store._get_provider().offline_store, (["driver"], ["trips"], "at", "seen_at", hours(1), hours(4))
    batch_source = store.get_feature_view("driver_stats").batch_source
    newest = offline.pull_latest_from_table_or_query(store.config, batch_source, *arguments).to_arrow()
    assert sorted(zip(newest["driver"].to_pylist(), newest["trips"].to_pylist(), strict=True)) == [("a", 3), ("b", 4)]
    every = offline.pull_all_from_table_or_query(store.config, batch_source, *arguments).to_arrow()
    assert sorted(every["trips"].to_pylist()) == [1, 2, 3, 4]
    assert every.column_names == ["driver", "trips", "at", "seen_at"]


@pytest.mark.parametrize(
    "history",
    [
        [("a", 4, None, 1, 0.1, "x"), ("a", 4, 3, 2, 0.2, "y")],
        [("a", 4, None, 1, 0.1, "x"), ("a", 4, 5, 2, 0.2, "y")],
        [("a", 4, None, None, 0.1, "x"), ("a", 4, 4, 2, 0.2, "y")],
        [("a", 4, 4, 2, 0.2, None), ("a", 4, 4, 2, 0.2, "y")],
    ],
    ids=["known when it happened", "known later", "a missing value", "the last of the features"],
)
def test_pull_latest_says_what_a_retrieval_says(stores: Any, history: list[tuple]) -> None:
    tables, made = stores
    rows = drivers([(*row[:2], row[1] if row[2] is None else row[2], *row[3:]) for row in history])
    seen = [None if row[2] is None else hours(row[2]) for row in history]
    names = ["trips", "rate_y", "note"]
    for order in ([0, 1], [1, 0]):
        tables["driver_stats"] = rows.set_column(2, "seen_at", pa.array(seen, INSTANT)).take(order)
        for plan in PLANS:
            store = made[plan]
            pulled = store._get_provider().offline_store.pull_latest_from_table_or_query(
                store.config, source("driver_stats"), ["driver"], names, "at", "seen_at", hours(0), hours(9)
            )
            assert [tuple(row[name] for name in names) for row in pulled.to_arrow().to_pylist()] == answers(store, asked([("a", 9)]))


@pytest.mark.parametrize("plan", PLANS)
def test_times_at_both_ends_of_the_calendar(stores: Any, plan: str) -> None:
    tables, made = stores
    first, last = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)
    for name in (plan, f"{plan}_forever"):
        for start, end in ((first, hours(4)), (hours(4), last)):
            times = [pa.array([start, end], INSTANT), pa.array([first, first], INSTANT)]
            rows = drivers([("a", 4, 4, 1, 0.1, "x"), ("a", 4, 4, 2, 0.2, "y")])
            tables["driver_stats"] = rows.set_column(1, "at", times[0]).set_column(2, "seen_at", times[1])
            assert answers(made[name], asked([("a", 5)])) == [(2, 0.2, "y") if end == hours(4) else (1, 0.1, "x")]


def test_columns_of_the_caller_may_be_of_types_that_no_engine_knows(stores: Any) -> None:
    tables, made = stores
    tables["driver_stats"] = drivers([("a", 5, 5, 2, 0.2, "y")])
    for column in (pa.array([b"0" * 16], pa.uuid()), pa.array([[1, 2]], pa.list_view(pa.int64()))):
        rows = pa.Table.from_pandas(asked([("a", 6)]), preserve_index=False).append_column("request", column)
        for plan in PLANS:
            answer = made[plan].get_historical_features(rows, REFS).to_arrow()
            assert (answer["trips"].to_pylist(), answer["request"].type) == ([2], column.type)


def test_a_retrieval_can_be_saved_and_read_again(tmp_path: Path) -> None:
    store = project(tmp_path, Tables(driver_stats=drivers([("a", 5, 5, 2, 0.2, "y")])), [DRIVER, driver_view(TTL)])
    job = store.get_historical_features(asked([("a", 6), ("b", 6)]), REFS)
    job.persist(SavedDatasetFileStorage(path=str(tmp_path / "saved.parquet")))
    saved = FileSource(path="saved.parquet", timestamp_field="event_timestamp")
    read = store._get_provider().offline_store.pull_all_from_table_or_query(
        store.config, saved, ["driver"], ["trips"], "event_timestamp", None, hours(0), hours(9)
    )
    assert sorted(read.to_arrow()["trips"].to_pylist(), key=str) == [2, None]


def test_parquet_files_of_stock_file_sources(tmp_path: Path) -> None:
    """Without a resolver the store reads Feast's own file sources; a relative path is relative to the repository, not to the process."""
    pq.write_table(drivers([("a", 5, 5, 2, 0.2, "y")]), tmp_path / "rows.parquet")
    rows = FileSource(path="rows.parquet", name="rows", timestamp_field="at", created_timestamp_column="seen_at")
    view = FeatureView(name="driver_stats", entities=[DRIVER], ttl=TTL, schema=[Field(name="trips", dtype=Int64)], source=rows)
    store = project(tmp_path, None, [DRIVER, view])
    assert store.get_historical_features(asked([("a", 6)]), ["driver_stats:trips"]).to_df()["trips"].tolist() == [2]


def test_naive_times_in_files_are_utc_whatever_the_zone_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Ho_Chi_Minh")
    time.tzset()
    naive = drivers([("a", 5, 5, 2, 0.2, "y")])
    for position, name in ((1, "at"), (2, "seen_at")):
        naive = naive.set_column(position, name, naive[name].cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us")))
    store = project(tmp_path, Tables(driver_stats=naive), [DRIVER, driver_view(TTL)])
    assert answers(store, asked([("a", 5), ("a", 4.99)])) == [(2, 0.2, "y"), (None, None, None)]


def test_writing_is_refused_with_a_reason(stores: Any) -> None:
    tables, made = stores
    tables["driver_stats"] = drivers([("a", 5, 5, 2, 0.2, "y")])
    with pytest.raises(NotImplementedError, match="is only read"):
        made["asof"].write_to_offline_store("driver_stats", tables["driver_stats"].to_pandas())


def test_views_on_another_backend_and_on_files_in_one_request(stores: Any, tmp_path: Path) -> None:
    """One view is a table of another database, the other a list of files; each takes its plan."""
    tables, made = stores
    draw = random.Random(1)
    history = [(draw.choice("abc"), draw.randint(0, 60) / 2, draw.randint(0, 60) / 2, n, n / 8, str(n)) for n in range(80)]
    tables["driver_stats"] = drivers(history)
    tables["car_stats"] = pa.table([[1, 2], [hours(1), hours(4)], [hours(1), hours(4)], [10, 20]], schema=CAR_SCHEMA)
    con = ibis.duckdb.connect()
    con.create_table("driver_stats", tables["driver_stats"])
    files = files_of(tables, tmp_path)

    def resolver(asked: Any) -> Any:
        return con.table("driver_stats") if getattr(asked, "table", "") == "driver_stats" else files(asked)

    store = project(tmp_path, resolver, [DRIVER, CAR, driver_view(TTL), car_view(TTL)])
    frame = asked([(draw.choice("abcd"), draw.randint(0, 90) / 2) for _ in range(60)]).assign(car=[1, 2, 3] * 20)
    job = store.get_historical_features(frame, [*REFS, "car_stats:age"])
    assert job.to_arrow().equals(made["merge"].get_historical_features(frame, [*REFS, "car_stats:age"]).to_arrow())
    assert job.taken == ["merge", "asof"]


def test_ties_with_features_that_have_no_order_are_left_to_the_engine(tmp_path: Path) -> None:
    rows = drivers([("a", 1, 1, 1, 0.1, "x")] * 2).append_column("many", pa.array([[1], [1]]))
    tables = Tables(driver_stats=rows)
    view = FeatureView(
        name="driver_stats", entities=[DRIVER], ttl=TTL, schema=[Field(name="many", dtype=ArrayType(Int64))], source=source("driver_stats")
    )
    store = project(tmp_path, files_of(tables, tmp_path), [DRIVER, view])
    job = store.get_historical_features(asked([("a", 2), ("b", 2)]), ["driver_stats:many"])
    assert job.to_arrow()["many"].to_pylist() == [[1], None]
    assert job.taken == ["asof"]
    store.config.offline_store.plan = "merge"
    with pytest.raises(CannotMerge, match="without an order"):
        store.get_historical_features(asked([("a", 2)]), ["driver_stats:many"]).to_arrow()


@pytest.mark.parametrize(("dialect", "join"), [("clickhouse", "ASOF"), ("snowflake", "MATCH_CONDITION")])
def test_other_engines_with_an_as_of_join_of_their_own_use_it(dialect: str, join: str) -> None:
    times = {"at": "timestamp('UTC', 6)", "seen_at": "timestamp('UTC', 6)"}
    rows = ibis.table({"driver": "string", **times, "trips": "int64"}, name="driver_stats")
    view = ViewRows(rows, (("driver", "driver"),), (("trips", "trips"),), "at", "seen_at", TTL, False)
    keys = pa.chunked_array([["a"]])
    schema = asked_rows({"driver": keys}, pa.chunked_array([pa.array([hours(1)], INSTANT)]), [view]).schema
    asked_table = ibis.table(ibis.Schema.from_pyarrow(schema), name="asked")
    assert join in ibis.to_sql(point_in_time(asked_table, [view], (hours(0), hours(9)), use_asof=True), dialect=dialect)


def test_many_entity_rows_are_joined_without_comparing_every_pair(stores: Any) -> None:
    """DuckDB plans a loop over all pairs for entity rows that it takes for one row; this size would then take minutes."""
    tables, made = stores
    tables["driver_stats"] = drivers((f"d{n % 4000}", n // 4000, n // 4000, n, n / 8, None) for n in range(40_000))
    frame = asked([(f"d{n * 7 % 4500}", n % 12) for n in range(40_000)])
    start = time.process_time()
    merge, asof, interval = (made[plan].get_historical_features(frame, REFS).to_arrow() for plan in PLANS)
    assert time.process_time() - start < 15
    assert merge.equals(asof)
    assert asof.equals(interval)
    assert asof["trips"].null_count == sum(n * 7 % 4500 >= 4000 for n in range(40_000))
