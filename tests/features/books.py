"""Small books of loans as literal staging rows, and the feature rows that follow from them.

A loan is one contract with equal installments of 100 (90 principal, 10 interest); what a test does not name is ordinary.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from ibis.backends import BaseBackend

from features.tables import client_repayment
from tests.conftest import STAGING, staging_tables, stored
from warehouse.lake import Lake
from warehouse.settings import Settings
from warehouse.terms import Terms

INSTALLMENT = 100

Rows = dict[str, list[dict[str, Any]]]


def d(text: str) -> date:
    """A date from its ISO text."""
    return date.fromisoformat(text)


def known(day: str) -> dict[str, Any]:
    """The staged columns of a row that came with a later delivery, of the end of that business date in the lender's time zone."""
    return {
        "is_opening": False,
        "business_date": d(day),
        "known_at": datetime.combine(d(day), datetime.max.time(), UTC).replace(hour=16),
    }


def loan(client: str, number: str, start: str, due: Sequence[str], **contract: Any) -> Rows:
    """One contract with an installment on each due date, numbered from 1: installment ids are `<number>-<n>`."""
    row = {
        "contract_number": number,
        "client_id": client,
        "product_code": "P1",
        "principal_amount": 90 * len(due),
        "tenor": len(due),
        "start_date": d(start),
        "status": "Active",
    }
    installments = [
        {
            "installment_id": f"{number}-{place}",
            "contract_number": number,
            "installment_number": place,
            "due_date": d(day),
            "inst_amt_principal": INSTALLMENT - 10,
            "inst_amt_interest": 10,
        }
        for place, day in enumerate(due, 1)
    ]
    return {"clients": [{"client_id": client, "region_id": "R1"}], "contracts": [row | contract], "installments": installments}


def paid(installment: str, day: str, amount: Any = INSTALLMENT, **repayment: Any) -> Rows:
    """One repayment that names an installment; its id is unique to installment, day and amount."""
    row = {
        "repayment_id": f"{installment}/{day}/{amount}",
        "installment_id": installment,
        "contract_number": installment.rpartition("-")[0],
        "repayment_date": d(day),
        "repayment_amount": Decimal(amount),
    }
    return {"repayments": [row | repayment]}


def book(*parts: Rows) -> Rows:
    """All rows of several parts, with one region and one product; a client or row named twice is kept once."""
    rows: Rows = {
        "regions": [{"region_id": "R1", "region_name": "North"}],
        "product_types": [{"product_type_id": "CL", "product_type_name": "Cash loan"}],
        "products": [{"product_code": "P1", "product_name": "Cash", "product_type_id": "CL"}],
    }
    for part in parts:
        for name, extra in part.items():
            held = rows.setdefault(name, [])
            held += [row for row in extra if row not in held]
    return rows


def feature_rows(con: BaseBackend, rows: Rows, days: Iterable[str], terms: Terms) -> dict[tuple[str, str], dict[str, Any]]:
    """Feature rows by (client, as-of date), without the wall clock."""
    table = client_repayment(stored(con, rows), [d(day) for day in days], terms).drop("computed_at")
    found = con.to_pyarrow(table).to_pylist()
    return {(row["client_id"], row["as_of_on"].isoformat()): row for row in found}


@contextmanager
def lake_of(home: Path, rows: Rows, business_date: date) -> Iterator[Lake]:
    """A lake that holds the rows as the staging tables of one intake."""
    with Lake(Settings(home=home, catalog_uri=f"sqlite:///{home}/catalog.db")) as lake:
        candidate = lake.candidate("intake", "rows")
        for name, table in staging_tables(rows).items():
            candidate.write(STAGING[name], lake.con.to_pyarrow(table))
            candidate.audit(STAGING[name])
        candidate.publish(business_date)
        yield lake
