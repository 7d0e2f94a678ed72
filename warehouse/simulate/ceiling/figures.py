"""The ceiling of a profile in figures: how well default is predicted by all that is known, and by eight plain counts.

Only clients with one contract each can be summed over exactly. A model that beats the ceiling by more than its error has seen the future.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.clock import month_ends
from warehouse.simulate.ceiling.chances import Chances
from warehouse.simulate.ceiling.counts import counts, fitted_scores, unpaid
from warehouse.simulate.ceiling.loans import Loans, loans_of
from warehouse.simulate.ceiling.outlook import Outlook, Window, outlook, true_outlook
from warehouse.simulate.ceiling.posterior import BAD, Filter
from warehouse.simulate.ceiling.seen import Seen, seen_on
from warehouse.simulate.dates import Days, day
from warehouse.simulate.draws import Floats, Ints
from warehouse.simulate.money import Ledger, write_ledger
from warehouse.simulate.months import Months
from warehouse.simulate.profiles import Profile, ProfileError, profile_named
from warehouse.simulate.rows import client_ids
from warehouse.simulate.truth import DEFAULT, GOOD, labels, window_end_of
from warehouse.simulate.truth_rows import OUTCOMES
from warehouse.terms import DEFAULT_DPD, MATURITY_DAYS, OUTCOME_MONTHS

Flags = npt.NDArray[np.bool_]
CHUNK = 4_000  # loans whose hidden situations fit into the caches of a processor


@dataclass(frozen=True)
class Ranking:
    """How well a score separates defaults from good clients; gini = 2 auc - 1, ks is the greatest distance of the two distributions."""

    auc: float
    ks: float
    auc_error: float

    @property
    def gini(self) -> float:
        """The Gini coefficient."""
        return 2.0 * self.auc - 1.0


@dataclass(frozen=True)
class Ceiling:
    """The ceiling on clients that no count was fitted on; errors are standard errors.

    Attributes:
        rows: clients and month ends, indeterminate ones among them.
        default_ratio: share of them that defaulted.
        expected_ratio: mean probability of default given what was known; equals default_ratio within default_error.
        default_error: standard error of the difference, clients taken as clusters.
        hidden: of the true probability, by all that is hidden; nobody can know it.
        best: of the exact posterior.
        plain: of a logistic regression on eight counts.
    """

    rows: int
    default_ratio: float
    expected_ratio: float
    default_error: float
    hidden: Ranking
    best: Ranking
    plain: Ranking

    @property
    def plain_share(self) -> float:
        """Share of the possible Gini that the eight counts capture."""
        return self.plain.gini / self.best.gini

    @property
    def leak_auc(self) -> float:
        """A model with a greater AUC on these clients knows the future: three standard errors above the ceiling."""
        return self.best.auc + 3.0 * self.best.auc_error

    def __str__(self) -> str:
        lines = [
            f"  {'client months':<32} {self.rows:>12,}",
            f"  {'defaults, observed':<32} {self.default_ratio:>12.4f}",
            f"  {'defaults, expected':<32} {self.expected_ratio:>12.4f}   standard error {self.default_error:.4f}",
        ]
        for name, ranking in (("hidden truth", self.hidden), ("ceiling", self.best), ("eight counts", self.plain)):
            figures = f"AUC {ranking.auc:.4f} (error {ranking.auc_error:.4f}), Gini {ranking.gini:.4f}, KS {ranking.ks:.4f}"
            lines.append(f"  {name:<32} {figures}")
        lines.append(f"  {'share of the possible Gini':<32} {self.plain_share:>12.3f}   by the eight counts")
        return "\n".join(lines)


def ceiling(
    profile: str | Profile,
    seed: int,
    dates: Sequence[date] = (),
    out: Path | None = None,
    progress: Callable[[str], None] | None = None,
) -> Ceiling:
    """Compute the ceiling of a profile.

    Args:
        profile: with single_contract.
        seed: of the lender.
        dates: month ends to predict at; none: four of the latest whose outcomes are known, three months apart.
        out: Parquet file for the probabilities of every client and date.
        progress: called with a line of text now and then.

    Raises:
        ProfileError: the profile gives clients several contracts, or has no month end with a known outcome.
    """
    chosen, say = profile_named(profile), progress or (lambda line: None)
    days = list(dates) or _latest(chosen)
    parts = []
    for first in range(1, chosen.clients + 1, CHUNK):
        number = np.arange(first, min(first + CHUNK, chosen.clients + 1))
        ledger = write_ledger(chosen, seed, Months(chosen, seed, number).run())
        parts.append(predicted(chosen, seed, ledger, days))
        say(f"ceiling: {number[-1]:,} of {chosen.clients:,} clients")
    rows = Predicted(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    if out is not None:
        pq.write_table(_table(rows), out)
    return _figures(rows)


def _latest(profile: Profile) -> list[date]:
    mature = [
        end
        for end in month_ends(profile.first, profile.last)
        if day(window_end_of(end)) + np.timedelta64(MATURITY_DAYS, "D") <= day(profile.last)
    ]
    if not mature:
        raise ProfileError(f"profile {profile.name}: no month end has a known outcome; give it more than {OUTCOME_MONTHS + 1} months")
    return mature[-1::-3][:4]


class Predicted(NamedTuple):
    """One row a client and as-of date.

    Default and good are probabilities given what was known, the true ones given all that is hidden; counts as in COUNTS.
    """

    client: Ints
    as_of_on: Days
    default: Floats
    good: Floats
    true_default: Floats
    true_good: Floats
    outcome: Ints
    counts: Floats


def _table(rows: Predicted) -> pa.Table:
    """The truth table ceiling: one row a client and as-of date."""
    columns = {
        "client_id": client_ids(rows.client),
        "as_of_on": pa.array(rows.as_of_on),
        "default_probability": rows.default,
        "good_probability": rows.good,
        "true_default_probability": rows.true_default,
        "true_good_probability": rows.true_good,
        "outcome": pa.array(OUTCOMES).take(pa.array(rows.outcome)),
    }
    return pa.table(columns).sort_by([("client_id", "ascending"), ("as_of_on", "ascending")])


def predicted(profile: Profile, seed: int, ledger: Ledger, dates: Sequence[date]) -> Predicted:
    """Exact probabilities of all clients who belong to the training population at the as-of dates."""
    loans, parts = loans_of(profile, seed, ledger), []
    chances, ends = Chances(loans), month_ends(profile.first, profile.last)
    for end in dates:
        month = ends.index(end)
        window = Window(day(end), day(window_end_of(end)), month, month + OUTCOME_MONTHS)
        seen = seen_on(loans, window.when)
        inside = np.flatnonzero(_population(loans, seen, window.when, month))
        ahead = outlook(loans, window, chances)
        default, good = _probabilities(loans, seen, window, chances, ahead)
        true_default, true_good = true_outlook(ledger, loans, window, ahead)
        scope = np.zeros(len(ledger.run.contracts), dtype=bool)
        scope[loans.contract[inside]] = True
        outcome = labels(ledger, scope, window.when, window.ends_on)[loans.client[inside]]
        number, plain = ledger.run.clients.number[loans.client[inside]], counts(loans, seen, window.when, month)[inside]
        default, good, true_default, true_good = (one[inside] for one in (default, good, true_default, true_good))
        as_of_on = np.full(len(inside), window.when)
        parts.append(Predicted(number, as_of_on, default, good, true_default, true_good, outcome, plain))
    return Predicted(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _probabilities(loans: Loans, seen: Seen, window: Window, chances: Chances, ahead: Outlook) -> tuple[Floats, Floats]:
    """Probability of default and of staying good of each loan; not a number where what was seen is impossible or yet to come."""
    belief = Filter(loans, seen, window.when, chances).run(window.month)
    running, stained = belief.running[..., : BAD + 1], belief.stained[..., : BAD + 1]
    total = (running + stained).sum(axis=(1, 2, 3)) + belief.over + belief.fraud
    default = ((running + stained) * ahead.default).sum(axis=(1, 2, 3)) + belief.fraud
    good = (running * ahead.good).sum(axis=(1, 2, 3)) + belief.over
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(seen.is_settled, 0.0, default / total), np.where(seen.is_settled, 1.0, good / total)


def _population(loans: Loans, seen: Seen, when: np.datetime64, month: int) -> Flags:
    """Open by the books, an installment due, and less than 90 days past due as far as the books know."""
    return (loans.ended_told_on > when) & (loans.start_month < month) & (days_past_due(loans, seen, when, month) < DEFAULT_DPD)


def days_past_due(loans: Loans, seen: Seen, when: np.datetime64, month: int) -> Ints:
    """Days past due as the books know them."""
    number = np.arange(seen.month.shape[1])
    owed = unpaid(loans, seen, when, month)
    first = np.where(owed, number[None, :], np.iinfo(np.int64).max).min(axis=1)
    column = np.clip(loans.start_month + np.minimum(first, number[-1]), 0, loans.due.shape[1] - 1)
    oldest = loans.due[np.arange(len(loans)), column]
    return np.where(owed.any(axis=1), (when - oldest).astype(np.int64), 0)


def _figures(rows: Predicted) -> Ceiling:
    """Figures on the clients with odd numbers; the counts are fitted on the others."""
    is_known = np.isin(rows.outcome, (GOOD, DEFAULT))
    is_fitted = rows.client % 2 == 0
    odds = rows.default / np.maximum(rows.default + rows.good, 1e-300)
    true_odds = rows.true_default / np.maximum(rows.true_default + rows.true_good, 1e-300)
    plain = fitted_scores(rows.counts, rows.outcome == DEFAULT, is_fitted & is_known)
    shown, both = ~is_fitted, ~is_fitted & is_known
    is_default = (rows.outcome == DEFAULT)[shown]
    difference = is_default - rows.default[shown]
    _, cluster = np.unique(rows.client[shown], return_inverse=True)
    error = float(np.sqrt((np.bincount(cluster, difference) ** 2).sum()) / len(difference))
    return Ceiling(
        rows=int(shown.sum()),
        default_ratio=float(is_default.mean()),
        expected_ratio=float(rows.default[shown].mean()),
        default_error=error,
        hidden=ranking(true_odds[both], (rows.outcome == DEFAULT)[both]),
        best=ranking(odds[both], (rows.outcome == DEFAULT)[both]),
        plain=ranking(plain[both], (rows.outcome == DEFAULT)[both]),
    )


def ranking(score: Floats, is_default: Flags) -> Ranking:
    """AUC with ties counted half, its standard error (Hanley and McNeil 1982), and KS."""
    order = np.argsort(score, kind="stable")
    values, bad = score[order], is_default[order]
    _, group, size = np.unique(values, return_inverse=True, return_counts=True)
    rank = (np.cumsum(size) - (size - 1) / 2.0)[group]
    bads, goods = int(bad.sum()), int((~bad).sum())
    auc = float((rank[bad].sum() - bads * (bads + 1) / 2.0) / (bads * goods))
    ends = np.cumsum(size) - 1
    ks = float(np.abs(np.cumsum(bad)[ends] / bads - np.cumsum(~bad)[ends] / goods).max())
    q1, q2 = auc / (2.0 - auc), 2.0 * auc**2 / (1.0 + auc)
    error = float(np.sqrt((auc * (1 - auc) + (bads - 1) * (q1 - auc**2) + (goods - 1) * (q2 - auc**2)) / (bads * goods)))
    return Ranking(auc, ks, error)
