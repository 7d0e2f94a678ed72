"""The oracle's answers as rows with the columns of Positions and of the curated tables."""

from typing import Any

from tests.oracles.outcomes import outcome_row
from tests.oracles.positions import Book, Contract

Rows = dict[tuple, dict[str, Any]]


def contracts(book: Book) -> Rows:
    """By (as_of_on, contract_number)."""
    return {(book.as_of, number): contract_row(contract) for number, contract in book.contracts.items()}


def outcomes(book: Book) -> Rows:
    """By (as_of_on, contract_number), with what has become of each contract."""
    return {(book.as_of, number): contract_row(contract) | outcome_row(book, contract) for number, contract in book.contracts.items()}


def contract_row(contract: Contract) -> dict[str, Any]:
    row, settled = contract.row, contract.early_settled_on
    return {
        "client_id": row["client_id"],
        "product_code": contract.product_code,
        "product_type_id": contract.product_type_id,
        "principal_amount": row["principal_amount"],
        "tenor_months": row["tenor"],
        "start_date": row["start_date"],
        "first_due_date": min((original["due_date"] for original in contract.original), default=None),
        "last_due_date": contract.last_due_date,
        "installment_count": len(contract.installments),
        "status": contract.now.status,
        "status_on": contract.now.status_on,
        "ended_on": contract.now.ended_on,
        "close_reason": contract.close_reason,
        "is_disbursed": contract.is_disbursed,
        "is_open": contract.is_open,
        "dpd": contract.dpd(contract.as_of),
        "overdue_amount": contract.overdue_amount,
        "outstanding_principal_amount": contract.outstanding_principal_amount,
        "written_off_principal_amount": contract.lost_principal("Written Off"),
        "sold_principal_amount": contract.lost_principal("Sold"),
        "is_early_settled": settled is not None,
        "early_settled_on": settled,
        "is_refinanced": contract.refinanced,
        "is_fpd30": contract.is_fpd30,
    }


def installments(book: Book) -> Rows:
    """By (as_of_on, installment_id)."""
    return {
        (book.as_of, i.installment_id): {
            "contract_number": contract.row["contract_number"],
            "client_id": contract.row["client_id"],
            "installment_number": i.number,
            "due_date": i.due_date,
            "original_due_date": i.original_due_date,
            "next_due_on": i.next_due_on,
            "principal_due_amount": i.owed["principal"],
            "interest_due_amount": i.owed["interest"],
            "fee_due_amount": i.owed["fee"],
            "due_amount": i.due_amount,
            "paid_amount": i.paid_amount,
            "paid_principal_amount": i.paid["principal"],
            "unpaid_amount": i.due_amount - i.paid_amount,
            "penalty_amount": sum(amount for other, _, _, amount in contract.penalties() if other is i),
            "settled_on": i.settled_on,
            "days_late": contract.days_late(i),
            "is_due": contract.is_due(i),
            "is_late": contract.is_late(i),
            "is_skip_eligible": contract.is_skip_eligible(i),
            "is_skipped": contract.is_skipped(i),
            "is_paid_early": contract.is_paid_early(i),
            "state": contract.state(i),
        }
        for contract in book.contracts.values()
        for i in contract.installments
    }


def repayments(book: Book) -> Rows:
    """By (as_of_on, repayment_id, allocation_number)."""
    rows: Rows = {}
    for contract in book.contracts.values():
        for paid in contract.repayments:
            key = (book.as_of, paid["repayment_id"], paid["allocation_number"])
            rows[key] = {name: value for name, value in paid.items() if name not in ("repayment_id", "allocation_number")}
            rows[key]["client_id"] = contract.row["client_id"]
    return rows


def penalties(book: Book) -> dict[tuple, Any]:
    """Amounts by (as_of_on, installment_id, penalty_on): the sources' keys differ, the money may not."""
    amounts: dict[tuple, Any] = {}
    for contract in book.contracts.values():
        for i, _, day, amount in contract.penalties():
            key = (book.as_of, i.installment_id, day)
            amounts[key] = amounts.get(key, 0) + amount
    return {key: {"penalty_amount": amount} for key, amount in amounts.items() if amount}


def regions(book: Book) -> Rows:
    """By (as_of_on, client_id), for clients that have a contract."""
    return {(book.as_of, client_id): {"region_id": book.region(client_id, book.as_of)} for client_id in book.clients()}
