"""A home on a file system of its own: full, or read-only. Run as a program within a mount namespace, tells what happened as JSON.

python -m tests.faults.sealed full|readonly HOME FILES    (tests/faults/test_pipeline.py mounts HOME first)
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.faults import days
from tests.faults.homes import ingest, settings_of, torn_intake
from warehouse.lake import Lake

LENDING = Path(sys.executable).parent / "lending"
ROOT = Path(__file__).parents[2]
UNSHARE = ("unshare", "--user", "--map-root-user", "--mount", "--propagation", "private")
MOUNTS = {  # shell text that prepares HOME, as $0
    "full": 'mount -t tmpfs -o size=24m tmpfs "$0"',
    "readonly": "true",  # sealed once there is something to seal
}


def can_mount(folder: Path) -> bool:
    """Whether this machine lets a process mount within a namespace of its own; some containers and kernels do not."""
    if shutil.which("unshare") is None:
        return False
    asked = subprocess.run([*UNSHARE, "sh", "-c", MOUNTS["full"], str(folder)], capture_output=True, check=False)
    return asked.returncode == 0


def in_namespace(what: str, home: Path, files: Path) -> dict[str, Any]:
    """Run one of the stories below with a home of its own and read what it tells."""
    home.mkdir()
    script = MOUNTS[what] + ' && exec "$@"'
    command = [*UNSHARE, "sh", "-c", script, str(home), sys.executable, "-m", "tests.faults.sealed", what, str(home), str(files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, "PYTHONWARNINGS": "ignore"})
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def look(lake: Lake) -> dict[str, Any]:
    """What a reader sees now."""
    intake = lake.intake()
    assert intake is not None
    return {"number": intake.release.release_id, "torn": torn_intake(intake)}


def look_afresh(home: Path) -> dict[str, Any]:
    """What a reader sees that comes now."""
    with Lake(settings_of(home)) as lake:
        return look(lake)


def command(home: Path, folder: Path, number: int) -> dict[str, Any]:
    """`lending ingest` as a person runs it."""
    arguments = [LENDING, "ingest", str(folder), "--business-date", days.day_of(number).isoformat()]
    environment = {**os.environ, "LENDING_HOME": str(home)}
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if line.startswith("lending")]
    return {"code": done.returncode, "said": said, "has_trace": "Traceback" in done.stderr}


def full(home: Path, files: Path) -> dict[str, Any]:
    """The disk fills up after the first delivery; then there is room again."""
    ingest(home, days.write(files, 0), days.day_of(0), "run-0")
    folder, ballast = days.write(files, 1), home / "ballast"
    with ballast.open("wb") as file:
        file.write(b"x" * shutil.disk_usage(home).free)
    story = {"free": shutil.disk_usage(home).free, "command": command(home, folder, 1), "full": look_afresh(home)}
    ballast.unlink()
    ingest(home, folder, days.day_of(1), "run-1")
    return {**story, "after": look_afresh(home)}


def readonly(home: Path, files: Path) -> dict[str, Any]:
    """The home becomes read-only after the first delivery, while a reader has it open; then it is writable again."""
    ingest(home, days.write(files, 0), days.day_of(0), "run-0")
    folder = days.write(files, 1)
    with Lake(settings_of(home)) as reader:
        look(reader)
        subprocess.run(["mount", "--bind", str(home), str(home)], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", str(home)], check=True)
        story = {"command": command(home, folder, 1), "sealed": look(reader)}
        subprocess.run(["umount", "--lazy", str(home)], check=True)
    ingest(home, folder, days.day_of(1), "run-1")
    return {**story, "after": look_afresh(home)}


if __name__ == "__main__":
    story, home, files = sys.argv[1:]
    sys.stdout.write(json.dumps({"full": full, "readonly": readonly}[story](Path(home), Path(files))) + "\n")
