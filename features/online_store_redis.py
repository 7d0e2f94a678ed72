"""Feast OnlineStore that keeps packed rows on a Redis server: one value per feature view and key, instead of one field per feature.

Configure it as `online_store: {type: features.online_store_redis.PackedRedisOnlineStore, connection_string: redis://...}`. What it does is
in online/packed_store.py, what the server holds in online/redis_server.py; docs/online-store.md describes both.
"""

from typing import Any, Self
from urllib.parse import urlsplit

from feast.repo_config import FeastConfigBaseModel, RepoConfig
from pydantic import ConfigDict, Field, ModelWrapValidatorHandler, StrictStr, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from features.online.packed_store import PackedOnlineStore
from features.online.redis_server import TIMEOUT_SECONDS, RedisBackend


class PackedRedisOnlineStoreConfig(FeastConfigBaseModel):
    """Configuration: the server, and how long to wait for it."""

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", hide_input_in_errors=True)

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
        if not _is_whole(address):
            raise ValueError("connection_string: write / ? # % of a password as %2F %3F %23 %25")
        return address

    @model_validator(mode="wrap")
    @classmethod
    def _without_address(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """The errors without what was given: RepoConfig shows it with errors of its parts, whatever these hide."""
        try:
            return handler(values)
        except ValidationError as error:
            lines = [
                InitErrorDetails(type=PydanticCustomError("online_store", "{text}", {"text": line["msg"]}), loc=line["loc"], input="hidden")
                for line in error.errors(include_input=False, include_context=False)
            ]
        raise ValidationError.from_exception_data(cls.__name__, lines, hide_input=True)


class PackedRedisOnlineStore(PackedOnlineStore):
    """Feast's interface to the packed rows of one Redis server."""

    def _opened(self, config: RepoConfig) -> RedisBackend:
        return RedisBackend(config.online_store.connection_string, config.project, config.online_store.timeout_seconds)


def _is_whole(address: str) -> bool:
    """Whether no character of the password ends the part of the address that it stands in."""
    try:
        parts = urlsplit(address)
        _ = parts.port  # raises if it is no number
    except ValueError:
        return False
    return bool(parts.hostname) and "@" not in parts.path + parts.query + parts.fragment
