"""Reads tests/golden/*.toml: contracts in a short notation, and the answers that a person worked out by hand."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.oracles.days import end_of_day
from tests.oracles.ledger import BEGINNING, Ledger, Row, known_at
from warehouse.terms import Terms

FOLDER = Path(__file__).parent.parent / "golden"
ZONE = "Asia/Ho_Chi_Minh"


@dataclass(frozen=True)
class Golden:
    """A ledger, the lender's terms and the expected answers by kind; the text null stands for an empty cell."""

    ledger: Ledger
    expect: dict[str, list[dict[str, Any]]]
    terms: Terms
    business_date: date


def read(name: str) -> Golden:
    """One golden file. A fact is delivered on its own day, or by the opening delivery where that is later."""
    told = tomllib.loads((FOLDER / f"{name}.toml").read_text(), parse_float=Decimal)
    opening: date = told["opening"]
    rows: dict[str, list[Row]] = {}
    for contract in told["contract"]:
        for table, event_date, row, delivered in facts(contract):
            row |= {"business_date": delivered or max(opening, event_date), "updated_at": None, "is_deleted": False}
            row |= {"is_opening": row["business_date"] == opening, "known_at": known_at(row, event_date, opening, ZONE)}
            held = rows.setdefault(table, [])
            if row not in held:
                held.append(row)
    rows |= reference(told, opening)
    if "client" in told:
        rows["clients"] = [version for client in told["client"] for version in client_versions(client, opening)]
    expect = {
        kind: [{name: None if value == "null" else value for name, value in wanted.items()} for wanted in answers]
        for kind, answers in told["expect"].items()
    }
    terms = {name: value if name.endswith("_days") else Decimal(value) for name, value in told.get("terms", {}).items()}
    return Golden(Ledger(rows), expect, Terms(**terms), told.get("business_date", opening))


def reference(told: dict[str, Any], opening: date) -> dict[str, list[Row]]:
    """Regions and products of the opening delivery: R1 and A1 (Cash loan), and what the file adds."""
    staged = {"business_date": opening, "updated_at": None, "is_deleted": False, "is_opening": True}
    staged["known_at"] = end_of_day(BEGINNING, ZONE)
    products = [["A1", "T1", "Cash loan"], *told.get("products", ())]
    regions = [["R1"], *told.get("regions", ())]
    return {
        "product_types": [{"product_type_id": type_id, "product_type_name": name} | staged for _, type_id, name in products],
        "products": [{"product_code": code, "product_name": name, "product_type_id": type_id} | staged for code, type_id, name in products],
        "regions": [
            {"region_id": region_id, "region_name": f"Region {region_id}", "parent_region_id": None, "region_level": None}
            | {"successor_region_id": successor[0] if successor else None}
            | staged
            for region_id, *successor in regions
        ],
    }


def client_versions(client: dict[str, Any], opening: date) -> Iterator[Row]:
    """The regions that were told of a client, each with the business date that told it."""
    for region_id, delivered in client["regions"]:
        row = {"client_id": client["id"], "region_id": region_id, "business_date": delivered, "updated_at": None, "is_deleted": False}
        yield row | {"is_opening": delivered == opening, "known_at": known_at(row, BEGINNING, opening, ZONE)}


def facts(contract: dict[str, Any]) -> Iterator[tuple[str, date, Row, date | None]]:
    """Table, event date, row and own business date of everything that a contract's notation tells."""
    number, start = contract["number"], contract["start"]
    client_id = contract.get("client", f"client-{number}")
    due, made = contract["installments"], {}
    yield "clients", BEGINNING, {"client_id": client_id, "region_id": "R1"}, None
    row = {
        "contract_number": number,
        "client_id": client_id,
        "product_code": contract.get("product", "A1"),
        "tenor": contract.get("tenor", len(due)),
        "start_date": start,
    }
    row |= {"principal_amount": Decimal(sum(item[1] for item in due)), "status": None, "last_status_change_date": None}
    if "interest" in contract:
        row["interest_amount"] = Decimal(contract["interest"])
    if "events" not in contract:
        row |= {"status": "Active", "last_status_change_date": start}
    yield "contracts", start, row, None
    for day, status, *delivered in contract.get("events", ()):
        event = {"contract_number": number, "status": status, "status_date": day}
        yield "contract_status_history", day, event, delivered[0] if delivered else None
    for position, (day, *amounts) in enumerate(due, 1):
        row = {"installment_id": f"{number}-{position}", "contract_number": number, "installment_number": position, "due_date": day}
        parts = dict(zip(("principal", "interest", "fee"), map(Decimal, amounts), strict=False))
        row |= {f"inst_amt_{part}": parts.get(part) for part in ("principal", "interest", "fee")} | {"penalty_amount": None}
        yield "installments", start, row, None
        made[row["installment_id"]] = row
    for change in contract.get("moved", ()):
        yield "installments", start, made[change["installment"]] | {"due_date": change["due"]}, change["delivered"]
    for payment in contract.get("payments", ()):
        row = {"repayment_id": payment["id"], "repayment_date": payment["on"], "repayment_amount": Decimal(payment["amount"])}
        row |= {"contract_number": number, "installment_id": payment.get("names"), "reverses_repayment_id": payment.get("reverses")}
        row["booked_at"] = end_of_day(payment["booked"], ZONE) if "booked" in payment else None
        yield "repayments", payment["on"], row, payment.get("delivered")
    for penalty in contract.get("penalties", ()):
        row = {"penalty_id": penalty["id"], "installment_id": penalty["installment"]}
        row |= {"penalty_date": penalty["on"], "penalty_amount": Decimal(penalty["amount"])}
        yield "penalties", penalty["on"], row, penalty.get("delivered")
