"""A small Feast project over our two stores, for the tests of the feature store; nothing in it is about lending."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from feast import Entity, FeatureStore, FeatureView, Field, RepoConfig, ValueType
from feast.types import Float64, Int64, String

from features.offline_store import IbisOfflineStoreConfig
from features.online_store import PackedSqliteOnlineStoreConfig
from features.parquet_source import ParquetSource

INSTANT = pa.timestamp("us", "UTC")
START = datetime(2024, 1, 1, tzinfo=UTC)
DRIVER_SCHEMA = pa.schema(
    [("driver", pa.string()), ("at", INSTANT), ("seen_at", INSTANT), ("trips", pa.int64()), ("rate_y", pa.float64()), ("note", pa.string())]
)
CAR_SCHEMA = pa.schema([("car", pa.int64()), ("at", INSTANT), ("seen_at", INSTANT), ("age", pa.int64())])
DRIVER = Entity(name="driver", join_keys=["driver"], value_type=ValueType.STRING)
CAR = Entity(name="car", join_keys=["car"], value_type=ValueType.INT64)


def hours(count: float) -> datetime:
    """So many hours after the start of the tests' world."""
    return START + timedelta(hours=count)


def source(table: str, promise: bool = False, **options: Any) -> ParquetSource:
    return ParquetSource(table=table, timestamp_field="at", created_timestamp_column="seen_at", one_row_per_key_and_time=promise, **options)


def driver_view(ttl: timedelta | None, promise: bool = False, name: str = "driver_stats", **options: Any) -> FeatureView:
    fields = [Field(name="trips", dtype=Int64), Field(name="rate_y", dtype=Float64), Field(name="note", dtype=String)]
    return FeatureView(name=name, entities=[DRIVER], ttl=ttl, schema=fields, source=source(name, promise), **options)


def car_view(ttl: timedelta | None) -> FeatureView:
    return FeatureView(name="car_stats", entities=[CAR], ttl=ttl, schema=[Field(name="age", dtype=Int64)], source=source("car_stats"))


def drivers(rows: Iterable[Sequence]) -> pa.Table:
    """Feature rows (driver, hours of the event, hours when known, trips, rate, note)."""
    full = [(driver, hours(at), hours(seen), *values) for driver, at, seen, *values in rows]
    return pa.table([list(column) for column in zip(*full, strict=True)] if full else [[]] * 6, schema=DRIVER_SCHEMA)


def project(
    home: Path,
    tables: Callable | str | None,
    objects: list,
    plan: str = "auto",
    registry: str = "registry.db",
    writer: Callable | str | None = None,
    online: Any = None,
) -> FeatureStore:
    """A feature store with these objects registered; its online store is a file in the home unless another is given."""
    config = RepoConfig(
        project="taxi",
        provider="local",
        registry={"registry_type": "sql", "path": f"sqlite:///{home}/{registry}", "cache_ttl_seconds": 3600},
        offline_store=IbisOfflineStoreConfig(tables=tables, plan=plan, writer=writer),
        online_store=online or PackedSqliteOnlineStoreConfig(path=str(home / "online.db")),
        entity_key_serialization_version=3,
        repo_path=home,
    )
    store = FeatureStore(config=config)
    store.apply(objects)
    return store
