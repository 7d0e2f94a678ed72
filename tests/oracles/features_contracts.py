"""What the client owes, has borrowed and has finished: features of its disbursed and of its open contracts."""

from datetime import date
from fractions import Fraction
from typing import Any

from tests.oracles.days import months_apart, outcome_end
from tests.oracles.features_numbers import share
from tests.oracles.positions import Book, Contract


def disbursed(contracts: list[Contract]) -> list[Contract]:
    return [contract for contract in contracts if contract.is_disbursed]


def latest_contract(contracts: list[Contract]) -> Contract:
    """Of the disbursed contracts the one that started last; of several the one whose number comes last as text."""
    return max(disbursed(contracts), key=lambda contract: (contract.row["start_date"], contract.row["contract_number"]))


def exposure(contracts: list[Contract], as_of: date) -> dict[str, Any]:
    """The features of this group."""
    running = [contract for contract in contracts if contract.is_open]
    outstanding = sum(contract.outstanding_principal_amount for contract in running)
    unpaid = [i for c in running for i in c.installments if c.is_due(i) and i.settled_on is None]
    # The same month end rule as for outcome windows.
    coming = [i for c in running for i in c.installments if as_of < i.due_date <= outcome_end(as_of, 1)]
    at_risk = [c.outstanding_principal_amount for c in running if c.dpd(as_of) >= 30]
    ages = [months_apart(as_of, contract.row["start_date"]) for contract in running]
    return {
        "unpaid_installment_count": len(unpaid),
        "overdue_ratio": share(sum(contract.overdue_amount for contract in running), outstanding),
        "outstanding_principal_ratio": share(outstanding, sum(contract.row["principal_amount"] for contract in running)),
        "next_month_due_amount": float(sum(i.due_amount for i in coming)),
        "longest_open_contract_months": float(max(ages)) if ages else None,
        "par30_amount": float(sum(at_risk)),
    }


def products(book: Book, contracts: list[Contract]) -> dict[str, Any]:
    """The features of this group."""
    mine = disbursed(contracts)
    latest = latest_contract(contracts)
    principals = [contract.row["principal_amount"] for contract in mine]
    kinds = [kind(book, contract) for contract in mine]
    return {
        "contract_count_lifetime": len(mine),
        "cash_loan_ratio_lifetime": share(kinds.count("cashloan"), len(mine)),
        "consumer_durable_loan_ratio_lifetime": share(kinds.count("consumerdurableloan"), len(mine)),
        "two_wheeler_loan_ratio_lifetime": share(kinds.count("twowheelerloan"), len(mine)),
        "latest_principal_ratio_lifetime": share(latest.row["principal_amount"] * len(mine), sum(principals)),
        "latest_tenor_months": latest.row["tenor"],
        "latest_interest_ratio": yearly_interest(latest),
        "refinanced_count_lifetime": sum(contract.refinanced for contract in mine),
        "months_since_latest_contract": months_apart(book.as_of, latest.row["start_date"]),
        "max_principal_amount_lifetime": float(max(principals)),
        "max_tenor_months_lifetime": max(contract.row["tenor"] for contract in mine),
    }


def kind(book: Book, contract: Contract) -> str:
    """Name of the product type as known at the date, in small letters without spaces and hyphens; empty for an unknown one."""
    held = book.type_rows.get(contract.product_type_id)
    return held["product_type_name"].lower().replace(" ", "").replace("-", "") if held else ""


def yearly_interest(contract: Contract) -> float | None:
    """Flat interest of a year as a share of the principal; nothing if the source does not tell it."""
    interest, principal, tenor = contract.row.get("interest_amount"), contract.row["principal_amount"], contract.row["tenor"]
    if interest is None or not principal or not tenor:
        return None
    return float(Fraction(interest) / Fraction(principal) * 12 / tenor)


def first_payments(contracts: list[Contract]) -> dict[str, Any]:
    """The features of this group."""
    latest = latest_contract(contracts)
    first = min(latest.installments, key=lambda i: (i.number, i.installment_id), default=None)
    is_known = first is not None and latest.is_due(first)
    return {
        "fpd30_count_lifetime": sum(contract.is_fpd30 is True for contract in disbursed(contracts)),
        "latest_contract_first_late_days": float(latest.days_late(first)) if is_known else None,
    }


def tenure(contracts: list[Contract]) -> dict[str, Any]:
    """The features of this group."""
    mine = disbursed(contracts)
    paid_off = [c for c in mine if c.now.status == "Paid-off" or (c.now.status == "Close" and c.close_reason == "paid")]
    full_term = [contract for contract in paid_off if contract.early_settled_on is None]
    return {
        "paid_off_contract_count_lifetime": len(paid_off),
        "full_term_ratio_lifetime": share(len(full_term), len(mine)),
    }
