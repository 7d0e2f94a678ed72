"""docs/benchmarks.md from the result files beside it: a table of claims a profile, then what was measured, how, and on what."""

from collections.abc import Sequence
from dataclasses import replace

from tests.benchmarks.report import MET, MISSED, UNMEASURED, Claim, Report, Section, Step

EARLIER = "earlier run"
HEAD = """<!-- Written by make bench. Do not edit: the figures are in the files of docs/benchmarks. -->
# Benchmarks

What the platform costs, side by side with a named reference in the same run on the same machine. `make bench PROFILE=mid` writes this page
and `docs/benchmarks/`. Machines differ and are shared, so read the ratios first, then CPU seconds, then wall time; nothing here passes or
fails a test.

Each piece of work runs in a process of its own. Time and CPU are those of the work alone, without imports and preparation, CPU with all
threads and child processes. Memory is the greatest sum of resident memory of the process and everything it started, Python and libraries
included. Where a step was measured several times, the table has the median, and the spread is greatest minus smallest CPU seconds in
relation to it.
"""


def page(reports: Sequence[Report]) -> str:
    """The page of some profiles."""
    return HEAD + "".join(_profile(report) for report in reports)


def _profile(report: Report) -> str:
    claims = [_dated(claim, section) for section in report.sections for claim in section.claims]
    parts = [
        f"\n## Profile {report.profile}\n\n{_notes(report)}{_verdict(claims)}\n\n{_claims(claims)}\n",
        *(_section(section) for section in report.sections),
        f"\n### Where and how large\n\n{_facts(report)}\n",
    ]
    return "".join(parts)


def _dated(claim: Claim, section: Section) -> Claim:
    """A claim that says so if the last run did not measure it."""
    return replace(claim, note="; ".join(filter(None, (claim.note, EARLIER)))) if section.is_earlier else claim


def _notes(report: Report) -> str:
    return "".join(f"{note}\n\n" for note in report.notes)


def _verdict(claims: Sequence[Claim]) -> str:
    """Missed targets and missing figures first, in words."""
    judged = [claim for claim in claims if claim.target != "none set"]
    said = [f"{sum(claim.verdict == MET for claim in judged)} of {len(judged)} targets are met."]
    for verdict, words in ((MISSED, "Missed"), (UNMEASURED, "Not measured")):
        names = [claim.what for claim in judged if claim.verdict == verdict]
        said.append(f"{words}: {'; '.join(names)}." if names else f"{words}: none.")
    return "\n".join(said[:1]) + "\n\n" + "\n\n".join(said[1:])


def _claims(claims: Sequence[Claim]) -> str:
    rows = [(c.what, c.figure, c.reference, c.ratio, c.target, _word(c), c.note) for c in claims]
    return _table(("what", "figure", "reference", "ratio", "target", "", "note"), rows)


def _word(claim: Claim) -> str:
    if claim.target == "none set":
        return "no target"
    return f"**{claim.verdict}**" if claim.verdict == MISSED else claim.verdict


def _section(section: Section) -> str:
    text = f"\n### {section.title}\n\n{section.how}\n" + (f"\nThese figures are of an {EARLIER}.\n" if section.is_earlier else "")
    timed = [step for step in section.steps if "p50_ms" not in step.facts]
    called = [step for step in section.steps if "p50_ms" in step.facts]
    if timed:
        text += "\n" + _table(("step", "rows", "wall s", "CPU s", "runs", "spread", "rows/s", "memory MB"), map(_timed, timed)) + "\n"
    if called:
        text += "\n" + _table(("step", "calls", "p50 ms", "p99 ms", "CPU p50 ms", "clients/s", "memory MB"), map(_called, called)) + "\n"
    return text + "".join(f"\n{note}\n" for note in section.notes)


def _timed(step: Step) -> tuple[str, ...]:
    rows = f"{step.rows:,}" if step.rows else ""
    if not step.is_done:
        return (step.name, rows, step.problem, *[""] * 5)
    return (
        step.name,
        rows,
        f"{step.wall:.2f}",
        f"{step.cpu:.2f}",
        str(step.runs),
        f"{step.spread:.0%}" if step.spread is not None else "",
        f"{step.rows / step.wall:,.0f}" if step.rows and step.wall else "",
        f"{step.peak_bytes / 1e6:,.0f}",
    )


def _called(step: Step) -> tuple[str, ...]:
    facts = step.facts
    speed = f"{facts['clients_per_second']:,.0f}" if "clients_per_second" in facts else ""
    cpu = f"{facts['cpu_p50_ms']:.3f}" if "cpu_p50_ms" in facts else ""
    return (
        step.name,
        f"{facts['calls']:,}",
        f"{facts['p50_ms']:.3f}",
        f"{facts['p99_ms']:.3f}",
        cpu,
        speed,
        f"{step.peak_bytes / 1e6:,.0f}",
    )


def _facts(report: Report) -> str:
    sizes = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in report.sizes.items())
    facts = {**report.machine, "sizes": sizes, "seed": report.seed, "whole run": f"{report.wall / 60:.1f} min"}
    return _table(("", ""), [(name, str(value)) for name, value in facts.items()])


def _table(head: Sequence[str], rows: object) -> str:
    lines = [head, ["---"] * len(head), *rows]  # type: ignore[misc]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines)
