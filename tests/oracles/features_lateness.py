"""How late the client's due installments were paid: counts, shares and means over windows that end on the as-of date."""

from datetime import date, timedelta
from typing import Any

from tests.oracles.allocation import Installment
from tests.oracles.days import months_apart, window_start
from tests.oracles.features_numbers import decay, deviation, mean, share, weighted_mean
from tests.oracles.ledger import BEGINNING
from tests.oracles.positions import Book, Contract

Due = list[tuple[Contract, Installment]]
EARLY_BY = timedelta(days=3)
DECAY_DAYS = 90


def due(contracts: list[Contract], as_of: date, months: int | None) -> Due:
    """Due installments of all contracts with a due date in the window; None is the whole past."""
    after = BEGINNING if months is None else window_start(as_of, months)
    return [(c, i) for c in contracts for i in c.installments if c.is_due(i) and after < i.due_date <= as_of]


def lateness(book: Book, contracts: list[Contract]) -> dict[str, Any]:
    """The features of this group."""
    as_of = book.as_of
    row: dict[str, Any] = {}
    for months in (3, 6, 12, None):
        of_window = due(contracts, as_of, months)
        name = "lifetime" if months is None else f"{months}m"
        days = [c.days_late(i) for c, i in of_window]
        row[f"late_over_5_days_ratio_{name}"] = share(sum(day > 5 for day in days), len(days))
        row[f"mean_late_days_{name}"] = mean([max(day, 0) for day in days])
        if months is not None:
            row |= over_months(book, contracts, of_window, months)
    everything = due(contracts, as_of, None)
    days = [c.days_late(i) for c, i in everything]
    row["late_30_days_ratio_lifetime"] = share(sum(day >= 30 for day in days), len(days))
    row["late_days_deviation_lifetime"] = deviation(days)
    row["months_since_last_late"] = months_since_last_late(everything, as_of)
    return row


def over_months(book: Book, contracts: list[Contract], of_window: Due, months: int) -> dict[str, Any]:
    """What only windows of months have."""
    as_of = book.as_of
    days = [max(c.days_late(i), 0) for c, i in of_window]
    amounts = [i.due_amount for _, i in of_window]
    weights = [decay((as_of - i.due_date).days, DECAY_DAYS) for _, i in of_window]
    early = [i.settled_on is not None and i.settled_on <= i.due_date - EARLY_BY for _, i in of_window]
    row = {
        f"amount_weighted_late_days_{months}m": weighted_mean(days, amounts),
        f"paid_ratio_{months}m": share(sum(i.paid_amount for _, i in of_window), sum(amounts)),
        f"paid_3_days_early_ratio_{months}m": share(sum(early), len(early)),
        f"penalty_ratio_{months}m": share(sum(charged(i, as_of) for _, i in of_window), sum(amounts)),
        f"decayed_late_days_{months}m": weighted_mean(days, weights),
        f"repayment_count_{months}m": repayment_count(book, contracts, window_start(as_of, months)),
    }
    if months in (6, 12):
        row[f"installments_due_count_{months}m"] = len(of_window)
    if months in (3, 12):
        row[f"late_count_{months}m"] = sum(c.is_late(i) for c, i in of_window)
    if months in (3, 6):
        row[f"max_dpd_{months}m"] = max(contract.max_dpd(window_start(as_of, months), as_of) for contract in contracts)
    if months == 6:
        row["skipped_count_6m"] = sum(c.is_skipped(i) for c, i in of_window)
    return row


def charged(installment: Installment, as_of: date) -> Any:
    """Penalties on an installment, of both sources, up to the as-of date."""
    return sum(charge.amount for charge in installment.all_charges() if charge.day <= as_of)


def repayment_count(book: Book, contracts: list[Contract], after: date) -> int:
    """Repayments of money after a date that are not reversed and reverse nothing, each once."""
    numbers = {contract.row["contract_number"] for contract in contracts}
    held = [row for row in book.ledger.held("repayments", book.until) if row["contract_number"] in numbers]
    seen = [row for row in held if row["repayment_date"] <= book.as_of]
    reversed_ids = {row["reverses_repayment_id"] for row in seen}
    return sum(
        after < row["repayment_date"]
        and row["repayment_amount"] > 0
        and row["reverses_repayment_id"] is None
        and row["repayment_id"] not in reversed_ids
        for row in seen
    )


def months_since_last_late(everything: Due, as_of: date) -> float | None:
    """Calendar months since the month of the last day on which a late installment was late; nothing if none ever was."""
    last_days = [i.settled_on or min(as_of, c.now.ended_on or as_of) for c, i in everything if c.is_late(i)]
    return float(months_apart(as_of, max(last_days))) if last_days else None
