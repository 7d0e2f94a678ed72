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
    values = ", ".join(f"{_value(place, seed)} AS {name}" for place, name in enumerate(features))
    day = 86_400_000_000
    ended = f"make_timestamptz({round(LAST.timestamp() * 1e6)} - {days_between * day} * ({versions - 1} - number // {keys}))"
    with meter.run():
        con.execute(f"""
            COPY (
                SELECT 'C' || lpad((number % {keys})::VARCHAR, 9, '0') AS {KEY}, {ended} AS {EVENT}, {ended} AS {CREATED}, {values}
                FROM range({keys * versions}) AS rows(number)
            ) TO '{file}' (FORMAT parquet)""")
    con.close()
    return {"rows": keys * versions, "bytes": Path(file).stat().st_size}


def _value(place: int, seed: int) -> str:
    """A number in 0..1 for each row and feature, by two rounds of multiplication modulo a prime, which costs less than a hash."""
    prime, first = 4_294_967_291, 2_654_435_761 - 2 * 7919 * place
    mixed = f"((number + {1 + place + 1009 * seed}) * {first}) % {prime}"
    return f"(({mixed}) * {48_271 + 2 * place}) % {prime} / {prime}.0::DOUBLE"
