"""A Redis server of the tests' own."""

from collections.abc import Iterator

import pytest
import redis

from tests.redis_server import MISSING, redis_program, redis_running


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server on loopback, without persistence."""
    if redis_program() is None:
        pytest.skip(MISSING)
    with redis_running(tmp_path_factory.mktemp("redis")) as address:
        yield address


@pytest.fixture
def redis_address(redis_server: str) -> Iterator[str]:
    """A database of the server that nothing else uses, empty again after the test."""
    address = redis_server.removesuffix("/0") + "/1"
    yield address
    with redis.Redis.from_url(address) as client:
        client.flushdb()
