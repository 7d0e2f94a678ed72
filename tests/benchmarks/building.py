"""Stages: a release of the whole book, and the release after the delivery of one day."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.benchmarks.bench import Bench, settings_of
from tests.benchmarks.harness import Meter, cpu_seconds
from tests.benchmarks.intake import ingest, openings
from tests.benchmarks.report import MET, MISSED, Claim, Section, Step, limit_claim, ratio_claim, unmeasured
from tests.benchmarks.scans import scan_columns

BUILD_HOW = (
    "The job behind `lending build`, once, on the home that was ingested before: curated tables, features of every month end, marts, "
    "audits, one release. CPU seconds of each layer include what Dagster does for it. The reference is one plain scan of the columns of"
    " staging.installments and staging.repayments that positions read."
)
DAILY_HOW = (
    "The same two jobs after the delivery of one more day, once. The share is CPU seconds of the day's ingest and build in relation to "
    "those of the first ingest and the full build above. The build computes the partitions that the delivery can have changed, and what is "
    "as of the business date; docs/adr/0015 says which."
)
LEDGER = ("installments", "repayments")


def build_stage(bench: Bench, home: Path, clients: int) -> tuple[Section, Step]:
    """Build the first release."""
    ours = bench.step(f"build of {clients:,} clients", build, bench.sizes.build_seconds, home=home)
    scan = bench.step("plain scan of the ledger", scan_columns, home=home, tables=LEDGER, repeats=bench.sizes.repeats)
    tables = _tables_alone(ours)
    claims = (
        ratio_claim("build: all curated tables and marts", tables, scan, 25, note="without features and without publishing"),
        limit_claim("build: memory", ours.peak_bytes / 1e9 if ours.is_done else None, "GB", 8, ours),
    )
    return Section("Build of a release", BUILD_HOW, (ours, scan), claims, layers(ours)), ours


def _tables_alone(built: Step) -> Step:
    """The curated tables and the marts of a build, as a step."""
    if not built.is_done:
        return built
    of_layers: dict[str, float] = built.facts["layers"]
    return replace(built, name="curated tables and marts", cpu=of_layers["curated"] + of_layers["marts"])


def daily_stage(bench: Bench, book: Path, home: Path, full: tuple[Step, Step]) -> Section:
    """Ingest and build the delivery of the second day."""
    what, target = "daily run after a one-day delivery", "at most 1/20 of the full ingest and build"
    if len(openings(book)) < 2:
        nothing = Step("ingest the delivery of one day", problem=f"profile {bench.profile} has no second delivery")
        return Section("Daily run", DAILY_HOW, (nothing,), (unmeasured(what, target, nothing),))
    day = openings(book)[1]
    taken = bench.step("ingest the delivery of one day", ingest, bench.sizes.ingest_seconds, home=home, delivery=day)
    if taken.is_done:
        built = bench.step("build after that day", build, bench.sizes.build_seconds, home=home)
    else:
        built = Step("build after that day", problem="its delivery was not ingested")
    steps = (taken, built)
    if not all(step.is_done for step in (*steps, *full)):
        return Section("Daily run", DAILY_HOW, steps, (unmeasured(what, target, *steps, *full),))
    ours, whole = (sum(step.cpu or 0 for step in pair) for pair in (steps, full))
    claim = Claim(
        what, f"{ours:.1f} CPU s", f"full ingest and build: {whole:.1f} CPU s", f"1/{whole / ours:.1f}", target,
        MET if ours <= whole / 20 else MISSED,
    )  # fmt: skip
    claims = (claim, _ingest_claim(taken, full[0]), _build_claim(built, full[1]))
    return Section("Daily run", DAILY_HOW, steps, claims, layers(built))


def _ingest_claim(day: Step, first: Step) -> Claim:
    """What the ingest of a day costs, apart from the build."""
    if not (day.cpu and first.cpu):
        return unmeasured("ingest of a one-day delivery", "none set", day, first)
    ratio = f"1/{first.cpu / day.cpu:.1f}"
    note = "no target of its own; what a run costs at least is most of it"
    reference = f"first load: {first.cpu:.1f} CPU s"
    return Claim("ingest of a one-day delivery", f"{day.cpu:.1f} CPU s", reference, ratio, "none set", MET, note)


def _build_claim(day: Step, first: Step) -> Claim:
    """What the build after one day costs, apart from the ingest: months and snapshots that the day cannot have changed are kept."""
    if not (day.cpu and first.cpu):
        return unmeasured("build after a one-day delivery", "none set", day, first)
    note = "no target of its own; month ends and snapshots before the day are kept, facts as of the business date are not"
    reference = f"build of all dates: {first.cpu:.1f} CPU s"
    return Claim("build after a one-day delivery", f"{day.cpu:.1f} CPU s", reference, f"1/{first.cpu / day.cpu:.1f}", "none set", MET, note)


def layers(step: Step) -> tuple[str, ...]:
    """CPU seconds of each layer, as a sentence."""
    if not step.is_done:
        return ()
    parts = ", ".join(f"{name} {seconds:.1f}" for name, seconds in step.facts["layers"].items())
    return (f"CPU seconds by layer of “{step.name}”: {parts}.",)


def build(meter: Meter, home: str) -> dict[str, Any]:
    """Build and publish as the command does, with the CPU seconds of each step."""
    import dagster as dg

    from orchestration.commands.runs import PROGRESS, Runner

    runner, marks = Runner(settings_of(home)), {}

    @dg.success_hook
    def mark(context: dg.HookContext) -> None:
        marks[context.op.name] = cpu_seconds()

    job = runner.definitions.resolve_job_def("build").with_hooks({mark})
    day = runner.platform.business_date()
    with meter.run():
        before = cpu_seconds()
        job.execute_in_process(instance=runner.instance, partition_key=day.isoformat(), run_config=PROGRESS)
    layers = {}
    for name, at in marks.items():
        layers[name], before = at - before, at
    release = runner.platform.lake.at().release
    return {"layers": layers, "release_id": release.release_id, "business_date": day.isoformat()}
