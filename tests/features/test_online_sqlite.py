"""The SQLite file of packed rows when it is full or damaged: one kind of error, which names the file."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from features.online.backend import OnlineGeneration, OnlineStoreUnavailable, View
from features.online.packed import PackedSchema, encode
from features.online.sqlite_file import SqliteBackend

SCHEMA = PackedSchema((("trips", "int64"),))
VIEW = View("taxi", "stats", (("driver", "string"),), SCHEMA)
KEYS = [f"key{at:05d}".encode() for at in range(20_000)]
AT = datetime(2024, 1, 5, tzinfo=UTC)


def publish(backend: SqliteBackend, trips: int, keys: list[bytes]) -> None:
    times = np.full(len(keys), trips)
    with backend.publishing([VIEW]) as publication:
        publication.replace_changed(VIEW, keys, encode(SCHEMA, [([trips] * len(keys), [False] * len(keys))], times, times))
        made = OnlineGeneration(trips, date(2024, 1, 5), AT, ("stats",), AT, len(keys), 0, len(keys))
        publication.commit(made, {"trip": ["stats:trips"]})


def test_a_full_file_is_an_error_that_says_so_and_the_old_release_stays(tmp_path: Path) -> None:
    """SQLite ends the transaction by itself then."""
    backend = SqliteBackend(tmp_path / "online.db", "taxi", create=True)
    publish(backend, 1, KEYS[:1])
    backend._con.execute("PRAGMA max_page_count = 20")
    with pytest.raises(OnlineStoreUnavailable, match=r"online\.db: database or disk is full"):
        publish(backend, 2, KEYS)
    served = backend.generation()
    assert served is not None
    assert served.release_id == 1
    backend.close()


def test_a_damaged_file_is_an_error_of_the_store_whatever_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "online.db"
    path.write_bytes(b"no database " * 1000)
    backend = SqliteBackend(path, "taxi")
    calls: list[Callable[[], object]] = [
        backend.views,
        backend.generation,
        lambda: backend.schemas("stats"),
        lambda: backend.service("trip"),
        lambda: backend.read([("stats", KEYS[:1])]),
    ]
    for call in calls:
        with pytest.raises(OnlineStoreUnavailable, match=r"online\.db: file is not a database"):
            call()
