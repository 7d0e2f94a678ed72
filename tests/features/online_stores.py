"""The two kinds of our online store, for tests that hold of both."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from features.online.backend import OnlineBackend
from features.online.redis_server import RedisBackend
from features.online.sqlite_file import SqliteBackend
from features.online_store import PackedSqliteOnlineStoreConfig
from features.online_store_redis import PackedRedisOnlineStoreConfig


@dataclass(frozen=True)
class Online:
    """One of our online stores: a file, or a Redis server if it has an address."""

    path: Path
    address: str = ""

    def config(self) -> Any:
        """How Feast is told of it."""
        if self.address:
            return PackedRedisOnlineStoreConfig(connection_string=self.address)
        return PackedSqliteOnlineStoreConfig(path=str(self.path))

    def backend(self, project: str = "taxi", create: bool = False) -> OnlineBackend:
        """What is behind it, as a reader opens it, or a publisher."""
        return RedisBackend(self.address, project) if self.address else SqliteBackend(self.path, project, create)

    def lose(self) -> None:
        """Remove everything, as a broken disk or an operator would."""
        if self.address:
            with redis.Redis.from_url(self.address) as client:
                client.flushall()
        for path in self.path.parent.glob(f"{self.path.name}*"):
            path.unlink()
