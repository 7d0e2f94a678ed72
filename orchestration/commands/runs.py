"""Running a Dagster job from a command: in this process, recorded in the instance that the UI shows."""

import uuid
from collections.abc import Sequence
from datetime import date
from types import TracebackType
from typing import Any

import dagster as dg

from orchestration.definitions import build_definitions
from orchestration.instance import open_instance
from orchestration.resources import Platform
from orchestration.watch import watch
from warehouse.settings import Settings

PROGRESS: dict[str, Any] = {"loggers": {"progress": {}}}


class Runner:
    """Runs jobs of one platform; opening it once saves the imports and the lake of every further run.

    Whatever a run fails of, and whatever it puts right, is told as an alert before `run` returns or raises.
    """

    def __init__(self, settings: Settings, definitions: dg.Definitions | None = None) -> None:
        self.settings = settings
        self.definitions = definitions or build_definitions(settings)
        self.instance = open_instance(settings)

    def __enter__(self) -> "Runner":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.platform.close()
        self.instance.dispose()

    @property
    def platform(self) -> Platform:
        """The resource that the runs use."""
        return (self.definitions.resources or {})["platform"]

    def run(self, job: str, days: Sequence[date] = (), config: dict[str, Any] | None = None) -> dg.ExecuteInProcessResult:
        """Run a job and wait for it.

        Args:
            job: a job of orchestration.jobs.
            days: business dates; one for a partition, two for the range between them.
            config: configuration of single assets, by operation name.

        Raises:
            Exception: whatever the failed step raised; the run is recorded as failed.
        """
        tags = {}
        if len(days) == 2:
            first, last = days
            tags = {
                "dagster/asset_partition_range_start": first.isoformat(),
                "dagster/asset_partition_range_end": last.isoformat(),
            }
        run_id = str(uuid.uuid4())
        try:
            return self.definitions.resolve_job_def(job).execute_in_process(
                instance=self.instance,
                partition_key=days[0].isoformat() if len(days) == 1 else None,
                tags=tags,
                run_id=run_id,
                run_config={**PROGRESS, "ops": {name: {"config": values} for name, values in (config or {}).items()}},
            )
        finally:
            watch(self.instance, self.platform, run_id)


def step_metadata(done: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    """The metadata with which a run materialized an asset, as plain values."""
    key = dg.AssetKey(asset.split("/"))
    (event,) = [event for event in done.get_asset_materialization_events() if event.asset_key == key]
    return {name: value.value for name, value in event.materialization.metadata.items()}


def failed_checks(done: dg.ExecuteInProcessResult) -> list[str]:
    """The checks of a run that failed, a line each."""
    return [
        f"{one.asset_key.to_user_string()} {one.check_name}: {one.description}"
        for one in done.get_asset_check_evaluations()
        if not one.passed
    ]
