"""The Dagster instance of the platform: its folder, its configuration file and the console logger of the `lending` command.

dagster.yaml is written from the settings at each start; what an operator edits there is lost, what they set by LENDING_* stays.
"""

import logging
import sys
from pathlib import Path

import dagster as dg

from warehouse.settings import Settings

DAGSTER_YAML = """\
# Written by the platform at each start.
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  runs:
    max_concurrent_runs: 2
    tag_concurrency_limits:
      - key: lending/writes
        limit: 1
run_monitoring:
  enabled: true
"""


def prepare(settings: Settings) -> Path:
    """Create the instance folder and its configuration; return the folder."""
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    config = settings.dagster_home / "dagster.yaml"
    if not config.exists() or config.read_text() != DAGSTER_YAML:
        config.write_text(DAGSTER_YAML)
    return settings.dagster_home


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """Open the instance whose runs the Dagster UI shows."""
    return dg.DagsterInstance.from_config(str(prepare(settings)))


class _StepLines(logging.Handler):
    """Prints the start of each step and what steps say of themselves; the whole log is in the Dagster UI."""

    def emit(self, record: logging.LogRecord) -> None:
        meta = getattr(record, "dagster_meta", {})
        event = meta.get("dagster_event")
        if event is None and record.levelno >= logging.INFO:
            line = meta.get("orig_message", record.getMessage())
        elif event is not None and event.event_type_value == "STEP_START":
            line = f"{event.step_key.replace('__', '.')} ..."
        else:
            return
        print(f"  {line}", file=sys.stderr, flush=True)  # noqa: T201 (progress of a command)


@dg.logger(None, "Progress of the lending command, on standard error.")
def progress_logger(init_context: dg.InitLoggerContext) -> logging.Logger:
    """A logger that shows steps as they start."""
    logger = logging.Logger("lending.progress", level=logging.DEBUG)
    logger.addHandler(_StepLines())
    return logger
