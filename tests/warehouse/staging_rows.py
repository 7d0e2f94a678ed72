"""Staging tables written as literals: a small lender whose rows a test states, with everything else filled in.

A row is a dict of delivered values; `on` is the business date of its delivery (default: the opening delivery), `deleted` marks a tombstone.
The opening lies far ahead unless a test says otherwise, so that its rows are known from their own dates; a key with later versions needs
an opening before them. known_at follows CONTRACT B and is computed here in plain Python, apart from the code under test.
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from warehouse.clock import as_of_dates, end_of_day
from warehouse.curated.positions import Positions, positions
from warehouse.curated.staged import Staged
from warehouse.sources import SOURCES, SourceTable
from warehouse.terms import Terms

ZONE = "Asia/Ho_Chi_Minh"
OPENING = date(2030, 1, 1)  # far ahead, so that rows of the opening delivery are known from their own dates
EVENT_DATES = {
    "contracts": "start_date",
    "contract_status_history": "status_date",
    "repayments": "repayment_date",
    "penalties": "penalty_date",
}
TERMS = Terms()

REGIONS = [{"region_id": "R1", "region_name": "North"}, {"region_id": "R2", "region_name": "South"}]
TYPES = [{"product_type_id": "CASH", "product_type_name": "Cash loan"}]
PRODUCTS = [{"product_code": "P1", "product_name": "Cash 12", "product_type_id": "CASH"}]
CLIENTS = [{"client_id": "C1", "region_id": "R1"}]


def day(text: str) -> date:
    return date.fromisoformat(text)


def known_at(source: str, row: dict[str, Any], starts: dict[str, date], opening: date) -> datetime:
    """CONTRACT B, for one row."""
    on = row["on"]
    if on != opening:
        return end_of_day(on, ZONE)
    if source == "installments":
        booked = end_of_day(starts.get(row["contract_number"], opening), ZONE)
    elif row.get("booked_at") is not None:
        booked = row["booked_at"]
    elif source in EVENT_DATES:
        booked = end_of_day(row[EVENT_DATES[source]], ZONE)
    else:
        booked = end_of_day(date(1900, 1, 1), ZONE)
    return min(booked, end_of_day(opening, ZONE))


def _table(source: SourceTable, rows: list[dict[str, Any]], starts: dict[str, date], opening: date) -> ir.Table:
    spec = source.staging_spec()
    filled = []
    for number, row in enumerate(rows, start=2):
        values = {name: row.get(name) for name in spec.column_names}
        complete = {"on": opening, **row}
        values |= {
            "is_deleted": row.get("deleted", False),
            "is_opening": complete["on"] == opening,
            "business_date": complete["on"],
            "known_at": known_at(source.name, complete, starts, opening),
            "source_file": f"{source.name}.csv",
            "source_sha256": "0" * 64,
            "source_row_number": number,
        }
        filled.append(values)
    return ibis.memtable(pa.Table.from_pylist(filled, schema=spec.ibis_schema().to_pyarrow()))


def staged(opening: str | date = OPENING, **tables: list[dict[str, Any]]) -> Staged:
    """Staging tables of the rows given by source name; reference tables have defaults."""
    opening = day(opening) if isinstance(opening, str) else opening
    defaults = {"regions": REGIONS, "product_types": TYPES, "products": PRODUCTS, "clients": CLIENTS}
    rows = {source.name: _typed(source, tables.get(source.name, defaults.get(source.name, []))) for source in SOURCES}
    starts: dict[str, date] = {}
    for row in rows["contracts"]:
        starts.setdefault(row["contract_number"], row["start_date"])
    return Staged(**{source.name: _table(source, rows[source.name], starts, opening) for source in SOURCES})


def _typed(source: SourceTable, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Dates may be written as ISO text, money as int or text, instants as ISO text in UTC."""
    kinds = {column.name: column.kind for column in source.all_columns} | {"on": "date"}
    return [{name: _value(kinds.get(name, "text"), value) for name, value in row.items()} for row in rows]


def _value(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind == "date" and isinstance(value, str):
        return day(value)
    if kind == "money":
        return Decimal(str(value)).quantize(Decimal("0.01"))
    if kind == "timestamp" and isinstance(value, str):
        moment = datetime.fromisoformat(value)
        if len(value) == 10:
            return end_of_day(moment.date(), ZONE)
        return moment.replace(tzinfo=UTC)
    return value


def contract(number: str = "K1", **values: Any) -> dict[str, Any]:
    """A contract row; three months of 1,000,000 from 2024-01-01 unless said otherwise."""
    row = {"contract_number": number, "client_id": "C1", "product_code": "P1", "principal_amount": 3_000_000, "tenor": 3}
    return row | {"start_date": "2024-01-01", "status": "Active"} | values


def installment(number: int, due: str, amount: Any = 1_000_000, contract_number: str = "K1", **values: Any) -> dict[str, Any]:
    """An installment row of principal only unless said otherwise."""
    row = {"installment_id": f"{contract_number}-{number}", "contract_number": contract_number, "installment_number": number}
    return row | {"due_date": due, "inst_amt_principal": amount} | values


def repayment(key: str, on_day: str, amount: Any, contract_number: str = "K1", **values: Any) -> dict[str, Any]:
    """A repayment row that names its contract unless an installment_id is given."""
    row = {"repayment_id": key, "repayment_date": on_day, "repayment_amount": amount, "contract_number": contract_number}
    return row | values


def at(rows: Staged, *days: str, terms: Terms = TERMS) -> Positions:
    """Positions at the given days."""
    return positions(rows, as_of_dates([day(text) for text in days], terms.time_zone), terms)


def by(table: ir.Table, *key: str) -> dict[Any, dict[str, Any]]:
    """Rows of a table by their key; dates of the key as ISO text."""
    found = {}
    for row in table.to_pyarrow().to_pylist():
        place = tuple(row[name].isoformat() if isinstance(row[name], date) else row[name] for name in key)
        assert place not in found, f"two rows for {place}"
        found[place if len(place) > 1 else place[0]] = row
    return found


def joined(*books: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Rows of several small books together, by source."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for book in books:
        for name, part in book.items():
            rows.setdefault(name, []).extend(part)
    return rows
