"""What a benchmark found, as records that go to JSON and back: sections of steps and claims.

A step is something that was measured; a claim compares two figures of one run with a target of the design.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from tests.benchmarks.harness import FAILED, Measured

MET, MISSED, UNMEASURED = "met", "missed", "not measured"


@dataclass(frozen=True)
class Step:
    """One measured piece of work.

    Attributes:
        name: what was done.
        rows: how many rows it worked on, None where that says nothing.
        wall: median wall seconds; None if there is no figure.
        cpu: median CPU seconds.
        spread: greatest minus smallest CPU seconds, in relation to the median.
        peak_bytes: of memory.
        runs: how often it was measured.
        facts: what else it said, for example p50_ms and p99_ms.
        problem: why there is no figure.
    """

    name: str
    rows: int | None = None
    wall: float | None = None
    cpu: float | None = None
    spread: float | None = None
    peak_bytes: int = 0
    runs: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    problem: str = ""

    @classmethod
    def of(cls, name: str, measured: Measured) -> "Step":
        """The step as it was measured; facts of the last run go before those of the whole."""
        facts = measured.facts | (measured.runs[-1].facts if measured.runs else {})
        return cls(
            name=name,
            rows=facts.get("rows"),
            wall=measured.wall,
            cpu=measured.cpu,
            spread=measured.spread,
            peak_bytes=measured.peak_bytes,
            runs=len(measured.runs),
            facts=facts,
            problem=measured.problem,
        )

    @property
    def is_done(self) -> bool:
        """Whether its figures can be used."""
        return not self.problem and self.wall is not None


@dataclass(frozen=True)
class Claim:
    """A figure beside its reference and its target.

    Attributes:
        what: what is claimed.
        figure: ours, with its unit.
        reference: what it is compared with, with its unit; empty where the target is absolute.
        ratio: ours to the reference; empty where there is none.
        target: from the design.
        verdict: whether it is met.
        note: what a reader must know to judge it.
    """

    what: str
    figure: str
    reference: str
    ratio: str
    target: str
    verdict: Literal["met", "missed", "not measured"]
    note: str = ""


@dataclass(frozen=True)
class Section:
    """One stage: what was measured, what it means, and how; is_earlier if the last run left it out and an earlier one measured it."""

    title: str
    how: str
    steps: tuple[Step, ...] = ()
    claims: tuple[Claim, ...] = ()
    notes: tuple[str, ...] = ()
    is_earlier: bool = False


@dataclass(frozen=True)
class Report:
    """One run of the benchmark."""

    profile: str
    seed: int
    machine: dict[str, str]
    sizes: dict[str, Any]
    wall: float
    sections: tuple[Section, ...]
    notes: tuple[str, ...] = ()

    @property
    def faults(self) -> list[str]:
        """Steps that failed for another reason than a limit or the data."""
        return [f"{step.name}: {step.problem}" for section in self.sections for step in section.steps if step.problem.startswith(FAILED)]

    def as_json(self) -> dict[str, Any]:
        """The record as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Report":
        """The record from plain values."""
        sections = tuple(
            Section(
                title=section["title"],
                how=section["how"],
                steps=tuple(Step(**step) for step in section["steps"]),
                claims=tuple(Claim(**claim) for claim in section["claims"]),
                notes=tuple(section["notes"]),
                is_earlier=section.get("is_earlier", False),
            )
            for section in values["sections"]
        )
        return cls(**{**values, "sections": sections, "notes": tuple(values["notes"])})


def beside_earlier(report: Report, earlier: Report | None) -> Report:
    """A run of some stages, with the sections of an earlier run that it did not measure in their places."""
    if earlier is None:
        return report
    new = {section.title: section for section in report.sections}
    titles = dict.fromkeys([section.title for section in earlier.sections] + list(new))
    held = {section.title: replace(section, is_earlier=True) for section in earlier.sections}
    return replace(report, sections=tuple(new.get(title) or held[title] for title in titles))


def ratio_claim(what: str, step: Step, reference: Step, target: float, unit: str = "cpu", note: str = "") -> Claim:
    """At most `target` times the reference, by CPU seconds (or wall seconds)."""
    name = {"cpu": "CPU s", "wall": "s"}[unit]
    ours, theirs = getattr(step, unit), getattr(reference, unit)
    wanted = f"at most {target:g}x"
    if not (step.is_done and reference.is_done):
        return unmeasured(what, wanted, step, reference)
    ratio = ours / theirs
    figure, other = f"{ours:.2f} {name}", f"{reference.name}: {theirs:.2f} {name}"
    return Claim(what, figure, other, f"{ratio:.2f}x", wanted, MET if ratio <= target else MISSED, note)


def limit_claim(what: str, value: float | None, unit: str, target: float, step: Step, note: str = "") -> Claim:
    """At most an absolute figure."""
    wanted = f"at most {target:g} {unit}"
    if value is None or not step.is_done:
        return unmeasured(what, wanted, step)
    return Claim(what, f"{value:.3g} {unit}", "", "", wanted, MET if value <= target else MISSED, note)


def least_claim(what: str, value: float | None, unit: str, target: float, step: Step, note: str = "") -> Claim:
    """At least an absolute figure."""
    wanted = f"at least {target:,g} {unit}"
    if value is None or not step.is_done:
        return unmeasured(what, wanted, step)
    return Claim(what, f"{value:,.0f} {unit}", "", "", wanted, MET if value >= target else MISSED, note)


def unmeasured(what: str, target: str, *steps: Step) -> Claim:
    """A claim for which a figure is missing, and why."""
    why = "; ".join(f"{step.name}: {step.problem}" for step in steps if step.problem)
    return Claim(what, "", "", "", target, UNMEASURED, why)
