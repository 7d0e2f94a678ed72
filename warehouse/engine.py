"""The compute engine: Settings to one Ibis connection, the only connect in the repository.

The connection is in memory and belongs to one process; the lake holds every result. It works in UTC, whatever the machine's zone.
"""

import ibis
from ibis.backends import BaseBackend

from warehouse.settings import Settings


def connect(settings: Settings) -> BaseBackend:
    """Open an Ibis connection with bounded memory that spills beside the lake.

    Raises:
        SettingsError: the engine is not supported; raised by Settings.from_env already.
    """
    spill = settings.home / "spill"
    # Fusing selects takes longer than everything else that makes an expression text, and the engine's optimizer does it anyway.
    ibis.options.sql.fuse_selects = False
    return ibis.duckdb.connect(
        memory_limit=settings.memory_limit,
        threads=settings.threads,
        temp_directory=str(spill),
        preserve_insertion_order=False,
    )


def disconnect(con: BaseBackend) -> None:
    """Close a connection and forget what it keeps, which Ibis would otherwise ask it to drop when the interpreter ends."""
    for entry in list(con._cache_name_to_entry.values()):
        entry.finalizer.detach()
    con.disconnect()
