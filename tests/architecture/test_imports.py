"""Importing a module does nothing: no environment, no network, no new file, no clock."""

import subprocess
import sys
import textwrap

from tests.architecture.modules import PACKAGES, ROOT, module_names

GUARD = """
import builtins, os, socket, sys, time
from importlib import import_module

ROOT, PACKAGES = sys.argv[1], tuple(sys.argv[2].split(","))
OURS = tuple(os.path.join(ROOT, package) + os.sep for package in PACKAGES)

def called_from_us():
    # The nearest caller that is neither this guard nor the standard library's own wrapper decides.
    frame = sys._getframe(2)
    return frame.f_code.co_filename.startswith(OURS)

def guard(owner, name, what):
    original = getattr(owner, name)
    def checked(*args, **kwargs):
        if called_from_us():
            raise AssertionError(f"import uses {what}: {sys._getframe(1).f_code.co_filename}:{sys._getframe(1).f_lineno}")
        return original(*args, **kwargs)
    setattr(owner, name, checked)

class Environment(type(os.environ)):
    def __getitem__(self, key):
        if called_from_us():
            raise AssertionError(f"import reads the environment: {sys._getframe(1).f_code.co_filename}")
        return super().__getitem__(key)

os.environ.__class__ = Environment
guard(os, "getenv", "the environment")
guard(builtins, "open", "a file")
guard(time, "time", "the clock")
def refuse(*args, **kwargs):
    raise AssertionError("import opens a connection")
socket.socket.connect = refuse

for name in sys.argv[3:]:
    import_module(name)
print("imported", len(sys.argv) - 3)
"""


def test_importing_every_module_does_nothing(tmp_path):
    names = [name for name in module_names() if name != "features.repo.definitions"]  # what `feast apply` runs is an entry point
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(GUARD), str(ROOT), ",".join(PACKAGES), *names],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"imported {len(names)}"
    assert list(tmp_path.iterdir()) == []


def test_help_answers_without_the_heavy_libraries():
    code = "import sys; from orchestration.cli import build_parser; build_parser().format_help(); print(*sorted(sys.modules))"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())
    assert not loaded & {"ibis", "duckdb", "dagster", "mlflow", "feast", "evidently", "bentoml", "lightgbm", "pandas", "pyarrow"}
