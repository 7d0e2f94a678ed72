"""Take a delivery: verify it, keep a copy, add it to raw, judge its rows, publish raw, staging and ops together.

A delivery is taken whole or not at all, unless partial intake is allowed. Running it again changes nothing: a file is known by its
table, its business date and its content.
"""

import shutil
import tempfile
import time
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import ibis.expr.types as ir

from warehouse.lake import Candidate, Lake, PublishConflict
from warehouse.raw.delivery import DeliveryError, FileChanged, find_delivery
from warehouse.raw.landing import land
from warehouse.raw.reader import fingerprint
from warehouse.raw.store import append_raw
from warehouse.raw.verify import VerifiedDelivery, verify_delivery
from warehouse.settings import Settings
from warehouse.sources.dialect import read_dialects
from warehouse.staging.arrivals import Arrivals, Entry
from warehouse.staging.batch import Suspicion, accepted_rules
from warehouse.staging.ledger import DELIVERY_LEDGER
from warehouse.staging.outcome import FileOutcome, IngestResult
from warehouse.staging.restage import INTAKE_LOCK, Asked, held_or_empty, restage
from warehouse.staging.screening import Screening

ATTEMPTS = 8  # of publishing, when other machines publish deliveries at the same time
ABANDONED_SECONDS = 24 * 3600


def ingest_delivery(
    lake: Lake,
    settings: Settings,
    path: Path | str,
    business_date: date,
    run_id: str,
    allow_partial: bool = False,
    accept: Collection[str] = (),
) -> IngestResult:
    """Take one delivery.

    Args:
        lake: where raw, staging and ops are.
        settings: of the process.
        path: folder, zip or single file.
        business_date: of the delivery, in the lender's zone.
        run_id: names the run; a run that was killed may be started again under its id.
        allow_partial: reject files that cannot be used and take the others.
        accept: rules of deliveries that do not block this one, as `RULE` or `RULE:TABLE`.

    Returns:
        what became of each file; a refused or blocked delivery is a result with an error, and is in the ledger.

    Raises:
        FileNotFoundError: nothing is at the path.
        UnknownRule: accept names something that does not exist.
        PublishConflict: other machines published deliveries at the same time, again and again.
    """
    accepted = accepted_rules(accept)
    for attempt in range(1, ATTEMPTS + 1):
        # Intakes of one machine take turns: of two at once, one would have to judge its rows again on what the other published.
        with lake.catalog.lock(INTAKE_LOCK), _work_folder(settings) as work:
            candidate = lake.candidate("intake", run_id, fresh=True)
            try:
                return _Intake(lake, settings, candidate, business_date, datetime.now(UTC), accepted).take(Path(path), work, allow_partial)
            except PublishConflict:
                candidate.discard()
                if attempt == ATTEMPTS:
                    raise
    raise AssertionError("the last attempt returns or raises")


def undelivered(lake: Lake, folder: Path, business_date: date) -> list[Path]:
    """Known files of a landing folder that no delivery of that business date has brought, whatever became of them there."""
    if not folder.is_dir():
        return []
    intake = lake.intake()
    ledger = intake.table(DELIVERY_LEDGER.name) if intake else lake.reader.empty(DELIVERY_LEDGER)
    seen = Arrivals(ledger, business_date, "", datetime.now(UTC)).seen
    with tempfile.TemporaryDirectory() as unpacked:
        try:
            files = [file.path for file in find_delivery(folder, Path(unpacked)).files]
        except DeliveryError:  # ingest will say why; here it only matters whether that was said before
            files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
        return [path for path in files if fingerprint(path) not in seen]


@dataclass(frozen=True)
class _Intake:
    """One attempt to take a delivery."""

    lake: Lake
    settings: Settings
    candidate: Candidate
    business_date: date
    now: datetime
    accepted: Collection[tuple[str, str | None]] = ()

    def take(self, path: Path, work: Path, allow_partial: bool) -> IngestResult:
        arrivals = self._arrivals()
        try:
            delivery = verify_delivery(path, arrivals.is_taken, work, read_dialects(self.settings.dialects))
        except DeliveryError as error:
            sha256 = fingerprint(path) if path.is_file() else ""
            return self._refuse(arrivals, arrivals.of_unreadable(path.name, sha256, str(error)), str(error))
        if delivery.rejected and not (allow_partial and len(delivery.rejected) < len(delivery.files)):
            why = "; ".join(f"{file.file.name}: {file.error}" for file in delivery.rejected)
            return self._refuse(arrivals, arrivals.of_refused(delivery), why)
        if not delivery.new:
            return self._leave(arrivals, delivery)
        screening = Screening.of(self.lake.con, arrivals, delivery, self.business_date, self.accepted)
        if suspicions := screening.delivered(arrivals, delivery):
            return self._block(arrivals, delivery, suspicions)
        try:
            return self._commit(arrivals, delivery, screening)
        except FileChanged as error:
            anew = self._unstaged()
            return anew._refuse(anew._arrivals(), arrivals.of_unreadable(path.name, "", str(error)), str(error))

    def _arrivals(self) -> Arrivals:
        ledger = held_or_empty(self.lake, self.candidate, DELIVERY_LEDGER)
        return Arrivals(ledger, self.business_date, self.candidate.run_id, self.now)

    def _refuse(self, arrivals: Arrivals, entries: list[Entry], why: str) -> IngestResult:
        """Nothing but the ledger changes."""
        is_news = self._note(arrivals, entries)
        files = tuple(FileOutcome.of(entry) for entry in entries)
        return IngestResult(self.business_date, arrivals.delivery_seq if is_news else None, files, error=f"nothing was taken: {why}")

    def _block(self, arrivals: Arrivals, delivery: VerifiedDelivery, suspicions: list[Suspicion]) -> IngestResult:
        return self._refuse(arrivals, arrivals.of_blocked(delivery, suspicions), "; ".join(map(str, suspicions)))

    def _unstaged(self) -> "_Intake":
        """The same attempt with nothing staged, on the head of now."""
        self.candidate.discard()
        return replace(self, candidate=self.lake.candidate("intake", self.candidate.run_id, fresh=True))

    def _leave(self, arrivals: Arrivals, delivery: VerifiedDelivery) -> IngestResult:
        """Every usable file was delivered before."""
        entries = [entry for entry in arrivals.of_delivery(delivery) if entry["table_name"]]
        is_news = self._note(arrivals, entries)
        return IngestResult(self.business_date, arrivals.delivery_seq if is_news else None, _outcomes(arrivals, delivery, entries))

    def _note(self, arrivals: Arrivals, entries: list[Entry]) -> bool:
        news = arrivals.unnoted(entries)
        if not news:
            self.candidate.discard()
            return False
        self.candidate.write(DELIVERY_LEDGER, arrivals.with_entries(news))
        self.candidate.audit(DELIVERY_LEDGER)
        self.candidate.publish(arrivals.last_on or self.business_date, "nothing taken")
        return True

    def _commit(self, arrivals: Arrivals, delivery: VerifiedDelivery, screening: Screening) -> IngestResult:
        written = append_raw(self.lake, self.candidate, delivery.new, self.business_date, self.now)
        ledger = arrivals.with_entries(arrivals.of_delivery(delivery, screening.profiles))
        written |= restage(self.lake, self.candidate, ledger, Asked(arrivals.delivery_seq), self.settings.terms)
        entries = _entries(self.candidate.table(DELIVERY_LEDGER.name), arrivals.delivery_seq)
        if suspicions := screening.judged(entries):
            anew = self._unstaged()
            return anew._block(anew._arrivals(), delivery, suspicions)
        if remarks := screening.remarks():
            self.candidate.write(DELIVERY_LEDGER, arrivals.with_remarks(self.candidate.table(DELIVERY_LEDGER.name), remarks))
            self.candidate.audit(DELIVERY_LEDGER)
            entries = _entries(self.candidate.table(DELIVERY_LEDGER.name), arrivals.delivery_seq)
        for file in delivery.new:  # only now, as landing holds what was taken
            land(file.file.path, file.file.name, file.sha256, self.settings.landing, self.business_date)
        note = f"delivery {arrivals.delivery_seq} of {self.business_date}"
        self.candidate.publish(max(self.business_date, arrivals.last_on or self.business_date), note)
        return IngestResult(self.business_date, arrivals.delivery_seq, _outcomes(arrivals, delivery, entries), rows_written=written)


def _entries(ledger: ir.Table, delivery_seq: int) -> list[Entry]:
    return ledger.filter(ledger.delivery_seq == delivery_seq).to_pyarrow().to_pylist()


def _outcomes(arrivals: Arrivals, delivery: VerifiedDelivery, entries: list[Entry]) -> tuple[FileOutcome, ...]:
    """One outcome a file, in the order of the delivery; files that were taken before keep the counts of then."""
    by_name = {entry["source_file"]: FileOutcome.of(entry) for entry in entries}
    outcomes = []
    for file in delivery.files:
        known = by_name.pop(file.file.name, None)
        if known is None:
            first = arrivals.taken.get((file.file.source.name, file.sha256))
            known = FileOutcome.again(file.file.source.name, file.file.name, first)
        outcomes.append(known)
    return (*outcomes, *by_name.values())


@contextmanager
def _work_folder(settings: Settings) -> Iterator[Path]:
    """An empty folder for unpacked files and spools; what killed runs left a day ago is removed."""
    works = settings.home / "work"
    works.mkdir(parents=True, exist_ok=True)
    for left in works.iterdir():
        if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
    work = works / uuid.uuid4().hex
    work.mkdir()
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)
