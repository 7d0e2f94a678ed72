"""The Bayes ceiling: equal to a sum over all paths, calibrated against what came, blind to the future, and above plain counts."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from tests.oracles import ceiling as oracle
from warehouse.clock import add_months
from warehouse.simulate import CLEAN, PLAIN, PROFILES, Profile
from warehouse.simulate.ceiling import ceiling
from warehouse.simulate.ceiling.figures import Ranking, predicted, ranking
from warehouse.simulate.ceiling.loans import FOREVER, Loans, lag_survival, loans_of
from warehouse.simulate.ceiling.posterior import fraud_prior
from warehouse.simulate.geography import risks
from warehouse.simulate.money import Ledger, write_ledger
from warehouse.simulate.months import Months
from warehouse.simulate.products import RISK

SEED = 5
BOOK = replace(PROFILES["ceiling"], clients=6_000)
SMALL = replace(BOOK, clients=400)
DATES = [date(2024, 5, 31), date(2023, 11, 30)]


def ledger_of(profile: Profile) -> Ledger:
    return write_ledger(profile, SEED, Months(profile, SEED, np.arange(1, profile.clients + 1)).run())


@pytest.fixture(scope="module")
def rows():
    return predicted(BOOK, SEED, ledger_of(BOOK), DATES)


# ---- equal to the sum over all paths --------------------------------------------------------------------------------------------


def facts(loans: Loans, at: int, when: np.datetime64) -> oracle.Loan:
    """One loan for the oracle, from the loans' own arrays; the calendar is counted again from the first due date."""
    start = int(loans.start_month[at])
    receipts = loans.receipt_of
    mine = (receipts.loan == at) & (receipts.booked_on <= when) & (receipts.paid_on <= when)
    events = loans.due.shape[1] - start
    return oracle.Loan(
        first_due=loans.due[at, start + 1].item(),
        tenor=int(loans.tenor[at]),
        region_risk=float(risks()[loans.region[at]]),
        score=int(loans.score[at]),
        kind=int(loans.kind[at]),
        product_risk=float(RISK[loans.product[at]]),
        pressure=tuple(float(loans.pressure[at, start + event] + loans.load[at]) for event in range(events)),
        tet=tuple(bool(loans.tet[at, start + event]) for event in range(events)),
        pre_tet=tuple(bool(loans.pre_tet[at, start + event]) for event in range(events)),
        fraud=float(fraud_prior(loans)[at]),
        is_parted=bool(loans.is_parted[at]),
        seen=frozenset(
            (int(number), day.item())
            for number, day in zip(receipts.number[mine & receipts.is_rest], receipts.paid_on[mine & receipts.is_rest], strict=True)
        ),
        parts=frozenset(day.item() for day in receipts.paid_on[mine & ~receipts.is_rest]),
        settled_seen=bool(loans.settlement_told_on[at] <= when),
    )


@pytest.mark.parametrize(("end", "window_end"), [(date(2024, 5, 31), date(2025, 5, 31)), (date(2023, 2, 28), date(2024, 2, 29))])
def test_probabilities_equal_the_sum_over_all_paths(end: date, window_end: date) -> None:
    ledger = ledger_of(SMALL)
    loans = loans_of(SMALL, SEED, ledger)
    found = predicted(SMALL, SEED, ledger, [end])
    place = {int(ledger.run.clients.number[client]): at for at, client in enumerate(loans.client)}
    order = np.argsort(found.default)
    chosen = np.concatenate([order[:: len(order) // 6], order[-2:]])  # the safest, the riskiest and some between

    for row in chosen:
        default, good = oracle.probabilities(facts(loans, place[int(found.client[row])], np.datetime64(end, "D")), end, window_end)
        assert found.default[row] == pytest.approx(default, rel=1e-9, abs=1e-12)
        assert found.good[row] == pytest.approx(good, rel=1e-9, abs=1e-12)
    assert found.default[chosen].max() > 0.25
    assert found.default[chosen].min() < 0.02


# ---- calibrated -----------------------------------------------------------------------------------------------------------------


def deviation(happened: np.ndarray, probability: np.ndarray, cluster: np.ndarray) -> float:
    """Standard errors between what happened and what was expected; the rows of a client are one cluster."""
    _, group = np.unique(cluster, return_inverse=True)
    sums = np.bincount(group, happened - probability)
    return float(abs(sums.sum()) / np.sqrt((sums**2).sum()))


def test_the_ceiling_is_calibrated_overall_and_in_every_tenth(rows) -> None:
    default, good = rows.outcome == 2, rows.outcome == 0

    assert deviation(default, rows.default, rows.client) < 3.5
    assert deviation(good, rows.good, rows.client) < 3.5
    assert deviation(default, rows.true_default, rows.client) < 3.5
    assert deviation(good, rows.true_good, rows.client) < 3.5
    for part in np.array_split(np.argsort(rows.default), 5):
        assert deviation(default[part], rows.default[part], rows.client[part]) < 4.5
    for unpaid in (0, 1, 2):
        part = rows.counts[:, 5] == unpaid
        assert deviation(default[part], rows.default[part], rows.client[part]) < 4.5


def test_the_ceiling_is_above_plain_counts_and_leaves_room() -> None:
    found = ceiling(replace(BOOK, clients=3_000), SEED, DATES)

    assert found.hidden.auc > found.best.auc > found.plain.auc
    assert 0.70 < found.plain_share < 1.0
    assert abs(found.default_ratio - found.expected_ratio) < 4 * found.default_error
    assert "share of the possible Gini" in str(found)


# ---- blind to the future --------------------------------------------------------------------------------------------------------


def test_what_is_booked_after_the_date_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """All receipts booked later are moved, and all ends told later: the probabilities are the same to the last bit."""
    ledger, end = ledger_of(SMALL), date(2024, 5, 31)
    clean = predicted(SMALL, SEED, ledger, [end])

    def poisoned(profile: Profile, seed: int, truth: Ledger) -> Loans:
        loans = loans_of(profile, seed, truth)
        late = loans.receipt_of.booked_on > np.datetime64(end)
        loans.receipt_of.paid_on[late] += np.timedelta64(17, "D")
        loans.receipt_of.is_rest[late] = ~loans.receipt_of.is_rest[late]
        loans.settlement_told_on[loans.settlement_told_on > np.datetime64(end)] = FOREVER
        return loans

    monkeypatch.setattr("warehouse.simulate.ceiling.figures.loans_of", poisoned)
    again = predicted(SMALL, SEED, ledger, [end])

    assert again.client.tolist() == clean.client.tolist()
    assert again.default.tolist() == clean.default.tolist()
    assert again.good.tolist() == clean.good.tolist()


# ---- parts ----------------------------------------------------------------------------------------------------------------------


def test_only_books_with_one_contract_a_client_have_an_exact_ceiling() -> None:
    several = Profile("several", clients=5, rates=CLEAN)

    with pytest.raises(ValueError, match="set single_contract"):
        loans_of(several, SEED, ledger_of(several))


def test_a_book_without_outcomes_has_no_ceiling() -> None:
    young = Profile("young", clients=5, months=12, days=0, single_contract=True, rates=PLAIN)

    with pytest.raises(ValueError, match="more than 13 months"):
        ceiling(young, SEED)


def test_lag_survival_is_the_chance_to_wait_longer() -> None:
    survival = lag_survival()

    assert survival[0] == pytest.approx(0.15)  # 85 percent are booked on the day
    assert survival[1] == pytest.approx(0.03)
    assert survival[10] == pytest.approx(0.005)
    assert survival[-1] == 0.0
    assert (np.diff(survival) <= 0).all()


def test_ranking_of_known_scores() -> None:
    score, is_default = np.array([0.1, 0.4, 0.35, 0.8, 0.4]), np.array([False, False, True, True, True])

    found = ranking(score, is_default)

    assert found.auc == pytest.approx((1 + 0 + 1 + 1 + 1 + 0.5) / 6)  # pairs (default, good) in the right order, a tie counts half
    assert found.ks == pytest.approx(0.5)
    assert Ranking(0.75, 0.0, 0.0).gini == pytest.approx(0.5)


def test_due_dates_of_the_ceiling_are_those_of_the_loans() -> None:
    ledger = ledger_of(replace(SMALL, clients=60))
    loans = loans_of(replace(SMALL, clients=60), SEED, ledger)

    for at in range(0, len(loans), 7):
        first = ledger.run.contracts.first_due[loans.contract[at]].item()
        start = int(loans.start_month[at])
        assert [loans.due[at, start + 1 + number].item() for number in (0, 1, 5)] == [add_months(first, number) for number in (0, 1, 5)]
