"""Stage: the features of every client as of one date, beside a scan of the columns they read and beside one plain SQL statement."""

from pathlib import Path
from typing import Any

from tests.benchmarks.bench import Bench, settings_of
from tests.benchmarks.harness import Meter
from tests.benchmarks.report import Section, limit_claim, ratio_claim
from tests.benchmarks.scans import READ, scan_columns

HOW = (
    "`build_features` for the business date of the release, into a candidate that is thrown away: positions, {count} features, Parquet,"
    " audit. The scan sums every column of the staging tables that positions read. The plain statement has 43 aggregates over four "
    "windows on the latest known versions and leaves out what costs most (see `tests/benchmarks/plain_sql.py`), so it is no substitute,"
    " only a measure."
)


def stage(bench: Bench, home: Path) -> Section:
    """Measure one snapshot and its two references."""
    from features.tables import CLIENT_REPAYMENT

    repeats = bench.sizes.repeats
    ours = bench.step("feature snapshot of one date", snapshot, home=home, repeats=repeats)
    scan = bench.step("plain scan of the columns it reads", scan_columns, home=home, tables=list(READ), repeats=repeats)
    plain = bench.step("one plain SQL statement, 43 aggregates", plain_statement, home=home, repeats=repeats)
    claims = (
        ratio_claim(f"feature snapshot of one date, {len(CLIENT_REPAYMENT)} features", ours, scan, 25),
        limit_claim("feature snapshot, memory", ours.peak_bytes / 1e9 if ours.is_done else None, "GB", 4, ours),
    )
    notes = ()
    if ours.is_done and plain.is_done and scan.is_done:
        scans, statements = plain.cpu / scan.cpu, ours.cpu / plain.cpu
        notes = (f"The plain statement takes {scans:.1f}x the scan; the snapshot takes {statements:.1f}x the statement.",)
    return Section("Feature snapshot", HOW.format(count=len(CLIENT_REPAYMENT)), (ours, scan, plain), claims, notes)


def snapshot(meter: Meter, home: str, repeats: int) -> dict[str, Any]:
    """Compute the features of the business date."""
    from features.build import build_features
    from warehouse.lake import Lake

    settings = settings_of(home)
    lake = Lake(settings)
    day = lake.at().release.business_date
    for number in range(repeats):
        candidate = lake.candidate("release", f"benchmark-{number}")
        with meter.run() as facts:
            facts["rows"] = build_features(candidate, [day], settings.terms)
        candidate.discard()
    lake.close()
    return {}


def plain_statement(meter: Meter, home: str, repeats: int) -> dict[str, Any]:
    """Aggregate with one statement."""
    from tests.benchmarks.plain_sql import connect, files_sql, snapshot_sql
    from warehouse.clock import end_of_day
    from warehouse.lake import Lake

    settings = settings_of(home)
    with Lake(settings) as lake:
        pinned = lake.at()
        day = pinned.release.business_date
        tables = {name: files_sql(pinned.files(f"staging.{name}")) for name in ("contracts", "installments", "repayments")}
    statement = snapshot_sql(tables, day, end_of_day(day, settings.terms.time_zone).isoformat())
    con = connect()
    for _ in range(repeats):
        with meter.run() as facts:
            facts["rows"] = con.execute(statement).to_arrow_table().num_rows
    return {}
