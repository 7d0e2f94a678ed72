"""Every service of docker-compose.yml, started as a plain process with the command and the environment of the file."""

import re
import socket
import time
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from orchestration import processes
from warehouse.settings import Settings

COMPOSE = yaml.safe_load((Path(__file__).parents[2] / "docker-compose.yml").read_text())["services"]
PORT = {
    "dagster": "LENDING_DAGSTER_PORT",
    "bentoml": "LENDING_BENTOML_PORT",
    "mlflow": "LENDING_MLFLOW_PORT",
    "reports": "LENDING_REPORTS_PORT",
}

pytestmark = pytest.mark.integration


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(service: dict, home: Path, name: str, port: int) -> dict[str, str]:
    """The environment of a service with its `${NAME:-default}` resolved, moved to a folder, loopback and a free port."""
    values = {key: re.sub(r"\$\{(\w+):-(.*)\}", r"\2", value) for key, value in service["environment"].items()}
    values |= {"LENDING_HOME": str(home), "LENDING_HOST": "127.0.0.1"}
    return values | ({PORT[name]: str(port)} if name in PORT else {})


def health(service: dict, port: int) -> str | None:
    """The address that the health check of a service asks, on the given port."""
    check = service.get("healthcheck")
    return check and re.sub(r":\d+/", f":{port}/", re.search(r"http://[^']+", check["test"][-1]).group())


@pytest.mark.parametrize("name", COMPOSE)
def test_the_command_of_each_service_starts_it(name, tmp_path):
    service, port = COMPOSE[name], free_port()
    program, *arguments = service["command"]
    assert program == "lending"
    address = health(service, port)
    server = processes.Server(
        name, (str(processes.BIN / program), *arguments), "", address or "", "", environment(service, tmp_path, name, port)
    )
    with processes.start(server, Settings(home=tmp_path)) as running:
        running.wait_ready()
        if address is None:
            wait_for_line(running, "Instance is configured with the following daemons")
        else:
            with urllib.request.urlopen(address, timeout=5) as answer:
                assert answer.status == 200
    assert running.process.poll() is not None


def wait_for_line(running: processes.Running, line: str) -> None:
    """Wait until a server without an address says that it works."""
    for _ in range(600):
        running.check_alive()
        if line in running.log.read_text():
            return
        time.sleep(0.1)
    raise AssertionError(running.log.read_text()[-2000:])


def test_ports_are_published_on_loopback_only():
    published = [port for service in COMPOSE.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_every_server_of_up_is_a_service_and_the_reverse(tmp_path):
    assert {server.name for server in processes.servers(Settings(home=tmp_path))} == set(COMPOSE)


def test_a_server_that_cannot_start_says_why(tmp_path):
    port = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        settings = replace(Settings(home=tmp_path), reports_port=port)
        server = replace(processes.report_pages(settings), health="http://127.0.0.1:9/")
        with processes.start(server, settings) as running, pytest.raises(processes.ServerFailed, match="Address already in use"):
            running.wait_ready(30)


def test_stopping_ends_the_whole_group(tmp_path):
    settings = replace(Settings(home=tmp_path), reports_port=free_port())
    with processes.start(processes.report_pages(settings), settings) as running:
        running.wait_ready()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://127.0.0.1:{settings.reports_port}", timeout=2)
