"""What a benchmark ran on: machine, versions, commit and date, so that figures can be compared with those of another day."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("duckdb", "ibis-framework", "feast", "pyarrow", "pyiceberg", "dagster", "lightgbm", "bentoml", "numpy", "pandas")


def machine() -> dict[str, str]:
    """Facts by name, ready to print."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "cpu": f"{len(os.sched_getaffinity(0))} cores of {cpu_model()}",
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GB",
        "load at the start": f"{os.getloadavg()[0]:.1f} (mean length of the run queue in the last minute)",
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "libraries": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
    }


def cpu_model() -> str:
    """The processor's name for itself."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def commit() -> str:
    """The commit that is checked out, with a mark if files of the packages differ from it."""
    head = _git("rev-parse", "--short=12", "HEAD")
    if not head:
        return "unknown (no git here)"
    changed = _git("status", "--porcelain", "--", "warehouse", "features", "training", "serving", "orchestration")
    return f"{head} with uncommitted changes" if changed else head


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, cwd=Path(__file__).parent, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
