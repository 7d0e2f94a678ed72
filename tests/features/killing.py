"""Kills publishers to both stores: `python -m tests.features.killing HOME ADDRESS`.

It prints what readers see after each kill and after the next publish. The home holds two releases whose rows all differ in one feature.
Each round rolls the lake back to the other one, begins to publish it in a process of its own, ends that, and publishes again.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from features.online.reader import OnlineReader
from features.online_of_settings import online_backend
from features.publish import publish_online
from tests.features.releases import settings_of
from warehouse.lake import Lake
from warehouse.settings import Settings


def seen(settings: Settings) -> list[float]:
    """The releases, by the values that tell them, of which rows are online; the keys that only one has count too."""
    online = OnlineReader(online_backend(settings), features=["client_repayment:dpd"])
    rows = online.read([*(f"c{n:04d}" for n in range(1500)), "old", "new"])
    online.close()
    alone = {value for value, found in zip((1.0, 2.0), rows.found[-2:].tolist(), strict=True) if found}
    return sorted({*rows.values[rows.found, 0].tolist(), *alone})


def publish(settings: Settings, began: int) -> None:
    """Publish in this process; a byte says that the work begins."""
    with Lake(settings) as lake:
        os.write(began, b"x")
        publish_online(settings, lake)


def killed(settings: Settings, after: float | None) -> int:
    """How a publisher ended that was killed after some seconds, or at its crash point."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        publish(settings, write)
        os._exit(0)
    os.close(write)
    os.read(read, 1)
    os.close(read)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def rounds(home: Path, address: str, points: Sequence[str], moments: int) -> None:
    """Kills at some points and moments with one store, one line of JSON each."""
    settings = settings_of(home, online_address=address)
    with Lake(settings) as lake:
        lake.rollback(2)
        publish_online(settings, lake)
    draw, whole, wanted = Random(7), 0.0, 2
    for point in (*points, *[""] * moments):
        before, wanted = wanted, 3 - wanted
        with Lake(settings) as lake:
            lake.rollback(wanted)
        code = killed(settings_of(home, online_address=address, crash_at=point), None if point else draw.uniform(0, whole))
        after_kill, start = seen(settings), time.monotonic()
        if killed(settings, None) != 0:
            raise SystemExit("the next publish failed")
        whole = time.monotonic() - start
        found = {"store": address and "redis", "point": point, "code": code, "before": before, "wanted": wanted}
        sys.stdout.write(json.dumps({**found, "after_kill": after_kill, "after_next": seen(settings)}) + "\n")


if __name__ == "__main__":
    rounds(Path(sys.argv[1]), "", ["after_online_rows", "after_online_commit"], moments=2)
    rounds(Path(sys.argv[1]), sys.argv[2], ["after_some_online_rows", "before_online_commit", "after_online_commit"], moments=3)
