"""Literal deliveries to judged rows, without a lake: raw tables from dicts of text, all source tables in the order of their references."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import ibis
import pyarrow as pa
from ibis.backends import BaseBackend

from warehouse.sources import SOURCES
from warehouse.staging.judge import judge, staged
from warehouse.staging.ledger import DELIVERY_LEDGER, INGESTED, accepted_files
from warehouse.staging.quarantine import quarantined
from warehouse.table import TableSpec

ZONE = "Asia/Ho_Chi_Minh"
Rows = Sequence[Mapping[str, str | None]]


@dataclass(frozen=True)
class Delivered:
    """One delivery: its business date, and the rows of each file as (table, rows); files may repeat a table."""

    business_date: date
    files: Sequence[tuple[str, Rows]]


@dataclass
class Judged:
    """Everything that staging computes from deliveries, as plain rows by table."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    staging: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    quarantine: list[dict[str, Any]] = field(default_factory=list)

    def of(self, table: str) -> dict[int, tuple[str, str]]:
        """Disposition and marks by row number."""
        return {
            row["source_row_number"]: (row["disposition"], (row["faults"] + row["waits"] + row["notes"] + row["warnings"]).strip())
            for row in self.rows[table]
        }


def sha256(table: str, rows: Rows) -> str:
    return hashlib.sha256(json.dumps([table, list(rows)], sort_keys=True).encode()).hexdigest()


def judged(con: BaseBackend, deliveries: Sequence[Delivered], tables: Sequence[str] | None = None) -> Judged:
    """Judge deliveries in their order of arrival."""
    entries: list[dict[str, Any]] = []
    raw: dict[str, list[dict[str, Any]]] = {source.name: [] for source in SOURCES}
    for seq, delivery in enumerate(deliveries, start=1):
        for table, rows in delivery.files:
            place = {"business_date": delivery.business_date, "source_sha256": sha256(table, rows)}
            if any(entry["table_name"] == table and place.items() <= entry.items() for entry in entries):
                continue  # the same file again
            entries.append({**place, "table_name": table, "delivery_seq": seq, "status": INGESTED})
            raw[table] += [{**place, "source_file": f"{table}.csv", "source_row_number": n, **row} for n, row in enumerate(rows, start=2)]
    files = accepted_files(_table(con, DELIVERY_LEDGER, entries))
    result, held = Judged(), {}
    for source in SOURCES:
        if tables is not None and source.name not in tables:
            held[source.name] = _table(con, source.staging_spec(), [])
            continue
        raw_table = _table(con, source.raw_spec(), raw[source.name])
        rows = judge(source, raw_table, files, held.__getitem__, ZONE, lambda table: table.cache())
        held[source.name] = staged(rows, source).cache()
        result.rows[source.name] = con.to_pyarrow(rows).to_pylist()
        result.staging[source.name] = con.to_pyarrow(held[source.name]).to_pylist()
        result.quarantine += con.to_pyarrow(quarantined(rows, raw_table, files, source)).to_pylist()
    return result


def _table(con: BaseBackend, spec: TableSpec, rows: Sequence[Mapping[str, Any]]) -> Any:
    blank = dict.fromkeys(spec.column_names) | {"ingested_at": datetime(2024, 7, 1, tzinfo=UTC), "run_id": "run", "schema_version": "v1"}
    known = {name: value for name, value in blank.items() if name in spec.column_names}
    data = pa.Table.from_pylist([{**known, **row} for row in rows], schema=spec.nullable_schema().to_pyarrow())
    return con.create_table(ibis.util.gen_name("literal"), data, temp=True)
