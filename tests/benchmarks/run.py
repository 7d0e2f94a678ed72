"""`python -m tests.benchmarks.run`: measure every stage on one profile, write docs/benchmarks/<profile>.json and docs/benchmarks.md.

A stage that needs the built book takes the largest one that is finished in time, and the page says which.
"""

import argparse
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from tests.benchmarks import building, generating, intake, online, retrieval, scoring, snapshot
from tests.benchmarks.bench import Bench
from tests.benchmarks.harness import ROOT
from tests.benchmarks.machine import machine
from tests.benchmarks.page import page
from tests.benchmarks.report import Report, Section, Step, beside_earlier
from tests.benchmarks.sizes import SIZES, sizes_of

STAGES = ("simulate", "ingest", "build", "daily", "snapshot", "score", "online", "retrieval")
NEEDS_BOOK = {"ingest", "build", "daily", "snapshot", "score"}
DOCS = ROOT / "docs"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark as the command line says."""
    asked = parser().parse_args(arguments)
    if asked.render:
        render(asked.out)
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sizes = sizes_of(asked.profile)
    sizes = replace(sizes, limit_seconds=asked.limit or sizes.limit_seconds, book_clients=asked.clients or sizes.book_clients)
    work = asked.work or Path(tempfile.mkdtemp(prefix="lending-bench-"))
    work.mkdir(parents=True, exist_ok=True)
    facts, bench = machine(), Bench(asked.profile, asked.seed, sizes, work.absolute())
    try:
        sections = run(bench, asked.stages or list(STAGES))
    finally:
        if asked.work is None:
            shutil.rmtree(work, ignore_errors=True)
    report = Report(
        asked.profile, asked.seed, facts, asdict(sizes), bench.sizes.limit_seconds - bench.left, tuple(sections), tuple(bench.notes)
    )
    if asked.stages:  # what was not asked for stays on the page, and says of when it is
        report = beside_earlier(
            report, next((held for held in held_reports(asked.out / "benchmarks") if held.profile == asked.profile), None)
        )
    write(report, asked.out)
    for fault in report.faults:
        bench.say(f"fault: {fault}")
    return 1 if report.faults else 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="tests.benchmarks.run", description=__doc__)
    made.add_argument("--profile", default="mid", choices=list(SIZES))
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--stages", nargs="+", choices=STAGES, help="only these; build and what follows it need ingest")
    made.add_argument("--limit", type=int, help="seconds of the whole run")
    made.add_argument("--clients", type=int, help="clients of the book that is ingested and built")
    made.add_argument("--work", type=Path, help="folder to work in, which is kept; by default a temporary one")
    made.add_argument("--out", type=Path, default=DOCS, help="where benchmarks.md and benchmarks/ are written")
    made.add_argument("--render", action="store_true", help="measure nothing, write the page again from the results beside it")
    return made


def run(bench: Bench, stages: Sequence[str]) -> list[Section]:
    """The sections of the asked stages."""
    if left_out := [stage for stage in STAGES if stage not in stages]:
        bench.notes.append(f"Stages that were not asked for: {', '.join(left_out)}.")
    sections = []
    if "simulate" in stages:
        sections.append(generating.stage(bench))
    if NEEDS_BOOK & set(stages):
        sections += run_book(bench, stages)
    if "online" in stages:
        sections += online.stages(bench)
    if "retrieval" in stages:
        sections.append(retrieval.stage(bench))
    return sections


def run_book(bench: Bench, stages: Sequence[str]) -> list[Section]:
    """The stages of the largest book that is built in time; what was not finished of larger ones is told."""
    told: list[Section] = []
    sizes = bench.sizes
    for clients in (sizes.book_clients, *(size for size in sizes.smaller_books if size < sizes.book_clients)):
        book, home = bench.work / f"book_{clients}", bench.work / f"home_{clients}"
        taken, built, sections = first_release(bench, book, home, clients, stages)
        told += sections
        if not NEEDS_BOOK & set(stages) - {"ingest"} or built.is_done:
            break
        bench.say(f"a book of {clients:,} clients was not built: {built.problem}")
        bench.notes.append(f"A book of {clients:,} clients was not built: {built.problem}.")
    bench.notes.append(size_note(bench, clients))
    if "daily" in stages and built.is_done:
        told.append(building.daily_stage(bench, book, home, (taken, built)))
    if "snapshot" in stages and built.is_done:
        told.append(snapshot.stage(bench, home))
    if "score" in stages:
        told.append(scoring.stage(bench, home if built.is_done else None))
    return told


def size_note(bench: Bench, clients: int) -> str:
    """How the book of the stages relates to the profile."""
    whole = bench.book()
    said = f"Stages that need a book used {clients:,} clients over {whole.months} months, delivered as csv"
    if clients == whole.clients:
        return f"{said}: the whole profile."
    return (
        f"{said}: the profile's calendar with fewer of its {whole.clients:,} clients, since all of them are not built in the time of a run."
    )


def first_release(bench: Bench, book: Path, home: Path, clients: int, stages: Sequence[str]) -> tuple[Step, Step, list[Section]]:
    """Generate, ingest and build a book of so many clients."""
    if not book.exists():
        made = generating.for_book(bench, clients, book)
        if not made.is_done:
            return made, made, []
    taken_section, taken = intake.stage(bench, book, home)
    if not taken.is_done or not NEEDS_BOOK & set(stages) - {"ingest"}:
        return taken, Step("build", problem=f"the opening delivery was not ingested: {taken.problem}"), [taken_section]
    built_section, built = building.build_stage(bench, home, clients)
    return taken, built, [taken_section, built_section]


def write(report: Report, out: Path) -> None:
    """Keep the result and render the page of all results."""
    folder = out / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{report.profile}.json").write_text(json.dumps(report.as_json(), indent=1) + "\n")
    render(out)


def render(out: Path) -> None:
    """Write the page of all results."""
    (out / "benchmarks.md").write_text(page(held_reports(out / "benchmarks")))


def held_reports(folder: Path) -> list[Report]:
    """The results of all profiles, the smallest profile first."""
    found = {file.stem: file for file in folder.glob("*.json")}
    return [Report.from_json(json.loads(found[name].read_text())) for name in SIZES if name in found]


if __name__ == "__main__":
    sys.exit(main())
