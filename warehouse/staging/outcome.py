"""What an ingest did, for the command line, the job's page and tests."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import date
from typing import Any

from warehouse.staging.ledger import BLOCKED, COUNTS, REFUSED, REJECTED

ALREADY_DELIVERED = "already_delivered"
NOTHING_CHANGED = "already delivered, nothing changed"


@dataclass(frozen=True)
class FileOutcome:
    """One file and what became of its rows; the names are those of ops.delivery_ledger."""

    table_name: str | None
    source_file: str
    rows_in: int
    accepted: int
    duplicate: int
    quarantined: int
    parked: int
    rejected: int
    status: str
    message: str | None = None
    unknown_columns: str | None = None

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> "FileOutcome":
        """The outcome that an entry of the ledger tells."""
        return cls(**{column.name: entry[column.name] for column in fields(cls)})

    @classmethod
    def again(cls, table: str, name: str, entry: Mapping[str, Any] | None) -> "FileOutcome":
        """The outcome of a file that was taken before, or is in the delivery under another name."""
        counts: dict[str, Any] = {count: entry[count] if entry else 0 for count in ("rows_in", *COUNTS)}
        return cls(table, name, status=ALREADY_DELIVERED, **counts)

    def line(self) -> str:
        """`table file rows_in accepted duplicate quarantined parked rejected`, and what is to say."""
        counts = " ".join(str(getattr(self, name)) for name in ("rows_in", *COUNTS))
        said = [text for text in (self.message, self.unknown_columns and f"columns not in the contract: {self.unknown_columns}") if text]
        if self.status == ALREADY_DELIVERED:
            said.append(NOTHING_CHANGED)
        return f"{self.table_name or 'unknown_file'} {self.source_file} {counts}" + (f" ({'; '.join(said)})" if said else "")


@dataclass(frozen=True)
class IngestResult:
    """One ingest.

    Attributes:
        business_date: of the delivery.
        delivery_seq: its number in the ledger; None if nothing was written.
        files: known files, and unknown ones with table_name None.
        error: why the delivery as a whole was refused.
        rows_written: rows by table, such as staging.clients, of the tables that were computed anew.
    """

    business_date: date
    delivery_seq: int | None
    files: tuple[FileOutcome, ...]
    error: str | None = None
    rows_written: Mapping[str, int] = field(default_factory=dict)

    @property
    def rejected_files(self) -> tuple[FileOutcome, ...]:
        """Files that could not be used."""
        return tuple(file for file in self.files if file.status in (REJECTED, REFUSED, BLOCKED))

    @property
    def is_blocked(self) -> bool:
        """Whether the delivery as a whole looked wrong, which an operator may overrule."""
        return any(file.status == BLOCKED for file in self.files)

    @property
    def changed(self) -> bool:
        """Whether raw and staging have new rows or files."""
        return bool(self.rows_written)

    @property
    def exit_code(self) -> int:
        """0 done or nothing to do, 1 refused, 3 taken without its rejected files."""
        if self.error is not None:
            return 1
        return 3 if self.rejected_files else 0

    @property
    def message(self) -> str:
        """One line: the error, that nothing changed, or the sums."""
        if self.error is not None:
            return self.error
        if not self.changed:
            return NOTHING_CHANGED
        sums = ", ".join(f"{sum(getattr(file, name) for file in self.files)} {name}" for name in ("rows_in", *COUNTS))
        return f"business date {self.business_date}: {sums}"

    @property
    def summary(self) -> str:
        """The message and one line a file."""
        return "\n".join([*(file.line() for file in self.files), self.message])

    def metadata(self, table: str) -> dict[str, Any]:
        """What the job's page shows of one table of raw, staging or ops."""
        shown: dict[str, Any] = {"rows_written": self.rows_written.get(table, 0)}
        if table == "ops.delivery_ledger":
            shown |= {name: sum(getattr(file, name) for file in self.files) for name in ("rows_in", *COUNTS)}
        return shown

    def as_json(self) -> dict[str, Any]:
        """The result as one object of plain values."""
        return {
            "business_date": self.business_date.isoformat(),
            "delivery_seq": self.delivery_seq,
            "changed": self.changed,
            "error": self.error,
            "files": [asdict(file) for file in self.files],
        }
