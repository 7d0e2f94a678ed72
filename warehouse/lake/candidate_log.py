"""The candidate log: what each run has staged, so that another process can go on with it or publish it."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
import sqlalchemy.exc
from sqlalchemy.engine import Connection, Engine, RowMapping

from warehouse.lake.errors import CandidateClosed
from warehouse.lake.records import candidate as _candidate
from warehouse.lake.records import staged as _staged

OPEN, PUBLISHED, DROPPED = "open", "published", "dropped"


@dataclass(frozen=True)
class CandidateRow:
    """The persisted state of a candidate: the numbers of release and intake it is based on, and of the release it became (0: none)."""

    channel: str
    run_id: str
    status: str
    base: int
    intake: int
    number: int
    created_at: datetime


@dataclass(frozen=True)
class StagedTable:
    """One table written in a candidate: its snapshot, what the base held, and the outcome of its audit (None: not audited)."""

    table_name: str
    branch: str
    snapshot_id: int
    base_snapshot_id: int | None
    audit: list[dict[str, Any]] | None = None
    is_audit_recorded: bool = False


class CandidateLog:
    """Reads and writes of the candidate log; every method is one short transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(self, channel: str, run_id: str) -> CandidateRow | None:
        """The persisted candidate of a run."""
        rows = self._rows(sa.select(_candidate).where(*_is_candidate(channel, run_id)))
        return _to_candidate(rows[0]) if rows else None

    def by_status(self, status: str) -> list[CandidateRow]:
        """All candidates in a state."""
        return [_to_candidate(row) for row in self._rows(sa.select(_candidate).where(_candidate.c.status == status))]

    def create(self, channel: str, run_id: str, base: int, intake: int, now: datetime) -> CandidateRow:
        """Open the candidate of a run; of two processes of one run that do so at once, both get the first one's row."""
        values = _opened(base, intake, now)
        try:
            with self._engine.begin() as connection:
                connection.execute(sa.insert(_candidate).values(channel=channel, run_id=run_id, **values))
        except sa.exc.IntegrityError:
            row = self.get(channel, run_id)
            if row is None:
                raise
            return row
        return CandidateRow(channel, run_id, OPEN, base, intake, 0, now)

    def restart(self, channel: str, run_id: str, base: int, intake: int, now: datetime) -> CandidateRow:
        """Open it again on a new base with nothing staged."""
        with self._engine.begin() as connection:
            connection.execute(sa.delete(_staged).where(*_is_staged(channel, run_id)))
            connection.execute(sa.update(_candidate).where(*_is_candidate(channel, run_id)).values(_opened(base, intake, now)))
        return CandidateRow(channel, run_id, OPEN, base, intake, 0, now)

    def drop(self, channel: str, run_id: str) -> bool:
        """Close an open candidate without publishing it and forget what it staged; False if it was not open."""
        update = sa.update(_candidate).where(*_is_candidate(channel, run_id), _candidate.c.status == OPEN)
        with self._engine.begin() as connection:
            if connection.execute(update.values(status=DROPPED)).rowcount != 1:
                return False
            connection.execute(sa.delete(_staged).where(*_is_staged(channel, run_id)))
            return True

    def staged(self, channel: str, run_id: str) -> dict[str, StagedTable]:
        """Tables written in a candidate, by name."""
        rows = self._rows(sa.select(_staged).where(*_is_staged(channel, run_id)).order_by(_staged.c.table_name))
        fields = ("table_name", "branch", "snapshot_id", "base_snapshot_id", "audit", "is_audit_recorded")
        return {row["table_name"]: StagedTable(**{field: row[field] for field in fields}) for row in rows}

    def stage(self, channel: str, run_id: str, table: StagedTable) -> None:
        """Record a written table; a second write of it replaces the record and so asks for a new audit."""
        with self._engine.begin() as connection:
            connection.execute(sa.delete(_staged).where(*_is_staged(channel, run_id, table.table_name)))
            connection.execute(sa.insert(_staged).values(channel=channel, run_id=run_id, **asdict(table)))

    def set_audit(self, channel: str, run_id: str, table: str, snapshot_id: int, audit: list[dict[str, Any]]) -> None:
        """Keep the outcome of an audit of a staged snapshot."""
        update = sa.update(_staged).where(*_is_staged(channel, run_id, table), _staged.c.snapshot_id == snapshot_id)
        with self._engine.begin() as connection:
            connection.execute(update.values(audit=audit, is_audit_recorded=False))

    def audit_of(self, table: str, snapshot_id: int) -> list[dict[str, Any]] | None:
        """The outcome of the audit of a snapshot, by whichever run; None if it is not known any more."""
        query = sa.select(_staged.c.audit).where(
            _staged.c.table_name == table, _staged.c.snapshot_id == snapshot_id, _staged.c.audit.is_not(None)
        )
        rows = self._rows(query.limit(1))
        return rows[0]["audit"] if rows else None

    def mark_audits_recorded(self, channel: str, run_id: str, tables: list[str]) -> None:
        """Note that the audit results of these tables are in ops.audit_result."""
        update = sa.update(_staged).where(*_is_staged(channel, run_id), _staged.c.table_name.in_(tables))
        with self._engine.begin() as connection:
            connection.execute(update.values(is_audit_recorded=True))

    def _rows(self, query: sa.Select) -> list[RowMapping]:
        with self._engine.connect() as connection:
            return list(connection.execute(query).mappings())


def close_candidate(connection: Connection, channel: str, run_id: str, number: int) -> None:
    """Mark a candidate as published, inside the transaction that inserts the release row.

    Raises:
        CandidateClosed: it is not open any more; the release row then goes too.
    """
    update = sa.update(_candidate).where(*_is_candidate(channel, run_id), _candidate.c.status == OPEN)
    if connection.execute(update.values(status=PUBLISHED, number=number)).rowcount != 1:
        raise CandidateClosed(f"candidate {run_id} was dropped by gc or discarded elsewhere; run again")


def _opened(base: int, intake: int, now: datetime) -> dict[str, Any]:
    return {"status": OPEN, "base": base, "intake": intake, "number": 0, "created_at": now.astimezone(UTC).replace(tzinfo=None)}


def _is_candidate(channel: str, run_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return _candidate.c.channel == channel, _candidate.c.run_id == run_id


def _is_staged(channel: str, run_id: str, table: str | None = None) -> tuple[sa.ColumnElement[bool], ...]:
    of_run = (_staged.c.channel == channel, _staged.c.run_id == run_id)
    return of_run if table is None else (*of_run, _staged.c.table_name == table)


def _to_candidate(row: RowMapping) -> CandidateRow:
    return CandidateRow(**{**row, "created_at": row["created_at"].replace(tzinfo=UTC)})
