"""Feast OnlineStore that keeps packed rows on a Redis server: one value per feature view and key, instead of one field per feature.

Configure it as `online_store: {type: features.online_store_redis.PackedRedisOnlineStore, connection_string: redis://...}`. What it does is
in online/packed_store.py, what the server holds in online/redis_server.py; docs/online-store.md describes both.
"""

from feast.repo_config import FeastConfigBaseModel, RepoConfig
from pydantic import Field, StrictStr, field_validator

from features.online.packed_store import PackedOnlineStore
from features.online.redis_server import TIMEOUT_SECONDS, RedisBackend


class PackedRedisOnlineStoreConfig(FeastConfigBaseModel):
    """Configuration: the server, and how long to wait for it."""

    type: StrictStr = "features.online_store_redis.PackedRedisOnlineStore"
    connection_string: StrictStr = Field(repr=False)  # it may hold a password
    timeout_seconds: float = Field(default=TIMEOUT_SECONDS, gt=0)

    @field_validator("connection_string")
    @classmethod
    def _is_address(cls, address: str) -> str:
        if "${" in address:
            raise ValueError("connection_string: an environment variable in it is not set; export it before starting Feast")
        if not address.startswith(("redis://", "rediss://")):
            raise ValueError("connection_string: must be redis://host:port/0 or rediss://host:port/0")
        return address


class PackedRedisOnlineStore(PackedOnlineStore):
    """Feast's interface to the packed rows of one Redis server."""

    def _opened(self, config: RepoConfig) -> RedisBackend:
        return RedisBackend(config.online_store.connection_string, config.project, config.online_store.timeout_seconds)
