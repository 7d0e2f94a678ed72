"""Literal deliveries to judged rows, without a lake: raw tables from dicts of text, all source tables in the order of their references."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends import BaseBackend

from warehouse.sources import SOURCES
from warehouse.staging.judge import judge, staged
from warehouse.staging.ledger import DELIVERY_LEDGER, INGESTED, accepted_files
from warehouse.staging.quarantine import entries_of, quarantined, with_age
from warehouse.staging.schedule import SCHEDULE_RULES, schedule_faults
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
        about = {
            (entry["source_sha256"], entry["source_row_number"]): f"{entry['rule']}:{entry['column_name']}"
            for entry in self.quarantine
            if entry["table_name"] == table and entry["rule"] in SCHEDULE_RULES
        }
        marks = {
            row["source_row_number"]: row["faults"]
            + row["waits"]
            + row["notes"]
            + row["warnings"]
            + about.get((row["source_sha256"], row["source_row_number"]), "")
            for row in self.rows[table]
        }
        return {row["source_row_number"]: (row["disposition"], marks[row["source_row_number"]].strip()) for row in self.rows[table]}


def sha256(table: str, rows: Rows) -> str:
    return hashlib.sha256(json.dumps([table, list(rows)], sort_keys=True).encode()).hexdigest()


def judged(con: BaseBackend, deliveries: Sequence[Delivered], tables: Sequence[str] | None = None) -> Judged:
    """Judge deliveries in their order of arrival; sources that are not named count as never delivered."""
    entries: list[dict[str, Any]] = []
    raw: dict[str, list[dict[str, Any]]] = {source.name: [] for source in SOURCES}
    for seq, delivery in enumerate(deliveries, start=1):
        for table, rows in delivery.files:
            place = {"business_date": delivery.business_date, "source_sha256": sha256(table, rows), "source_file": f"{table}.csv"}
            if any(entry["table_name"] == table and place.items() <= entry.items() for entry in entries):
                continue  # the same file again
            entries.append({**place, "table_name": table, "delivery_seq": seq, "status": INGESTED})
            raw[table] += [{**place, "source_row_number": n, **row} for n, row in enumerate(rows, start=2)]
    names = tuple(source.name for source in SOURCES if tables is None or source.name in tables)
    return _pipeline(con, names).run(entries, raw)


class AllRows:
    """The context of judges that see all rows of a table at once: nothing is held of them before."""

    def __init__(self, files: ir.Table, held: Mapping[str, ir.Table], none: ir.Table) -> None:
        self.files, self.held, self._parents = files, none, held

    def parent(self, name: str) -> ir.Table:
        return self._parents[name]

    def before(self) -> ir.Table:
        return self.held

    def is_narrow(self) -> bool:
        return False

    def has_one_date(self, name: str) -> bool:
        return False


class Pipeline:
    """The expressions of staging over tables that are filled anew for each example: making SQL of them takes longer than running it."""

    def __init__(self, con: BaseBackend, names: Sequence[str]) -> None:
        self._con, self._prefix = con, ibis.util.gen_name("judging")
        self._steps: list[tuple[str, str]] = []
        self._ledger = self._fill(f"{self._prefix}_ledger", DELIVERY_LEDGER, [])
        files = self.keep(accepted_files(self._ledger))
        self._judged, self._staged, self._quarantined = {}, {}, {}
        none = {source.name: self._fill(f"{self._prefix}_none_{source.name}", source.staging_spec(), []) for source in SOURCES}
        held = dict(none)
        for source in (source for source in SOURCES if source.name in names):
            of_table = files.filter(files.table_name == source.name)
            context = AllRows(of_table, held, none[source.name])
            raw = self.keep(_numbered(self._fill(self._raw(source.name), source.raw_spec(), []), of_table))
            rows = self.keep(judge(source, raw, context, ZONE, self))
            held[source.name] = self.keep(staged(rows, source))
            self._judged[source.name], self._staged[source.name] = rows, held[source.name]
            entries = [quarantined(rows, raw, source)]
            if source.name == "installments":
                entries.append(entries_of(_numbered(self.keep(schedule_faults(held[source.name], context)), of_table), raw, source))
            every = ibis.union(entries[0], *entries[1:]) if entries[1:] else entries[0]
            self._quarantined[source.name] = self.keep(with_age(every, files.business_date.max().as_scalar()))

    def run(self, entries: Sequence[Mapping[str, Any]], raw: Mapping[str, Sequence[Mapping[str, Any]]]) -> Judged:
        self._fill(f"{self._prefix}_ledger", DELIVERY_LEDGER, entries)
        for source in SOURCES:
            if source.name in self._judged:
                self._fill(self._raw(source.name), source.raw_spec(), raw[source.name])
        for name, view in self._steps:
            self._con.raw_sql(f"create or replace table {name} as select * from {view}")
        read = {name: self._con.to_pyarrow(table).to_pylist() for name, table in self._judged.items()}
        staging = {name: self._con.to_pyarrow(table).to_pylist() for name, table in self._staged.items()}
        quarantine = [row for table in self._quarantined.values() for row in self._con.to_pyarrow(table).to_pylist()]
        return Judged(read, staging, quarantine)

    def _raw(self, name: str) -> str:
        return f"{self._prefix}_raw_{name}"

    def name(self, table: ir.Table) -> ir.Table:
        """Part of Scratch: a view follows the tables that it reads."""
        return self._con.create_view(ibis.util.gen_name(f"{self._prefix}_named"), table)

    def keep(self, table: ir.Table) -> ir.Table:
        """Part of Scratch: a table that is computed anew for each example."""
        name = f"{self._prefix}_step_{len(self._steps)}"
        self._con.create_view(f"{name}_of", table)
        self._steps.append((name, f"{name}_of"))
        self._con.raw_sql(f"create table {name} as select * from {name}_of")
        return self._con.table(name)

    def _fill(self, name: str, spec: TableSpec, rows: Sequence[Mapping[str, Any]]) -> ir.Table:
        blank = dict.fromkeys(spec.column_names) | {
            "ingested_at": datetime(2024, 7, 1, tzinfo=UTC),
            "run_id": "run",
            "schema_version": "v1",
        }
        known = {column: value for column, value in blank.items() if column in spec.column_names}
        data = pa.Table.from_pylist([{**known, **row} for row in rows], schema=spec.nullable_schema().to_pyarrow())
        return self._con.create_table(name, data, overwrite=True)


def _numbered(rows: ir.Table, files: ir.Table) -> ir.Table:
    return rows.join(files.select("file_number", "business_date", "source_sha256"), ["business_date", "source_sha256"])


@cache
def _pipeline(con: BaseBackend, names: tuple[str, ...]) -> Pipeline:
    return Pipeline(con, names)
