"""Stage: the opening delivery into raw and staging, beside DuckDB typing the same files."""

from datetime import date
from pathlib import Path
from typing import Any

from tests.benchmarks.bench import Bench, settings_of
from tests.benchmarks.harness import Meter
from tests.benchmarks.report import Section, Step, ratio_claim

HOW = (
    "The job behind `lending ingest` takes the opening delivery into an empty home, once: copy, raw, staging, quarantine, ledger, audits, "
    "publish. The reference reads the same files as text and writes them as typed Parquet with plain DuckDB: no raw copy, no duplicates "
    "found, no row judged, nothing kept about rejected rows."
)


def stage(bench: Bench, book: Path, home: Path) -> tuple[Section, Step]:
    """Ingest the opening delivery of a book into an empty home."""
    opening = openings(book)[0]
    limit = bench.sizes.ingest_seconds
    ours = bench.step("ingest the opening delivery", ingest, limit, home=home, delivery=opening)
    plain = bench.step(
        "DuckDB types the same files",
        type_files,
        limit,
        delivery=opening,
        out=bench.work / f"typed_{home.name}",
        repeats=bench.sizes.repeats,
    )
    claim = ratio_claim("first load: raw to typed, deduplicated staging", ours, plain, 5)
    return Section("Intake of the first load", HOW, (ours, plain), (claim,), notes(ours)), ours


def notes(ours: Step) -> tuple[str, ...]:
    """What the rows became, so that nobody takes a fast refusal for a fast intake."""
    if not ours.is_done:
        return ()
    counts = ", ".join(f"{ours.facts[name]:,} {name}" for name in ("accepted", "duplicate", "quarantined", "parked", "rejected"))
    return (f"Rows of the first load: {ours.rows:,} delivered, {counts}.",)


def openings(book: Path) -> list[Path]:
    """Delivery folders of a generated lender, the opening one first."""
    return sorted((book / "delivery").iterdir())


def ingest(meter: Meter, home: str, delivery: str) -> dict[str, Any]:
    """Take one delivery as the command does."""
    from orchestration.commands.runs import Runner

    folder = Path(delivery)
    runner = Runner(settings_of(home))
    with meter.run():
        runner.run("ingest", [date.fromisoformat(folder.name)], {"intake": {"path": delivery}})
    result = runner.platform.ingested
    if result is None or result.error:
        raise RuntimeError(f"the delivery was refused: {result and result.error}")
    names = ("rows_in", "accepted", "duplicate", "quarantined", "parked", "rejected")
    counts = {name: sum(getattr(file, name) for file in result.files) for name in names}
    return {"rows": counts.pop("rows_in"), **counts}


def type_files(meter: Meter, delivery: str, out: str, repeats: int) -> dict[str, Any]:
    """The reference."""
    from tests.benchmarks.plain_sql import connect, type_delivery

    for number in range(repeats):
        con = connect()
        with meter.run():
            rows = type_delivery(con, Path(delivery), Path(out) / str(number))
        con.close()
    return {"rows": rows}
