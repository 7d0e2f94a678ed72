"""What the offline store writes: saved datasets, logged features, pushed rows; and what stands beside historical features."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, PushSource, RequestSource, ValueType
from feast.data_source import PushMode
from feast.dqm.profilers.profiler import Profile, ValidationReport
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.feature_logging import LoggingConfig
from feast.infra.offline_stores.file_source import FileLoggingDestination, SavedDatasetFileStorage
from feast.on_demand_feature_view import on_demand_feature_view
from feast.saved_dataset import ValidationReference
from feast.types import Float64, Int64

from features.offline import files as offline_files
from features.offline.parquet_rows import local_files
from tests.features.stores import DRIVER, INSTANT, driver_view, drivers, hours, project

TTL = timedelta(hours=10)
REFS = ["driver_stats:trips", "driver_stats:note"]
ROWS = [("a", 5, 5, 2, 0.2, "y"), ("b", 1, 1, 1, 0.1, "x")]


def asked(*rows: tuple[str, float]) -> pd.DataFrame:
    return pd.DataFrame({"driver": [driver for driver, _ in rows], "event_timestamp": [hours(at) for _, at in rows]})


def file_view(path: str, **options: Any) -> FeatureView:
    """A view of a file source of Feast, which can also be pushed to."""
    rows = FileSource(path=path, name="rows", timestamp_field="at", created_timestamp_column="seen_at")
    return driver_view(TTL, **options).__class__(
        name="driver_stats",
        entities=[DRIVER],
        ttl=TTL,
        schema=driver_view(TTL).schema,
        source=PushSource(name="driver_push", batch_source=rows),
        online=False,
    )


def trips(store: FeatureStore, *rows: tuple[str, float]) -> list:
    return store.get_historical_features(asked(*rows), REFS).to_arrow()["trips"].to_pylist()


@pytest.mark.parametrize("path", ["rows.parquet", "folder", "folder/*.parquet", "folder/*"])
def test_pushed_rows_are_added_as_files_and_others_stay_untouched(tmp_path: Path, path: str) -> None:
    first = tmp_path / ("rows.parquet" if path == "rows.parquet" else "folder/first.parquet")
    first.parent.mkdir(exist_ok=True)
    pq.write_table(drivers(ROWS), first)
    before = first.read_bytes()
    store = project(tmp_path, None, [DRIVER, file_view(path)])
    frame = drivers([("a", 6, 6, 3, 0.3, "z"), ("c", 6, 6, None, 0.3, None)]).to_pandas()
    store.push("driver_push", frame[["note", "driver", "trips", "rate_y", "at", "seen_at"]], to=PushMode.OFFLINE)
    assert trips(store, ("a", 5), ("a", 7), ("b", 7), ("c", 7)) == [2, 3, 1, None]
    store.write_to_offline_store("driver_stats", drivers([("b", 7, 7, 9, 0.9, "w")]).to_pandas())
    assert trips(store, ("b", 7)) == [9]
    assert first.read_bytes() == before
    assert not list(tmp_path.rglob(".*.parquet.*"))


@pytest.mark.parametrize("path", ["trips/2025-*.parquet", "*/2025-1.parquet", "**/*.parquet"])
def test_rows_that_a_pattern_would_not_find_again_are_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "trips").mkdir()
    pq.write_table(drivers(ROWS), tmp_path / "trips" / "2025-1.parquet")
    store = project(tmp_path, None, [DRIVER, file_view(path)])
    assert trips(store, ("a", 6), ("b", 6)) == [2, 1]
    with pytest.raises(ValueError, match=r"data source rows: .* would not match a file added to it"):
        store.write_to_offline_store("driver_stats", drivers(ROWS).to_pandas())
    assert [file.name for file in tmp_path.rglob("*.parquet*")] == ["2025-1.parquet"]


def test_patterns_find_what_they_say(tmp_path: Path) -> None:
    names = ("a/one.parquet", "a/b/two.parquet", "a/.three.parquet", "a/_four.parquet", "a/_temporary/five.parquet", "[c]/six.parquet")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    def found(pattern: str) -> list[str]:
        return [str(Path(file).relative_to(tmp_path)) for file in local_files(str(tmp_path / pattern)) or []]

    assert found("a/*") == ["a/one.parquet"]
    assert found("*/one.parquet") == ["a/one.parquet"]
    assert found("a/**/*.parquet") == ["a/b/two.parquet", "a/one.parquet"]
    assert found("a/_*.parquet") == ["a/_four.parquet"]
    assert found("[c]/*.parquet") == found("[c]/six.parquet") == ["[c]/six.parquet"]
    assert found("none/*.parquet") == []


def test_rows_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    pq.write_table(drivers(ROWS), tmp_path / "rows.parquet")
    store = project(tmp_path, None, [DRIVER, file_view("rows.parquet")])
    frame = drivers(ROWS).to_pandas()
    with pytest.raises(ValueError, match=r"do not fit.*rows"):
        store.write_to_offline_store("driver_stats", frame.assign(trips="many"))
    offline = store._get_provider().offline_store
    rows = pa.Table.from_pandas(frame.rename(columns={"note": "nota"}))
    with pytest.raises(ValueError, match=r"missing columns \['note'\], columns that it does not have \['nota'\]"):
        offline.offline_write_batch(store.config, store.get_feature_view("driver_stats"), rows, None)
    assert not (tmp_path / "rows.parquet.d").exists()


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(rows: Any, path: Path) -> None:
        path.write_text("half")
        raise OSError("disk full")

    monkeypatch.setattr(offline_files.pq, "write_table", failing)
    with pytest.raises(OSError, match="disk full"):
        offline_files.write_file(drivers(ROWS), tmp_path / "rows.parquet")
    assert not list(tmp_path.iterdir())


def test_a_configured_writer_gets_the_rows_as_the_source_has_them(tmp_path: Path) -> None:
    held, progress = {"driver_stats": drivers(ROWS)}, []

    def write(source: Any, rows: pa.Table) -> None:
        held[source.table] = pa.concat_tables([held[source.table], rows])

    store = project(tmp_path, lambda source: _memtable(held, source), [DRIVER, driver_view(TTL)], writer=write)
    store.write_to_offline_store("driver_stats", drivers([("a", 6, 6, 3, 0.3, "z")]).to_pandas())
    assert trips(store, ("a", 7)) == [3]
    store._get_provider().offline_store.offline_write_batch(
        store.config, store.get_feature_view("driver_stats"), drivers(ROWS), progress.append
    )
    assert progress == [2]


def _memtable(held: dict, source: Any) -> Any:
    import ibis

    return ibis.memtable(held[source.table]) if hasattr(source, "table") else None


def test_a_saved_dataset_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    pq.write_table(drivers(ROWS), tmp_path / "rows.parquet")
    store = project(tmp_path, None, [DRIVER, file_view("rows.parquet")])
    storage = SavedDatasetFileStorage(path=str(tmp_path / "saved" / "training.parquet"))

    def save(*rows: tuple[str, float], **options: Any) -> None:
        job = store.get_historical_features(asked(*rows).assign(weight=range(len(rows))), REFS)
        with pytest.warns(RuntimeWarning, match="experimental"):
            store.create_saved_dataset(job, "training", storage, **options)

    save(("b", 6), ("a", 6), ("a", 4))
    with pytest.warns(RuntimeWarning, match="experimental"):
        saved = store.get_saved_dataset("training").to_df()
    assert list(saved.columns) == ["driver", "trips", "note", "event_timestamp"]
    assert sorted(zip(saved["driver"], saved["note"].fillna("-"), strict=True)) == [("a", "-"), ("a", "y"), ("b", "x")]
    with pytest.raises(SavedDatasetLocationAlreadyExists):
        save(("a", 6))
    save(("a", 6), allow_overwrite=True)
    with pytest.warns(RuntimeWarning, match="experimental"):
        assert store.get_saved_dataset("training").to_df()["trips"].tolist() == [2]


class _Share(Profile):
    """What a data-quality check knows of logs: how many there are."""

    def __init__(self, least: int) -> None:
        self.least = least

    def validate(self, dataset: Any) -> Any:
        return _Verdict(len(dataset) >= self.least)

    def to_proto(self) -> Any:
        raise NotImplementedError

    @classmethod
    def from_proto(cls, proto: Any) -> Any:
        raise NotImplementedError


class _Verdict(ValidationReport):
    def __init__(self, is_success: bool) -> None:
        self._is_success = is_success

    @property
    def is_success(self) -> bool:
        return self._is_success

    @property
    def errors(self) -> list:
        return []


class _Reference(ValidationReference):
    """A reference whose profile is known already."""

    @property
    def profile(self) -> Any:
        return self._profile


@pytest.mark.parametrize("partition_by", [None, ["__log_date"]])
def test_logged_features_are_added_and_can_be_validated(tmp_path: Path, partition_by: list | None) -> None:
    pq.write_table(drivers(ROWS), tmp_path / "rows.parquet")
    destination = FileLoggingDestination(path="logs", partition_by=partition_by)
    view = file_view("rows.parquet")
    service = FeatureService(name="rides", features=[view[["trips"]]], logging_config=LoggingConfig(destination=destination))
    store = project(tmp_path, None, [DRIVER, view, service])

    def logs(day: int, *values: int) -> pa.Table:
        at = datetime(2024, 1, day, 12, tzinfo=UTC)
        rows = [
            {"driver": "a", "driver_stats__trips": value, "driver_stats__trips__timestamp": at, "driver_stats__trips__status": 2,
             "__log_timestamp": at, "__log_date": at.date(), "__request_id": str(value)}
            for value in values
        ]  # fmt: skip
        schema = pa.schema(
            [("driver", pa.string()), ("driver_stats__trips", pa.int64()), ("driver_stats__trips__timestamp", INSTANT),
             ("driver_stats__trips__status", pa.int32()), ("__log_timestamp", INSTANT), ("__log_date", pa.date32()),
             ("__request_id", pa.string())]
        )  # fmt: skip
        return pa.Table.from_pylist(rows, schema)

    store.write_logged_features(logs(1, 1, 2), service)
    handed = tmp_path / "handed"
    handed.mkdir()
    pq.write_table(logs(2, 3), handed / "part.parquet")
    store.write_logged_features(handed, service)
    store.write_logged_features(logs(3), service)
    written = sorted((tmp_path / "logs").rglob("*.parquet"))
    assert len(written) == 2
    assert {file.parent.name for file in written} == (
        {"logs"} if partition_by is None else {"__log_date=2024-01-01", "__log_date=2024-01-02"}
    )
    days = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 3, tzinfo=UTC))
    job = store._get_provider().retrieve_feature_service_logs(service, *days, store.config, store.registry)
    assert sorted(job.to_arrow()["driver_stats__trips"].to_pylist()) == [1, 2, 3]
    for least, is_good in ((3, True), (4, False)):
        reference = _Reference(name="few", dataset_name="none")
        reference._profile = _Share(least)
        with pytest.warns(RuntimeWarning, match="experimental"):
            failed = store.validate_logged_features(service, *days, reference, throw_exception=False, cache_profile=False)
        assert (failed is None) is is_good


def test_on_demand_features_come_from_request_data_and_bring_no_columns_of_their_own(tmp_path: Path) -> None:
    pq.write_table(drivers(ROWS), tmp_path / "rows.parquet")
    view = file_view("rows.parquet")
    request = RequestSource(name="ask", schema=[Field(name="extra", dtype=Int64)])

    @on_demand_feature_view(sources=[view[["trips", "rate_y"]], request], schema=[Field(name="total", dtype=Float64)], mode="pandas")
    def totals(inputs: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"total": inputs["trips"] + inputs["rate_y"] + inputs["extra"]})

    with pytest.warns(RuntimeWarning, match="experimental"):
        store = project(tmp_path, None, [DRIVER, view, totals])
    frame = asked(("a", 6), ("b", 6)).assign(extra=[10, 20])
    only = store.get_historical_features(frame, ["totals:total"]).to_arrow()
    assert only.column_names == ["driver", "event_timestamp", "extra", "total"]
    assert only["total"].to_pylist() == [12.2, 21.1]
    both = store.get_historical_features(frame, ["driver_stats:rate_y", "totals:total"], full_feature_names=True).to_arrow()
    assert both.column_names == ["driver", "event_timestamp", "extra", "driver_stats__rate_y", "totals__total"]


def test_on_demand_features_of_request_data_alone_need_no_view(tmp_path: Path) -> None:
    request = RequestSource(name="ask", schema=[Field(name="extra", dtype=Int64)])

    @on_demand_feature_view(sources=[request], schema=[Field(name="twice", dtype=Int64)], mode="pandas")
    def doubled(inputs: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"twice": inputs["extra"] * 2})

    with pytest.warns(RuntimeWarning, match="experimental"):
        store = project(tmp_path, None, [doubled])
    frame = pd.DataFrame({"extra": [3, 1], "event_timestamp": [hours(1), hours(1)]})
    assert store.get_historical_features(frame, ["doubled:twice"]).to_arrow()["twice"].to_pylist() == [6, 2]
    with pytest.raises(ValueError, match="can only be left out when a feature view is asked"):
        store.get_historical_features(None, ["doubled:twice"], start_date=hours(0), end_date=hours(1))


def test_several_join_keys_and_columns_of_the_caller(tmp_path: Path) -> None:
    car = Entity(name="car", join_keys=["car"], value_type=ValueType.INT64)
    rows = drivers([("a", 1, 1, 1, 0.1, "x"), ("a", 2, 2, 2, 0.2, "y"), ("b", 1, 1, 3, 0.3, "z")]).append_column("car", pa.array([7, 8, 7]))
    pq.write_table(rows, tmp_path / "rows.parquet")
    source = FileSource(path="rows.parquet", name="rows", timestamp_field="at", field_mapping={"trips": "__key_0", "rate_y": "__row"})
    fields = [Field(name="__key_0", dtype=Int64), Field(name="__row", dtype=Float64)]
    view = FeatureView(name="pairs", entities=[DRIVER, car], ttl=None, schema=fields, source=source)
    frame = asked(("a", 5), ("a", 5), ("b", 5), ("b", 5)).assign(car=[8, 7, 7, 8], label=list("wxyz"), __at=1)
    for plan in ("merge", "asof", "interval"):
        store = project(tmp_path, None, [DRIVER, car, view], plan, f"{plan}.db")
        table = store.get_historical_features(frame, ["pairs:__key_0", "pairs:__row"]).to_arrow()
        assert table["__key_0"].to_pylist() == [2, 1, 3, None]
        assert table["__row"].to_pylist() == [0.2, 0.1, 0.3, None]
        assert table["label"].to_pylist() == list("wxyz")
        assert table.column_names == [*frame.columns, "__key_0", "__row"]
