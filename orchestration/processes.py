"""The servers of the platform as plain processes: what each one is called, how it is started, where it answers.

`lending up` starts them all in process groups of their own and ends them together; the demo and the tests start single ones. The compose
file starts the same commands, so what works here works there.
"""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from orchestration import instance
from warehouse.settings import Settings

BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Server:
    """One server process.

    Attributes:
        name: for people and log files.
        command: program and arguments.
        url: address that a person opens.
        health: address that answers 200 when the server is ready.
        look_at: what to look at there.
        variables: environment beside the caller's.
    """

    name: str
    command: tuple[str, ...]
    url: str
    health: str
    look_at: str
    variables: Mapping[str, str] = field(default_factory=dict)


class ServerFailed(RuntimeError):
    """A server ended or did not become ready in time."""


class Running:
    """A started server; leaving the context ends its whole process group."""

    def __init__(self, server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
        self.server, self.process, self.log = server, process, log

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def wait_ready(self, timeout_seconds: float = 300) -> None:
        """Wait until the server answers.

        Raises:
            ServerFailed: it ended, or the time is over; the message holds the end of its log.
        """
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            self.check_alive()
            if not self.server.health or _answers(self.server.health):
                return
            time.sleep(0.2)
        raise ServerFailed(f"{self.server.name} did not answer at {self.server.health} in {timeout_seconds:.0f} s:\n{self._tail()}")

    def check_alive(self) -> None:
        """Make sure that the server still runs.

        Raises:
            ServerFailed: it ended.
        """
        if self.process.poll() is not None:
            raise ServerFailed(f"{self.server.name} ended with code {self.process.returncode}:\n{self._tail()}")

    def stop(self, grace_seconds: float = 10) -> None:
        """End the server and every process it started."""
        if _signal_group(self.process, signal.SIGTERM):
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(grace_seconds)
            _signal_group(self.process, signal.SIGKILL)
            self.process.wait()

    def _tail(self, size: int = 2000) -> str:
        return self.log.read_bytes()[-size:].decode(errors="replace")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 (addresses are built here, on loopback)
            return 200 <= answer.status < 400
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def _signal_group(process: subprocess.Popen[bytes], number: int) -> bool:
    """Send a signal to the process group of a server; False when nothing is left of it."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    return True


def start(server: Server, settings: Settings) -> Running:
    """Start a server in a process group of its own, with its output in $LENDING_HOME/logs."""
    folder = settings.home / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{server.name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 (commands are built here)
            server.command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**settings.process_environment(), **server.variables},
            start_new_session=True,
        )
    return Running(server, process, log)


def servers(settings: Settings) -> list[Server]:
    """All servers of `lending up`, in the order in which a person reads about them."""
    return [dagster_webserver(settings), dagster_daemon(settings), scoring(settings), mlflow_ui(settings), report_pages(settings)]


def _address(settings: Settings, port: int) -> str:
    return f"http://{settings.host}:{port}"


def dagster_webserver(settings: Settings) -> Server:
    """The Dagster UI."""
    url = _address(settings, settings.dagster_port)
    return Server(
        "dagster",
        (
            str(BIN / "dagster-webserver"),
            "-m",
            "orchestration.definitions",
            "-h",
            settings.host,
            "-p",
            str(settings.dagster_port),
        ),
        url,
        f"{url}/server_info",
        "assets, runs, checks, partitions, backfills, the landing sensor and the schedules",
        {"DAGSTER_HOME": str(instance.prepare(settings))},
    )


def scoring(settings: Settings) -> Server:
    """The scoring endpoint."""
    url = _address(settings, settings.bentoml_port)
    return Server(
        "bentoml",
        (
            str(BIN / "bentoml"),
            "serve",
            "serving.service:DefaultRisk",
            "--host",
            settings.host,
            "--port",
            str(settings.bentoml_port),
        ),
        url,
        f"{url}/readyz",
        "POST /score with an API key; /readyz, /metrics",
    )


def mlflow_ui(settings: Settings) -> Server:
    """The MLflow UI."""
    url = _address(settings, settings.mlflow_port)
    return Server(
        "mlflow",
        (
            str(BIN / "mlflow"),
            "server",
            "--backend-store-uri",
            settings.tracking_uri,
            "--default-artifact-root",
            str(settings.artifacts),
            "--host",
            settings.host,
            "--port",
            str(settings.mlflow_port),
            "--workers",
            "1",
        ),
        url,
        f"{url}/health",
        "training runs, their figures and model card, and the registered model",
    )


def report_pages(settings: Settings) -> Server:
    """The report pages, with a first page that links them."""
    from warehouse.report.index import write_index

    write_index(settings.reports)
    url = _address(settings, settings.reports_port)
    return Server(
        "reports",
        (
            sys.executable,
            "-m",
            "http.server",
            str(settings.reports_port),
            "--bind",
            settings.host,
            "--directory",
            str(settings.reports),
        ),
        url,
        url,
        "the portfolio report and the drift reports",
    )


def dagster_daemon(settings: Settings) -> Server:
    """The daemon that runs schedules, the sensor and backfills; it has no address of its own."""
    return Server(
        "dagster-daemon",
        (str(BIN / "dagster-daemon"), "run", "-m", "orchestration.definitions"),
        "",
        "",
        "schedules, sensor and backfills",
        {"DAGSTER_HOME": str(instance.prepare(settings))},
    )
