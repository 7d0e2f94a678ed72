"""The features of the view client_repayment at one as-of date, client by client (CONTRACT F and the definitions of the newer columns)."""

from datetime import date
from typing import Any

from tests.oracles import features_contracts, features_lateness, features_recent
from tests.oracles.days import months_apart, window_start
from tests.oracles.features_numbers import share
from tests.oracles.ledger import BEGINNING
from tests.oracles.positions import Book, Contract


def client_repayment(book: Book) -> dict[str, dict[str, Any]]:
    """Features by client_id, for clients with a disbursed contract."""
    answers = {}
    for client_id in book.clients():
        contracts = book.of_client(client_id)
        if any(contract.is_disbursed for contract in contracts):
            answers[client_id] = of_client(book, contracts)
    return answers


def of_client(book: Book, contracts: list[Contract]) -> dict[str, Any]:
    """All features of one client's contracts."""
    row = first_ones(contracts, book.as_of)
    row |= features_lateness.lateness(book, contracts)
    row |= features_recent.trend(contracts, book.as_of)
    row |= features_recent.recent(contracts, book.as_of)
    row |= features_contracts.exposure(contracts, book.as_of)
    row |= features_contracts.products(book, contracts)
    row |= features_contracts.first_payments(contracts)
    row |= features_contracts.tenure(contracts)
    return row


def first_ones(contracts: list[Contract], as_of: date) -> dict[str, Any]:
    """The 21 features of the first service."""
    due = [(contract, i) for contract in contracts for i in contract.installments if contract.is_due(i)]
    start = {months: window_start(as_of, months) for months in (3, 6, 12)}
    within = {months: [(c, i) for c, i in due if day < i.due_date] for months, day in start.items()}
    eligible = [(c, i) for c, i in due if c.is_skip_eligible(i)]
    settled = [c.early_settled_on for c in contracts if c.early_settled_on is not None and not c.refinanced]
    open_ones = [contract for contract in contracts if contract.is_open]
    first_start = min(contract.row["start_date"] for contract in contracts if contract.is_disbursed)
    charges = [(day, amount) for contract in contracts for _, _, day, amount in contract.penalties()]
    return {
        "installments_due_count_3m": len(within[3]),
        "installments_due_count_lifetime": len(due),
        "late_pay_ratio_3m": share(late(within[3]), len(within[3])),
        "late_pay_ratio_6m": share(late(within[6]), len(within[6])),
        "late_pay_ratio_12m": share(late(within[12]), len(within[12])),
        "late_pay_ratio_lifetime": share(late(due), len(due)),
        "late_count_lifetime": late(due),
        "skipped_count_3m": skipped(within[3]),
        "skipped_count_12m": skipped(within[12]),
        "skipped_ratio_lifetime": share(skipped(due), len(eligible)),
        "early_pay_ratio_12m": share(sum(c.is_paid_early(i) for c, i in within[12]), len(within[12])),
        "early_settlement_count_12m": sum(start[12] < day for day in settled),
        "early_settlement_count_lifetime": len(settled),
        "max_dpd_12m": max(contract.max_dpd(start[12], as_of) for contract in contracts),
        "max_dpd_lifetime": max(contract.max_dpd(BEGINNING, as_of) for contract in contracts),
        "dpd": max(contract.dpd(as_of) for contract in contracts),
        "overdue_amount": float(sum(contract.overdue_amount for contract in contracts)),
        "open_contract_count": len(open_ones),
        "outstanding_principal_amount": float(sum(contract.outstanding_principal_amount for contract in contracts)),
        "months_since_first_contract": months_apart(as_of, first_start),
        "penalty_amount_12m": float(sum(amount for day, amount in charges if start[12] < day)),
    }


def late(due: list) -> int:
    return sum(contract.is_late(installment) for contract, installment in due)


def skipped(due: list) -> int:
    return sum(contract.is_skipped(installment) for contract, installment in due)
