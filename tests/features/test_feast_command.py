"""Feast as its users know it: the real `feast` command on our repository applies, lists, serves features and shows its pages."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from feast import FeatureService, FeatureView
from feast.cli.cli import cli

from features import store as store_module
from features.entities import lending
from features.feast_config import feast_yaml
from features.online.reader import OnlineReader
from features.online_of_settings import online_backend
from features.publish import publish_online
from features.store import DEFINITIONS, feature_store
from tests.architecture.modules import ROOT
from tests.features.postgres import free_port
from tests.features.releases import DAY, release, settings_of
from warehouse.lake import Lake
from warehouse.settings import Settings

REPO = ROOT / "features" / "repo"
FEAST = str(Path(sys.executable).parent / "feast")
CLIENTS = {"00017": {"dpd": 3, "overdue_amount": 1234.5, "late_pay_ratio_3m": None}, "00018": {"dpd": 0}}


def environment(settings: Settings) -> dict[str, str]:
    """What the docs tell people to set, and no word to anybody outside."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("LENDING_")}
    return plain | {"LENDING_HOME": str(settings.home), "PYTHONPATH": str(ROOT), "FEAST_USAGE": "False"}


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, str]:
    """A home after `feast apply`, before any delivery; and what the command printed."""
    settings = settings_of(tmp_path_factory.mktemp("home"))
    command = [FEAST, "-c", str(REPO), "apply"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment(settings), cwd=settings.home)
    assert done.returncode == 0, done.stderr[-3000:]
    return settings, done.stdout


@pytest.fixture(scope="module")
def published(applied: tuple[Settings, str]) -> Settings:
    """The same home after a build and a publish."""
    settings, _ = applied
    with Lake(settings) as lake:
        release(lake, {DAY: CLIENTS})
        publish_online(settings, lake)
    return settings


def test_apply_registers_what_the_platform_registers(applied: tuple[Settings, str], monkeypatch: pytest.MonkeyPatch) -> None:
    settings, printed = applied
    assert "client_repayment" in printed
    again: list[int] = []
    monkeypatch.setattr(store_module.FeatureStore, "apply", lambda store, objects: again.append(1))
    store = feature_store(settings)
    assert not again, "the platform finds its definitions registered"
    assert {view.name for view in store.list_feature_views()} == {"client_repayment", "client_region"}


def test_the_repository_is_two_files() -> None:
    """Feast imports every module below its yaml, a view that is made there a second time is an error."""
    assert sorted(path.name for path in REPO.iterdir() if path.name != "__pycache__") == [
        "__init__.py",
        "definitions.py",
        "feature_store.yaml",
    ]


def test_the_yaml_says_what_the_settings_of_one_machine_say() -> None:
    plain = feast_yaml(Settings(home=Path("${LENDING_HOME}")), registry="sqlite:///${LENDING_HOME}/feast_registry.db")
    assert yaml.safe_load((REPO / "feature_store.yaml").read_text()) == yaml.safe_load(plain)


@pytest.mark.integration
def test_lending_feast_uses_the_settings(applied: tuple[Settings, str]) -> None:
    """Also a registry that LENDING_FEAST_REGISTRY names; the file that it leaves in the home has no address in it."""
    settings, _ = applied
    other = settings.home / "other registry.db"
    variables = environment(settings) | {"LENDING_FEAST_REGISTRY": f"sqlite:///{other}"}
    command = [str(Path(sys.executable).parent / "lending"), "feast", "projects", "list"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=variables, cwd=settings.home)
    assert done.returncode == 0, done.stderr[-3000:]
    assert other.exists()
    assert "other registry" not in (settings.home / "feature_store.yaml").read_text()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("feature-views", {"client_repayment", "client_region", "loan_request"}),
        ("feature-services", {"default_risk_v1", "default_risk_v2", "loan_request_v1"}),
        ("entities", {"client"}),
        ("on-demand-feature-views", {"loan_request"}),
        ("data-sources", {"client_repayment", "client_region", "requested_loan"}),
        ("projects", {"lending"}),
    ],
)
def test_lists(applied: tuple[Settings, str], monkeypatch: pytest.MonkeyPatch, kind: str, expected: set[str]) -> None:
    """The command's own entry point, in this process, since importing Feast takes seconds."""
    monkeypatch.setenv("LENDING_HOME", str(applied[0].home))
    done = CliRunner().invoke(cli, ["-c", str(REPO), kind, "list"])
    assert done.exit_code == 0, done.output
    assert expected <= {line.split()[0] for line in done.output.splitlines() if line.strip()}


def test_descriptions_owners_and_tags_are_filled() -> None:
    """Of every object, and of every field of the views."""
    pushed = [view.stream_source for view in DEFINITIONS if isinstance(view, FeatureView)]
    for thing in (lending, *DEFINITIONS, *pushed):
        assert thing.description, thing.name
        assert thing.owner, thing.name
        if thing is not lending:
            assert thing.tags, thing.name
    for view in (thing for thing in DEFINITIONS if hasattr(thing, "features") and not isinstance(thing, FeatureService)):
        for field in view.features:
            assert field.description, f"{view.name}:{field.name}"
            assert {"unit", "owner", "window"} <= set(field.tags), f"{view.name}:{field.name}"
    assert sum(isinstance(thing, FeatureView) for thing in DEFINITIONS) == 2


@contextmanager
def server(settings: Settings, *arguments: str) -> Iterator[str]:
    """A server of the `feast` command on a free loopback port; its address."""
    port = free_port()
    command = [FEAST, "-c", str(REPO), *arguments, "--host", "127.0.0.1", "--port", str(port)]
    with (settings.home / f"{arguments[0]}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment(settings), cwd=settings.home, start_new_session=True)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # it starts workers of its own
        process.wait(30)


@pytest.fixture(scope="module")
def servers(published: Settings) -> Iterator[tuple[str, str]]:
    """The feature server and the pages, which start side by side."""
    with server(published, "serve", "--no-access-log") as features, server(published, "ui") as pages:
        yield features, pages


def asked(address: str, body: Any = None, seconds: float = 120) -> bytes:
    """The answer, once the server is up."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"} if data else {})
    until = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{address}: {error.code} {error.read()[:2000]!r}") from error
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


@pytest.mark.integration
def test_the_feature_server_gives_what_the_reader_gives(servers: tuple[str, str], published: Settings) -> None:
    body = {"feature_service": "default_risk_v2", "entities": {"client_id": ["00017", "nobody", "00018"]}}
    answer = json.loads(asked(f"{servers[0]}/get-online-features", body))
    names = answer["metadata"]["feature_names"]
    reader = OnlineReader(online_backend(published), service="default_risk_v2")
    rows = reader.read(["00017", "nobody", "00018"]).values.T.tolist()
    read = {
        name.partition(":")[2]: [None if value != value else value for value in row]
        for name, row in zip(reader.features, rows, strict=True)
    }
    served = {name: result["values"] for name, result in zip(names, answer["results"], strict=True)}
    assert {name: served[name] for name in read} == read
    assert (served["dpd"], served["overdue_amount"]) == ([3, None, 0], [1234.5, None, 1.0])


@pytest.mark.integration
def test_the_pages_list_the_views(servers: tuple[str, str]) -> None:
    assert b"<title>Feast" in asked(f"{servers[1]}/")
    views = json.loads(asked(f"{servers[1]}/api/v1/feature_views?project=lending"))
    assert {view["spec"]["name"] for view in views["featureViews"]} >= {"client_repayment", "client_region"}
