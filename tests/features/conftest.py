"""A Redis server of the tests' own, and the two kinds of online store."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.features.online_stores import Online


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server on loopback, without persistence."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed; apt-get install redis-server brings it, no service needs to run")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    home = tmp_path_factory.mktemp("redis")
    options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--enable-debug-command", "yes", "--dir", str(home)]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen([program, "--port", str(port), *options], stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait_for(port, server, home / "log")
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(timeout=10)


@pytest.fixture
def redis_address(redis_server: str) -> Iterator[str]:
    """A database of the server that nothing else uses, empty again after the test."""
    address = redis_server.removesuffix("/0") + "/1"
    yield address
    with redis.Redis.from_url(address) as client:
        client.flushdb()


@pytest.fixture(params=["sqlite", "redis"])
def online(request: pytest.FixtureRequest, tmp_path: Path) -> Online:
    """Each of our online stores, empty."""
    return Online(tmp_path / "online.db", request.getfixturevalue("redis_address") if request.param == "redis" else "")


def _wait_for(port: int, server: subprocess.Popen, log: Path) -> None:
    until = time.monotonic() + 20
    with redis.Redis(port=port) as client:
        while True:
            try:
                client.ping()
            except redis.RedisError:
                if server.poll() is not None or time.monotonic() > until:
                    pytest.fail(f"redis-server did not start: {log.read_text()}")
                time.sleep(0.02)
            else:
                return
