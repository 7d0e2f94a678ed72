"""The online store of an environment: which backend its settings name. Imports neither Feast nor an engine, for scoring."""

from features.online.backend import OnlineBackend
from features.online.sqlite_file import SqliteBackend
from warehouse.settings import Settings

PROJECT = "lending"  # Feast project; features/entities.py takes it from here


def online_backend(settings: Settings, create: bool = False) -> OnlineBackend:
    """The online store that the settings name.

    Args:
        settings: of this process.
        create: whether to make the SQLite file if it is missing; a reader must not.
    """
    if settings.online_address:
        from features.online.redis_server import RedisBackend

        return RedisBackend(settings.online_address, PROJECT)
    return SqliteBackend(settings.online_store, PROJECT, create)
