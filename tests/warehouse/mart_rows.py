"""Literal rows of the tables that the regional marts read, with the columns that matter to them.

Defaults describe one ordinary open contract of client A, who lives in region R1, with a cash loan.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from warehouse.curated.fact_contract_stock import fact_contract_stock

MONEY = "decimal(18, 2)"
BEGINNING = date(1900, 1, 1)

SCHEMAS = {
    "dim_client": {"client_id": "string", "region_id": "string", "valid_from": "date", "valid_to": "date"},
    "dim_region": {
        "region_id": "string", "region_name": "string", "parent_region_id": "string", "region_level": "string",
        "successor_region_id": "string", "valid_from": "date", "valid_to": "date",
    },
    "dim_product": {"product_code": "string", "product_type_id": "string", "product_type_name": "string"},
    "fact_contract": {
        "contract_number": "string", "client_id": "string", "product_type_id": "string", "principal_amount": MONEY, "start_date": "date",
        "status": "string", "ended_on": "date", "is_early_settled": "boolean", "early_settled_on": "date", "is_refinanced": "boolean",
        "written_off_principal_amount": MONEY, "sold_principal_amount": MONEY, "region_at_origination_id": "string",
        "vintage_month": "date", "dpd30_on": "date", "dpd90_on": "date", "defaulted_on": "date", "defaulted_principal_amount": MONEY,
    },
    "fact_contract_status": {"contract_number": "string", "status_date": "date", "status": "string"},
    "fact_contract_month": {
        "contract_number": "string", "month_on": "date", "client_id": "string", "product_type_id": "string", "status": "string",
        "dpd": "int64", "dpd_bucket": "string", "max_dpd": "int64", "outstanding_principal_amount": MONEY, "overdue_amount": MONEY,
        "due_amount": MONEY, "paid_amount": MONEY, "penalty_amount": MONEY, "region_as_of_month_id": "string",
        "region_at_origination_id": "string", "ended_status": "string", "client_vn_debt_group": "int32",
    },
    "fact_installment": {
        "installment_id": "string", "contract_number": "string", "client_id": "string", "due_date": "date",
        "due_amount": MONEY, "paid_amount": MONEY, "is_due": "boolean", "is_late": "boolean", "is_skip_eligible": "boolean",
        "is_skipped": "boolean", "is_paid_early": "boolean",
    },
    "fact_penalty": {"contract_number": "string", "client_id": "string", "penalty_on": "date", "penalty_amount": MONEY},
    "contracts": {
        "as_of_on": "date", "contract_number": "string", "client_id": "string", "product_type_id": "string", "status": "string",
        "start_date": "date", "principal_amount": MONEY, "outstanding_principal_amount": MONEY,
    },
    "regions": {"as_of_on": "date", "client_id": "string", "region_id": "string"},
    "origins": {"as_of_on": "date", "client_id": "string", "start_date": "date", "region_id": "string"},
}  # fmt: skip
DEFAULTS: dict[str, Any] = {
    "contract_number": "1", "client_id": "A", "product_type_id": "CL", "status": "Active", "valid_from": BEGINNING,
    "start_date": date(2024, 1, 10),
    "principal_amount": 1000, "outstanding_principal_amount": 1000, "overdue_amount": 0, "dpd": 0, "region_as_of_month_id": "R1",
    "region_at_origination_id": "R1", "dpd_bucket": "0", "max_dpd": 0, "penalty_amount": 0, "client_vn_debt_group": 1,
    "defaulted_principal_amount": 0,
    "is_early_settled": False, "is_refinanced": False, "written_off_principal_amount": 0, "sold_principal_amount": 0,
    "due_amount": 100, "paid_amount": 100, "is_due": True, "is_late": False, "is_skip_eligible": True, "is_skipped": False,
    "is_paid_early": False, "as_of_on": date(2024, 3, 15), "region_id": "R1", "region_name": "North", "product_type_name": "Cash loan",
}  # fmt: skip


def d(text: str) -> date:
    """A date from its ISO text."""
    return date.fromisoformat(text)


def table(name: str, rows: Sequence[dict[str, Any]]) -> ir.Table:
    """Literal rows of one table; what a row leaves out has its default or is null."""
    schema = ibis.schema(SCHEMAS[name])
    filled = [{column: {**DEFAULTS, **row}.get(column) for column in schema.names} for row in rows]
    return ibis.memtable(pa.Table.from_pylist(filled, schema=schema.to_pyarrow()))


def stock_of(months: Sequence[dict[str, Any]], business_date: date) -> ir.Table:
    """The stock of the contracts of some rows of fact_contract_month."""
    days = [{**DEFAULTS, **row, "as_of_on": min(row["month_on"], business_date)} for row in months]
    regions = {(row["as_of_on"], row["client_id"]): row["region_as_of_month_id"] for row in days}
    origins = {(row["as_of_on"], row["client_id"], row["start_date"]): row["region_at_origination_id"] for row in days}
    return fact_contract_stock(
        table("contracts", days),
        table("regions", [{"as_of_on": day, "client_id": client, "region_id": region} for (day, client), region in regions.items()]),
        table(
            "origins",
            [
                {"as_of_on": day, "client_id": client, "start_date": start, "region_id": region}
                for (day, client, start), region in origins.items()
            ],
        ),
    )


def dimensions(clients: Sequence[dict[str, Any]] = ({},)) -> dict[str, ir.Table]:
    """Two regions, two product types and the given clients."""
    return {
        "dim_client": table("dim_client", clients),
        "dim_region": table(
            "dim_region",
            [
                {"region_id": "R1", "region_name": "North", "valid_to": d("2024-02-10")},
                {"region_id": "R1", "region_name": "North East", "valid_from": d("2024-02-10")},
                {"region_id": "R2", "region_name": "South"},
                {"region_id": "Unknown", "region_name": "Unknown"},
            ],
        ),
        "dim_product": table(
            "dim_product",
            [
                {"product_code": "P1"},
                {"product_code": "P2"},
                {"product_code": "P3", "product_type_id": "TW", "product_type_name": "Two-Wheeler loan"},
                {"product_code": "Unknown", "product_type_id": "Unknown", "product_type_name": "Unknown"},
            ],
        ),
    }


def kept(con: Any, expression: ir.Table) -> ir.Table:
    """The rows of an expression as a table, as a build keeps what several marts read."""
    return con.create_table(ibis.util.gen_name("kept"), obj=con.to_pyarrow(expression), temp=True)


def cells(con: Any, mart: ir.Table, key: Sequence[str]) -> dict[tuple, dict[str, Any]]:
    """Mart rows by their key, without as_of_on, with the month as its ISO text; fails when the key is not unique."""
    found = con.to_pyarrow(mart).to_pylist()
    by_key = {tuple(row[name].isoformat() if name == "month_on" else row[name] for name in key): row for row in found}
    assert len(by_key) == len(found), "the grain is not unique"
    return by_key
