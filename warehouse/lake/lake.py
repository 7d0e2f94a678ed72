"""The lake of one process: catalog, engine connection, releases, candidates.

Opening it creates what is missing and finishes what a killed publish left: `main` of the Iceberg tables follows the release rows.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Literal

import ibis.expr.types as ir
import pyarrow as pa

from warehouse.engine import connect, disconnect
from warehouse.lake import branches, gc
from warehouse.lake.audit import AUDIT_RESULT
from warehouse.lake.candidate import Candidate
from warehouse.lake.candidate_log import PUBLISHED, CandidateLog, CandidateRow, StagedTable
from warehouse.lake.catalog import Catalog, LockBusy
from warehouse.lake.channels import belongs
from warehouse.lake.crash import crash_point
from warehouse.lake.errors import LakeError, NoRelease, UnknownTable
from warehouse.lake.files import FileLog
from warehouse.lake.leases import Leases
from warehouse.lake.pinned import Pinned
from warehouse.lake.reader import Reader
from warehouse.lake.records import INTAKE, RELEASE
from warehouse.lake.release_log import Release, ReleaseLog
from warehouse.lake.tiers import crowded
from warehouse.lake.writer import write_parquet
from warehouse.settings import Settings
from warehouse.table import TableSpec


class Lake:
    """Iceberg tables with Write-Audit-Publish.

    Attributes:
        settings: of this process.
        con: the ibis connection to which all tables returned are bound.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.con = connect(settings)
        self.catalog = Catalog(settings)
        self.files = FileLog(self.catalog.engine, self.catalog.lake)
        self.reader = Reader(self.con, self.catalog, self.files)
        self.log = ReleaseLog(self.catalog.engine)
        self.candidates = CandidateLog(self.catalog.engine)
        self._leases = Leases(self.catalog.locks)
        for channel in (INTAKE, RELEASE):
            self.settle(channel, wait=False)

    def __enter__(self) -> "Lake":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections of engine and catalog, and let gc have what was read."""
        self._leases.close()
        disconnect(self.con)
        self.catalog.close()

    def release(self) -> Release | None:
        """The current release, or None before the first."""
        return self.log.head(RELEASE)

    def releases(self) -> list[Release]:
        """All releases that can be read, oldest first."""
        return self.log.releases(RELEASE)

    def at(self, release_id: int | None = None) -> Pinned:
        """The tables of one release, which gc leaves alone until this lake is closed, or for a day.

        Args:
            release_id: number of the release; None for the current one.

        Raises:
            NoRelease: nothing was published yet, or that release does not exist or was expired.
        """
        release = self._held(RELEASE, release_id)
        if release is None:
            known = [str(other.release_id) for other in self.releases()]
            raise NoRelease(f"no release {release_id}; there are {', '.join(known[-5:])}") if release_id and known else NoRelease()
        return Pinned(self.reader, release)

    def intake(self) -> Pinned | None:
        """The head of raw, staging, ops.delivery_ledger and ops.quarantine; None before the first ingest."""
        head = self._held(INTAKE, None)
        return Pinned(self.reader, head) if head else None

    def intake_of(self, release: Release | None) -> Release | None:
        """The raw and staging tables that a release was built from, as an intake."""
        if release is None or not release.intake:
            return None
        tables = {name: snapshot for name, snapshot in release.tables.items() if belongs(INTAKE, name)}
        return replace(release, release_id=release.intake, tables=tables, channel=INTAKE)

    def candidate(self, kind: Literal["intake", "release"], run_id: str, fresh: bool = False) -> Candidate:
        """Open the candidate of a run, or go on with what the run has staged so far, in whichever process.

        Args:
            kind: intake for raw and staging, release for the tables built from them.
            run_id: names the run; letters, digits, `-`, `_` and `.`.
            fresh: start over on the current head, for a run that stages everything in one go: after a kill, what the interrupted attempt
                staged is dropped, so that its appended rows do not count twice.
        """
        if kind not in (INTAKE, RELEASE):
            raise LakeError(f"candidate kind {kind!r}: must be intake or release")
        row = self.candidates.get(kind, run_id)
        if row is None:
            row = self.candidates.create(kind, run_id, *self._heads(kind), datetime.now(UTC))
        elif fresh or (row.status != PUBLISHED and not self.candidates.staged(kind, run_id)):
            row = self.restart_candidate(kind, run_id)
        return Candidate(self, row)

    def restart_candidate(self, kind: str, run_id: str) -> CandidateRow:
        """Open a run's candidate anew on the current head, with nothing staged."""
        return self.candidates.restart(kind, run_id, *self._heads(kind), datetime.now(UTC))

    def append(self, spec: TableSpec, data: ir.Table | pa.Table) -> int:
        """Add rows to a table of the ops layer that no release holds.

        Returns:
            Rows added.

        Raises:
            LakeError: the table is published by a candidate instead.
            SchemaMismatch: the data does not fit the declaration.
        """
        if spec.layer != "ops" or belongs(INTAKE, spec.name):
            raise LakeError(f"{spec.name} cannot be appended to directly: write it in a candidate and publish that")
        written = write_parquet(self.con, spec, data, self.catalog.target(spec))
        self.files.add(spec.name, written.schema_id, written.files)
        branches.append_to_main(self.catalog, spec, written.paths)
        self._compact(spec)
        return written.rows

    def _compact(self, spec: TableSpec) -> None:
        """Make one file of small ones of about one size, of a table that is only added to; see tiers.py."""
        snapshot = self.catalog.reload(spec.name).current_snapshot()
        old = crowded(self.reader.stored(spec.name, snapshot.snapshot_id)) if snapshot else set()
        if old:
            with self.reader.rows(spec, sorted(old)) as rows:
                written = write_parquet(self.con, spec, rows, self.catalog.target(spec))
            self.files.add(spec.name, written.schema_id, written.files)
            branches.compact_main(self.catalog, spec, old, written.paths)

    def ops(self, spec: TableSpec) -> ir.Table:
        """The newest state of a table that `append` writes; typed and empty if nothing was written yet."""
        table = self.catalog.load(spec.name)
        snapshot = table.current_snapshot() if table else None
        if snapshot is None:
            return self.reader.empty(spec)
        return self.reader.as_declared(spec, snapshot.snapshot_id)

    def ops_names(self) -> list[str]:
        """Tables of the ops layer that exist."""
        head = self.log.head(INTAKE)
        held = [name for name in (head.tables if head else {}) if name.startswith("ops.")]
        return sorted({*held, *(name for name in self.catalog.names("ops") if not belongs(INTAKE, name))})

    def ops_table(self, name: str) -> ir.Table:
        """The newest state of a table of the ops layer, by name.

        Raises:
            UnknownTable: there is none of that name yet.
        """
        intake = self.intake()
        if intake and name in intake.release.tables:
            return intake.table(name)
        table = self.catalog.load(name) if name in self.ops_names() else None
        snapshot = table.current_snapshot() if table else None
        if snapshot is None:
            raise UnknownTable(name, self.ops_names())
        return self.reader.table(name, snapshot.snapshot_id)

    def changed_rows(self, name: str, old_snapshot: int, new_snapshot: int) -> tuple[ir.Table, ir.Table]:
        """The rows that only one of two snapshots of a table holds, from the files that only one of them has.

        Returns:
            Rows that are gone, rows that have come; each once, with the columns that both snapshots have.

        Raises:
            LookupError: a snapshot is gone.
        """
        return self.reader.changed_rows(name, old_snapshot, new_snapshot)

    def rollback(self, to: int) -> Release:
        """Publish the tables of an older release again, as a new release.

        Raises:
            NoRelease: that release does not exist or was expired.
        """
        with self.catalog.lock(gc.RELEASE_LOCK):  # else gc could expire the snapshots between the look and the new row
            old = self.at(to).release
            while not self.log.add(release := self._renewed(old)):
                pass  # another run took the number
        self.settle(RELEASE)
        return release

    def gc(self, grace: timedelta = gc.GRACE, retain: int | None = None, keep: Collection[int] = ()) -> gc.GcReport:
        """Remove abandoned candidates, snapshots that nothing pins and files that no snapshot needs; see gc.collect."""
        return gc.collect(self, grace, retain, keep)

    def settle(self, channel: str, branch_of: dict[str, str] | None = None, wait: bool = True) -> None:
        """Move main of the tables to the current release, for foreign readers; nothing here ever reads main of a released table.

        Args:
            channel: intake or release.
            branch_of: candidate branches to drop on the way, by table.
            wait: False gives up where another process commits, which then settles itself.
        """
        head, settled = self.log.unmoved(channel)
        if head is None:
            return
        moved = [name for name, snapshot in head.tables.items() if belongs(channel, name) and settled.get(name) != snapshot]
        try:
            for name in moved:
                crash_point(self.settings.crash_at, "before_main_moved", name)
                branches.follow(self.catalog, name, partial(self._released, channel, name), (branch_of or {}).get(name), wait)
        except LockBusy:
            return
        self.log.mark_main_moved(channel, head.release_id)

    def record_audits(self, run_id: str, channel: str, staged: dict[str, StagedTable]) -> None:
        """Add the audit results of a candidate to ops.audit_result, each once."""
        tables = [table for table in staged.values() if table.audit is not None and not table.is_audit_recorded]
        rows = [result for table in tables for result in table.audit or ()]
        if not rows:
            return
        place = {"audit_at": datetime.now(UTC), "run_id": run_id}
        named = [place | {("table_name" if key == "table" else key): value for key, value in row.items()} for row in rows]
        self.append(AUDIT_RESULT, pa.Table.from_pylist(named, schema=AUDIT_RESULT.ibis_schema().to_pyarrow()))
        self.candidates.mark_audits_recorded(channel, run_id, [table.table_name for table in tables])

    def _held(self, channel: str, number: int | None) -> Release | None:
        """A release that gc leaves alone from now on; None for the current one."""
        if number is None:
            head = self.log.head(channel)
            if head is None:
                return None
            number = head.release_id
        self._leases.hold(channel, number)
        return self.log.get(channel, number)

    def _renewed(self, old: Release) -> Release:
        number = self.at().release.release_id + 1
        note = f"rollback to release {old.release_id}"
        return replace(old, release_id=number, created_at=datetime.now(UTC), run_id=f"rollback-{number}", note=note)

    def _released(self, channel: str, name: str) -> int | None:
        head = self.log.head(channel)
        return head.tables.get(name) if head else None

    def _heads(self, kind: str) -> tuple[int, int]:
        base, intake = self.log.head(kind), self.log.head(INTAKE)
        return base.release_id if base else 0, intake.release_id if intake and kind == RELEASE else 0
