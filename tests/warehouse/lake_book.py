"""A tiny book for the tests of the lake: three tables that must always show the same value, and a run that publishes them.

Functions are at module level so that other processes can be told to run them.
"""

import multiprocessing
from collections.abc import Sequence
from datetime import date
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from warehouse.lake import Lake, Pinned, PublishConflict, Release
from warehouse.settings import Settings
from warehouse.table import MONEY, TIMESTAMP, TableSpec, columns

DAYS = (date(2025, 1, 31), date(2025, 2, 28))
ACCOUNTS = TableSpec(
    "curated.accounts",
    "Accounts of a book.",
    ("account_id",),
    columns([("account_id", "string", "Key."), ("value", "int64", "Run that wrote it.")]),
)
BALANCES = TableSpec(
    "marts.balances",
    "Balances by day.",
    ("account_id", "day_on"),
    columns([("account_id", "string", "Key."), ("day_on", "date", "Day."), ("value", "int64", "Run that wrote it.")]),
    partition_by="day_on",
)
SCORES = TableSpec(
    "features.scores",
    "Scores by account.",
    ("account_id",),
    columns([("account_id", "string", "Key."), ("value", "int64", "Run that wrote it.")]),
)
DELIVERED = TableSpec(
    "raw.accounts",
    "Accounts as delivered.",
    ("business_date", "account_id"),
    columns([("business_date", "date", "Delivery."), ("account_id", "string", "Key."), ("value", "string?", "As delivered.")]),
    partition_by="business_date",
)
STAGED = TableSpec("staging.accounts", "Typed accounts.", ("account_id",), ACCOUNTS.columns)
LEDGER = TableSpec(
    "ops.delivery_ledger",
    "Deliveries.",
    ("run_id",),
    columns([("run_id", "string", "Run."), ("row_count", "int64", "Rows.")]),
)
ALERT = TableSpec("ops.alert", "Alerts.", ("alert_id",), columns([("alert_id", "string", "Key."), ("at", TIMESTAMP, "When.")]))
EVERY_TYPE = TableSpec(
    "curated.every_type",
    "One column of every type.",
    ("key",),
    columns(
        [
            ("key", "string", "Text."),
            ("amount", f"{MONEY}?", "Money."),
            ("rate", "decimal(9, 6)?", "Rate."),
            ("on", "date?", "Date; the name is an SQL word."),
            ("at", f"{TIMESTAMP}?", "Instant."),
            ("small", "int32?", "Integer."),
            ("big", "int64?", "Long."),
            ("ratio", "float64?", "Float."),
            ("is_good", "boolean?", "Flag."),
        ]
    ),
)
BOOK = (ACCOUNTS, BALANCES, SCORES)


def rows(spec: TableSpec, values: Sequence[dict[str, Any]]) -> ir.Table:
    """Literal rows with the columns of a spec."""
    return ibis.memtable(pa.Table.from_pylist(list(values), schema=spec.ibis_schema().to_pyarrow()))


def settings_of(home: Path | str, crash_at: str = "") -> Settings:
    """Settings of a lake in a folder."""
    return Settings(home=Path(home), crash_at=crash_at, threads=1)


def stage(lake: Lake, run_id: str, value: int, specs: Sequence[TableSpec] = BOOK) -> Any:
    """Stage and audit the book with one value everywhere."""
    candidate = lake.candidate("release", run_id)
    for spec in specs:
        days = DAYS if spec.partition_by else (None,)
        literal = [{"account_id": key, "value": value} | ({"day_on": day} if day else {}) for key in ("a", "b") for day in days]
        candidate.write(spec, rows(spec, literal), replace=list(DAYS) if spec.partition_by else None)
    for spec in specs:
        candidate.audit(spec)
    return candidate


def build(home: Path | str, run_id: str, value: int, crash_at: str = "") -> Release:
    """One run as a command does it: open, go on or start, publish."""
    with Lake(settings_of(home, crash_at)) as lake:
        candidate = lake.candidate("release", run_id)
        if not candidate.is_published:
            candidate = stage(lake, run_id, value)
        return candidate.publish(DAYS[-1])


def values_of(pinned: Pinned) -> set[int]:
    """All values that the book shows at a release; more than one is a torn read."""
    found = set()
    for spec in BOOK:
        found |= set(pinned.table(spec.name).value.to_pyarrow().to_pylist())
    return found


def build_until_killed(home: str, first: int, acknowledged: Any) -> None:
    """Publish one release after the other and acknowledge each."""
    value = first
    while True:
        release = build(home, f"run-{value}", value)
        acknowledged.send((release.release_id, value))
        value += 1


def publish_own_table(home: str, worker: int, rounds: int) -> None:
    """Publish a table that only this worker writes, several times, beside other workers."""
    spec = TableSpec(f"marts.worker_{worker}", "One worker's table.", ("account_id",), ACCOUNTS.columns)
    with Lake(settings_of(home)) as lake:
        for number in range(rounds):
            stage(lake, f"worker-{worker}-{number}", number, [spec]).publish(DAYS[-1])


def publish_counter(home: str, worker: int, rounds: int) -> None:
    """Add one to a value that all workers share; a conflict means to look again and add again."""
    with Lake(settings_of(home)) as lake:
        for number in range(rounds):
            while not _added_one(lake, f"counter-{worker}-{number}"):
                pass


def _added_one(lake: Lake, run_id: str) -> bool:
    candidate = lake.candidate("release", run_id, fresh=True)
    held = candidate.table(ACCOUNTS.name)
    candidate.write(ACCOUNTS, held.mutate(value=held.value + 1))
    candidate.audit(ACCOUNTS)
    try:
        candidate.publish(DAYS[-1])
    except PublishConflict:
        return False
    return True


def processes() -> ForkServerContext:
    """Context whose processes start in a blink, since the imports are done once in a server process."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pandera.ibis", __name__, "tests.faults.homes"])
    return context


def ended(process: ForkServerProcess, seconds: float = 60) -> int | None:
    """Exit code of a process, waiting for its end."""
    process.join(seconds)
    return process.exitcode
