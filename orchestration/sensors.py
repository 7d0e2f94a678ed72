"""The landing sensor and the daily schedule: both start the daily job for a business date whose files are not in the ledger yet."""

import hashlib
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg

from orchestration.alerts import AlertBook
from orchestration.resources import Platform
from orchestration.watch import show, watch
from warehouse.ingest import undelivered

SETTLE_SECONDS = 30  # a file that changed this recently may still be on its way


def landed_dates(landing: Path) -> list[date]:
    """Business dates that have a folder with files in the landing area, oldest first."""
    found = []
    for folder in landing.iterdir() if landing.is_dir() else ():
        try:
            found.append(date.fromisoformat(folder.name))
        except ValueError:
            continue  # not a delivery folder; landing may hold a README or an upload area
    return sorted(found)


def settled(files: list[Path], now: datetime) -> bool:
    """Whether no file changed within the last seconds."""
    newest = max((file.stat().st_mtime for file in files), default=0.0)
    return now.timestamp() - newest >= SETTLE_SECONDS


def run_key(files: list[Path]) -> str:
    """A key that is the same for the same files: names, sizes and times, so that one landing starts one run."""
    facts = [f"{file.name}:{file.stat().st_size}:{file.stat().st_mtime_ns}" for file in sorted(files)]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


def requests(platform: Platform, now: datetime) -> Iterator[dg.RunRequest]:
    """One run of the daily job for each landed business date with files that no delivery has brought."""
    for day in landed_dates(platform.settings.landing):
        files = undelivered(platform.lake, platform.settings.landing / day.isoformat(), day)
        if files and settled(files, now):
            yield dg.RunRequest(run_key=run_key(files), partition_key=day.isoformat())


def build_sensor() -> dg.SensorDefinition:
    """The sensor that watches the landing area."""

    @dg.sensor(
        name="landing",
        job_name="daily",
        minimum_interval_seconds=60,
        description="Starts the daily job for each business date whose landing folder holds files that are not in the ledger.",
    )
    def landing(platform: dg.ResourceParam[Platform]) -> Iterator[dg.RunRequest | dg.SkipReason]:
        found = list(requests(platform, datetime.now(ZoneInfo(platform.settings.terms.time_zone))))
        if not found:
            yield dg.SkipReason(f"no new files below {platform.settings.landing}")
        yield from found

    return landing


def build_alert_sensors() -> list[dg.SensorDefinition]:
    """The sensors that turn runs into alerts and send what nobody took; they run from the start, without a person turning them on."""

    @dg.run_failure_sensor(
        name="failed_runs",
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Raises an alert for what failed, once while it lasts.",
    )
    def failed_runs(context: dg.RunFailureSensorContext, platform: dg.ResourceParam[Platform]) -> None:
        with platform.apart() as own:
            watch(context.instance, own, context.dagster_run.run_id)

    @dg.run_status_sensor(
        name="succeeded_runs",
        run_status=dg.DagsterRunStatus.SUCCESS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Resolves alerts of what went well again, and raises those of failed checks and of deliveries.",
    )
    def succeeded_runs(context: dg.RunStatusSensorContext, platform: dg.ResourceParam[Platform]) -> None:
        with platform.apart() as own:
            watch(context.instance, own, context.dagster_run.run_id)

    @dg.sensor(
        name="unsent_alerts",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Sends again what no address took, after a minute, then two, up to an hour.",
    )
    def unsent_alerts(context: dg.SensorEvaluationContext, platform: dg.ResourceParam[Platform]) -> dg.SkipReason:
        with platform.apart() as own:
            book = AlertBook(own.lake, own.settings)
            waiting = len(book.unsent())
            if not waiting:
                return dg.SkipReason("no alert is unsent")
            book.dispatch(due_only=True)
            left = len(book.unsent())
            if left < waiting:
                show(context.instance, book)
            return dg.SkipReason(f"{waiting - left} of {waiting} alerts sent")

    return [failed_runs, succeeded_runs, unsent_alerts]


def build_schedules(time_zone: str) -> list[dg.ScheduleDefinition]:
    """Daily pipeline, weekly drift report and monthly training, in the lender's time zone."""

    @dg.schedule(
        name="daily_delivery",
        job_name="daily",
        cron_schedule="0 6 * * *",
        execution_timezone=time_zone,
        description="Yesterday's delivery, if its files are there; the sensor takes what lands later.",
    )
    def daily_delivery(context: dg.ScheduleEvaluationContext, platform: dg.ResourceParam[Platform]) -> dg.RunRequest | dg.SkipReason:
        day = (context.scheduled_execution_time.astimezone(ZoneInfo(time_zone)) - timedelta(days=1)).date()
        files = undelivered(platform.lake, platform.settings.landing / day.isoformat(), day)
        if not files:
            return dg.SkipReason(f"no new files for {day} below {platform.settings.landing}")
        return dg.RunRequest(run_key=run_key(files), partition_key=day.isoformat())

    return [
        daily_delivery,
        dg.ScheduleDefinition(
            name="weekly_drift",
            job_name="drift",
            cron_schedule="0 7 * * 1",
            execution_timezone=time_zone,
            description="Drift of the scored features against the model's reference sample.",
        ),
        dg.ScheduleDefinition(
            name="monthly_training",
            job_name="train",
            cron_schedule="0 8 2 * *",
            execution_timezone=time_zone,
            description="A challenger on the cohorts that have matured since.",
        ),
    ]
