"""The ledger as an ingest sees it: what was taken for a business date, and the entries that a delivery adds."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from warehouse.raw.verify import VerifiedDelivery, VerifiedFile
from warehouse.staging.batch import Suspicion
from warehouse.staging.ledger import BLOCKED, COUNTS, DELIVERY_LEDGER, INGESTED, REFUSED, REJECTED, UNKNOWN_FILE, completed

Entry = dict[str, Any]  # one row of ops.delivery_ledger


class Arrivals:
    """Entries of one business date, and the next delivery of it.

    Attributes:
        ledger: ops.delivery_ledger before the delivery.
        taken: entries of files that are in raw, by table and hash.
        seen: hashes of all files that a delivery of this date brought, whatever became of them.
        last_on: last business date with a file in raw; None before the first.
    """

    def __init__(self, ledger: ir.Table, business_date: date, run_id: str, now: datetime) -> None:
        self.ledger = ledger = completed(ledger)
        self._business_date, self._run_id, self._now = business_date, run_id, now
        here = _rows(ledger.filter(ledger.business_date == business_date))
        is_taken = ledger.status == INGESTED
        (sums,) = _rows(ledger.agg(seq=ledger.delivery_seq.max(), last_on=ledger.business_date.max(where=is_taken)))
        self.taken = {(row["table_name"], row["source_sha256"]): row for row in here if row["status"] == INGESTED}
        self.seen = {row["source_sha256"] for row in here}
        self.last_on: date | None = sums["last_on"]
        self.delivery_seq: int = (sums["seq"] or 0) + 1
        self._noted = {_note(row) for row in here}

    def is_taken(self, table: str, sha256: str) -> bool:
        """Whether a file is in raw for this business date."""
        return (table, sha256) in self.taken

    def of_delivery(self, delivery: VerifiedDelivery, profiles: Mapping[str, str | None] | None = None) -> list[Entry]:
        """Entries of a delivery that is taken: its new, rejected and unknown files.

        Args:
            delivery: the verified files.
            profiles: what new files look like, by hash (warehouse.staging.screening.column_profile).
        """
        new = [
            self._entry(file, INGESTED) | {"column_profile": (profiles or {}).get(file.sha256), "message": self._of_same_name(file)}
            for file in delivery.new
        ]
        rejected = [self._entry(file, REJECTED) for file in delivery.rejected]
        return [*new, *rejected, *self._unknown(delivery)]

    def of_refused(self, delivery: VerifiedDelivery) -> list[Entry]:
        """Entries of a delivery that is refused because of some of its files; what was taken before stays as it is."""
        names = ", ".join(file.file.name for file in delivery.rejected)
        why = f"nothing of this delivery was taken because of {names}; deliver it again with that corrected"
        fine = [self._entry(file, REFUSED) | {"message": why} for file in delivery.new]
        return [*(self._entry(file, REJECTED) for file in delivery.rejected), *fine]

    def of_blocked(self, delivery: VerifiedDelivery, suspicions: Sequence[Suspicion]) -> list[Entry]:
        """Entries of a delivery of which nothing is taken because of what some of its tables look like as a whole."""
        why = {name: "; ".join(str(found) for found in suspicions if found.table == name) for name in {one.table for one in suspicions}}
        fine = f"nothing of this delivery was taken because of {', '.join(sorted(why))}"
        new = [
            self._entry(file, BLOCKED if file.file.source.name in why else REFUSED) | {"message": why.get(file.file.source.name, fine)}
            for file in delivery.new
        ]
        return [*(self._entry(file, REJECTED) for file in delivery.rejected), *new]

    def of_unreadable(self, name: str, sha256: str, why: str) -> list[Entry]:
        """The entry of a delivery that could not be opened."""
        return [self._blank(name, sha256) | {"status": REFUSED, "message": why}]

    def unnoted(self, entries: Iterable[Entry]) -> list[Entry]:
        """Entries that the ledger does not hold yet: refusing the same file again for the same reason is no news."""
        return [entry for entry in entries if _note(entry) not in self._noted]

    def with_remarks(self, ledger: ir.Table, remarks: Mapping[str, str]) -> ir.Table:
        """A ledger that says of this delivery's files, by table, why they were taken in spite of a rule of deliveries."""
        remark = ibis.cases(*((ledger.table_name == table, text) for table, text in remarks.items()))
        is_new = (ledger.delivery_seq == self.delivery_seq) & (ledger.status == INGESTED)
        message = ibis.coalesce(ledger.message + "; " + remark, remark)
        return ledger.mutate(message=ibis.ifelse(is_new & remark.notnull(), message, ledger.message))

    def with_entries(self, entries: list[Entry]) -> ir.Table:
        """The ledger with further entries."""
        schema = DELIVERY_LEDGER.nullable_schema()
        return self.ledger.union(ibis.memtable(pa.Table.from_pylist(entries, schema=schema.to_pyarrow())))

    def _entry(self, file: VerifiedFile, status: str) -> Entry:
        header = file.spooled.header if file.spooled else None
        return self._blank(file.file.name, file.sha256) | {
            "table_name": file.file.source.name,
            "schema_version": header and header.schema_version,
            "rows_in": file.rows,
            "rejected": 0 if status == INGESTED else file.rows,
            "status": status,
            "message": file.error,
            "unknown_columns": ", ".join(header.unknown) or None if header else None,
        }

    def _of_same_name(self, file: VerifiedFile) -> str | None:
        """A remark if a file of the same name was taken for this date: a mended file, or one that another was meant to be."""
        earlier = [entry["delivery_seq"] for entry in self.taken.values() if entry["source_file"] == file.file.name]
        if not earlier:
            return None
        return f"a file of this name with other content was taken in delivery {max(earlier)}; rows of this one replace its, key by key"

    def _unknown(self, delivery: VerifiedDelivery) -> list[Entry]:
        why = "no source table has this name; the file was ignored"
        return [self._blank(name, sha256) | {"status": UNKNOWN_FILE, "message": why} for name, sha256 in delivery.unknown]

    def _blank(self, name: str, sha256: str) -> Entry:
        return dict.fromkeys(DELIVERY_LEDGER.column_names) | {
            "delivery_seq": self.delivery_seq,
            "business_date": self._business_date,
            "source_file": name,
            "source_sha256": sha256,
            "rows_in": 0,
            **dict.fromkeys(COUNTS, 0),
            "ingested_at": self._now,
            "run_id": self._run_id,
            "warned": 0,
        }


def _note(entry: Entry) -> tuple[Any, ...]:
    return tuple(entry[name] for name in ("source_file", "source_sha256", "status", "message"))


def _rows(table: ir.Table) -> list[Entry]:
    return table.to_pyarrow().to_pylist()
