"""Reading a generated lender without the code that wrote it: stdlib csv, and Parquet as rows."""

import csv
import hashlib
from pathlib import Path

import pyarrow.parquet as pq

from warehouse.simulate import Simulation


def rows_of(folder: Path, table: str) -> list[dict[str, str]]:
    """Rows of one delivered csv file; none if there is no such file."""
    path = folder / f"{table}.csv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8-sig", newline="") as text:
        return list(csv.DictReader(text))


def lines_of(path: Path) -> list[list[str]]:
    """Header and rows of a delivered file; a Parquet file has no header line, so that its first row is line 1."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        return [table.column_names, *(list(row.values()) for row in table.to_pylist())]
    with path.open(encoding="utf-8-sig", newline="") as text:
        return list(csv.reader(text))


def ledger_of(simulation: Simulation) -> list[dict[str, str]]:
    """The ledger of dirty rows."""
    with (simulation.truth / "defects.csv").open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def hashes(simulation: Simulation) -> dict[str, str]:
    """SHA-256 of every file that a simulation wrote."""
    root = simulation.delivery.parent
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(root.rglob("*.*")) if path.is_file()
    }


def latest(simulation: Simulation, table: str, *key: str) -> dict[tuple[str, ...], dict[str, str]]:
    """Last delivered version of each key, deleted ones left out."""
    held: dict[tuple[str, ...], dict[str, str]] = {}
    for _, folder in sorted(simulation.deliveries):
        for row in rows_of(folder, table):
            held[tuple(row[name] for name in key)] = row
    return {name: row for name, row in held.items() if row.get("op") != "D"}
