"""Write staging, the quarantine and the ledger's counts of everything that new raw rows touch, in a candidate."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache, cached_property, partial

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.clock import BEGINNING
from warehouse.lake import Candidate, Lake
from warehouse.sources import SOURCES, SourceTable
from warehouse.sources.installments import INSTALLMENTS
from warehouse.sources.repayments import REPAYMENTS
from warehouse.staging import scope
from warehouse.staging.dialect import plainly
from warehouse.staging.judge import judge, staged
from warehouse.staging.ledger import DELIVERY_LEDGER, DISPOSITIONS, INGESTED, accepted_files, counted, recounted, unbalanced
from warehouse.staging.quarantine import QUARANTINE, entries_of, marked, quarantined, with_age
from warehouse.staging.schedule import SCHEDULE_RULES, schedule_faults
from warehouse.staging.scope import EDGES, KEYS, RAW_PLACE, REFERRED, Changed
from warehouse.staging.scratch import EngineScratch, Scratch
from warehouse.table import TableSpec
from warehouse.terms import Terms

INTAKE_LOCK = "intake"  # held by whoever restages and publishes


class RowsLost(AssertionError):
    """The rows of a file are not all accounted for: a defect of the platform, so nothing is published."""


@dataclass(frozen=True)
class Asked:
    """What is to be judged.

    Attributes:
        delivery_seq: the delivery whose rows are new; None if there is none.
        again: source tables whose quarantined and parked rows are judged again.
        everything: source tables of which all rows are judged again.
    """

    delivery_seq: int | None = None
    again: Collection[str] = ()
    everything: Collection[str] = ()


def restage(lake: Lake, candidate: Candidate, ledger: ir.Table, asked: Asked, terms: Terms) -> dict[str, int]:
    """Judge what is asked for and everything that this touches, table by table in the order of the references.

    Every staging table exists afterwards, empty if nothing was delivered for it.

    Args:
        lake: of this process.
        candidate: holds the new raw rows already.
        ledger: ops.delivery_ledger with the new files, their counts still 0.
        asked: what is to be judged.
        terms: for the time zone.

    Returns:
        rows added by table.

    Raises:
        RowsLost: rows_in differs from the sum of the dispositions for some file.
    """
    with EngineScratch(lake.con) as scratch:
        stage = _Restage(lake, candidate, ledger, asked, terms, scratch)
        stage.judge_tables()
        stage.write_missing()
        stage.write_quarantine()
        stage.write_ledger()
    return stage.written


def held_or_empty(lake: Lake, candidate: Candidate, spec: TableSpec) -> ir.Table:
    """A table as it would become, with the columns of its declaration; empty if it was never written."""
    if not candidate.has(spec.name):
        return lake.reader.empty(spec).cast(spec.nullable_schema())
    if set(candidate.table(spec.name).columns) != set(spec.column_names):  # it was last written by an older declaration
        candidate.merge(spec, lake.reader.empty(spec))
        candidate.audit(spec)
    return candidate.table(spec.name)


@dataclass
class _Restage:
    """One restaging; the tables that were judged, and what changed on the way."""

    lake: Lake
    candidate: Candidate
    ledger: ir.Table
    asked: Asked
    terms: Terms
    scratch: Scratch
    written: dict[str, int] = field(default_factory=dict)
    changed: dict[str, Callable[[], Changed]] = field(default_factory=dict)
    entries_gone: list[ir.Table] = field(default_factory=list)
    entries_come: list[ir.Table] = field(default_factory=list)
    gained: list[ir.Table] = field(default_factory=list)
    lost: list[ir.Table] = field(default_factory=list)

    @cached_property
    def files(self) -> ir.Table:
        return self.scratch.keep(accepted_files(self.ledger))

    @cached_property
    def delivered(self) -> Mapping[str, tuple[date | None, bool]]:
        """By table: the business date of the new files, if any; whether they open the table."""
        files = self.files
        is_new = files.delivery_seq == (self.asked.delivery_seq or 0)
        rows = files.group_by("table_name").agg(
            new=files.business_date.min(where=is_new),
            before=files.business_date.min(where=~is_new),
        )
        found = {}
        for row in rows.to_pyarrow().to_pylist():
            opens = row["new"] is not None and (row["before"] is None or row["new"] < row["before"])
            found[row["table_name"]] = (row["new"], opens)
        return found

    @cached_property
    def entries(self) -> ir.Table:
        """ops.quarantine as it was."""
        return held_or_empty(self.lake, self.candidate, QUARANTINE)

    @cached_property
    def last_on(self) -> ir.DateScalar:
        """The last business date delivered."""
        return ibis.date(self.files.business_date.max().to_pyarrow().as_py() or BEGINNING)

    def judge_tables(self) -> None:
        news = {name for name, (new, _opens) in self.delivered.items() if new is not None}
        for source in scope.affected({*news, *self.asked.again, *self.asked.everything}):
            if source.name in self.delivered and self.candidate.has(source.raw_spec().name):
                self._judge_table(source)

    def _judge_table(self, source: SourceTable) -> None:
        if not self.is_whole(source):
            _Table(self, source, self.scratch).judge()
            return
        with EngineScratch(self.lake.con) as scratch:  # all rows of a table: they go before those of the next one come
            _Table(self, source, scratch).judge()

    def is_whole(self, source: SourceTable) -> bool:
        """Whether all rows of a table are judged."""
        _, opens = self.delivered[source.name]
        return opens or source.name in self.asked.everything

    def staging(self, source: SourceTable) -> ir.Table:
        return held_or_empty(self.lake, self.candidate, source.staging_spec())

    def merge(self, spec: TableSpec, come: ir.Table, gone: ir.Table | None) -> None:
        self.written[spec.name] = self.candidate.merge(spec, come, gone)
        if spec.name in self.candidate.staged():
            self.candidate.audit(spec)

    def write_missing(self) -> None:
        """Readers find every staging table, whatever the first deliveries lacked."""
        for source in SOURCES:
            if not self.candidate.has(source.staging_spec().name):
                self.merge(source.staging_spec(), self.staging(source), None)

    def write_quarantine(self) -> None:
        """Entries of the rows that were judged, and time that passes for all that wait."""
        old = self.entries
        gone = self.scratch.keep(_union(self.entries_gone, old.limit(0)))
        come = self.scratch.keep(with_age(_union(self.entries_come, old.limit(0)), self.last_on))
        rest = old.anti_join(gone, QUARANTINE.grain).filter(_.disposition == "parked")
        aged = self.scratch.keep(with_age(rest, self.last_on).difference(rest.select(*QUARANTINE.column_names)))
        self.merge(QUARANTINE, come.difference(gone).union(aged), gone.difference(come).union(aged))

    def write_ledger(self) -> None:
        none = counted(self.files.select("file_number", disposition=ibis.literal("")).limit(0))
        gained, lost = (self.scratch.keep(_union(tables, none)) for tables in (self.gained, self.lost))
        entries = self.candidate.table(QUARANTINE.name)
        warned = entries.filter(_.disposition == "accepted", _.severity == "warn")
        rows = warned.select("table_name", *RAW_PLACE).distinct().join(self.files, ["table_name", "business_date", "source_sha256"])
        by_file = rows.group_by("file_number").agg(warned=rows.count())
        self.written[DELIVERY_LEDGER.name] = self.candidate.write(
            DELIVERY_LEDGER, recounted(self.ledger, self.files, gained, lost, by_file)
        )
        self.candidate.audit(DELIVERY_LEDGER)
        _check_balance(self.candidate.table(DELIVERY_LEDGER.name))


class _Table:
    """One source table in a restaging: which of its rows are judged, and by what (the Context of the judges)."""

    def __init__(self, stage: "_Restage", source: SourceTable, scratch: Scratch) -> None:
        self.stage, self.source, self.scratch = stage, source, scratch
        self.spec = source.staging_spec()
        self.new_on, _ = stage.delivered[source.name]
        self.is_whole = stage.is_whole(source)
        self.files = self.scratch.keep(stage.files.filter(stage.files.table_name == source.name))
        self.touched = None if self.is_whole else self._touched()

    @cached_property
    def before_all(self) -> ir.Table:
        """The staging table before this intake."""
        return self.stage.staging(self.source)

    @cached_property
    def of_keys(self) -> ir.Table:
        """Its rows of the touched keys, all dates, with the date from which they are judged again."""
        if self.touched is None:
            return self.before_all.mutate(from_on=ibis.date(BEGINNING))
        return self.scratch.keep(scope.in_scope(self.before_all, self.before_all[self.source.key[0]], self.touched))

    @cached_property
    def again(self) -> ir.Table:
        """Rows of staging that are judged again."""
        return self.of_keys.filter(_.business_date >= _.from_on).select(*self.spec.column_names)

    @cached_property
    def held(self) -> ir.Table:
        return self.of_keys.filter(_.business_date < _.from_on).select(*self.spec.column_names)

    def parent(self, name: str) -> ir.Table:
        return self.stage.staging(next(source for source in SOURCES if source.name == name))

    def before(self) -> ir.Table:
        if self.touched is None:
            return self.before_all.limit(0)
        key = self.before_all[self.source.key[0]]
        return self.before_all.anti_join(self.touched, [key == self.touched.key, self.before_all.business_date >= self.touched.from_on])

    def is_narrow(self) -> bool:
        return not self.is_whole

    def has_one_date(self, name: str) -> bool:
        rows = self.parent(name)
        (found,) = rows.agg(least=rows.business_date.min(), greatest=rows.business_date.max()).to_pyarrow().to_pylist()
        return found["least"] == found["greatest"]

    def raw(self, since: date) -> ir.Table:
        """Rows of raw from a business date on, with the number of their file."""
        held_or_empty(self.stage.lake, self.stage.candidate, self.source.raw_spec())
        rows = self.stage.candidate.table(self.source.raw_spec().name, since)
        numbers = self.files.select("file_number", on="business_date", of="source_sha256")
        return rows.join(numbers, [rows.business_date == numbers.on, rows.source_sha256 == numbers.of]).drop("on", "of")

    def judge(self) -> None:
        """Judge the rows in scope, if there are any, and note what that changes."""
        if not self.is_whole and self.touched is None:
            return
        raw = self.scratch.name(self.raw(BEGINNING)) if self.touched is None else self._raw_in_scope(self.touched)
        judged = self.scratch.name(judge(self.source, self._plain(raw), self, self.stage.terms.time_zone, self.scratch))
        accepted = staged(judged, self.source)
        self._count(judged, raw)
        if not self.stage.candidate.has(self.spec.name):
            self.stage.merge(self.spec, accepted, None)
        else:
            accepted = self.scratch.keep(accepted)
            again = self.scratch.keep(self.again)
            self.stage.merge(self.spec, accepted.difference(again), again.difference(accepted))
        self._quarantine(judged, raw)
        if self.source.name in REFERRED:
            self.stage.changed[self.source.name] = cache(partial(self._changed, accepted))

    def _plain(self, raw: ir.Table) -> ir.Table:
        """Rows of raw with numbers and dates in the plain form, whatever dialect their files were declared in."""
        declared = raw.filter(raw["dialect"].notnull()).select("dialect").distinct().to_pyarrow()["dialect"].to_pylist()
        return plainly(raw, self.source, sorted(declared)) if declared else raw

    def _touched(self) -> ir.Table | None:
        """The keys to judge again, each from some business date on; None if there are none."""
        asked = [*self._by_files(), *self._by_parents()]
        if self.source.name in self.stage.asked.again:
            asked += self._at(scope.refused(self.stage.entries, [self.source.name]))
        if not asked:
            return None
        touched = self.scratch.keep(scope.earliest(asked, self.source))
        if self.source.name == REPAYMENTS.name:
            touched = self._with_reversals(touched)
        return touched if _has_rows(touched) else None

    def _by_files(self) -> Iterator[ir.Table]:
        if self.new_on is not None:
            new = self.files.filter(_.delivery_seq == self.stage.asked.delivery_seq).select("file_number")
            yield scope.keys_of(self.raw(self.new_on).semi_join(new, "file_number"), self.source)

    def _by_parents(self) -> Iterator[ir.Table]:
        for edge in EDGES.get(self.source.name, ()):
            if edge.parent not in self.stage.changed:
                continue
            changed = self.stage.changed[edge.parent]()
            if changed.since is not None:
                yield scope.keys_of(scope.naming(self.raw(changed.since), self.source, edge, changed.moved), self.source)
                if (self.source.name, edge.parent) == (REPAYMENTS.name, "contracts"):
                    yield from self._paying(changed.moved, changed.since)
            if changed.has_born:
                yield from self._at(scope.waiting(self.stage.entries, self.source, edge, changed.born))

    def _at(self, places: ir.Table) -> Iterator[ir.Table]:
        """Keys of rows of raw at some places."""
        kept = self.scratch.keep(places.distinct())
        since = _earliest(kept.business_date)
        if since is not None:
            yield scope.keys_of(scope.at_places(self.raw(since), kept), self.source)

    def _paying(self, moved: ir.Table, since: date) -> Iterator[ir.Table]:
        """Repayments of moved contracts that name them through an installment only."""
        rows = self.before_all
        paying = rows.join(moved, [rows.contract_number == moved.key, rows.business_date >= moved.from_on])
        yield paying.select(key=paying.repayment_id, from_on=paying.business_date)
        refused = scope.refused(self.stage.entries, [self.source.name], ["before_start_date"])
        yield from self._at(refused.filter(refused.business_date >= since))

    def _with_reversals(self, touched: ir.Table) -> ir.Table:
        """Touched repayments, and the reversals that name them: again, since a refused reversal names a reversal."""
        edge = next(edge for edge in EDGES[REPAYMENTS.name] if edge.parent == REPAYMENTS.name)
        for _round in range(2):
            moved = self.scratch.keep(scope.reaching(touched, self.before_all, KEYS[REPAYMENTS.name]))
            since = _earliest(moved.from_on)
            if since is None:
                return touched
            naming = scope.keys_of(scope.naming(self.raw(since), self.source, edge, moved), self.source)
            waiting = self._at(scope.waiting(self.stage.entries, self.source, edge, touched.select("key")))
            touched = self.scratch.keep(scope.earliest([touched, naming, *waiting], self.source))
        return touched

    def _raw_in_scope(self, touched: ir.Table) -> ir.Table:
        raw = self.raw(_earliest(touched.from_on) or BEGINNING)
        found = scope.in_scope(raw, scope.key_of(raw, self.source), touched)
        return self.scratch.keep(found.filter(found.business_date >= found.from_on).drop("from_on"))

    def _count(self, judged: ir.Table, raw: ir.Table) -> None:
        keep = self.stage.scratch.keep
        self.stage.gained.append(keep(counted(judged)))
        is_part = self.touched is not None
        self.stage.lost.append(keep(counted(self._dispositions_before(raw)) if is_part else self._counts_before()))

    def _counts_before(self) -> ir.Table:
        """The ledger's counts of all files of the table."""
        ledger = self.stage.ledger.select("table_name", "business_date", "source_sha256", "status", *DISPOSITIONS)
        taken = ledger.filter(_.status == INGESTED)
        return self.files.join(taken, ["table_name", "business_date", "source_sha256"]).select("file_number", *DISPOSITIONS)

    def _dispositions_before(self, raw: ir.Table) -> ir.Table:
        """What rows of raw were before this restaging; new ones were nothing."""
        old = self.files.filter(_.delivery_seq != (self.stage.asked.delivery_seq or 0)).select("file_number")
        rows = raw.semi_join(old, "file_number").select("file_number", *RAW_PLACE)
        accepted = self.again.select(*RAW_PLACE, was=ibis.literal("accepted"))
        refused = self.stage.entries.filter(_.table_name == self.source.name, _.disposition.isin(("quarantined", "parked")))
        known = accepted.union(refused.select(*RAW_PLACE, was=_.disposition).distinct())
        joined = rows.left_join(known, list(RAW_PLACE))
        return joined.select("file_number", disposition=joined.was.fill_null("duplicate"))

    def _quarantine(self, judged: ir.Table, raw: ir.Table) -> None:
        """Replace the entries of the judged rows."""
        mine = self.stage.entries.filter(_.table_name == self.source.name)
        about_rows = mine.filter(_.rule.notin(SCHEDULE_RULES))
        if self.touched is not None:
            about_rows = about_rows.semi_join(raw, list(RAW_PLACE))
        self.stage.entries_gone.append(about_rows)
        faulty = self.scratch.keep(marked(judged))
        if _has_rows(faulty):  # asking is much cheaper than the entries, and most deliveries are clean
            self.stage.entries_come.append(self.stage.scratch.keep(quarantined(faulty, raw, self.source)))
        if self.source.name == INSTALLMENTS.name:
            self._quarantine_schedules(mine.filter(_.rule.isin(SCHEDULE_RULES)))

    def _quarantine_schedules(self, mine: ir.Table) -> None:
        """Replace the entries about contracts whose first schedule may be another one now."""
        rows = self.stage.staging(self.source)
        if self.touched is not None:
            contracts = self.scratch.keep(self._rescheduled(self.touched))
            rows = self.scratch.keep(rows.semi_join(contracts, "contract_number"))
            gone = rows.select(*RAW_PLACE).union(self.again.select(*RAW_PLACE))
            mine = mine.semi_join(gone, list(RAW_PLACE))
        self.stage.entries_gone.append(mine)
        faults = self.scratch.keep(schedule_faults(rows, self))
        since = _earliest(faults.business_date)
        if since is not None:
            raw = scope.at_places(self.raw(since), faults)
            numbered = faults.join(self.files.select("file_number", "business_date", "source_sha256"), ["business_date", "source_sha256"])
            self.stage.entries_come.append(self.stage.scratch.keep(entries_of(numbered, raw, self.source)))

    def _rescheduled(self, touched: ir.Table) -> ir.Table:
        """Contracts of judged installments, without those whose first schedule was delivered before any of these."""
        now = self.stage.staging(self.source)
        judged = now.semi_join(touched, now.installment_id == touched.key).union(self.of_keys.select(*now.columns))
        from_on = judged.join(touched, judged.installment_id == touched.key).filter(_.business_date >= _.from_on)
        contracts = from_on.group_by("contract_number").agg(judged_on=from_on.business_date.min())
        before = self.before()
        earlier = before.join(contracts, "contract_number").filter(_.business_date < _.judged_on, ~_.is_deleted)
        return contracts.anti_join(earlier, "contract_number").select("contract_number")

    def _changed(self, accepted: ir.Table) -> Changed:
        before = self.of_keys.select(*self.spec.column_names)
        after = self.stage.staging(self.source) if self.is_whole else self.held.union(accepted.select(*self.spec.column_names))
        moved, born = (self.stage.scratch.keep(keys) for keys in scope.changed_keys(before, after, KEYS[self.source.name]))
        return Changed(moved, born, _earliest(moved.from_on), _has_rows(born))


def _has_rows(table: ir.Table) -> bool:
    return bool(table.limit(1).count().to_pyarrow().as_py())


def _earliest(day: ir.DateColumn) -> date | None:
    """The least date of a column; executes."""
    return day.min().to_pyarrow().as_py()


def _union(tables: list[ir.Table], none: ir.Table) -> ir.Table:
    return ibis.union(none, *tables) if tables else none


def _check_balance(ledger: ir.Table) -> None:
    lost = unbalanced(ledger).select("table_name", "source_file", "business_date").to_pyarrow().to_pylist()
    if lost:
        raise RowsLost(
            f"the rows of {len(lost)} files are not all accounted for, first {lost[0]}; nothing was published, report this defect"
        )
