"""The plausibility card: whether a generated book looks like a consumer lender's, by event-time truth on the last business date."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from warehouse.simulate import book
from warehouse.simulate.dates import day
from warehouse.simulate.money import Ledger
from warehouse.simulate.profiles import Profile
from warehouse.simulate.truth import DEFAULT, IMMATURE, INDETERMINATE, Outcomes, dpd_at, open_at, outstanding_at
from warehouse.terms import FPD_DAYS

# What consumer lenders report, or what training needs; a small book may fall outside by chance.
RANGES = {
    "late_ratio": (0.12, 0.20),
    "par30_ratio": (0.02, 0.09),
    "par90_ratio": (0.003, 0.06),
    "fpd30_ratio": (0.010, 0.035),
    "loss_ratio": (0.02, 0.09),
    "default_ratio": (0.045, 0.09),
    "indeterminate_ratio": (0.03, 0.13),
}


@dataclass(frozen=True)
class Card:
    """Figures of one generated lender; ratios are 0..1, counts whole numbers."""

    counts: dict[str, int]
    ratios: dict[str, float]

    def outside(self) -> list[str]:
        """Names of ratios that are not in the range of RANGES."""
        return [name for name, (low, high) in RANGES.items() if not low <= self.ratios[name] <= high]

    def __str__(self) -> str:
        lines = [f"  {name:<32} {count:>12,}" for name, count in self.counts.items()]
        for name, value in self.ratios.items():
            low, high = RANGES[name]
            note = "" if low <= value <= high else "  outside"
            lines.append(f"  {name:<32} {value:>12.3f}   plausible {low:g} to {high:g}{note}")
        return "\n".join(lines)


def tally(profile: Profile, ledger: Ledger, found: Outcomes) -> Counter[str]:
    """Numerators and denominators of one chunk; those of all chunks are added up."""
    contracts, last = ledger.run.contracts, day(profile.last)
    outstanding, dpd = outstanding_at(ledger, last), dpd_at(ledger, last)
    lost = np.isin(contracts.ended, (book.WRITTEN_OFF, book.SOLD)) & (contracts.ended_on > last - 365) & (contracts.ended_on <= last)
    mature = found.outcome[found.outcome != IMMATURE]
    sums = {
        "clients": len(ledger.run.clients.number),
        "contracts": int((contracts.start <= last).sum()),
        "open_contracts": int(open_at(ledger, last).sum()),
        "installments": len(ledger.installments.number),
        "repayments": len(ledger.money.number),
        "outstanding": int(outstanding.sum()),
        "par30": int(outstanding[dpd >= 30].sum()),
        "par90": int(outstanding[dpd >= 90].sum()),
        "lost": int(contracts.principal[lost].sum() * 0.8),  # about a fifth is paid before a loss
        "earlier_outstanding": int(outstanding_at(ledger, last - 182).sum()),
        "client_months": len(mature),
        "defaults": int((mature == DEFAULT).sum()),
        "indeterminate": int((mature == INDETERMINATE).sum()),
        **_installment_sums(ledger, last),
    }
    return Counter(sums)


def _installment_sums(ledger: Ledger, last: np.datetime64) -> dict[str, int]:
    rows = ledger.installments
    taken = ledger.run.contracts.ended[rows.contract] != book.CANCELLED
    due = taken & (rows.due_on <= last) & ~(rows.ended_on < rows.due_on)
    late = due & ~(rows.settled_on <= rows.due_on) & (rows.due_on < last)
    first = taken & (rows.number == 1) & (rows.due_on + FPD_DAYS <= last)
    never = first & ~(rows.settled_on <= rows.due_on + FPD_DAYS)
    return {"due": int(due.sum()), "late": int(late.sum()), "first": int(first.sum()), "fpd30": int(never.sum())}


def card(sums: Counter[str], cohorts: int) -> Card:
    """The card of the sums of all chunks."""
    names = ("clients", "contracts", "open_contracts", "installments", "repayments", "client_months", "defaults")
    known = sums["client_months"] - sums["indeterminate"]
    parts = {
        "late_ratio": ("late", sums["due"]),
        "par30_ratio": ("par30", sums["outstanding"]),
        "par90_ratio": ("par90", sums["outstanding"]),
        "fpd30_ratio": ("fpd30", sums["first"]),
        "loss_ratio": ("lost", sums["earlier_outstanding"]),
        "default_ratio": ("defaults", known),
        "indeterminate_ratio": ("indeterminate", sums["client_months"]),
    }
    ratios = {name: sums[above] / below if below else 0.0 for name, (above, below) in parts.items()}
    return Card({**{name: sums[name] for name in names}, "cohorts": cohorts}, ratios)
