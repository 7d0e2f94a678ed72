"""Feast's configuration, made of Settings: for Python and, as the text of a feature_store.yaml, for the `feast` command.

It imports nothing of Feast, so that the `lending` command can write it before it becomes `feast`.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import yaml

from features.online_of_settings import PROJECT
from warehouse.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import URL

REGISTRY_CACHE_SECONDS = 3600  # definitions change with a deployment; a read of the registry costs more than a lookup
_RESOLVER = "features.sources.released_table"
_WRITER = "features.offline_writer.push_to_environment"


def run_feast(settings: Settings, arguments: list[str]) -> NoReturn:
    """Become the `feast` command on our repository, with the stores and the registry of the settings."""
    settings.home.mkdir(parents=True, exist_ok=True)
    config = settings.home / "feature_store.yaml"
    config.write_text(feast_yaml(settings))
    command = [str(Path(sys.executable).parent / "feast"), "-c", str(Path(__file__).parent / "repo"), "-f", str(config), *arguments]
    secret = {"LENDING_FEAST_REGISTRY": registry_address(settings).render_as_string(hide_password=False)}
    os.execve(command[0], command, {**settings.process_environment(), **secret})  # noqa: S606


def feast_yaml(settings: Settings, registry: str = "${LENDING_FEAST_REGISTRY}", online: str = "${LENDING_ONLINE_STORE}") -> str:
    """The configuration for the `feast` command, as the text of a feature_store.yaml.

    Args:
        settings: of the environment.
        registry: what stands for the address of the registry; a variable, since the address may hold a password and the text is a file.
        online: the same for the address of a Redis online store.
    """
    return yaml.safe_dump(plain_config(settings, registry, online, _RESOLVER, _WRITER), sort_keys=False)


def registry_address(settings: Settings) -> "URL":
    """Where the registry is; its text has no password unless that is asked for."""
    from sqlalchemy import make_url

    return make_url(settings.feast_registry_uri or f"sqlite:///{settings.feast_registry}")


def plain_config(settings: Settings, registry: str, online: str, tables: Any, writer: Any) -> dict[str, Any]:
    """What both forms of the configuration say."""
    return {
        "project": PROJECT,
        "provider": "local",
        "registry": {"registry_type": "sql", "path": registry, "cache_ttl_seconds": REGISTRY_CACHE_SECONDS},
        "offline_store": {"type": "features.offline_store.IbisOfflineStore", "tables": tables, "writer": writer},
        "online_store": _online_config(settings, online),
        "entity_key_serialization_version": 3,
    }


def _online_config(settings: Settings, address: str) -> dict[str, str]:
    """The online store that the settings name."""
    if settings.online_address:
        return {"type": "features.online_store_redis.PackedRedisOnlineStore", "connection_string": address}
    return {"type": "features.online_store.PackedSqliteOnlineStore", "path": str(settings.online_store)}
