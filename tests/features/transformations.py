"""Changes of a ledger that features must not notice, or must follow in a way that is known: rows of the staging tables to rows."""

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pyarrow as pa
from ibis.backends import BaseBackend
from ibis.util import gen_name

from tests.conftest import STAGED_DEFAULTS, STAGING, arrow, typed
from tests.oracles.ledger import KEYS, Row
from warehouse.curated.values import nullable
from warehouse.sources import SOURCES, SourceTable
from warehouse.staging.versions import decisions

Rows = Mapping[str, Sequence[Row]]

KEPT = {"business_date", "known_at", "is_opening", "is_deleted", "source_file", "source_sha256", "source_row_number"}
GARBAGE = {
    "string": "garbage",
    "int32": 7777,
    "date": date(2001, 1, 1),
    "decimal(18, 2)": Decimal("999999.99"),
    "decimal(9, 6)": Decimal("0.5"),
    "boolean": True,
}
CALENDAR = timedelta(days=28 * 365 + 7)  # after 28 years weekdays, months and leap years repeat (1901 to 2099)
MONEY = "decimal(18, 2)"
CENT = Decimal("0.01")
BESIDE = "!"  # sorts before all letters and digits, so that the second part of a repayment comes right behind the first


def changed(rows: Rows, change: Callable[[str, Row], Row | None]) -> dict[str, list[Row]]:
    """Rows after a change of each; those that it answers with None are left out."""
    return {table: [new for row in found if (new := change(table, row)) is not None] for table, found in rows.items()}


def poisoned(rows: Rows, until: datetime) -> dict[str, list[Row]]:
    """Garbage in place of everything but keys in rows that became known after an instant."""
    kinds = {table: {column.name: column.dtype for column in spec.columns} for table, spec in STAGING.items()}

    def poison(table: str, row: Row) -> Row:
        if row["known_at"] <= until:
            return row
        garbage = {name: GARBAGE.get(kinds[table][name]) for name in row if name not in KEPT and name not in KEYS[table]}
        if "status" in garbage:
            garbage["status"] = "Written Off"
        return row | garbage

    return changed(rows, poison)


def truncated(rows: Rows, until: datetime) -> dict[str, list[Row]]:
    """Without rows that became known after an instant."""
    return changed(rows, lambda _, row: row if row["known_at"] <= until else None)


def shuffled(rows: Rows, seed: int) -> dict[str, list[Row]]:
    """In another order."""
    return {table: random.Random(seed).sample(list(found), len(found)) for table, found in rows.items()}


def of_columns(rows: Rows, kind: type, change: Callable[[Any], Any]) -> dict[str, list[Row]]:
    """With all values of exactly one Python type changed."""
    return changed(rows, lambda _, row: {name: change(value) if type(value) is kind else value for name, value in row.items()})


def years_later(rows: Rows) -> dict[str, list[Row]]:
    """All dates and instants 28 years on."""
    return of_columns(of_columns(rows, date, lambda day: day + CALENDAR), datetime, lambda instant: instant + CALENDAR)


def money_times(rows: Rows, factor: int) -> dict[str, list[Row]]:
    """All money in a smaller currency."""
    money = {table: {column.name for column in spec.columns if column.dtype == MONEY} for table, spec in STAGING.items()}
    return changed(
        rows,
        lambda table, row: row | {name: value * factor for name, value in row.items() if name in money[table] and value is not None},
    )


def repayments_in_two(rows: Rows) -> dict[str, list[Row]]:
    """Each repayment as two of the same day that name the same, save reversed ones and reversals.

    One that names an installment is halved, as the installment takes both halves whatever is missing. One that names a contract gives a
    cent first: after half of it an installment may be settled within the tolerance, and then the other half goes to the next one.
    """
    reversed_ids = {row["reverses_repayment_id"] for row in rows["repayments"]} - {None}

    def parts(row: Row) -> list[Row]:
        first = CENT if row["installment_id"] is None else (row["repayment_amount"] / 2).quantize(CENT)
        if row["reverses_repayment_id"] is not None or row["repayment_id"] in reversed_ids or row["repayment_amount"] <= CENT:
            return [row]
        second = {"repayment_id": row["repayment_id"] + BESIDE, "repayment_amount": row["repayment_amount"] - first}
        return [row | {"repayment_amount": first}, row | second]

    return {**rows, "repayments": [part for row in rows["repayments"] for part in parts(row)]}


def delivered_twice(con: BaseBackend, rows: Rows, business_dates: Sequence[date]) -> dict[str, list[Row]]:
    """What staging keeps of a source that sends every row twice: in two files of a day, and once more with the delivery after."""
    sources = {source.name: source for source in SOURCES}
    return {table: _kept(con, sources[table], found, business_dates) for table, found in rows.items()}


def _kept(con: BaseBackend, source: SourceTable, rows: Sequence[Row], business_dates: Sequence[date]) -> list[Row]:
    """The rows that the rules of keys and versions let through."""
    following = dict(pairwise(business_dates))
    taken = {(*(row[name] for name in source.key), row["business_date"]) for row in rows}
    again = [row | {"business_date": following[row["business_date"]]} for row in rows if row["business_date"] in following]
    sent = [*rows, *rows, *(row for row in again if (*(row[name] for name in source.key), row["business_date"]) not in taken)]
    return [sent[number] for number in _versions(con, source, sent)]


def _versions(con: BaseBackend, source: SourceTable, sent: Sequence[Row]) -> list[int]:
    """Places of the rows that staging takes for versions; each row comes in a file of its own."""
    numbers = pa.array(range(len(sent)), pa.int64())
    table = arrow(STAGING[source.name], [row | {"source_row_number": 2} for row in sent], STAGED_DEFAULTS)
    sound = con.create_table(gen_name("sent"), obj=table.drop(["source_sha256"]).append_column("file_number", numbers), temp=True)
    dates = sorted({row["business_date"] for row in sent})
    files = {
        "file_number": numbers,
        "delivery_seq": pa.array([dates.index(row["business_date"]) for row in sent], pa.int64()),
        "source_sha256": [f"{number:064d}" for number in range(len(sent))],
    }
    held = nullable(typed(STAGING[source.name], []))
    decided = con.to_pyarrow(decisions(nullable(sound), source, con.create_table(gen_name("files"), obj=pa.table(files), temp=True), held))
    refused = {row["decided_file_number"] for row in decided.to_pylist() if not row["is_version"]}
    return [number for number in range(len(sent)) if number not in refused]
