"""The registry of Feast: in a file or in Postgres, registered once by whoever comes first, and clear about what is wrong with it."""

import logging
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import psycopg
import pytest
from feast import FeatureStore

from features import store as store_module
from features.feast_config import feast_yaml, registry_address
from features.store import DEFINITIONS, RegistryUnusable, feature_store
from tests.features.postgres import PASSWORD, binaries, postgres_server
from tests.features.releases import settings_of
from warehouse.settings import Settings


def registered(settings: Settings) -> int:
    """Ask for the feature store in this process; how often that registered."""
    applied, original = [], store_module.FeatureStore.apply
    store_module.FeatureStore.apply = lambda store, objects: (applied.append(1), original(store, objects))
    feature_store(settings).registry.write_engine.dispose()
    return len(applied)


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    """Two processes, forked from one that has imported Feast, which takes seconds."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["features.store"])
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        yield pool


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    if binaries() is None:
        pytest.skip("no Postgres server is installed; Debian's package postgresql has one")
    with postgres_server() as address:
        yield address


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of(tmp_path / "home")


@contextmanager
def opened(settings: Settings) -> Iterator[FeatureStore]:
    """The feature store; Feast leaves its connections to the end of the process."""
    store = feature_store(settings)
    try:
        yield store
    finally:
        store.registry.write_engine.dispose()


def names(settings: Settings) -> set[str]:
    with opened(settings) as store:
        listed = [*store.list_entities(), *store.list_feature_views(), *store.list_data_sources(), *store.list_feature_services()]
        return {thing.name for thing in (*listed, *store.list_on_demand_feature_views()) if not thing.name.startswith("__")}


def test_two_processes_register_once_in_a_file(settings: Settings, processes: ProcessPoolExecutor) -> None:
    assert sorted(processes.map(registered, [settings] * 2)) == [0, 1]
    assert names(settings) >= {definition.name for definition in DEFINITIONS}


def test_two_homes_register_once_in_postgres(settings: Settings, postgres: str, processes: ProcessPoolExecutor, tmp_path: Path) -> None:
    shared = replace(settings, feast_registry_uri=postgres)
    assert sorted(processes.map(registered, [replace(shared, home=tmp_path / name) for name in ("one", "other")])) == [0, 1]
    assert names(shared) >= {definition.name for definition in DEFINITIONS}
    assert not settings.feast_registry.exists()


def test_what_changed_is_registered_again_in_postgres(settings: Settings, postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = replace(settings, feast_registry_uri=postgres)
    with opened(shared):
        pass
    applied = []
    original = store_module.FeatureStore.apply
    monkeypatch.setattr(store_module.FeatureStore, "apply", lambda store, objects: (applied.append(1), original(store, objects)))
    with opened(shared):
        assert not applied
    with psycopg.connect(postgres.replace("+psycopg", "")) as connection:
        connection.execute("DELETE FROM projects")
    with opened(shared):
        assert len(applied) == 1


def test_a_damaged_file_gives_an_error_that_says_what_to_do(settings: Settings) -> None:
    settings.home.mkdir()
    settings.feast_registry.write_bytes(b"no database at all" * 100)
    with pytest.raises(RegistryUnusable, match=r"feast_registry\.db cannot be used \(file is not a database\): remove the file"):
        feature_store(settings)
    settings.feast_registry.unlink()
    assert "client_repayment" in names(settings)


def test_no_text_shows_the_password(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    gone = replace(settings, feast_registry_uri=f"postgresql+psycopg://feast:{PASSWORD}@127.0.0.1:1/feast")
    with caplog.at_level(logging.DEBUG), pytest.raises(RegistryUnusable, match="1:1/feast cannot be used") as failed:
        feature_store(gone)
    assert failed.value.__cause__ is None
    assert "start the database" in str(failed.value)
    for text in (str(failed.value), repr(gone), str(registry_address(gone)), feast_yaml(gone), caplog.text):
        assert PASSWORD not in text
