"""A candidate: the tables that one run has staged on a base, until they are published together or dropped.

It lives in the catalog's database under its run id, so that any process of the run can go on with it. Readers never see it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date
from typing import TYPE_CHECKING, Literal

import ibis.expr.types as ir
import pyarrow as pa

from warehouse.lake import branches
from warehouse.lake.audit import AuditResult, audit_table, is_same_audit
from warehouse.lake.candidate_log import DROPPED, OPEN, PUBLISHED, CandidateRow, StagedTable
from warehouse.lake.channels import LAYERS, belongs, next_release
from warehouse.lake.crash import crash_point
from warehouse.lake.errors import AuditFailed, CandidateClosed, LakeError, UnknownTable
from warehouse.lake.merge import Merger
from warehouse.lake.plan import day_of
from warehouse.lake.records import INTAKE
from warehouse.lake.release_log import Release
from warehouse.lake.writer import WrittenFiles, write_parquet
from warehouse.table import TableSpec

if TYPE_CHECKING:
    from warehouse.lake.lake import Lake


class Candidate:
    """Staged tables of one run in one channel; make it with Lake.candidate."""

    def __init__(self, lake: "Lake", row: CandidateRow) -> None:
        self._lake = lake
        self._rebase(row)

    def _rebase(self, row: CandidateRow) -> None:
        self.row = row
        self.base = self._lake.log.get(row.channel, row.base)
        self.base_intake = self._lake.log.get(INTAKE, row.intake)
        if (row.base and self.base is None) or (row.intake and self.base_intake is None):
            raise CandidateClosed(f"candidate {row.run_id} is based on a release that lending gc expired; discard it and run again")

    @property
    def run_id(self) -> str:
        """The run that the candidate belongs to."""
        return self.row.run_id

    @property
    def kind(self) -> str:
        """Channel in which it will be published: intake or release."""
        return self.row.channel

    @property
    def is_published(self) -> bool:
        """Whether publish has happened and nothing was written since."""
        return self.row.status == PUBLISHED

    def staged(self) -> dict[str, StagedTable]:
        """Tables written so far, by any process of the run."""
        return self._lake.candidates.staged(self.kind, self.run_id)

    def snapshots(self) -> dict[str, int]:
        """Snapshot of every table that `table` would find, by name."""
        return self._base_tables() | {name: table.snapshot_id for name, table in self.staged().items()}

    def has(self, name: str) -> bool:
        """Whether `table` would find it."""
        return name in self.snapshots()

    def table(self, name: str, since: date | None = None) -> ir.Table:
        """The staged version if this run wrote one, else what the base holds.

        Args:
            name: layer.table.
            since: leave out date partitions before this date; their files are not opened.

        Raises:
            UnknownTable: neither has it; the message names near matches.
            LakeError: since is given and the table has no date partition.
        """
        snapshots = self.snapshots()
        if name not in snapshots:
            raise UnknownTable(name, snapshots)
        return self._lake.reader.table(name, snapshots[name], since)

    def partitions(self, name: str) -> set[date]:
        """Dates of the partition column that `table` would find rows of, without opening a file; none if it finds no table."""
        snapshot_id = self.snapshots().get(name)
        files = () if snapshot_id is None else self._lake.reader.stored(name, snapshot_id)
        return {day_of(file.partition) for file in files if file.partition is not None}

    def recipe(self, name: str) -> str | None:
        """By which recipe all rows that `table` would find were computed.

        Returns:
            None if it finds none, if no recipe was given, or if they were computed from other staging tables than those beside them:
            a release may hold newer staging tables than the ones that its other tables follow from.
        """
        staged, base = self.staged().get(name), self.base.tables if self.base else {}
        if staged is None and name not in base:
            return None
        snapshot_id, beside = (staged.snapshot_id, self._base_tables()) if staged else (base[name], base)
        made, of = self._lake.reader.recipe(name, snapshot_id)
        return made if of == _staging_of(beside) else None

    def write(
        self,
        spec: TableSpec,
        data: ir.Table | pa.Table,
        replace: Sequence[date] | Literal["append"] | None = None,
        within: Sequence[date] | None = None,
        recipe: str | None = None,
    ) -> int:
        """Stage a table.

        Args:
            spec: declaration of the table.
            data: same columns as declared, in any order; cast to the declared types. The rows of each file keep the order of an
                expression that ends with order_by.
            replace: None: the data is the whole table. Dates: these partitions are replaced, the data holds no other date, and a date
                without rows is cleared. "append": the rows are added.
            within: dates that appended rows may have; rows of one date are written without looking for others.
            recipe: of warehouse.recipe.recipe, if all rows of the table, those that stay included, were computed by it.

        Returns:
            Rows written.

        Raises:
            SchemaMismatch: columns, types or partition values do not fit; nothing is staged.
            LakeError: the channel does not publish this table.
        """
        self._check_write(spec, replace)
        self._reopen()
        crash_at = self._lake.settings.crash_at
        crash_point(crash_at, "before_write", spec.name)
        parent = self.snapshots().get(spec.name)
        days = None if replace is None or replace == "append" else list(replace)
        written = write_parquet(self._lake.con, spec, data, self._lake.catalog.target(spec), allowed=within if days is None else days)
        crash_point(crash_at, "after_data_files", spec.name)
        replaces = branches.nothing if replace == "append" else branches.everything if days is None else branches.partitions(days)
        self._stage(spec, parent, replaces, [written], f"{recipe}@{_staging_of(self._base_tables())}" if recipe else None)
        return written.rows

    def merge(self, spec: TableSpec, added: ir.Table | pa.Table, removed: ir.Table | pa.Table | None = None) -> int:
        """Stage a change of some rows of a table: the others stay where they are, in files that are not written again.

        A table that the base does not hold starts with the added rows. A change without any row stages nothing, unless the declaration
        has changed. FAN small files of about one size become one on the way, so that daily changes do not pile up files: see tiers.py.

        Args:
            spec: declaration of the table.
            added: new rows, same columns as declared, in any order. They may have the keys of rows that are removed.
            removed: at least the grain columns of the rows that go; keys that the table does not hold are passed over.

        Returns:
            Rows added.

        Raises:
            SchemaMismatch: columns, types or partition values do not fit; nothing is staged.
            LakeError: the channel does not publish this table.
        """
        self._check_write(spec, None)
        self._reopen()
        crash_at = self._lake.settings.crash_at
        crash_point(crash_at, "before_write", spec.name)
        parent = self.snapshots().get(spec.name)
        change = Merger(self._lake.con, self._lake.catalog, self._lake.reader, spec).change(parent, added, removed)
        crash_point(crash_at, "after_data_files", spec.name)
        if parent is None:
            self._stage(spec, parent, branches.everything, change.written)
        elif change.added.rows or change.doomed or not self._lake.catalog.has_columns(spec, parent):
            self._stage(spec, parent, branches.files(change.doomed) if change.doomed else branches.nothing, change.written)
        return change.added.rows

    def audit(self, spec: TableSpec, also: Sequence[AuditResult] = ()) -> list[AuditResult]:
        """Check a staged table as it would become; publish needs it for every staged table.

        Files that the base has too were audited with it: only rows of new files are read, and the keys of the others. All is read again
        when the columns or the rules have changed since.

        Args:
            spec: declaration of the table.
            also: what checks beyond the declaration found, such as a comparison with other tables; they are part of the audit.

        Returns:
            One result per rule; none for a table that stays as the base has it. Failed ones are in ops.audit_result at once, the others
            after publish.

        Raises:
            UnknownTable: neither this run nor the base has the table.
        """
        staged = self.staged()
        if spec.name not in staged:
            if self.has(spec.name):
                return []
            raise UnknownTable(spec.name, self.snapshots())
        snapshot_id, base = staged[spec.name].snapshot_id, staged[spec.name].base_snapshot_id
        if base is not None and not is_same_audit(spec, self._lake.candidates.audit_of(spec.name, base)):
            base = None
        with self._lake.reader.changed(spec, snapshot_id, base) as (new, kept):
            results = [*audit_table(spec, new, kept), *also]
        self._lake.candidates.set_audit(self.kind, self.run_id, spec.name, snapshot_id, [asdict(result) for result in results])
        if not all(result.passed for result in results):
            self._record_audits()
        return results

    def publish(self, business_date: date, note: str = "") -> Release:
        """Make all staged tables visible at once: readers see the release before, or this one.

        Args:
            business_date: as of which business date the tables are.
            note: free text.

        Returns:
            The new release; the one it already became if this run published before and staged nothing since.

        Raises:
            AuditFailed: a staged table broke a rule or was not audited; names table, rule and count.
            PublishConflict: another run has published one of the staged tables since this candidate's base.
            CandidateClosed: it was dropped meanwhile.
        """
        self._refresh()
        if self.is_published:
            return self._finish(self._published())
        staged = self._publishable()
        self._record_audits()
        while True:
            release = next_release(self._lake, self.row, self.base_intake, staged, business_date, note)
            crash_point(self._lake.settings.crash_at, "before_release_row")
            if self._lake.log.add(release, candidate_run_id=self.run_id):
                break  # otherwise another run took the number: look at its release and try the next one
        crash_point(self._lake.settings.crash_at, "after_release_row")
        self.row = replace(self.row, status=PUBLISHED, number=release.release_id)
        return self._finish(release)

    def discard(self) -> None:
        """Drop everything staged. The audit results stay in ops.audit_result."""
        if self.row.status != OPEN:
            return
        self._record_audits()
        staged = self.staged()
        self._lake.candidates.drop(self.kind, self.run_id)
        for table in staged.values():
            branches.drop_branch(self._lake.catalog, table.table_name, table.branch)
        self.row = replace(self.row, status=DROPPED)

    def _stage(
        self, spec: TableSpec, parent: int | None, replaces: branches.Replaces, written: Sequence[WrittenFiles], recipe: str | None = None
    ) -> None:
        branch = branches.branch_name(self.kind, self.run_id)
        for each in written:
            self._lake.files.add(spec.name, each.schema_id, each.files)
        added = [path for each in written for path in each.paths]
        snapshot_id = branches.stage_files(self._lake.catalog, spec, branch, parent, replaces, added, recipe)
        crash_point(self._lake.settings.crash_at, "after_add_files", spec.name)
        base = self._base_tables().get(spec.name)
        self._lake.candidates.stage(self.kind, self.run_id, StagedTable(spec.name, branch, snapshot_id, base))

    def _finish(self, release: Release) -> Release:
        self._lake.settle(self.kind, {table.table_name: table.branch for table in self.staged().values()})
        return release

    def _published(self) -> Release:
        release = self._lake.log.get(self.kind, self.row.number)
        if release is None:
            raise CandidateClosed(f"run {self.run_id} published {self.kind} {self.row.number}, which lending gc has expired since")
        return release

    def _check_write(self, spec: TableSpec, replace: Sequence[date] | Literal["append"] | None) -> None:
        if not belongs(self.kind, spec.name):
            raise LakeError(f"{spec.name} is not published in channel {self.kind}, which holds {', '.join(LAYERS[self.kind])}")
        if replace not in (None, "append") and spec.partition_by is None:
            raise LakeError(f"{spec.name} has no partition column: replace must be None or 'append', not dates")

    def _reopen(self) -> None:
        """Start over on the current head when the last write of this run is published already or was dropped."""
        self._refresh()
        if self.row.status != OPEN:
            self._rebase(self._lake.restart_candidate(self.kind, self.run_id))

    def _refresh(self) -> None:
        """See what other processes did to the candidate: published it, dropped it, started it over."""
        row = self._lake.candidates.get(self.kind, self.run_id)
        if row is not None and row != self.row:
            self._rebase(row)

    def _base_tables(self) -> dict[str, int]:
        tables = dict(self.base.tables) if self.base else {}
        if self.base_intake and self.kind != INTAKE:
            tables |= self.base_intake.tables
        return tables

    def _publishable(self) -> dict[str, StagedTable]:
        if self.row.status != OPEN:
            raise CandidateClosed(f"candidate {self.run_id} was discarded, or dropped by lending gc; stage its tables again")
        staged = self.staged()
        if not staged:
            raise LakeError(f"run {self.run_id} staged no table: there is nothing to publish")
        failed = [AuditResult(**result) for table in staged.values() for result in table.audit or () if not result["passed"]]
        unaudited = [f"{name}: staged but not audited" for name, table in staged.items() if table.audit is None]
        problems = unaudited + [f"{result.table}: {result.rule}: {result.message}" for result in failed]
        if problems:
            self._record_audits()
            branch = branches.branch_name(self.kind, self.run_id)
            raise AuditFailed(f"nothing published; {'; '.join(problems)} (branch {branch} is kept for inspection)", failed)
        return staged

    def _record_audits(self) -> None:
        self._lake.record_audits(self.run_id, self.kind, self.staged())


def _staging_of(tables: Mapping[str, int]) -> str:
    """The staging tables among some, as a short text."""
    held = sorted((name, snapshot_id) for name, snapshot_id in tables.items() if name.startswith("staging."))
    return hashlib.sha256(repr(held).encode()).hexdigest()
