"""Measuring one piece of work in a process of its own: wall time, CPU seconds, peak memory, and what it says about itself.

Time and CPU are those of the parts that the work marks with `meter.run()`, so that imports and preparation do not count. Memory is the
greatest sum of resident memory over the whole life of the process and everything it started; shared pages count once a process.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

SAMPLE_SECONDS = 0.2
PAGE = os.sysconf("SC_PAGE_SIZE")
Call = tuple[float, float]  # wall and CPU seconds
FAILED = "failed: "  # what a problem begins with that is a fault and not a limit
ROOT = Path(__file__).parents[2]


class NotPossible(RuntimeError):
    """The work cannot be done on this data, which is a result and no fault."""


@dataclass(frozen=True)
class Run:
    """One measured run: wall seconds, CPU seconds of the process and of the children it waited for, and facts."""

    wall: float
    cpu: float
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """What became of one piece of work.

    Attributes:
        runs: its measured runs, in their order.
        facts: what it returned.
        peak_bytes: see the module.
        problem: why there is no figure, or no full one; empty if there is.
    """

    runs: tuple[Run, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    peak_bytes: int = 0
    problem: str = ""

    @property
    def is_done(self) -> bool:
        """Whether the figures can be used."""
        return not self.problem and bool(self.runs)

    @property
    def wall(self) -> float | None:
        """Median wall seconds of a run."""
        return median(run.wall for run in self.runs) if self.runs else None

    @property
    def cpu(self) -> float | None:
        """Median CPU seconds of a run."""
        return median(run.cpu for run in self.runs) if self.runs else None

    @property
    def spread(self) -> float | None:
        """Greatest minus smallest CPU seconds, in relation to the median; None for a single run."""
        if len(self.runs) < 2 or not self.cpu:
            return None
        return (max(run.cpu for run in self.runs) - min(run.cpu for run in self.runs)) / self.cpu


class Meter:
    """Collects the measured runs of the work that is given it."""

    def __init__(self) -> None:
        self.runs: list[Run] = []

    @contextmanager
    def run(self) -> Iterator[dict[str, Any]]:
        """Measure the block; what is put into the yielded dict is kept with the run."""
        facts: dict[str, Any] = {}
        cpu, wall = cpu_seconds(), time.perf_counter()
        yield facts
        self.runs.append(Run(time.perf_counter() - wall, cpu_seconds() - cpu, facts))


def cpu_seconds() -> float:
    """CPU seconds of this process with all threads, and of its ended children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def measure(
    work: Callable[..., Any],
    arguments: Mapping[str, Any],
    limit_seconds: float,
    limit_bytes: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> Measured:
    """Run `work(meter, **arguments)` in a new Python process and wait for it.

    Args:
        work: a function at the top of a module; what it returns, a dict or None, become the facts.
        arguments: as JSON can hold them.
        limit_seconds: after so long the process and all that it started are ended.
        limit_bytes: the same for its memory.
        environment: variables beside those of this process.
    """
    with tempfile.TemporaryDirectory() as folder:
        answer, log = Path(folder) / "answer.json", Path(folder) / "log"
        command = [sys.executable, "-m", "tests.benchmarks.child", f"{work.__module__}:{work.__name__}", json.dumps(arguments), str(answer)]
        with log.open("wb") as output:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=ROOT, env={**os.environ, **(environment or {})}
            )
        peak, problem = _watch(child, limit_seconds, limit_bytes)
        said = json.loads(answer.read_text()) if answer.exists() else {"error": f"{FAILED}the process ended with code {child.returncode}"}
        if not problem and said["error"]:
            problem = said["error"]
        if problem.startswith(FAILED):
            sys.stderr.write(log.read_text(errors="replace")[-4000:])
        if problem:
            return Measured(peak_bytes=peak, problem=problem)
    runs = tuple(Run(**run) for run in said["runs"])
    return Measured(runs, said["facts"], max(peak, said["peak_bytes"]))


def _watch(child: subprocess.Popen, limit_seconds: float, limit_bytes: int | None) -> tuple[int, str]:
    """Wait for a process; the greatest memory of its tree, and why it was ended if it was."""
    deadline, peak = time.monotonic() + limit_seconds, 0
    while child.poll() is None:
        peak = max(peak, tree_bytes(child.pid))
        problem = ""
        if time.monotonic() > deadline:
            problem = f"not finished in {limit_seconds:.0f} s"
        elif limit_bytes and peak > limit_bytes:
            problem = f"ended at {peak / 1e9:.1f} GB of memory"
        if problem:
            end_tree(child)
            return peak, problem
        with suppress(subprocess.TimeoutExpired):
            child.wait(SAMPLE_SECONDS)
    return peak, ""


def tree_bytes(pid: int) -> int:
    """Resident memory of a process and its descendants, in bytes; processes that end meanwhile count as nothing."""
    total = 0
    for member in tree(pid):
        with suppress(OSError, IndexError, ValueError):
            total += int(Path(f"/proc/{member}/statm").read_text().split()[1]) * PAGE
    return total


def tree(pid: int) -> list[int]:
    """A process and its descendants, parents first."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with suppress(OSError, IndexError, ValueError):
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(folder.name))
    found = [pid]
    for member in found:
        found += children.get(member, [])
    return found


def end_tree(child: subprocess.Popen) -> None:
    """End a process and everything it started, servers in sessions of their own included."""
    for member in reversed(tree(child.pid)):
        with suppress(ProcessLookupError):
            os.kill(member, signal.SIGKILL)
    child.wait()


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of all values does not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def latencies(calls: Mapping[str, Callable[[Any], Any]], asked: Sequence[Any], warm: int = 20) -> dict[str, list[Call]]:
    """Wall and CPU seconds of each call for each question; several callees take turns, and the first rounds do not count."""
    taken: dict[str, list[Call]] = {name: [] for name in calls}
    for question in [*asked[:warm], *asked]:
        for name, call in calls.items():
            cpu, wall = time.process_time(), time.perf_counter()
            call(question)
            taken[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {name: spent[len(asked[:warm]) :] for name, spent in taken.items()}


def summary(calls: Sequence[Call]) -> dict[str, float]:
    """Number of calls, their p50 and p99, and the p50 of their CPU time in this process, in milliseconds."""
    wall, cpu = ([call[place] for call in calls] for place in (0, 1))
    return {
        "calls": len(calls),
        "p50_ms": percentile(wall, 0.5) * 1000,
        "p99_ms": percentile(wall, 0.99) * 1000,
        "cpu_p50_ms": percentile(cpu, 0.5) * 1000,
    }
