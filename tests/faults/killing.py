"""Killing real processes: at a named point of their work, or at any moment, and what is known of the home afterwards."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.homes import settings_of, started
from tests.warehouse.lake_book import ended
from warehouse.lake.catalog import Catalog
from warehouse.lake.crash import EXIT_CODE
from warehouse.lake.release_log import ReleaseLog

SIGKILLED = -9
AT_MOST_SECONDS = 300  # of a run that nobody kills


@dataclass
class Killed:
    """What happened to the runs of one home.

    Attributes:
        kills: how many runs were killed.
        by_point: kills by named point.
        acknowledged: run ids of the runs that ended well, in order.
        lost: acknowledged runs whose publish cannot be found any more.
        failures: whatever else should not be.
    """

    kills: int = 0
    by_point: dict[str, int] = field(default_factory=dict)
    acknowledged: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def kill_at(record: Killed, place: str, run: Callable[..., Any], *arguments: Any) -> None:
    """Run a function in a process that ends itself at a crash point."""
    code = ended(started(run, *arguments, crash_at=place), AT_MOST_SECONDS)
    if code != EXIT_CODE:
        record.failures.append(f"{run.__name__} did not end itself at {place}: exit code {code}")
    record.kills += 1
    record.by_point[place] = record.by_point.get(place, 0) + 1


def finish(record: Killed, run: Callable[..., Any], *arguments: Any, run_id: str) -> None:
    """Run a function in a process that nobody kills; it must succeed, and is acknowledged."""
    code = ended(started(run, *arguments, run_id), AT_MOST_SECONDS)
    if code != 0:
        record.failures.append(f"{run.__name__} {run_id}: exit code {code}")
    record.acknowledged.append(run_id)


def kill_after(record: Killed, seconds: float, run: Callable[..., Any], *arguments: Any, run_id: str) -> bool:
    """Run a function in a process and kill it -9 after some seconds; returns whether it was done before, and so is acknowledged."""
    process = started(run, *arguments, run_id)
    process.join(seconds)
    process.kill()
    code = ended(process)
    if code == 0:
        record.acknowledged.append(run_id)
        return True
    if code == SIGKILLED:
        record.kills += 1
    else:
        record.failures.append(f"{run.__name__} {run_id}: exit code {code}")
    return False


def published(home: Path, channel: str) -> dict[str, int]:
    """Number of every publish of a channel by the run that made it; only looks, where opening the lake would finish a killed publish."""
    catalog = Catalog(settings_of(home))
    try:
        return {release.run_id: release.release_id for release in ReleaseLog(catalog.engine).releases(channel)}
    finally:
        catalog.close()


def check_kept(record: Killed, home: Path, channel: str, promise: Callable[[str], str] = str) -> None:
    """Every acknowledged run is in the log, and the log has no gap.

    Args:
        record: with the acknowledged runs.
        home: to look at.
        channel: intake or release.
        promise: what a run id stands for, if several runs may keep one promise: the last one finds that a killed one has published.
    """
    found = published(home, channel)
    kept = {promise(run) for run in found}
    record.lost += [run for run in record.acknowledged if promise(run) not in kept]
    if sorted(found.values()) != list(range(1, len(found) + 1)):
        record.failures.append(f"publishes of {channel} are numbered {sorted(found.values())}")


def moments(seed: int, most: float) -> Callable[[], float]:
    """A source of seconds at which to kill: half of them anywhere, half of them in the first third, where most things begin."""
    chance = random.Random(seed)
    return lambda: chance.uniform(0, most) if chance.random() < 0.5 else chance.uniform(0, most / 3)
