"""Spine and label (CONTRACT G), client by client: who could be asked about at T, and what happened in the year after."""

from datetime import date, timedelta
from typing import Any

from tests.oracles.days import outcome_end
from tests.oracles.ledger import Ledger
from tests.oracles.positions import LOST, Book, Contract


def labels(ledger: Ledger, as_of: date, label_date: date, terms: Any) -> dict[str, tuple[int | None, str | None]]:
    """(is_default, reason of a null) by client of the spine of one month end."""
    then, later = Book(ledger, as_of, terms), Book(ledger, label_date, terms)
    answers: dict[str, tuple[int | None, str | None]] = {}
    for client_id in then.clients():
        contracts = then.of_client(client_id)
        scope = [contract for contract in contracts if contract.is_open]
        has_due = any(contract.is_due(i) for contract in contracts for i in contract.installments)
        if scope and has_due and max(contract.dpd(as_of) for contract in contracts) < 90:
            answers[client_id] = outcome(scope, later, as_of)
    return answers


def outcome(scope: list[Contract], later: Book, as_of: date) -> tuple[int | None, str | None]:
    """The label of the contracts that were open, by what is known at the label date."""
    end = outcome_end(as_of)
    if end + timedelta(days=30) > later.as_of:
        return None, "immature"
    worst = 0
    for contract in scope:
        after = later.contracts.get(contract.row["contract_number"])
        if after is None:
            continue
        known_then = {(event.day, event.status) for event in contract.events}
        lost = {(event.day, event.status) for event in after.events if event.status in LOST and event.day <= end}
        if lost - known_then:
            return 1, None
        worst = max(worst, after.max_dpd(as_of, end))
    if worst >= 90:
        return 1, None
    return (None, "indeterminate") if worst >= 30 else (0, None)
