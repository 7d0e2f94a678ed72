"""The FeatureStore, built from Settings: our offline store on a pinned release, our online store, a registry in SQLite.

Definitions are registered only when they differ from the registered ones, since registering takes seconds and every process asks.
"""

import fcntl
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from feast import FeatureStore, Project, RepoConfig
from feast.errors import ProjectNotFoundException, ProjectObjectNotFoundException
from google.protobuf.json_format import MessageToDict

from features.entities import PROJECT, client, lending
from features.offline_store import IbisOfflineStoreConfig
from features.online_store import PackedSqliteOnlineStoreConfig
from features.services import default_risk_v1
from features.sources import ReleasedTables, client_repayment_source
from features.views import client_repayment
from warehouse.lake import Lake
from warehouse.settings import Settings

DEFINITIONS = (client, client_repayment_source, client_repayment, default_risk_v1)
REGISTRY_CACHE_SECONDS = 3600  # definitions change with a deployment; a read of the registry costs more than a lookup
_TAG = "definitions_sha256"


def feature_store(settings: Settings, release_id: int | None = None, lake: Lake | None = None) -> FeatureStore:
    """The feature store of an environment, with all definitions registered.

    Args:
        settings: of this process.
        release_id: the release that history is read from; None for the current one when it is first read.
        lake: an open lake to read through; None opens one when it is needed.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    store = FeatureStore(config=repo_config(settings, ReleasedTables(settings, release_id, lake)))
    marked = _marked(fingerprint())
    if not _is_registered(store, marked):
        with _one_at_a_time(settings):
            if not _is_registered(store, marked):
                store.apply([marked, *DEFINITIONS])
    return store


def repo_config(settings: Settings, tables: ReleasedTables) -> RepoConfig:
    """Feast's configuration; the same as features/repo/feature_store.yaml says to the `feast` command."""
    return RepoConfig(
        project=PROJECT,
        provider="local",
        registry={
            "registry_type": "sql",
            "path": f"sqlite:///{settings.feast_registry}",
            "cache_ttl_seconds": REGISTRY_CACHE_SECONDS,
        },
        offline_store=IbisOfflineStoreConfig(tables=tables),
        online_store=PackedSqliteOnlineStoreConfig(path=str(settings.online_store)),
        entity_key_serialization_version=3,
    )


def fingerprint() -> str:
    """What tells these definitions from any others, without the times at which Feast's objects were made."""
    plain = [_without_times(MessageToDict(definition.to_proto())) for definition in DEFINITIONS]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _without_times(value: Any) -> Any:
    """A message without the parts in which Feast keeps when an object was made; a source is a definition of its own."""
    if isinstance(value, list):
        return [_without_times(part) for part in value]
    if isinstance(value, dict):
        return {name: _without_times(part) for name, part in value.items() if name not in ("meta", "batchSource")}
    return value


def registered_project() -> Project:
    """The project with the fingerprint of the definitions, for the `feast` command, so that both register the same."""
    return _marked(fingerprint())


def _marked(mark: str) -> Project:
    """The project as it is registered."""
    return Project(name=lending.name, description=lending.description, owner=lending.owner, tags={_TAG: mark})


def _is_registered(store: FeatureStore, project: Project) -> bool:
    """Whether the registry holds exactly these definitions."""
    try:
        return store.registry.get_project(PROJECT, allow_cache=False).tags.get(_TAG) == project.tags[_TAG]
    except (ProjectNotFoundException, ProjectObjectNotFoundException):
        return False


@contextmanager
def _one_at_a_time(settings: Settings) -> Iterator[None]:
    """Let one process register while others wait; the lock ends with its process."""
    with (settings.home / "feast_registry.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
