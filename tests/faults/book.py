"""A small lender in rows of text, for judging and for files: one client with one loan of two installments, and what a test adds."""

import csv
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from warehouse.sources import SOURCES

Row = Mapping[str, str | None]

OPENING = date(2024, 6, 30)


def client(number: str = "C1", **other: str | None) -> dict[str, str | None]:
    return {"client_id": number, "region_id": "R1", **other}


def contract(number: str, **other: str | None) -> dict[str, str | None]:
    row = {"client_id": "C1", "product_code": "P1", "principal_amount": "100", "tenor": "2", "start_date": "2024-01-10", "status": "Active"}
    return {"contract_number": number, **row, **other}


def installment(number: str, of: str = "L1", position: str = "1", **other: str | None) -> dict[str, str | None]:
    row = {"installment_number": position, "due_date": "2024-02-10", "inst_amt_principal": "50"}
    return {"installment_id": number, "contract_number": of, **row, **other}


def repayment(number: str, **other: str | None) -> dict[str, str | None]:
    return {"repayment_id": number, "repayment_date": "2024-02-10", "repayment_amount": "10", "contract_number": "L1", **other}


def event(of: str, status: str, day: str) -> dict[str, str | None]:
    return {"contract_number": of, "status": status, "status_date": day}


def penalty(number: str, of: str = "I1", **other: str | None) -> dict[str, str | None]:
    return {"penalty_id": number, "installment_id": of, "penalty_date": "2024-03-01", "penalty_amount": "5", **other}


BOOK: dict[str, list[Row]] = {
    "regions": [{"region_id": "R1", "region_name": "Hà Nội"}],
    "product_types": [{"product_type_id": "T1", "product_type_name": "Cash loan"}],
    "products": [{"product_code": "P1", "product_name": "Cash", "product_type_id": "T1"}],
    "clients": [client()],
    "contracts": [contract("L1")],
    "installments": [installment("I1"), installment("I2", position="2", due_date="2024-03-10")],
    "repayments": [],
}
ORDER = [source.name for source in SOURCES]  # parents before children


def with_rows(*others: Mapping[str, Sequence[Row]]) -> dict[str, list[Row]]:
    """The book with further rows at the end of its tables, in the order of the references."""
    tables = {name: list(rows) for name, rows in BOOK.items()}
    for other in others:
        for name, rows in other.items():
            tables.setdefault(name, []).extend(rows)
    return {name: tables[name] for name in ORDER if name in tables}


def write_csv(folder: Path, tables: Mapping[str, Sequence[Row]]) -> Path:
    """Files of a delivery; a table without rows has the columns that its contract requires."""
    folder.mkdir(parents=True, exist_ok=True)
    for source in SOURCES:
        if source.name not in tables:
            continue
        rows = tables[source.name]
        required = [column.name for column in source.columns if column.required] + list(source.one_of)
        names = list(dict.fromkeys([*required, *(name for row in rows for name in row)]))
        with (folder / f"{source.name}.csv").open("w", encoding="utf-8", newline="") as text:
            writer = csv.DictWriter(text, names, lineterminator="\n")
            writer.writeheader()
            writer.writerows({name: "" if value is None else value for name, value in row.items()} for row in rows)
    return folder
