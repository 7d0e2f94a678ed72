"""Feast projects over generated feature files: the same view on our stores and on Feast's own, for the stages that compare them."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.data_source import DataSource
from feast.types import Float64

from features.offline_store import IbisOfflineStoreConfig
from features.online_store import PackedSqliteOnlineStoreConfig
from features.online_store_redis import PackedRedisOnlineStoreConfig
from features.parquet_source import ParquetSource
from tests.benchmarks.generated import CREATED, EVENT, KEY, names

PROJECT, VIEW = "bench", "history"
TTL = timedelta(days=90)
CLIENT = Entity(name="client", join_keys=[KEY], value_type=ValueType.STRING)


def refs(count: int) -> list[str]:
    """Generated features as Feast's references."""
    return [f"{VIEW}:{name}" for name in names(count)]


def our_store(home: Path, file: Path, features: int, address: str = "") -> FeatureStore:
    """A project on our two stores; the source promises what the platform's own source promises. With an address, on that Redis server."""
    source = ParquetSource(
        table=VIEW, timestamp_field=EVENT, created_timestamp_column=CREATED, one_row_per_key_and_time=True, name="history_source"
    )

    def rows(asked: DataSource) -> list[str] | None:
        return [str(file)] if isinstance(asked, ParquetSource) else None

    file_store = PackedSqliteOnlineStoreConfig(path=str(home / "online.db"))
    online = PackedRedisOnlineStoreConfig(connection_string=address) if address else file_store
    return _store(home, source, features, IbisOfflineStoreConfig(tables=rows), online)


def stock_store(home: Path, file: Path, features: int, address: str = "") -> FeatureStore:
    """The same project on Feast's DuckDB offline store and its SQLite online store, or its Redis online store with an address."""
    source = FileSource(path=str(file), timestamp_field=EVENT, created_timestamp_column=CREATED, name="history_source")
    server = {"type": "redis", "connection_string": address.removeprefix("redis://").replace("/", ",db=")}
    return _store(
        home, source, features, {"type": "duckdb"}, server if address else {"type": "sqlite", "path": str(home / "stock_online.db")}
    )


def _store(home: Path, source: DataSource, features: int, offline: Any, online: Any) -> FeatureStore:
    home.mkdir(parents=True, exist_ok=True)
    config = RepoConfig(
        project=PROJECT,
        provider="local",
        registry={"registry_type": "sql", "path": f"sqlite:///{home}/registry.db", "cache_ttl_seconds": 3600},
        offline_store=offline,
        online_store=online,
        entity_key_serialization_version=3,
        repo_path=home,
    )
    view = FeatureView(
        name=VIEW,
        entities=[CLIENT],
        ttl=TTL,
        schema=[Field(name=name, dtype=Float64) for name in names(features)],
        source=source,
    )
    store = FeatureStore(config=config)
    store.apply([CLIENT, view])
    return store
