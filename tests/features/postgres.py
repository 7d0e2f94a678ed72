"""A Postgres server for tests: a cluster of its own in a folder of its own on a free loopback port, gone afterwards.

It runs as another user when the tests run as root, since Postgres refuses root; no cluster of the machine is touched.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

PASSWORD = "not-to-be-shown"  # of a server that lives for the tests only


def binaries() -> Path | None:
    """The folder of the newest server that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


@contextmanager
def postgres_server() -> Iterator[str]:
    """The SQLAlchemy address of a server, with its password; the database is empty."""
    folder = binaries()
    assert folder is not None
    with tempfile.TemporaryDirectory(prefix="postgres-") as temporary:
        home, port, user = Path(temporary), free_port(), _other_user()
        (home / "password").write_text(PASSWORD)
        if user:
            for path in (home, home / "password"):
                shutil.chown(path, user)
        options = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
        options |= {"cwd": home, "env": {"PATH": os.environ["PATH"], "LC_ALL": "C"}}
        made = [folder / "initdb", "-D", home / "data", "-U", "feast", "-A", "scram-sha-256", "--pwfile", home / "password", "-E", "UTF8"]
        subprocess.run([*made, "--no-sync"], check=True, capture_output=True, **options)
        settings = ["-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", f"unix_socket_directories={home}"]
        with (home / "log").open("wb") as log:
            started = [folder / "postgres", "-D", home / "data", "-h", "127.0.0.1", "-p", str(port), *settings]
            server = subprocess.Popen(started, stdout=log, stderr=log, **options)
        try:
            _wait_for(server, port, home / "log")
            yield f"postgresql+psycopg://feast:{PASSWORD}@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGINT)  # does not wait for clients, unlike SIGTERM
            server.wait(30)


def _other_user() -> str | None:
    """A user that Postgres may run as, if the tests run as root."""
    if os.geteuid() != 0:
        return None
    return next(name for name in ("postgres", "nobody") if name in {user.pw_name for user in pwd.getpwall()})


def _wait_for(server: subprocess.Popen, port: int, log: Path) -> None:
    for _ in range(200):
        try:
            psycopg.connect(host="127.0.0.1", port=port, user="feast", password=PASSWORD, dbname="postgres").close()
            return
        except psycopg.OperationalError:
            assert server.poll() is None, log.read_text()
            time.sleep(0.05)
    raise TimeoutError(log.read_text())
