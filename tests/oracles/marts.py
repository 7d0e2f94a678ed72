"""Distribution and portfolio by region, cell by cell: each contract is put into its cells, one measure after the other."""

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

from tests.oracles.allocation import NOTHING
from tests.oracles.days import DAY, first_day
from tests.oracles.months import Months, bucket
from tests.oracles.outcomes import client_debt_group
from tests.oracles.positions import Book, Contract
from tests.oracles.shares import add_flags, add_shares

Cell = dict[str, Any]


def region_name(months: Months, region_id: str, as_of: date) -> str:
    """The name on a day: of the last version delivered by then; of the first one for the time before."""
    versions = months.ledger.chains["regions"].get((region_id,), [])
    known = [row for row in versions if row["business_date"] <= months.business_date]
    valid = [row for row in known if row["is_opening"] or row["business_date"] <= as_of] or known[:1]
    return valid[-1]["region_name"] if valid else "Unknown"


def type_name(book: Book, product_type_id: str) -> str:
    return book.type_rows[product_type_id]["product_type_name"] if product_type_id in book.type_rows else "Unknown"


def in_month(day: date | None, month_on: date, as_of: date) -> bool:
    return day is not None and first_day(month_on) <= day <= min(month_on, as_of)


def finished(cells: dict[tuple, Cell], months: Months, measures: tuple[str, ...]) -> dict[tuple, Cell]:
    """Cells with something in them, with names and dates."""
    kept = {}
    for key, cell in cells.items():
        if any(cell[name] for name in measures):
            month_on, region_id, product_type_id = key[:3]
            cell["region_name"] = region_name(months, region_id, months.as_of(month_on))
            cell["product_type_name"] = type_name(months.release, product_type_id)
            cell["as_of_on"] = months.as_of(month_on)
            cell["is_complete_month"] = month_on <= months.business_date
            kept[key] = cell
    return kept


def ratio(part: Decimal | int, whole: Decimal | int) -> float | None:
    return float(part) / float(whole) if whole else None


DISTRIBUTION = (
    "contract_count",
    "client_count",
    "principal_amount",
    "outstanding_principal_amount",
    "new_contract_count",
    "new_principal_amount",
)


def loan_distribution_by_region(months: Months, attribution: str = "month") -> dict[tuple, Cell]:
    """Cells by (month_on, region_id, product_type_id, status)."""
    place = Places(months, attribution)
    cells: dict[tuple, Cell] = defaultdict(lambda: {**empty(DISTRIBUTION), "clients": set()})
    for month_on in months.month_ons():
        as_of = months.as_of(month_on)
        then, now = months.book(as_of), months.release
        for contract in then.contracts.values():
            if contract.row["start_date"] > as_of:
                continue
            cell = cells[(month_on, *place(then, contract, as_of), contract.now.status)]
            cell["contract_count"] += 1
            cell["clients"].add(contract.row["client_id"])
            cell["principal_amount"] += contract.row["principal_amount"]
            cell["outstanding_principal_amount"] += contract.outstanding_principal_amount
        for contract in now.contracts.values():
            if in_month(contract.row["start_date"], month_on, as_of):
                cell = cells[(month_on, *place(now, contract, as_of), contract.standing(as_of).status)]
                cell["new_contract_count"] += 1
                cell["new_principal_amount"] += contract.row["principal_amount"]
    for cell in cells.values():
        cell["client_count"] = len(cell.pop("clients"))
    return finished(cells, months, DISTRIBUTION)


PORTFOLIO = (
    "open_contract_count",
    "client_count",
    "outstanding_principal_amount",
    "par30_amount",
    "par60_amount",
    "par90_amount",
    "overdue_amount",
    "installments_due_count",
    "due_amount",
    "paid_amount",
    "late_count",
    "skip_eligible_count",
    "skipped_count",
    "early_paid_count",
    "early_settled_count",
    "open_or_started_count",
    "refinanced_count",
    "written_off_count",
    "written_off_principal_amount",
    "sold_count",
    "sold_principal_amount",
    "penalty_amount",
    "new_contract_count",
    "new_principal_amount",
    "npl_amount",
    *(f"bucket_{name}_amount" for name in ("0", "1_29", "30_59", "60_89", "90_plus")),
)
RATIOS = (
    ("par30_ratio", "par30_amount", "outstanding_principal_amount"),
    ("par60_ratio", "par60_amount", "outstanding_principal_amount"),
    ("par90_ratio", "par90_amount", "outstanding_principal_amount"),
    ("npl_ratio", "npl_amount", "outstanding_principal_amount"),
)
SHARES = (
    ("late_ratio", "late_count", "installments_due_count"),
    ("skipped_ratio", "skipped_count", "skip_eligible_count"),
    ("early_settlement_ratio", "early_settled_count", "open_or_started_count"),
)


def portfolio_by_region_month(months: Months, attribution: str = "month") -> dict[tuple, Cell]:
    """Cells by (month_on, region_id, product_type_id)."""
    place = Places(months, attribution)
    cells: dict[tuple, Cell] = defaultdict(lambda: {**empty(PORTFOLIO), "clients": set()})
    for month_on in months.month_ons():
        as_of = months.as_of(month_on)
        then, before = months.book(as_of), months.book(first_day(month_on) - DAY)
        for contract in then.contracts.values():
            if contract.is_open:
                stock(cells[(month_on, *place(then, contract, as_of))], contract, then)
        for number, contract in before.contracts.items():
            if contract.is_open:
                # A contract that was deleted since stays where it was last seen.
                here = place(then, then.contracts[number], as_of) if number in then.contracts else place(before, contract, before.as_of)
                cells[(month_on, *here)]["open_or_started_count"] += 1
        for contract in months.release.contracts.values():
            flow(cells[(month_on, *place(months.release, contract, as_of))], contract, month_on)
    for cell in cells.values():
        cell["client_count"] = len(cell.pop("clients"))
        for name, part, whole in RATIOS:
            cell[name] = ratio(cell[part], cell[whole])
        add_shares(cell, SHARES)
        add_flags(cell, ("open_contract_count", *(whole for _, _, whole in SHARES)))
    return finished(cells, months, PORTFOLIO)


def stock(cell: Cell, contract: Contract, then: Book) -> None:
    """What is open at the month's end, as known then."""
    outstanding, dpd = contract.outstanding_principal_amount, contract.dpd(then.as_of)
    cell[f"bucket_{bucket(dpd)}_amount"] += outstanding
    cell["npl_amount"] += outstanding if client_debt_group(then, contract) >= 3 else 0
    cell["open_contract_count"] += 1
    cell["clients"].add(contract.row["client_id"])
    cell["outstanding_principal_amount"] += outstanding
    cell["overdue_amount"] += contract.overdue_amount
    for days in (30, 60, 90):
        cell[f"par{days}_amount"] += outstanding if dpd >= days else 0


def flow(cell: Cell, contract: Contract, month_on: date) -> None:
    """What fell due and what happened in the month, by what the release knows."""
    for i in contract.installments:
        if contract.is_due(i) and in_month(i.due_date, month_on, contract.as_of):
            cell["installments_due_count"] += 1
            cell["due_amount"] += i.due_amount
            cell["paid_amount"] += i.paid_amount
            cell["late_count"] += contract.is_late(i)
            cell["skip_eligible_count"] += contract.is_skip_eligible(i)
            cell["skipped_count"] += contract.is_skipped(i)
            cell["early_paid_count"] += contract.is_paid_early(i)
    if in_month(contract.row["start_date"], month_on, contract.as_of):
        cell["open_or_started_count"] += 1
        cell["new_contract_count"] += 1
        cell["new_principal_amount"] += contract.row["principal_amount"]
    if in_month(contract.early_settled_on, month_on, contract.as_of):
        cell["early_settled_count"] += 1
        cell["refinanced_count"] += contract.refinanced
    if in_month(contract.now.ended_on, month_on, contract.as_of):
        for status, name in (("Written Off", "written_off"), ("Sold", "sold")):
            if contract.now.end_status == status:
                cell[f"{name}_count"] += 1
                cell[f"{name}_principal_amount"] += contract.lost_principal(status)
    for _, _, day, amount in contract.penalties():
        if in_month(day, month_on, contract.as_of):
            cell["penalty_amount"] += amount


class Places:
    """Where contracts count by one attribution."""

    def __init__(self, months: Months, attribution: str) -> None:
        self.months, self.attribution = months, attribution

    def __call__(self, book: Book, contract: Contract, as_of: date) -> tuple[str, str]:
        """Region, by what the book knows, and product type."""
        if self.attribution == "origination":
            return contract.region_at_origination_id, contract.product_type_id
        region_id = book.region(contract.row["client_id"], as_of)
        return self.months.current_map(region_id) if self.attribution == "current" else region_id, contract.product_type_id


def empty(measures: tuple[str, ...]) -> Cell:
    return {name: NOTHING if name.endswith("_amount") else 0 for name in measures}
