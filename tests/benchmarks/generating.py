"""Stage: the generated lender, which every other stage that needs a book stands on."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from tests.benchmarks.bench import Bench
from tests.benchmarks.harness import Meter
from tests.benchmarks.report import Claim, Section, Step, limit_claim

HOW = "`simulate()` of the whole profile, delivery files and truth included, once; memory is that of all its processes together."


def stage(bench: Bench) -> Section:
    """Generate the profile; a target exists for profile bench only."""
    profile = bench.book()
    step = bench.step(
        f"generate {profile.clients:,} clients", generate, bench.sizes.simulate_seconds, profile=bench.profile, seed=bench.seed,
        clients=profile.clients, out=bench.work / "lender",
    )  # fmt: skip
    return Section("Generated lender", HOW, (step,), claims(bench, step))


def for_book(bench: Bench, clients: int, out: Path) -> Step:
    """Generate the book of the stages that follow, delivered as csv, unless the whole profile is that book."""
    whole = bench.work / "lender"
    if (clients, "csv") == (bench.book().clients, bench.book().file_format) and (whole / "truth").exists():
        out.symlink_to(whole)
        return Step("generated before", wall=0.0, cpu=0.0)
    return bench.step(
        f"generate a book of {clients:,} clients", generate, bench.sizes.simulate_seconds, profile=bench.profile, seed=bench.seed,
        clients=clients, out=out, file_format="csv",
    )  # fmt: skip


def claims(bench: Bench, step: Step) -> tuple[Claim, ...]:
    """The targets of profile bench; others are smaller, so meeting them there would say nothing."""
    if bench.profile != "bench":
        return ()
    memory = step.peak_bytes / 1e9 if step.is_done else None
    return (
        limit_claim("bench generated, wall time", step.wall and step.wall / 60, "min", 10, step),
        limit_claim("bench generated, memory", memory, "GB", 6, step),
    )


def generate(
    meter: Meter, profile: str, seed: int, clients: int, out: str, file_format: Literal["csv", "parquet"] | None = None
) -> dict[str, Any]:
    """Write the deliveries of a lender, in the format of the profile unless another one is asked for."""
    from warehouse.simulate import PROFILES, simulate

    chosen = replace(PROFILES[profile], clients=clients)
    if file_format:
        chosen = replace(chosen, file_format=file_format)
    with meter.run():
        made = simulate(chosen, seed, Path(out))
    return {"rows": sum(made.row_counts.values()), "delivered_bytes": folder_bytes(made.delivery)}


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
