"""ops.alert: what needs a person, told once. A table of events to which rows are only added; the state of an alert follows from them.

An alert is known by its key, which says what is wrong and not when: while it is open, the same thing going wrong again adds nothing.
It is closed by the next success of what failed. A message that nobody took stays unsent, visibly, until somebody takes it.
"""

import fcntl
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from orchestration.notify import NotSent, Send, channel_name, send
from warehouse.lake import Lake
from warehouse.settings import Settings
from warehouse.table import TIMESTAMP, TableSpec, columns

RAISED, FAILED, SENT, RESOLVED = "raised", "failed", "sent", "resolved"  # in the order in which events of one instant are read
EVENTS = (RAISED, FAILED, SENT, RESOLVED)
KINDS = (
    "audit_failed",
    "check_failed",
    "run_failed",
    "delivery_refused",
    "delivery_blocked",
    "file_rejected",
    "file_replaced",
    "orphan_escalated",
)
NEWS = ("file_replaced",)  # something that happened: nothing will undo it, so it is never open
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)

ALERT = TableSpec(
    name="ops.alert",
    description="What happened to alerts: raised, sent, not sent, resolved; one row an event.",
    grain=("alert_key", "alert_at", "event", "channel"),
    columns=columns(
        [
            ("alert_at", TIMESTAMP, "When the event happened."),
            ("alert_key", "string", "What is wrong; it is told once while it lasts."),
            ("event", "string", "What happened to the alert.", {"values": EVENTS}),
            ("kind", "string", "Kind of the alert.", {"values": KINDS}),
            ("scope", "string", "What resolves it: a success of this step, check or delivery."),
            ("subject", "string", "What it is about, for people."),
            ("message", "string", "What is wrong and what to do; counts, rules and file names only."),
            ("channel", "string", "Place and kind of the address that the message went to; empty if the event is not about sending."),
            ("attempt", "int64", "Number of the attempt to send; 0 if the event is not about sending."),
            ("retry_at", f"{TIMESTAMP}?", "When a message that was not sent is tried again."),
            ("error", "string?", "Why it was not sent."),
            ("run_id", "string", "Run in which it happened; empty if there was none."),
        ]
    ),
)
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Alert:
    """Something that needs a person.

    Attributes:
        kind: one of KINDS.
        scope: what resolves it.
        subject: what it is about.
        message: what is wrong and what to do; no personal data.
        at: when it happened.
        run_id: in which run; empty if there was none.
        detail: part of the key that is not told, such as a hash.
    """

    kind: str
    scope: str
    subject: str
    message: str
    at: datetime
    run_id: str = ""
    detail: str = ""

    @property
    def key(self) -> str:
        """What is wrong, without when and how much."""
        return ":".join(filter(None, (self.kind, self.scope, self.subject, self.detail)))


@dataclass
class AlertState:
    """An alert as its events leave it."""

    raised: Row
    resolved_at: datetime | None = None
    attempts: dict[str, Row] = field(default_factory=dict)  # last event of sending, by channel

    @property
    def is_open(self) -> bool:
        """Whether it still needs somebody."""
        return self.resolved_at is None and self.raised["kind"] not in NEWS

    def unsent(self, channels: Collection[str]) -> list[str]:
        """Channels to send to: all at first, then those that did not take it; a resolved one that was never tried is no news."""
        if not self.attempts:
            return [] if self.resolved_at else list(channels)
        return [name for name in channels if name in self.attempts and self.attempts[name]["event"] == FAILED]


class AlertBook:
    """The alerts of one platform; several processes may use it at once."""

    def __init__(self, lake: Lake, settings: Settings, send: Send = send) -> None:
        self._lake, self._settings, self._send = lake, settings, send
        self._channels = {channel_name(place, address): address for place, address in enumerate(settings.alert_urls, start=1)}

    def states(self) -> dict[str, AlertState]:
        """The newest raising of every alert, by key, oldest first."""
        rows = self._lake.ops(ALERT).to_pyarrow().to_pylist()
        states: dict[str, AlertState] = {}
        for row in sorted(rows, key=lambda row: (row["alert_at"], EVENTS.index(row["event"]))):
            if row["event"] == RAISED:
                states[row["alert_key"]] = AlertState(row)
            elif row["event"] == RESOLVED:
                states[row["alert_key"]].resolved_at = row["alert_at"]
            else:
                states[row["alert_key"]].attempts[row["channel"]] = row
        return states

    def record(self, raised: Iterable[Alert], resolved: Collection[str] = (), at: datetime | None = None) -> list[Alert]:
        """Raise alerts that are not open, and resolve open ones.

        Args:
            raised: what went wrong.
            resolved: scopes of what went well.
            at: when that was; an alert raised after it stays open.

        Returns:
            the alerts that are news.
        """
        wrong = {alert.key: alert for alert in raised}
        with self._lock():
            states = self.states()
            news = [alert for alert in wrong.values() if _is_news(alert, states.get(alert.key))]
            done = at or datetime.now(UTC)
            over = [
                state.raised
                for key, state in states.items()
                if state.is_open and state.raised["scope"] in resolved and key not in wrong and state.raised["alert_at"] <= done
            ]
            self._append([*(_row(alert) for alert in news), *(_next(row, RESOLVED, done) for row in over)])
        return news

    def dispatch(self, due_only: bool = False) -> int:
        """Send what is unsent.

        Args:
            due_only: leave out what failed a short while ago; the wait doubles from a minute to an hour.

        Returns:
            messages that nobody took, those left out included.
        """
        if not self._channels:
            return 0
        with self._lock():
            open_ends = [(state, channel) for state in self.states().values() for channel in state.unsent(self._channels)]
            left = 0
            for state, channel in open_ends:
                last = state.attempts.get(channel)
                if due_only and last and last["retry_at"] > datetime.now(UTC):
                    left += 1
                    continue
                outcome = self._try(state, channel, last["attempt"] + 1 if last else 1)
                left += outcome["event"] == FAILED
                self._append([outcome])
            return left

    def open(self) -> list[AlertState]:
        """Alerts that need somebody, oldest first."""
        return [state for state in self.states().values() if state.is_open]

    def told(self) -> list[AlertState]:
        """Alerts that are open, and those that are over but that nobody was told of, oldest first."""
        return [state for state in self.states().values() if state.is_open or state.unsent(self._channels)]

    def unsent(self) -> list[AlertState]:
        """Alerts that nobody was told of although there is an address."""
        return [state for state in self.states().values() if state.unsent(self._channels)]

    def _try(self, state: AlertState, channel: str, attempt: int) -> Row:
        alert = state.raised
        body = alert["message"] + (" (resolved since)" if state.resolved_at else "")
        try:
            self._send(self._channels[channel], _title(self._settings, alert), body)
        except NotSent as error:
            now = datetime.now(UTC)
            wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(attempt - 1, 16))
            return _next(alert, FAILED, now, channel=channel, attempt=attempt, retry_at=now + wait, error=str(error))
        return _next(alert, SENT, datetime.now(UTC), channel=channel, attempt=attempt)

    def _append(self, rows: list[Row]) -> None:
        if rows:
            self._lake.append(ALERT, pa.Table.from_pylist(rows, schema=ALERT.ibis_schema().to_pyarrow()))

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One process at a time looks and adds, so that no alert is raised or sent twice; the lock dies with the process."""
        with (self._settings.home / "alerts.lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def send_unrecorded(settings: Settings, raised: Iterable[Alert], send: Send = send) -> None:
    """Send alerts that could not be recorded, as on a full disk; they are told again by every run until they can be."""
    for alert in raised:
        for address in settings.alert_urls:
            with suppress(NotSent):
                send(address, _title(settings, _row(alert)), f"{alert.message} (this alert could not be recorded)")


def _title(settings: Settings, raised: Row) -> str:
    return f"[lending {settings.env}] {raised['kind'].replace('_', ' ')}: {raised['subject']}"


def alert_line(state: AlertState) -> str:
    """An alert in one line, with what keeps it unsent."""
    failed = [f"{name} {last['error']}, attempt {last['attempt']}" for name, last in state.attempts.items() if last["error"]]
    text = f"{state.raised['kind']}: {state.raised['subject']}: {state.raised['message']}"
    return text + (f" (unsent: {'; '.join(failed)})" if failed else "")


def _is_news(alert: Alert, state: AlertState | None) -> bool:
    """Whether an alert is to be raised; a run that is looked at late may have failed before what came after it went well."""
    return state is None or (state.resolved_at is not None and state.resolved_at < alert.at)


def _row(alert: Alert) -> dict[str, Any]:
    told = {"alert_at": alert.at, "alert_key": alert.key, "event": RAISED, "run_id": alert.run_id}
    sending = {"channel": "", "attempt": 0, "retry_at": None, "error": None}
    return told | {name: getattr(alert, name) for name in ("kind", "scope", "subject", "message")} | sending


def _next(raised: Row, event: str, at: datetime, **sending: Any) -> dict[str, Any]:
    """A further event of an alert."""
    none = {"channel": "", "attempt": 0, "retry_at": None, "error": None}
    return {**raised, **none, "alert_at": at, "event": event, **sending}
