"""Eight plain counts of a loan's repayment as the books know it, and the logistic regression that stands for a simple scorecard."""

import numpy as np
import numpy.typing as npt

from warehouse.simulate.ceiling.loans import Loans
from warehouse.simulate.ceiling.seen import Seen
from warehouse.simulate.draws import Floats

Flags = npt.NDArray[np.bool_]
COUNTS = (
    "left_count",
    "late_ratio_lifetime",
    "late_ratio_3m",
    "is_last_late",
    "skipped_count_12m",
    "unpaid_count",
    "has_unpaid",
    "early_ratio_lifetime",
)
ROUNDS, RIDGE = 25, 1e-3


def due_until(loans: Loans, seen: Seen, month: int) -> Flags:
    """Loans x installments: those that fell due by the end of a month."""
    number = np.arange(seen.month.shape[1])[None, :]
    return (number >= 1) & (number <= loans.tenor[:, None]) & (number <= (month - loans.start_month)[:, None])


def unpaid(loans: Loans, seen: Seen, when: np.datetime64, month: int) -> Flags:
    """Loans x installments: past due and not paid as far as the books know."""
    return due_until(loans, seen, month) & np.isnat(seen.settled_on) & (_due_on(loans, seen) < when)


def _due_on(loans: Loans, seen: Seen, shift: int = 0) -> npt.NDArray[np.datetime64]:
    number = np.arange(seen.month.shape[1])[None, :] + shift
    column = np.clip(loans.start_month[:, None] + number, 0, loans.due.shape[1] - 1)
    return np.take_along_axis(loans.due, column, axis=1)


def counts(loans: Loans, seen: Seen, when: np.datetime64, month: int) -> Floats:
    """Loans x COUNTS on an as-of date, by what was known."""
    due, due_on, next_on = due_until(loans, seen, month), _due_on(loans, seen), _due_on(loans, seen, 1)
    late = due & ~(seen.settled_on <= due_on) & (due_on < when)
    skipped = due & ~(seen.settled_on <= next_on) & (next_on <= when)
    early = due & (seen.settled_on < due_on)
    number = np.arange(seen.month.shape[1])[None, :]
    age = (month - loans.start_month)[:, None] - number
    owed = unpaid(loans, seen, when, month).sum(axis=1)
    due_count, recent = due.sum(axis=1), (due & (age < 3)).sum(axis=1)
    columns = (
        loans.tenor - due_count,
        late.sum(axis=1) / np.maximum(due_count, 1),
        (late & (age < 3)).sum(axis=1) / np.maximum(recent, 1),
        (late & (age < 1)).sum(axis=1),
        (skipped & (age < 12)).sum(axis=1),
        owed,
        owed > 0,
        early.sum(axis=1) / np.maximum(due_count, 1),
    )
    return np.stack(columns, axis=1).astype(np.float64)


def fitted_scores(values: Floats, is_default: Flags, fitted: Flags) -> Floats:
    """Log-odds of all rows by a logistic regression on some of them: iteratively reweighted least squares, a little ridge."""
    center, scale = values[fitted].mean(axis=0), np.maximum(values[fitted].std(axis=0), 1e-9)
    design = np.concatenate([np.ones((len(values), 1)), (values - center) / scale], axis=1)
    x, y, beta = design[fitted], is_default[fitted].astype(np.float64), np.zeros(design.shape[1])
    for _ in range(ROUNDS):
        chance = 1.0 / (1.0 + np.exp(-x @ beta))
        weight = chance * (1.0 - chance)
        beta += np.linalg.solve((x * weight[:, None]).T @ x + RIDGE * np.eye(len(beta)), x.T @ (y - chance) - RIDGE * beta)
    return design @ beta
