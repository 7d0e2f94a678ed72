"""Homes that real processes work in and get killed in: ingest and build as the commands do them, and what must hold at every moment.

Functions are at module level so that other processes can be told to run them. A home is filled with the deliveries of tests.faults.days.
"""

import gc
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from multiprocessing.context import ForkServerProcess
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from features.build import build_features, history_days
from tests.warehouse.lake_book import ended, processes
from warehouse.build import build_curated, build_marts
from warehouse.ingest import ingest_delivery
from warehouse.lake import Lake, Pinned, Release
from warehouse.settings import Settings
from warehouse.staging.ledger import COUNTS
from warehouse.staging.outcome import IngestResult

VOLATILE = {"ingested_at", "run_id", "computed_at", "delivery_seq"}  # what tells of a run and its clock, not of the lender
READ_SECONDS = 0.1  # between two looks of a reader


def settings_of(home: Path | str, **more: Any) -> Settings:
    """Settings of a home with one engine thread; kills need no more."""
    return Settings(home=Path(home), **{"threads": 1, "catalog_uri": f"sqlite:///{home}/catalog.db", **more})


def lake_of(home: Path | str, **more: Any) -> Lake:
    """The lake of a home, for a process that lives for one command: looking for cycles in its memory would cost a quarter of its time."""
    gc.disable()
    return Lake(settings_of(home, **more))


def ingest(home: Path | str, folder: Path | str, day: date, run_id: str, **more: Any) -> IngestResult:
    """Take a delivery, as `lending ingest` does within its run; it must not be refused."""
    lake = lake_of(home, **more)
    result = ingest_delivery(lake, lake.settings, folder, day, run_id)
    assert result.exit_code == 0, result.error
    return result


def build(home: Path | str, run_id: str, **more: Any) -> Release:
    """Build and publish what the last intake holds, as `lending build` does within its run; a published run is finished."""
    lake = lake_of(home, **more)
    candidate = lake.candidate("release", run_id)
    intake = lake.intake()
    assert intake is not None
    day, terms = intake.release.business_date, lake.settings.terms
    if not candidate.is_published:
        books = build_curated(candidate, day, terms)
        build_marts(candidate, day, terms)
        first = candidate.table("staging.contracts").start_date.min().to_pyarrow().as_py()
        build_features(candidate, history_days(first, day), terms, opened=books)
    return candidate.publish(day)


def started(target: Any, *arguments: Any, **named: Any) -> ForkServerProcess:
    """A process of its own that runs a function."""
    process = processes().Process(target=target, args=arguments, kwargs=named)
    process.start()
    return process


def together(*calls: Sequence[Any]) -> None:
    """Run functions with their arguments in processes at once; each must succeed."""
    running = [started(*call) for call in calls]
    assert [ended(process, 300) for process in running] == [0] * len(running)


def contents(home: Path | str) -> dict[str, str]:
    """A hash of the rows of every table of the intake and of the release, in whatever order they are stored."""
    with Lake(settings_of(home)) as lake:
        heads = [pinned for pinned in (lake.intake(), lake.at() if lake.release() else None) if pinned]
        return {f"{pinned.release.channel} {name}": _hash(rows(pinned, name)) for pinned in heads for name in pinned.tables()}


def _hash(table: pa.Table) -> str:
    kept = [name for name in table.column_names if name not in VOLATILE]
    lines = sorted(repr(tuple(row[name] for name in kept)) for row in table.to_pylist())
    return hashlib.sha256("\n".join([repr(sorted(kept)), *lines]).encode()).hexdigest()


def rows(pinned: Pinned, name: str, *columns: str) -> pa.Table:
    """Rows of a pinned table, read without the engine from the files that the release names."""
    files = pinned.files(name)
    if not files:
        return pinned.table(name).to_pyarrow().select(columns or None) if columns else pinned.table(name).to_pyarrow()
    return pa.concat_tables(pq.ParquetFile(file).read(columns=list(columns) or None) for file in files)


def column(pinned: Pinned, name: str, one: str) -> list[Any]:
    """One column of a pinned table as plain values."""
    return rows(pinned, name, one)[one].to_pylist()


def torn_intake(pinned: Pinned) -> list[str]:
    """What does not fit together in a pinned intake: files, raw rows, staged rows and quarantine are of one moment, and no row is lost."""
    files = [row for row in rows(pinned, "ops.delivery_ledger").to_pylist() if row["table_name"]]
    wrong = [f"{row['source_file']} does not add up" for row in files if row["rows_in"] != sum(row[name] for name in COUNTS)]
    sums: dict[str, Counter[str]] = {}
    for row in (row for row in files if row["status"] == "ingested"):
        sums.setdefault(row["table_name"], Counter()).update({name: row[name] for name in ("rows_in", *COUNTS)})
    places: Counter[tuple[str, str]] = Counter()
    broken = rows(pinned, "ops.quarantine").to_pylist()
    for table, disposition, *_ in {
        (row["table_name"], row["disposition"], row["business_date"], row["source_sha256"], row["source_row_number"]) for row in broken
    }:
        places[table, disposition] += 1
    for table, counted in sums.items():
        for what, expected, found in (
            ("raw rows", counted["rows_in"], len(column(pinned, f"raw.{table}", "source_row_number"))),
            ("staged rows", counted["accepted"], len(column(pinned, f"staging.{table}", "source_row_number"))),
            ("quarantined rows", counted["quarantined"], places[table, "quarantined"]),
            ("parked rows", counted["parked"], places[table, "parked"]),
        ):
            if expected != found:
                wrong.append(f"{table}: {found} {what}, the ledger says {expected}")
    return wrong


def torn_release(pinned: Pinned) -> list[str]:
    """What does not fit together in a pinned release: staging, curated tables, marts and features are of one build."""
    day = pinned.release.business_date
    stock, portfolio = "marts.loan_distribution_by_region", "marts.portfolio_by_region_month"
    begun = sum(start <= day for start in column(pinned, "curated.fact_contract", "start_date"))
    pairs = {
        "contracts": (_alive(pinned, "contracts", "contract_number"), set(column(pinned, "curated.fact_contract", "contract_number"))),
        "installments": (
            _alive(pinned, "installments", "installment_id"),
            set(column(pinned, "curated.fact_installment", "installment_id")),
        ),
        "repayments": (_alive(pinned, "repayments", "repayment_id"), set(column(pinned, "curated.fact_repayment", "repayment_id"))),
        "contracts in the marts": (begun, _of_last_month(pinned, stock, "contract_count")),
        "outstanding in the marts": (
            sum(column(pinned, "curated.fact_contract", "outstanding_principal_amount")),
            _of_last_month(pinned, portfolio, "outstanding_principal_amount"),
        ),
        "last day of the features": (day, max(column(pinned, "features.client_repayment", "as_of_on"), default=day)),
    }
    return [f"{what}: {one} and {other}" for what, (one, other) in pairs.items() if one != other]


def _alive(pinned: Pinned, table: str, key: str) -> set[str]:
    """Keys of a staged table whose newest version by the release's business date is not deleted."""
    newest: dict[str, tuple[date, bool]] = {}
    for row in rows(pinned, f"staging.{table}", key, "business_date", "is_deleted").to_pylist():
        newest[row[key]] = max(newest.get(row[key], (date.min, False)), (row["business_date"], row["is_deleted"]))
    return {name for name, (_, is_deleted) in newest.items() if not is_deleted}


def _of_last_month(pinned: Pinned, name: str, measure: str) -> Any:
    held = rows(pinned, name, "month_on", measure).to_pylist()
    last = max((row["month_on"] for row in held), default=None)
    return sum(row[measure] for row in held if row["month_on"] == last)


def watch(home: str, stop: Event, seen: Any) -> None:
    """Pin the newest intake and release again and again, and tell at the end how often, and what was ever torn."""
    looks, torn, last = 0, [], {"intake": 0, "release": 0}
    with Lake(settings_of(home)) as lake:
        while not stop.wait(READ_SECONDS):
            intake, release = lake.intake(), lake.release()
            for pinned, check in ((intake, torn_intake), (lake.at() if release else None, torn_release)):
                if pinned is None:
                    continue
                channel, number = pinned.release.channel, pinned.release.release_id
                if number < last[channel]:
                    torn.append(f"{channel} {number} after {last[channel]}")
                if number > last[channel]:
                    torn += [f"{channel} {number}: {wrong}" for wrong in check(pinned)]
                last[channel], looks = number, looks + 1
    seen.send((looks, torn, last))


class Reader:
    """A process that watches a home until it is told to stop."""

    def __init__(self, home: Path | str) -> None:
        self._stop = processes().Event()
        self._received, sent = processes().Pipe(duplex=False)
        self._process = started(watch, str(home), self._stop, sent)
        sent.close()

    def finish(self) -> tuple[int, list[str], Mapping[str, int]]:
        """Looks, whatever was torn, and the last intake and release that it saw."""
        self._stop.set()
        told = self._received.recv()
        assert ended(self._process) == 0
        return told
