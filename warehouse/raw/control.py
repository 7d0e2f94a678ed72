"""Control totals: what the sender says a delivery holds, checked against what was read.

They catch what no file shows by itself: rows that a quote swallowed, or a file that was cut exactly at the end of a line.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from warehouse.raw.csv_strict import strict_rows
from warehouse.raw.delivery import DeliveredFile, Delivery, DeliveryError
from warehouse.raw.header import FileRejected
from warehouse.raw.text import open_text
from warehouse.sources.contract import SourceTable, plain_name
from warehouse.sources.dialect import CONTROL_TOTALS, Dialect

COLUMNS = ("file", "rows", "sha256", "column", "total")
DIGITS = 60  # of sums: 15 digits and 6 decimals of more rows than there are


@dataclass(frozen=True)
class Expected:
    """What the sender says of one file; None where nothing is said.

    Attributes:
        control: name of the file that says it.
        rows: of the file, header and blank lines not counted.
        sha256: of its bytes, in hex.
        totals: sums by column.
    """

    control: str
    rows: int
    sha256: str | None
    totals: Mapping[str, Decimal]

    def difference(self, sha256: str, rows: int, spool: Path, dialect: Dialect) -> str | None:
        """Why the file is not the one that was sent; None if nothing differs."""
        if self.sha256 and self.sha256 != sha256:
            return self._says("SHA-256", self.sha256, sha256)
        if self.rows != rows:
            return self._says("rows", self.rows, rows)
        for column, total in self.totals.items():
            found, unread = _sum(spool, column, dialect)
            if found != total:
                return self._says(f"sum of {column}", total, f"{found} ({unread} values are no numbers)" if unread else found)
        return None

    def _says(self, what: str, expected: object, found: object) -> str:
        return f"{self.control} expects {what} {expected}, found {found}; deliver the file again, or its control totals corrected"


def expected_files(delivery: Delivery, dialects: Mapping[str, Dialect]) -> dict[str, Expected]:
    """What the control totals of a delivery say, by the name of the file in it.

    Raises:
        DeliveryError: they cannot be read, contradict themselves or list a file that the delivery does not hold.
    """
    files = {file.name.casefold(): file for file in delivery.files}
    expected: dict[str, Expected] = {}
    for control, path in delivery.controls.items():
        dialect = dialects.get(CONTROL_TOTALS, Dialect())
        for line, row in _rows(control, path, dialect):
            name = row["file"]
            file = files.get(name.casefold())
            if file is None:
                known = {unknown.casefold() for unknown in delivery.unknown}
                if name.casefold() in known:
                    continue  # no source table reads it, so nothing of it is taken
                raise DeliveryError(
                    f"{control} line {line}: lists {name or 'no file'}, which is not there; deliver it, or the control totals corrected"
                )
            said = _expected(f"{control} line {line}", row, file.source, dialect, control)
            expected[file.name] = _both(expected.get(file.name), said, f"{control} line {line}: {name}")
    return expected


def checked(file: DeliveredFile, expected: Expected, sha256: str, rows: int, spool: Path, dialect: Dialect) -> None:
    """Compare a file that was read with what was said of it.

    Raises:
        FileRejected: something differs; the message has what was expected and what was found.
    """
    read_by = Dialect() if file.format != ".csv" and file.format != ".csv.gz" else dialect  # numbers elsewhere have no marks
    if why := expected.difference(sha256, rows, spool, read_by):
        raise FileRejected(why, rows)


def _rows(control: str, path: Path, dialect: Dialect) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of a control file with their lines."""
    try:
        with open_text(path, dialect.encoding) as text:
            content = b"".join(block.data for block in text.blocks()).decode()
        lines = strict_rows(iter(io.StringIO(content, newline="")), 1, dialect, is_last=True)
        rows = [row for row in lines if not row.is_blank]
    except (FileRejected, csv.Error) as error:
        raise DeliveryError(f"{control}: {error}") from error
    titles = [plain_name(title) for title in rows[0].fields] if rows else []
    if not {"file", "rows"} <= set(titles) <= set(COLUMNS) or len(set(titles)) < len(titles):
        found = ", ".join(titles) or "nothing"
        raise DeliveryError(f"{control}: has the columns {found}; it must have file and rows, and may have sha256, column and total")
    for row in rows[1:]:
        if len(row.fields) != len(titles):
            raise DeliveryError(f"{control} line {row.number}: has {len(row.fields)} fields, its header {len(titles)}; correct the line")
        yield row.number, dict(zip(titles, (value.strip() for value in row.fields), strict=True))


def _expected(place: str, row: Mapping[str, str], source: SourceTable, dialect: Dialect, control: str) -> Expected:
    if not re.fullmatch("[0-9]{1,18}", row["rows"]):
        raise DeliveryError(f"{place}: rows {row['rows']!r} must be a whole number, 0 or more")
    sha256 = row.get("sha256", "").lower()
    if sha256 and not re.fullmatch("[0-9a-f]{64}", sha256):
        raise DeliveryError(f"{place}: sha256 {sha256!r} must have 64 hexadecimal digits")
    title, total = row.get("column", ""), row.get("total", "")
    if bool(title) != bool(total):
        raise DeliveryError(f"{place}: column and total go together; fill both or none")
    if not title:
        return Expected(control, int(row["rows"]), sha256 or None, {})
    column = next((c for c in source.columns if plain_name(title) in map(plain_name, (c.name, *c.aliases))), None)
    if column is None or column.kind not in ("money", "ratio", "integer"):
        numbers = ", ".join(c.name for c in source.columns if c.kind in ("money", "ratio", "integer")) or "none"
        raise DeliveryError(f"{place}: column {title!r} of {source.name} has no sum; its columns of numbers: {numbers}")
    number = dialect.number(total)
    if number is None:
        raise DeliveryError(f"{place}: total {total!r} is no number")
    return Expected(control, int(row["rows"]), sha256 or None, {column.name: number})


def _both(one: Expected | None, other: Expected, place: str) -> Expected:
    """Two lines about one file, each with the sum of another column."""
    if one is None:
        return other
    sums = {*one.totals} & {*other.totals}
    if one.rows != other.rows or (one.sha256 and other.sha256 and one.sha256 != other.sha256) or sums:
        raise DeliveryError(f"{place} is listed twice with different values; correct the control totals")
    return Expected(one.control, one.rows, one.sha256 or other.sha256, {**one.totals, **other.totals})


def _sum(spool: Path, column: str, dialect: Dialect) -> tuple[Decimal, int]:
    """The exact sum of a column's text, and how many values are no numbers."""
    total, unread = Decimal(0), 0
    with localcontext(prec=DIGITS), pq.ParquetFile(spool) as file:
        for batch in file.iter_batches(columns=[column]):
            for entry in pc.value_counts(batch.column(0)).to_pylist():
                text, count = entry["values"], entry["counts"]
                if not text or not text.strip():
                    continue
                number = dialect.number(text.strip())
                if number is None:
                    unread += count
                else:
                    total += number * count
    return total, unread
