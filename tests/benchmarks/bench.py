"""One run of the benchmark: where its files are, how large it is, and how much time is left for each step."""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.benchmarks.harness import Measured, measure
from tests.benchmarks.report import Step
from tests.benchmarks.sizes import Sizes
from warehouse.settings import Settings

if TYPE_CHECKING:
    from warehouse.simulate import Profile

LEAST_SECONDS = 5  # with less time left a step is not begun
MEMORY_GUARD = 14 * 10**9  # bytes; stock Feast passed 11 GB and was still growing


@dataclass
class Bench:
    """What the stages share.

    Attributes:
        profile: name of the profile.
        seed: of the generated lender and of all generated files.
        sizes: see there.
        work: folder for everything that the run writes.
        started: monotonic seconds.
        notes: what a reader must know of the run as a whole.
    """

    profile: str
    seed: int
    sizes: Sizes
    work: Path
    started: float = field(default_factory=time.monotonic)
    notes: list[str] = field(default_factory=list)

    def step(self, name: str, work: Callable[..., Any], limit: float | None = None, **arguments: Any) -> Step:
        """Measure one piece of work, within what is left of the time."""
        seconds = min(limit or self.sizes.stage_seconds, self.left)
        self.say(f"{name} ...")
        if seconds < LEAST_SECONDS:
            measured = Measured(problem=f"the {self.sizes.limit_seconds} s of the run were over")
        else:
            measured = measure(work, _plain(arguments), seconds, MEMORY_GUARD)
        step = Step.of(name, measured)
        self.say(f"{name}: {step.problem or f'{step.wall:.2f} s, {step.cpu:.2f} CPU s, {step.peak_bytes / 1e6:.0f} MB'}")
        return step

    @property
    def left(self) -> float:
        """Seconds that are left of the run."""
        return self.sizes.limit_seconds - (time.monotonic() - self.started)

    def book(self, clients: int | None = None) -> "Profile":
        """The profile, or its calendar and formats with another number of clients."""
        from warehouse.simulate import PROFILES

        profile = PROFILES[self.profile]
        return profile if clients in (None, profile.clients) else replace(profile, clients=clients)

    def say(self, line: str) -> None:
        """Show progress."""
        sys.stderr.write(f"[{time.monotonic() - self.started:5.0f} s] {line}\n")


def settings_of(home: Path | str, **changes: Any) -> Settings:
    """The platform's default settings for a home."""
    return replace(Settings.from_env({"LENDING_HOME": str(home)}), **changes)


def missing(name: str, why: str) -> Step:
    """A step that cannot be measured."""
    return Step(name, problem=why)


def _plain(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as JSON can hold them."""
    return {name: str(value) if isinstance(value, Path) else value for name, value in arguments.items()}
