"""Vintages, roll rates and client histories, cell by cell, one contract after the other."""

from collections import defaultdict
from datetime import date
from typing import Any

from tests.oracles.allocation import NOTHING
from tests.oracles.days import DAY, add_months, first_day, last_day
from tests.oracles.marts import Cell, in_month, ratio, region_name, type_name
from tests.oracles.months import Months, bucket
from tests.oracles.outcomes import outcome_row
from tests.oracles.positions import Contract
from tests.oracles.shares import add_flags, add_shares


def vintage_by_region(months: Months) -> dict[tuple, Cell]:
    """Cells by (vintage_month, mob, region_id, product_type_id)."""
    cohorts: dict[tuple, list[Contract]] = defaultdict(list)
    for contract in months.release.contracts.values():
        if contract.is_disbursed:
            cohort = (first_day(contract.row["start_date"]), contract.region_at_origination_id, contract.product_type_id)
            cohorts[cohort].append(contract)
    outcomes = {number: outcome_row(months.release, contract) for number, contract in months.release.contracts.items()}
    cells = {}
    for (vintage, region_id, type_id), contracts in cohorts.items():
        mob = 0
        while add_months(vintage, mob) <= months.business_date:
            end = last_day(add_months(vintage, mob))
            happened = [outcomes[contract.row["contract_number"]] for contract in contracts]
            cell = ever(contracts, happened, end, is_mature=end <= months.business_date)
            cell["region_name"] = region_name(months, region_id, months.as_of(last_day(vintage)))
            cell["product_type_name"] = type_name(months.release, type_id)
            cells[vintage, mob, region_id, type_id] = cell
            mob += 1
    return cells


def ever(contracts: list[Contract], happened: list[dict[str, Any]], end: date, is_mature: bool) -> Cell:
    """What had happened to the contracts of a cohort by a month's end."""
    cell: Cell = {
        "contract_count": len(contracts),
        "client_count": len({contract.row["client_id"] for contract in contracts}),
        "principal_amount": sum(contract.row["principal_amount"] for contract in contracts),
        "is_mature": is_mature,
    }
    for days in (30, 90):
        cell[f"ever{days}_count"] = sum(one[f"dpd{days}_on"] is not None and one[f"dpd{days}_on"] <= end for one in happened)
    add_shares(cell, (("ever30_ratio", "ever30_count", "contract_count"), ("ever90_ratio", "ever90_count", "contract_count")))
    add_flags(cell, ("contract_count",))
    lost = [one["defaulted_principal_amount"] for one in happened if one["defaulted_on"] is not None and one["defaulted_on"] <= end]
    cell["defaulted_principal_amount"] = sum(lost, NOTHING)
    if not is_mature:
        cell |= {name: None for name in cell if name.startswith("ever") or name == "defaulted_principal_amount"}
    return cell


def roll_rate_by_region(months: Months) -> dict[tuple, Cell]:
    """Cells by (month_on, region_id, product_type_id, from_bucket, to_bucket)."""
    cells: dict[tuple, Cell] = defaultdict(lambda: {"contract_count": 0, "outstanding_principal_amount": NOTHING})
    clients: dict[tuple, set[str]] = defaultdict(set)
    for month_on in months.month_ons():
        next_on = last_day(month_on + DAY)
        if next_on > months.business_date:
            continue
        then, later = months.book(month_on), months.book(next_on)
        for number, contract in then.contracts.items():
            if not contract.is_open:
                continue
            region_id = then.region(contract.row["client_id"], month_on)
            start = (month_on, region_id, contract.product_type_id, bucket(contract.dpd(month_on)))
            clients[start].add(contract.row["client_id"])
            to = arrived(later.contracts.get(number))
            if to is not None:
                cells[*start, to]["contract_count"] += 1
                cells[*start, to]["outstanding_principal_amount"] += contract.outstanding_principal_amount
    for key, cell in cells.items():
        from_cell = [other for place, other in cells.items() if place[:4] == key[:4]]
        cell["from_contract_count"] = sum(other["contract_count"] for other in from_cell)
        cell["from_outstanding_principal_amount"] = sum(other["outstanding_principal_amount"] for other in from_cell)
        cell["from_client_count"] = len(clients[key[:4]])
        cell["roll_ratio"] = ratio(cell["outstanding_principal_amount"], cell["from_outstanding_principal_amount"])
        add_shares(cell, (("contract_roll_ratio", "contract_count", "from_contract_count"),))
        add_flags(cell, ("from_contract_count",), clients="from_client_count")
        cell["region_name"] = region_name(months, key[1], key[0])
        cell["product_type_name"] = type_name(months.release, key[2])
    return dict(cells)


def arrived(contract: Contract | None) -> str | None:
    """Where an open contract is a month later; None if it is not held any more, or New again."""
    if contract is None or contract.row["start_date"] > contract.as_of or contract.now.status == "New":
        return None
    if contract.is_open:
        return bucket(contract.dpd(contract.as_of))
    return {"Written Off": "written_off", "Sold": "sold"}.get(contract.now.end_status, "paid_off")


HISTORY = (
    "open_contract_count",
    "installments_due_count",
    "due_amount",
    "paid_amount",
    "late_count",
    "skipped_count",
    "early_paid_count",
    "early_settled_count",
    "penalty_amount",
    "dpd",
    "max_dpd",
    "overdue_amount",
    "outstanding_principal_amount",
)


def client_repayment_history(months: Months) -> dict[tuple, Cell]:
    """Cells by (client_id, month_on)."""
    cells: dict[tuple, Cell] = defaultdict(lambda: {name: NOTHING if name.endswith("_amount") else 0 for name in HISTORY})
    for row in months.contract_months():
        cell = cells[row["client_id"], row["month_on"]]
        cell["region_id"] = row["region_as_of_month_id"]
        cell["open_contract_count"] += row["status"] == "Active"
        for name in ("due_amount", "paid_amount", "penalty_amount", "overdue_amount", "outstanding_principal_amount"):
            cell[name] += row[name]
        for name in ("dpd", "max_dpd"):
            cell[name] = max(cell[name], row[name])
    for month_on in months.month_ons():
        for contract in months.release.contracts.values():
            fallen_due(cells, contract, month_on)
    kept = {key: cell for key, cell in cells.items() if any(cell[name] for name in HISTORY)}
    for (client_id, month_on), cell in kept.items():
        cell.setdefault("region_id", months.release.region(client_id, months.as_of(month_on)))
    return kept


def fallen_due(cells: dict[tuple, Cell], contract: Contract, month_on: date) -> None:
    """Count what fell due in a month, and a settlement in it, by what the release knows."""
    key = (contract.row["client_id"], month_on)
    for i in contract.installments:
        if contract.is_due(i) and in_month(i.due_date, month_on, contract.as_of):
            cells[key]["installments_due_count"] += 1
            cells[key]["late_count"] += contract.is_late(i)
            cells[key]["skipped_count"] += contract.is_skipped(i)
            cells[key]["early_paid_count"] += contract.is_paid_early(i)
    if in_month(contract.early_settled_on, month_on, contract.as_of):
        cells[key]["early_settled_count"] += 1
