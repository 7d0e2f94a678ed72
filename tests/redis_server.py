"""A Redis server of one's own, for tests and benchmarks: on a free port of loopback, without persistence, ended with its block."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

MISSING = "redis-server is not installed; apt-get install redis-server brings it, no service needs to run"


def redis_program() -> str | None:
    """Where the server is; None if it is not installed."""
    return shutil.which("redis-server")


@contextmanager
def redis_running(folder: Path) -> Iterator[str]:
    """The address of an empty server that keeps its log in a folder."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--enable-debug-command", "yes", "--dir", str(folder)]
    with (folder / "redis.log").open("wb") as log:
        server = subprocess.Popen([redis_program() or "redis-server", "--port", str(port), *options], stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait_for(port, server, folder / "redis.log")
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(timeout=10)


def _wait_for(port: int, server: subprocess.Popen, log: Path) -> None:
    until = time.monotonic() + 20
    with redis.Redis(port=port) as client:
        while True:
            try:
                client.ping()
            except redis.RedisError as error:
                if server.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"redis-server did not start: {log.read_text()}") from error
                time.sleep(0.02)
            else:
                return
