"""From a Dagster run to alerts: what failed in it is raised, what went well in it resolves what had failed before.

Every run passes here, whoever started it: the `lending` command looks at its run when that ends, sensors look at all runs. Looking twice
changes nothing. What a failed step says is told only if the platform itself said it, since a library may quote a person's data.
"""

import hashlib
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from dagster import DagsterEvent, EventLogEntry

from orchestration.alerts import ALERT, Alert, AlertBook, alert_line, send_unrecorded
from orchestration.checks import CONTRACT, key
from orchestration.errors import of_a_recorded_error
from orchestration.intake_alerts import intake_alerts, orphans_scope
from orchestration.resources import Platform
from warehouse.lake.audit import AUDIT_RESULT
from warehouse.sources import SOURCES

PACKAGES = ("warehouse", "features", "training", "serving", "orchestration")
ABOUT_FILES = re.compile(r"(OSError|PermissionError|FileNotFoundError|FileExistsError|NotADirectoryError|IsADirectoryError): ")
LONGEST = 1_000  # characters of a message
JUDGING_STEPS = ("intake", "replay_quarantine")
SENT_CHECK = "sent"
logger = logging.getLogger(__name__)


@dataclass
class Findings:
    """What a run says: alerts, and the scopes of what went well."""

    at: datetime
    raised: list[Alert] = field(default_factory=list)
    resolved: set[str] = field(default_factory=set)
    is_recorded: bool = False


def watch(instance: dg.DagsterInstance, platform: Platform, run_id: str) -> None:
    """Raise, resolve and send what a run that ended calls for; never fails, since the run's own outcome matters more."""
    findings = None
    try:
        findings = look_at(instance, platform, run_id)
        if findings is not None:
            _tell(instance, AlertBook(platform.lake, platform.settings), findings)
    except Exception as error:  # noqa: BLE001  # whatever it is, the run is over; its own error must be what the caller sees
        logger.warning("alerts of run %s could not be recorded (%s)", run_id, type(error).__name__)
        if findings is not None and not findings.is_recorded:  # a full disk is told, though nothing can be written
            send_unrecorded(platform.settings, findings.raised)


def _tell(instance: dg.DagsterInstance, book: AlertBook, findings: Findings) -> None:
    if not findings.raised and not book.told():
        return
    before = _facts(book)
    book.record(findings.raised, findings.resolved, findings.at)
    findings.is_recorded = True
    book.dispatch()
    if before != _facts(book):
        show(instance, book)


def show(instance: dg.DagsterInstance, book: AlertBook) -> None:
    """Tell the Dagster UI what is open and unsent: as the asset ops/alert and its check."""
    instance.report_runless_asset_event(dg.AssetMaterialization(key(ALERT), metadata=alert_metadata(book)))
    result = sent_result(book)
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=key(ALERT),
            check_name=SENT_CHECK,
            passed=result.passed,
            metadata={},
            severity=result.severity,
            description=result.description,
        )
    )


def alert_metadata(book: AlertBook) -> dict[str, Any]:
    """Open and unsent alerts, for the asset's page."""
    told = [f"- {state.raised['alert_at']:%Y-%m-%d %H:%M} {alert_line(state)}" for state in book.told()]
    return {"open": len(told), "unsent": len(book.unsent()), "alerts": dg.MetadataValue.md("\n".join(told) or "none")}


def sent_result(book: AlertBook) -> dg.AssetCheckResult:
    """Whether everybody was told."""
    unsent = book.unsent()
    return dg.AssetCheckResult(
        check_name=SENT_CHECK,
        asset_key=key(ALERT),
        passed=not unsent,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(alert_line(state) for state in unsent) or "no alert waits for an address to answer",
    )


def _facts(book: AlertBook) -> tuple[list[str], list[str]]:
    return [alert_line(state) for state in book.open()], [alert_line(state) for state in book.unsent()]


def look_at(instance: dg.DagsterInstance, platform: Platform, run_id: str) -> Findings | None:
    """What a run says; None if it is not known or not over."""
    run = instance.get_run_by_id(run_id)
    if run is None or not run.is_finished:
        return None
    events = [entry for entry in instance.all_logs(run_id) if entry.dagster_event is not None]
    findings = Findings(max((_time(entry) for entry in events), default=datetime.now(UTC)))
    failed = [entry for entry in events if _event(entry).is_step_failure]
    unkept = _failed_contracts(events)
    for entry in failed:
        findings.raised += _of_step(platform, run, entry, unkept)
    if run.is_failure and not failed:
        why = f"the run ended before a step could say why; the run {run.run_id} in the Dagster UI has its log"
        findings.raised.append(Alert("run_failed", f"job {run.job_name}", run.job_name, why, findings.at, run.run_id))
    findings.raised += _of_checks(run, events)
    findings.resolved |= _went_well(run, events)
    if any(f"step {name}" in findings.resolved for name in JUDGING_STEPS):
        findings.raised += intake_alerts(platform.lake, run.root_run_id or run.run_id, findings.at)
        findings.resolved |= {orphans_scope(source.name) for source in SOURCES}
        findings.resolved |= {f"delivery {day}" for day in _days(run)}
    return findings


def _of_step(platform: Platform, run: dg.DagsterRun, entry: EventLogEntry, unkept: set[str]) -> Iterator[Alert]:
    """The alert of a failed step."""
    event, at = _event(entry), _time(entry)
    step, data = str(event.step_key), event.step_failure_data
    told = data.user_failure_data
    if told and "kind" in told.metadata:
        subject = str(told.metadata["business_date"].value)
        why = told.description or ""
        detail = hashlib.sha256(why.encode()).hexdigest()[:12]  # another fault of the same date is other news
        yield Alert(str(told.metadata["kind"].value), f"delivery {subject}", subject, _cut(why), at, run.run_id, detail)
        return
    name, text = _cause(data.error)
    if name in ("AuditFailed", "DagsterAssetCheckFailedError") and (audit := _failed_audits(platform, run)):
        tables = sorted({row["table_name"] for row in audit})
        rules = ",".join(sorted({f"{row['table_name']} {row['rule']}" for row in audit}))
        yield Alert("audit_failed", f"step {step}", ", ".join(tables), _cut(_audit_message(platform, audit)), at, run.run_id, detail=rules)
    elif name != "DagsterAssetCheckFailedError" or unkept:
        yield Alert("run_failed", f"step {step}", step, _cut(text or f"{name}; run {run.run_id} has its log"), at, run.run_id, detail=name)


def _audit_message(platform: Platform, audit: Sequence[dict[str, Any]]) -> str:
    release = platform.lake.release()
    served = f"release {release.release_id} of {release.business_date} stays in service" if release else "there is no release yet"
    why = "; ".join(f"{row['table_name']}: {row['rule']}: {row['message']}" for row in audit)
    return f'nothing was published, {served}. {why}. See: lending sql "select * from ops.audit_result where not passed"'


def _failed_audits(platform: Platform, run: dg.DagsterRun) -> list[dict[str, Any]]:
    """Rules that a table staged by the run did not keep; a candidate is named after the root run."""
    audits = platform.lake.ops(AUDIT_RESULT)
    mine = audits.filter(audits.run_id.startswith(run.root_run_id or run.run_id) & ~audits.passed)
    return mine.select("table_name", "rule", "message").distinct().order_by("table_name", "rule").to_pyarrow().to_pylist()


def _of_checks(run: dg.DagsterRun, events: Iterable[EventLogEntry]) -> Iterator[Alert]:
    """Alerts of failed checks other than contracts, which are told with the audit that they show."""
    for entry, check in _checks(events):
        if not check.passed and check.check_name != CONTRACT:
            table = check.asset_key.to_user_string()
            counts = [f"{name} {value.value}" for name, value in check.metadata.items() if isinstance(value.value, (int, float))]
            what = ", ".join(counts) or check.description or ""
            scope = f"check {table} {check.check_name}"
            yield Alert("check_failed", scope, f"{table} {check.check_name}", _cut(what), _time(entry), run.run_id)


def _failed_contracts(events: Iterable[EventLogEntry]) -> set[str]:
    return {check.asset_key.to_user_string() for _, check in _checks(events) if not check.passed and check.check_name == CONTRACT}


def _checks(events: Iterable[EventLogEntry]) -> Iterator[tuple[EventLogEntry, dg.AssetCheckEvaluation]]:
    for entry in events:
        if _event(entry).event_type_value == "ASSET_CHECK_EVALUATION":
            yield entry, _event(entry).asset_check_evaluation_data


def _went_well(run: dg.DagsterRun, events: Iterable[EventLogEntry]) -> set[str]:
    steps = {f"step {_event(entry).step_key}" for entry in events if _event(entry).event_type_value == "STEP_SUCCESS"}
    checks = {f"check {check.asset_key.to_user_string()} {check.check_name}" for _, check in _checks(events) if check.passed}
    return steps | checks | ({f"job {run.job_name}"} if run.is_success else set())


def _days(run: dg.DagsterRun) -> list[str]:
    """Business dates of a run's partitions."""
    first, last = (run.tags.get(f"dagster/asset_partition_range_{end}") for end in ("start", "end"))
    if not (first and last):
        return list(filter(None, [run.tags.get("dagster/partition")]))
    start, end = datetime.fromisoformat(first).date().toordinal(), datetime.fromisoformat(last).date().toordinal()
    return [datetime.fromordinal(day).date().isoformat() for day in range(start, end + 1)]


def _cause(error: Any) -> tuple[str, str]:
    """Class of what a step raised, and its message if it is one that may be told."""
    while error is not None and error.cause is not None and error.cls_name == "DagsterExecutionStepExecutionError":
        error = error.cause
    if error is None:
        return "unknown error", ""
    text = str(error.message).strip()
    module = text.partition(":")[0].partition(".")[0]
    told = text.partition(": ")[2] if module in PACKAGES else of_a_recorded_error(text) or (text if ABOUT_FILES.match(text) else "")
    return str(error.cls_name), told


def _event(entry: EventLogEntry) -> DagsterEvent:
    if entry.dagster_event is None:
        raise ValueError("a log line is no event")
    return entry.dagster_event


def _time(entry: EventLogEntry) -> datetime:
    return datetime.fromtimestamp(entry.timestamp, UTC)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
