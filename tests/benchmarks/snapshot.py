"""Stage: the features of every client as of one date, beside a scan of the columns they read and beside one plain SQL statement."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.benchmarks.bench import Bench, settings_of
from tests.benchmarks.harness import Meter
from tests.benchmarks.report import MET, MISSED, Claim, Section, Step, limit_claim, ratio_claim, unmeasured
from tests.benchmarks.scans import READ, scan_columns

HOW = (
    "`build_features` for the business date of the release, into a candidate that is thrown away: positions, {count} features, Parquet,"
    " audit, all clients computed. Then the same date from the day before it, as a daily build does. The scan sums every column of the "
    "staging tables that positions read. The plain statement has 43 aggregates over four windows on the latest known versions and "
    "leaves out what costs most (see `tests/benchmarks/plain_sql.py`), so it is no substitute, only a measure."
)


def stage(bench: Bench, home: Path) -> Section:
    """Measure one snapshot and its two references."""
    from features.tables import CLIENT_REPAYMENT

    repeats = bench.sizes.repeats
    ours = bench.step("feature snapshot of one date", snapshot, home=home, repeats=repeats)
    following = bench.step("the same date, from the day before", next_day, home=home, repeats=repeats)
    scan = bench.step("plain scan of the columns it reads", scan_columns, home=home, tables=list(READ), repeats=repeats)
    plain = bench.step("one plain SQL statement, 43 aggregates", plain_statement, home=home, repeats=repeats)
    claims = (
        ratio_claim(f"feature snapshot of one date, {len(CLIENT_REPAYMENT)} features", ours, scan, 25),
        following_claim(following, ours),
        limit_claim("feature snapshot, memory", ours.peak_bytes / 1e9 if ours.is_done else None, "GB", 4, ours),
    )
    notes = ()
    if ours.is_done and plain.is_done and scan.is_done:
        scans, statements = plain.cpu / scan.cpu, ours.cpu / plain.cpu
        notes = (f"The plain statement takes {scans:.1f}x the scan; the snapshot takes {statements:.1f}x the statement.",)
    return Section("Feature snapshot", HOW.format(count=len(CLIENT_REPAYMENT)), (ours, following, scan, plain), claims, notes)


def following_claim(following: Step, whole: Step) -> Claim:
    """What a day costs that is made from the day before, beside all clients."""
    what = "feature snapshot from the day before"
    if not (following.is_done and whole.is_done):
        return unmeasured(what, "none set", following, whole)
    same = "every cell equal" if following.facts["is_equal"] else "CELLS DIFFER"
    note = f"{following.facts['touched']:,} of {following.facts['rows']:,} clients were touched, {same}; no target of its own"
    reference = f"all clients: {whole.cpu:.2f} CPU s"
    return Claim(
        what,
        f"{following.cpu:.2f} CPU s",
        reference,
        f"{following.cpu / whole.cpu:.2f}x",
        "none set",
        MET if following.facts["is_equal"] else MISSED,
        note,
    )


def snapshot(meter: Meter, home: str, repeats: int) -> dict[str, Any]:
    """Compute the features of the business date, of all clients."""
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


def next_day(meter: Meter, home: str, repeats: int) -> dict[str, Any]:
    """Compute the features of the business date from those of the day before, and count the cells that differ from the release's."""
    from features.build import build_features
    from features.declare import window_months
    from features.incremental import touched_clients
    from features.tables import CLIENT_REPAYMENT, CLIENT_REPAYMENT_SPEC
    from warehouse.curated.staged import Staged
    from warehouse.lake import Lake

    settings = settings_of(home)
    lake = Lake(settings)
    day = lake.at().release.business_date
    since = day - timedelta(days=1)
    candidate = lake.candidate("release", "benchmark-next-day")
    build_features(candidate, [since], settings.terms)
    before = candidate.table(CLIENT_REPAYMENT_SPEC.name)
    staged = Staged.read(candidate.table)
    touched = touched_clients(staged, before.filter(before.as_of_on == since), since, day, settings.terms, window_months(CLIENT_REPAYMENT))
    count = touched.count().to_pyarrow().as_py()
    for _ in range(repeats):
        with meter.run() as facts:
            facts["rows"] = build_features(candidate, [day], settings.terms, changed_on=day)
    made, whole = (
        table.filter(table.as_of_on == day).drop("computed_at").order_by("client_id").to_pyarrow()
        for table in (candidate.table(CLIENT_REPAYMENT_SPEC.name), lake.at().table(CLIENT_REPAYMENT_SPEC.name))
    )
    candidate.discard()
    lake.close()
    return {"touched": count, "is_equal": made.equals(whole)}


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
