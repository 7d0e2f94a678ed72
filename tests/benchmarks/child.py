"""The process in which one piece of work is measured: `python -m tests.benchmarks.child module:function ARGUMENTS ANSWER`."""

import json
import os
import resource
import sys
import traceback
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from tests.benchmarks.harness import FAILED, Meter, NotPossible
from warehouse.settings import TELEMETRY_OFF


def main(work: str, arguments: str, answer: str) -> None:
    """Call the function with a meter and write what was measured."""
    os.environ.update(TELEMETRY_OFF)
    module, _, name = work.partition(":")
    meter = Meter()
    facts, error = {}, ""
    try:
        facts = getattr(import_module(module), name)(meter, **json.loads(arguments))
    except NotPossible as problem:
        error = f"not possible: {problem}"
    except Exception as problem:  # noqa: BLE001 (whatever it is, the benchmark goes on and says so)
        traceback.print_exc()
        error = f"{FAILED}{type(problem).__name__}: {' '.join(str(problem).split())[:200]}"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    said = {"runs": [asdict(run) for run in meter.runs], "facts": facts or {}, "peak_bytes": peak, "error": error}
    Path(answer).write_text(json.dumps(said))


if __name__ == "__main__":
    main(*sys.argv[1:])
