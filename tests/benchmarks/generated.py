"""Generated feature files, written by DuckDB: random floats by key and version, the same for the same seed."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.benchmarks.harness import Meter

KEY, EVENT, CREATED = "client_id", "event_timestamp", "created_timestamp"
LAST = datetime(2025, 6, 30, 16, 59, 59, 999999, tzinfo=UTC)


def names(count: int) -> list[str]:
    """Names of generated features."""
    return [f"f{number:02d}" for number in range(count)]


def client_id(number: int) -> str:
    """The key of a generated client."""
    return f"C{number:09d}"


def write_features(
    meter: Meter, file: str, keys: int, versions: int, days_between: int, features: Sequence[str], seed: int
) -> dict[str, Any]:
    """A feature file in order of time: every key has a row at each of so many ends of day."""
    from tests.benchmarks.plain_sql import connect

    con = connect()
    con.execute("SET preserve_insertion_order = true")
    floats = ", ".join(f"hash(key, version, {seed}, '{name}') / 18446744073709551615.0::DOUBLE AS {name}" for name in features)
    back = f"to_days(CAST({days_between} * ({versions} - 1 - version) AS INTEGER))"
    with meter.run():
        con.execute(f"""
            COPY (
                SELECT printf('C%09d', key) AS {KEY}, ended AS {EVENT}, ended AS {CREATED}, {floats}
                FROM (SELECT version, TIMESTAMPTZ '{LAST.isoformat()}' - {back} AS ended FROM range({versions}) AS v(version))
                CROSS JOIN range({keys}) AS k(key)
                ORDER BY version, key
            ) TO '{file}' (FORMAT parquet)""")
    con.close()
    return {"rows": keys * versions, "bytes": Path(file).stat().st_size}
