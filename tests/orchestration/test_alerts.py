"""Alerts from real runs of a real lake to a real HTTP server: once while it lasts, unsent until taken, and never with an address."""

import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pyarrow as pa
import pytest

from orchestration.alerts import ALERT, Alert, AlertBook
from orchestration.assets.alerting import alert
from orchestration.assets.warehouse import written
from orchestration.checks import contract_check, key, table_asset
from orchestration.commands.reading import status_facts
from orchestration.commands.runs import Runner
from orchestration.resources import DeliveryRefused, Platform
from orchestration.sensors import build_alert_sensors
from tests.orchestration.webhooks import PASSWORD, Webhook, webhook
from warehouse.lake import AuditFailed, Lake
from warehouse.settings import Settings
from warehouse.staging.outcome import FileOutcome, IngestResult
from warehouse.table import TableSpec, columns

DAY = date(2024, 7, 1)
TABLE = TableSpec(
    "marts.small",
    "A small table.",
    ("name",),
    columns([("name", "string", "Name."), ("amount", "int64", "Amount.", {"bounds": (0, None)})]),
)
NOW = datetime(2024, 7, 1, 12, tzinfo=UTC)


class World:
    """What the next run meets: amounts of the table, the error of a step, the outcome of a check."""

    def __init__(self) -> None:
        self.amounts: list[int] = [1]
        self.error: Exception | None = None
        self.mismatches = 0


def definitions(settings: Settings, world: World) -> dg.Definitions:
    """Two steps as the platform's own are: one stages, audits and publishes a table, one compares and may raise."""

    @dg.multi_asset(name="small", specs=[table_asset(TABLE, [], "marts")], check_specs=[contract_check(TABLE)])
    def small(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> Iterator[dg.MaterializeResult]:
        candidate = platform.lake.candidate("release", context.run.run_id)
        rows = [{"name": f"n{place}", "amount": amount} for place, amount in enumerate(world.amounts)]
        candidate.write(TABLE, pa.Table.from_pylist(rows, schema=TABLE.ibis_schema().to_pyarrow()))
        candidate.audit(TABLE)
        yield from written(context, candidate, [TABLE])
        candidate.publish(DAY)

    parity = dg.AssetCheckSpec("parity", asset="online", blocking=True)

    @dg.asset(key="online", check_specs=[parity])
    def online() -> dg.MaterializeResult:
        if world.error:
            raise world.error
        result = dg.AssetCheckResult(
            check_name="parity", passed=not world.mismatches, description="client C17 differs", metadata={"mismatches": world.mismatches}
        )
        return dg.MaterializeResult(check_results=[result])

    jobs = [dg.define_asset_job("build", [TABLE.name.replace(".", "/")]), dg.define_asset_job("materialize", ["online"])]
    loggers = {"progress": _silent}
    return dg.Definitions([small, online, alert], jobs=jobs, resources={"platform": Platform(settings)}, loggers=loggers)


@dg.logger
def _silent(context: dg.InitLoggerContext) -> logging.Logger:
    return logging.Logger("silent")


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as started:
        yield started


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def runner(settings: Settings, hook: Webhook, world: World) -> Iterator[Runner]:
    told = replace(settings, alert_urls=(hook.address,))
    runner = Runner(told, definitions(told, world))
    with runner.instance:
        yield runner


def run(runner: Runner, job: str = "build") -> bool:
    """Whether a job succeeds."""
    with suppress(dg.DagsterError, dg.Failure, AuditFailed, ValueError, OSError, duckdb.Error):
        runner.run(job)
    (newest,) = runner.instance.get_runs(limit=1)
    return newest.is_success


def events(runner: Runner) -> list[str]:
    rows = runner.platform.lake.ops(ALERT)
    return rows.order_by("alert_at").to_pyarrow()["event"].to_pylist()


def test_e53_a_failed_audit_repeated_twice_alerts_once_and_again_after_it_was_resolved(runner: Runner, hook: Webhook, world: World) -> None:
    assert run(runner)
    world.amounts = [1, -1]
    assert not run(runner)
    world.amounts = [1, -1, -2]  # more rows break the same rule
    assert not run(runner)
    (told,) = hook.received
    assert told["title"] == "[lending local] audit failed: marts.small"
    assert told["message"].startswith(
        "nothing was published, release 1 of 2024-07-01 stays in service. marts.small: bounds(amount): 1 rows"
    )
    assert "lending sql" in told["message"]
    assert runner.platform.lake.at().release.release_id == 1
    assert status_facts(runner.settings)["open_alerts"] == [f"audit_failed: marts.small: {told['message']}"]

    world.amounts = [3]
    assert run(runner)
    assert status_facts(runner.settings)["open_alerts"] == []
    assert len(hook.received) == 1
    world.amounts = [-1]
    assert not run(runner)
    assert len(hook.received) == 2
    assert events(runner) == ["raised", "sent", "resolved", "raised", "sent"]


def test_e87_an_alert_that_nobody_took_is_visible_and_sent_once_by_the_next_run(runner: Runner, hook: Webhook, world: World) -> None:
    hook.code = 503
    world.amounts = [-1]
    assert not run(runner)
    facts = status_facts(runner.settings)
    assert facts["unsent_alerts"] == 1
    assert "(unsent: 1:json answered with code 503, attempt 1)" in facts["open_alerts"][0]
    assert ui_check(runner) is False
    hook.code, world.amounts = 200, [1]
    assert run(runner)  # the next run goes well, and the alert is resolved; it is told all the same
    assert [told["message"].endswith("(resolved since)") for told in hook.received] == [True]
    assert run(runner)
    assert (len(hook.received), hook.refused) == (1, 1)
    assert status_facts(runner.settings)["unsent_alerts"] == 0
    assert ui_check(runner) is True


def ui_check(runner: Runner) -> bool:
    """Whether the check of ops.alert is green in the Dagster UI."""
    check = dg.AssetCheckKey(key(ALERT), "sent")
    (record,) = runner.instance.event_log_storage.get_latest_asset_check_execution_by_key([check]).values()
    return bool(record.event.dagster_event.asset_check_evaluation_data.passed)


def test_the_sensors_tell_nothing_twice_and_send_what_is_due(runner: Runner, hook: Webhook, world: World) -> None:
    hook.code = 503
    world.amounts = [-1]
    assert not run(runner)
    failed, _, unsent = build_alert_sensors()
    platform = runner.platform
    (ended,) = runner.instance.get_runs()
    log = [entry.dagster_event for entry in runner.instance.all_logs(ended.run_id) if entry.dagster_event]
    context = dg.build_run_status_sensor_context(
        sensor_name="failed_runs",
        dagster_instance=runner.instance,
        dagster_run=ended,
        dagster_event=next(event for event in log if event.event_type is dg.DagsterEventType.RUN_FAILURE),
        resources={"platform": platform},
    ).for_run_failure()
    hook.code = 200
    failed(context)
    assert len(hook.received) == 1
    failed(context)
    with dg.build_sensor_context(runner.instance, resources={"platform": platform}) as tick:
        assert "no alert is unsent" in str(unsent(tick))
    assert len(hook.received) == 1
    world.amounts = [1]
    assert run(runner)
    failed(context)  # a run that is looked at after a later one went well
    assert len(AlertBook(platform.lake, platform.settings).open()) == 0


def test_retries_wait_twice_as_long_each_time(settings: Settings) -> None:
    told = replace(settings, alert_urls=("json://127.0.0.1:9/nobody",))
    with Lake(told) as lake:
        book = AlertBook(lake, told)
        book.record([Alert("run_failed", "step build", "build", "it failed", NOW)])
        assert book.dispatch() == 1
        assert book.dispatch(due_only=True) == 1  # not yet
        assert book.dispatch() == 1
        rows = lake.ops(ALERT)
        failed = rows.filter(rows.event == "failed").order_by("alert_at").to_pyarrow().to_pylist()
    assert [row["attempt"] for row in failed] == [1, 2]
    assert [row["retry_at"] - row["alert_at"] for row in failed] == [timedelta(minutes=1), timedelta(minutes=2)]
    assert [row["error"] for row in failed] == ["no answer", "no answer"]


def test_the_address_appears_nowhere(runner: Runner, hook: Webhook, world: World, caplog: pytest.LogCaptureFixture, capfd: Any) -> None:
    caplog.set_level(logging.DEBUG)
    broken = replace(runner.settings, alert_urls=(hook.address, f"nonsense://{PASSWORD}", f"json://x:{PASSWORD}@127.0.0.1:9/{PASSWORD}"))
    runner.platform.settings = broken
    world.amounts = [-1]
    assert not run(runner)
    hook.code = 503
    world.error = AuditFailed("nothing published")
    assert not run(runner, "materialize")
    assert hook.refused == 1
    runner.instance.event_log_storage.dispose()
    said = caplog.text + "".join(capfd.readouterr()) + json.dumps(status_facts(broken))
    assert "2:nonsense the address is of no kind that apprise knows" in said
    assert PASSWORD not in said
    files = [path for path in Path(broken.home).rglob("*") if path.is_file()]
    assert [path for path in files if PASSWORD.encode() in path.read_bytes()] == []
    assert any(path.suffix == ".parquet" and "alert" in str(path) for path in files)


def test_a_failed_check_and_a_failed_step_are_told_without_what_libraries_quote(runner: Runner, hook: Webhook, world: World) -> None:
    world.mismatches = 3
    assert not run(runner, "materialize")
    world.mismatches, world.error = 0, ValueError("could not convert 'Nguyễn Văn An'")
    assert not run(runner, "materialize")
    world.error = NoRoom(28, "No space left on device", "/data/lake")
    assert not run(runner, "materialize")
    titles = [told["title"].removeprefix("[lending local] ") for told in hook.received]
    assert titles == ["check failed: online parity", "run failed: online", "run failed: online"]
    assert hook.received[0]["message"] == "mismatches 3"
    assert hook.received[1]["message"].startswith("ValueError; run ")
    world.error = None
    assert run(runner, "materialize")
    assert status_facts(runner.settings)["open_alerts"] == []


def test_e43_what_cannot_be_recorded_is_told_all_the_same(runner: Runner, hook: Webhook, world: World) -> None:
    (runner.settings.home / "alerts.lock").mkdir()  # as on a disk that takes no new file
    world.amounts = [-1]
    assert not run(runner)
    (told,) = hook.received
    assert told["title"] == "[lending local] audit failed: marts.small"
    assert told["message"].endswith("(this alert could not be recorded)")


def test_errors_of_the_machine_are_told_as_sentences(runner: Runner, hook: Webhook, world: World) -> None:
    world.error = duckdb.IOException("Could not write file '/home/lake/a/b.parquet': No space left on device")
    assert not run(runner, "materialize")
    assert hook.received[0]["message"].startswith("/home/lake/a/b.parquet: the disk is full: free some space")


class NoRoom(OSError):
    """As a library may derive it."""


def test_a_refused_and_a_blocked_delivery_are_told_by_date_and_reason(runner: Runner, hook: Webhook, world: World) -> None:
    for status, why in (("refused", "clients.csv: line 3: a quote is out of place"), ("blocked", "clients: 3 rows; usual are 100")) * 2:
        outcome = FileOutcome("clients", "clients.csv", 3, 0, 0, 0, 0, 3, status)
        world.error = DeliveryRefused(IngestResult(DAY, 1, (outcome,), error=why))
        assert not run(runner, "materialize")
    assert [told["title"] for told in hook.received] == [
        "[lending local] delivery refused: 2024-07-01",
        "[lending local] delivery blocked: 2024-07-01",
    ]


def test_without_an_address_alerts_are_kept_and_shown(settings: Settings, world: World) -> None:
    runner = Runner(settings, definitions(settings, world))
    world.amounts = [-1]
    with runner.instance:
        assert not run(runner)
        assert not run(runner)
        facts = status_facts(settings)
        assert (len(facts["open_alerts"]), facts["unsent_alerts"]) == (1, 0)
        assert events(runner) == ["raised"]
