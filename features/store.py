"""The FeatureStore, built from Settings: our offline store on a pinned release, our online store, a registry in SQLite or Postgres.

Definitions are registered only when they differ from the registered ones, since registering takes seconds and every process asks.
"""

import fcntl
import hashlib
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from feast import FeatureStore, Project, RepoConfig
from feast.errors import ProjectNotFoundException, ProjectObjectNotFoundException
from feast.infra.registry.sql import SqlRegistryConfig
from google.protobuf.json_format import MessageToDict
from pydantic import Field, StrictStr
from sqlalchemy import create_engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from features.entities import PROJECT, client, lending
from features.feast_config import plain_config, registry_address
from features.offline_writer import ReleaseWriter
from features.on_demand import ON_DEMAND_VIEWS, requested_loan
from features.services import SERVICES
from features.sources import SOURCES, ReleasedTables
from features.views import VIEWS
from warehouse.lake import Lake
from warehouse.settings import Settings

DEFINITIONS = (client, *SOURCES, requested_loan, *VIEWS, *ON_DEMAND_VIEWS, *SERVICES)
_TAG = "definitions_sha256"
_LOCK = 0x1E4D146  # any number that other users of the database do not lock


class RegistryUnusable(RuntimeError):
    """The database of the Feast registry cannot be read."""


class _RegistryConfig(SqlRegistryConfig):
    """Feast's own; its text has no address, which may hold a password."""

    path: StrictStr = Field(default="", repr=False)


def feature_store(settings: Settings, release_id: int | None = None, lake: Lake | None = None) -> FeatureStore:
    """The feature store of an environment, with all definitions registered.

    Args:
        settings: of this process.
        release_id: the release that history is read from; None for the current one when it is first read.
        lake: an open lake to read through; None opens one when it is needed.

    Raises:
        RegistryUnusable: the registry is no database, or cannot be reached; the message has no password.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    store = FeatureStore(config=repo_config(settings, ReleasedTables(settings, release_id, lake)))
    marked = registered_project()
    try:
        with _one_at_a_time(settings):
            if not _is_registered(store, marked):
                _register(store, [marked, *DEFINITIONS])
    except SQLAlchemyError as error:
        raise RegistryUnusable(_unusable(settings, error)) from None  # the cause would show statements and values
    return store


def repo_config(settings: Settings, tables: ReleasedTables) -> RepoConfig:
    """Feast's configuration; the same as features/repo/feature_store.yaml says to the `feast` command.

    Feast keeps what it is given and shows it in the texts of its objects, so it is given objects whose text has no address.
    """
    registry = registry_address(settings).render_as_string(hide_password=False)
    plain = plain_config(settings, registry, settings.online_address, tables, ReleaseWriter(settings))
    config = RepoConfig(**plain | {"registry": _RegistryConfig(**plain["registry"])})
    config.online_config = config.online_store
    return config


def fingerprint() -> str:
    """What tells these definitions from any others, without the times at which Feast's objects were made."""
    plain = [_without_times(MessageToDict(definition.to_proto())) for definition in DEFINITIONS]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _without_times(value: Any) -> Any:
    """A message without what Feast adds by itself, times and columns of entities; entities and sources are definitions of their own."""
    if isinstance(value, list):
        return [_without_times(part) for part in value]
    if isinstance(value, dict):
        return {name: _without_times(part) for name, part in value.items() if name not in ("meta", "batchSource", "entityColumns")}
    return value


def registered_project() -> Project:
    """The project with the fingerprint of the definitions, also for the `feast` command, so that both register the same."""
    return Project(name=lending.name, description=lending.description, owner=lending.owner, tags={_TAG: fingerprint()})


def _is_registered(store: FeatureStore, project: Project) -> bool:
    """Whether the registry holds exactly these definitions; the first look makes its tables."""
    try:
        return store.registry.get_project(PROJECT, allow_cache=False).tags.get(_TAG) == project.tags[_TAG]
    except (ProjectNotFoundException, ProjectObjectNotFoundException):
        return False


def _register(store: FeatureStore, objects: list) -> None:
    """Put the definitions in the registry; Feast calls on-demand views slow offline, which ours are not (docs/features.md)."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "On demand feature view is an experimental feature", RuntimeWarning)
        store.apply(objects)


@contextmanager
def _one_at_a_time(settings: Settings) -> Iterator[None]:
    """Let one process look and register while others wait; the lock ends with its process.

    Processes of one home meet at a file, those of several homes with one Postgres registry at a lock of that database.
    """
    address = registry_address(settings)
    with (settings.home / "feast_registry.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if address.get_backend_name() != "postgresql":
            yield
            return
        engine = create_engine(address)
        try:
            with engine.connect() as connection:
                connection.execute(select(func.pg_advisory_lock(_LOCK)))
                yield
        finally:
            engine.dispose()


def _unusable(settings: Settings, error: SQLAlchemyError) -> str:
    """What to do about a registry that cannot be read, without the password of its address."""
    cause = " ".join(str(getattr(error, "orig", None) or type(error).__name__).split())
    place = registry_address(settings).render_as_string(hide_password=True)
    remedy = "start the database, or correct LENDING_FEAST_REGISTRY" if settings.feast_registry_uri else "remove the file"
    return f"the Feast registry {place} cannot be used ({cause}): {remedy}; definitions are registered again by the next command"
