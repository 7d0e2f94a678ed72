"""The plausibility card: whether a generated book looks like a consumer lender's, by event-time truth on the last business date."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from warehouse.simulate import book
from warehouse.simulate.dates import day
from warehouse.simulate.draws import Floats
from warehouse.simulate.money import Ledger
from warehouse.simulate.profiles import Profile
from warehouse.simulate.truth import DEFAULT, IMMATURE, INDETERMINATE, Outcomes, dpd_at, open_at, outstanding_at
from warehouse.terms import FPD_DAYS

# What consumer lenders report; the last two are what training needs.
RANGES = {
    "late_ratio": (0.12, 0.18),
    "par30_ratio": (0.05, 0.09),
    "npl_ratio": (0.03, 0.06),
    "fpd30_ratio": (0.015, 0.03),
    "written_off_ratio": (0.04, 0.08),
    "default_ratio": (0.03, 0.10),
    "indeterminate_ratio": (0.03, 0.13),
}
YEAR = 365
CLUSTERING = 3.0  # amounts differ and the months of a client are alike, so the sampling error is larger than that of coins
SIGMAS = 3.0


class Implausible(ValueError):
    """The generated book is outside the plausible ranges; the message says where."""


@dataclass(frozen=True)
class Card:
    """Figures of one generated lender.

    Attributes:
        counts: whole numbers.
        ratios: 0..1, names as in RANGES.
        margins: sampling error of each ratio that is allowed beyond its range; large in a small book.
    """

    counts: dict[str, int]
    ratios: dict[str, float]
    margins: dict[str, float]

    def outside(self) -> list[str]:
        """Names of ratios that are not in the range of RANGES, sampling error allowed."""
        found = []
        for name, (low, high) in RANGES.items():
            margin = self.margins[name]
            if not low - margin <= self.ratios[name] <= high + margin:
                found.append(name)
        return found

    def check(self) -> None:
        """Raise Implausible if a ratio is outside its range."""
        if outside := self.outside():
            raise Implausible(f"the generated book is not plausible: {', '.join(outside)} outside the range\n{self}")

    def __str__(self) -> str:
        lines = [f"  {name:<32} {count:>12,}" for name, count in self.counts.items()]
        outside = self.outside()
        for name, value in self.ratios.items():
            low, high = RANGES[name]
            note = "  OUTSIDE" if name in outside else ""
            lines.append(f"  {name:<32} {value:>12.3f}   plausible {low:g} to {high:g}, sampling error {self.margins[name]:.3f}{note}")
        return "\n".join(lines)


def tally(profile: Profile, ledger: Ledger, found: Outcomes) -> Counter[str]:
    """Numerators and denominators of one chunk; those of all chunks are added up."""
    contracts, last = ledger.run.contracts, day(profile.last)
    outstanding, dpd = outstanding_at(ledger, last), dpd_at(ledger, last)
    mature = found.outcome[found.outcome != IMMATURE]
    sums = {
        "clients": len(ledger.run.clients.number),
        "contracts": int((contracts.start <= last).sum()),
        "open_contracts": int(open_at(ledger, last).sum()),
        "installments": len(ledger.installments.number),
        "repayments": len(ledger.money.number),
        "outstanding": int(outstanding.sum()),
        "par30": int(outstanding[dpd >= 30].sum()),
        "npl": int(outstanding[dpd > 90].sum()),
        "written_off": int(_lost(ledger, last).sum()),
        "year_outstanding": int(np.mean([outstanding_at(ledger, last - days).sum() for days in (0, 122, 243, YEAR)])),
        "client_months": len(mature),
        "defaults": int((mature == DEFAULT).sum()),
        "indeterminate": int((mature == INDETERMINATE).sum()),
        **_installment_sums(ledger, last),
    }
    return Counter(sums)


def _lost(ledger: Ledger, last: np.datetime64) -> Floats:
    """Principal written off or sold in the last year: what was still owed then."""
    rows, contracts = ledger.installments, ledger.run.contracts
    is_lost = np.isin(contracts.ended, (book.WRITTEN_OFF, book.SOLD)) & (contracts.ended_on > last - YEAR) & (contracts.ended_on <= last)
    paid = rows.settled_on <= rows.ended_on
    principal = np.bincount(rows.contract[paid], rows.amounts.principal[paid].astype(np.float64), len(contracts))
    return np.asarray(contracts.principal - principal, dtype=np.float64)[is_lost]


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
    known, opened = sums["client_months"] - sums["indeterminate"], sums["open_contracts"]
    parts = {  # numerator, denominator, number of contracts that the ratio rests on
        "late_ratio": ("late", sums["due"], sums["contracts"]),
        "par30_ratio": ("par30", sums["outstanding"], opened),
        "npl_ratio": ("npl", sums["outstanding"], opened),
        "fpd30_ratio": ("fpd30", sums["first"], sums["first"]),
        "written_off_ratio": ("written_off", sums["year_outstanding"], opened),
        "default_ratio": ("defaults", known, sums["clients"]),
        "indeterminate_ratio": ("indeterminate", sums["client_months"], sums["clients"]),
    }
    ratios = {name: sums[above] / below if below else 0.0 for name, (above, below, _) in parts.items()}
    margins = {name: _margin(name, rests_on) for name, (_, _, rests_on) in parts.items()}
    return Card({**{name: sums[name] for name in names}, "cohorts": cohorts}, ratios, margins)


def _margin(name: str, rests_on: int) -> float:
    high = RANGES[name][1]
    return SIGMAS * float(np.sqrt(CLUSTERING * high * (1.0 - high) / max(rests_on, 1)))
