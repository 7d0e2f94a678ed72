"""What the hidden process is made of: the map and its merger, rejected applicants, points of sale, shocks, and a card that can fail."""

from collections import Counter
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from warehouse.simulate import CLEAN, PROFILES, Profile, ProfileError, shocks
from warehouse.simulate.behaviour import LATE_TABLE, OUTCOME, THETA, first_states, theta_weights, transitions
from warehouse.simulate.book import APPROVAL_SCORE, settle_in
from warehouse.simulate.card import RANGES, Card, Implausible, card
from warehouse.simulate.dates import day
from warehouse.simulate.geography import MACRO, regions
from warehouse.simulate.money import Ledger, write_ledger
from warehouse.simulate.months import Months
from warehouse.simulate.products import FRAUD, IS_CASH, SHOPS, shop_fraud
from warehouse.simulate.profiles import profile_named
from warehouse.simulate.provinces import MERGED, MERGERS, PROVINCES, successors

SEED = 7
BOOK = Profile("book", clients=4_000, months=36, rates=CLEAN)


def ledger_of(profile: Profile) -> Ledger:
    return write_ledger(profile, SEED, Months(profile, SEED, np.arange(1, profile.clients + 1)).run())


# ---- the map --------------------------------------------------------------------------------------------------------------------


def test_63_provinces_become_34() -> None:
    successor = successors()
    members = Counter(successor.values())

    assert len(PROVINCES) == len({province.region_name for province in PROVINCES}) == 63
    assert len(members) == 34
    assert sum(count for new, count in members.items() if new.endswith(MERGED)) == 52  # in 23 mergers
    assert sum(1 for old, new in successor.items() if old == new) == 11
    assert members["79" + MERGED] == 3  # Ho Chi Minh City with Binh Duong and Ba Ria-Vung Tau
    assert sum(len(others) for others in MERGERS.values()) + len(MERGERS) == 52


def test_the_regions_file_tells_of_the_merger_on_its_day() -> None:
    before, after = (
        {row["region_id"]: row for row in (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))}
        for columns in (regions(date(2025, 6, 30)), regions(date(2025, 7, 1)))
    )

    assert len(before) == 1 + 6 + 63
    assert len(after) == len(before) + 23
    assert {row["successor_region_id"] for row in before.values()} == {""}
    assert after["74"]["successor_region_id"] == "79" + MERGED  # Binh Duong
    assert after["01"]["successor_region_id"] == ""  # Ha Noi stays as it is
    assert all(row["parent_region_id"] in after for row in after.values() if row["parent_region_id"])


# ---- clients --------------------------------------------------------------------------------------------------------------------


def test_everybody_below_the_cut_off_is_rejected_and_kept() -> None:
    clients, rejected = settle_in(BOOK, SEED, np.arange(1, 4_001))

    assert clients.score.min() >= APPROVAL_SCORE > rejected.score.max()
    assert 0.05 < len(rejected.number) / 4_000 < 0.25
    assert rejected.theta.mean() > clients.theta.mean() + 0.1  # the score is noisy, but it says something
    assert len(set(zip(rejected.number.tolist(), rejected.attempt.tolist(), strict=True))) == len(rejected.number)


def test_hidden_risk_follows_its_weights() -> None:
    weights = theta_weights(np.array([0.0]))[0]

    assert THETA.tolist() == [-2.5, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
    assert weights.argmax() == 5
    assert weights[3] / weights[5] == pytest.approx(np.exp(-0.5 / 0.81))


# ---- probabilities --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pressure", [-1.0, 0.0, 3.0])
@pytest.mark.parametrize("kind", [0, 1])
def test_moves_are_probabilities_and_worse_for_the_risky(pressure: float, kind: int) -> None:
    moves = transitions(THETA, np.full(len(THETA), pressure), np.full(len(THETA), kind))

    assert moves.min() >= 0.0
    assert moves.sum(axis=-1) == pytest.approx(np.ones((len(THETA), 3)))
    assert (np.diff(moves[:, 0, 2]) >= 0).all()  # from Normal to Distressed


def test_tables_are_probabilities() -> None:
    assert OUTCOME.sum(axis=1) == pytest.approx(np.ones(3))
    assert LATE_TABLE.sum(axis=1) == pytest.approx(np.ones(3))
    assert first_states(THETA).sum(axis=-1) == pytest.approx(np.ones(len(THETA)))
    assert (LATE_TABLE @ np.arange(1, 28)).argsort().tolist() == [0, 1, 2]  # the worse the state, the later the money


# ---- points of sale -------------------------------------------------------------------------------------------------------------


def test_fraud_gathers_at_bad_shops_and_is_as_common_as_the_product_says() -> None:
    factor = shop_fraud()
    contracts = ledger_of(replace(BOOK, clients=40_000, months=12)).run.contracts

    assert factor.mean() == pytest.approx(1.0)
    assert (factor > 20).sum() == 15
    assert ((contracts.shop >= 0) == ~IS_CASH[contracts.product]).all()
    assert contracts.shop.max() < SHOPS
    expected = FRAUD[contracts.product] * np.where(contracts.shop < 0, 1.0, factor[contracts.shop])
    error = np.sqrt((expected * (1 - expected)).sum())
    assert abs(contracts.is_fraud.sum() - expected.sum()) < 4 * error
    assert contracts.is_fraud[np.isin(contracts.shop, np.arange(15))].mean() > 0.1


# ---- shocks ---------------------------------------------------------------------------------------------------------------------


def test_hard_times_press_where_and_when_they_are() -> None:
    before, within = (shocks.pressure(("S1", "S4"), day(when)) for when in (date(2021, 6, 1), date(2021, 8, 1)))
    flood = shocks.pressure(("S1", "S4"), day(date(2024, 10, 1)))

    assert before.max() == 0.0
    assert set(np.round(within, 6)) == {0.8, 1.3}
    assert set(np.flatnonzero(flood)) == set(np.flatnonzero(MACRO == 2))
    assert shocks.pressure((), day(date(2021, 8, 1))).max() == 0.0


def test_a_flood_makes_clients_of_the_coast_pay_late() -> None:
    dry, wet = (ledger_of(replace(BOOK, shocks=names)) for names in ((), ("S4",)))

    def late_ratio(ledger: Ledger, on_the_coast: bool) -> float:
        rows, run = ledger.installments, ledger.run
        coast = MACRO[run.clients.region[run.contracts.client[rows.contract]]] == 2
        within = (rows.due_on >= np.datetime64("2024-10-01")) & (rows.due_on < np.datetime64("2025-01-01"))
        chosen = within & (coast == on_the_coast)
        return float((~(rows.settled_on <= rows.due_on))[chosen].mean())

    assert late_ratio(wet, True) > late_ratio(dry, True) + 0.02
    assert late_ratio(wet, False) == pytest.approx(late_ratio(dry, False), abs=1e-12)


def test_another_mix_sells_more_cash_loans_and_changes_nobody() -> None:
    usual, shifted = (ledger_of(replace(BOOK, shocks=names)).run.contracts for names in ((), ("S2",)))

    def cash_share(contracts, since: str, until: str) -> float:  # type: ignore[no-untyped-def]
        chosen = (contracts.start >= np.datetime64(since)) & (contracts.start < np.datetime64(until)) & ~contracts.is_refinancing
        return float(IS_CASH[contracts.product[chosen]].mean())

    assert cash_share(usual, "2025-01-01", "2025-07-01") == pytest.approx(0.30, abs=0.06)
    assert cash_share(shifted, "2025-01-01", "2025-07-01") == pytest.approx(0.45, abs=0.06)
    assert cash_share(shifted, "2022-07-01", "2025-01-01") == cash_share(usual, "2022-07-01", "2025-01-01")


def test_a_later_first_penalty_changes_penalties_and_no_behaviour() -> None:
    usual, later = (ledger_of(replace(BOOK, clients=500, shocks=names)) for names in ((), ("S5",)))

    assert later.money.amount.sum() < usual.money.amount.sum()  # fewer penalties are paid
    assert later.installments.settled_on.tolist() == usual.installments.settled_on.tolist()
    first = later.penalties.order == 1
    wait = (later.penalties.charged_on - later.installments.due_on[later.penalties.installment])[first].astype(int)
    assert set(wait) == {5, 10}


# ---- profiles and the card ------------------------------------------------------------------------------------------------------


def test_deliveries_may_begin_at_month_ends() -> None:
    dates = PROFILES["history"].business_dates

    assert dates[:3] == (date(2023, 1, 31), date(2023, 2, 28), date(2023, 3, 31))
    assert dates[-2:] == (date(2025, 7, 6), date(2025, 7, 7))
    assert list(dates) == sorted(set(dates))


def test_an_unknown_profile_is_an_error_for_people() -> None:
    with pytest.raises(ProfileError, match="there are tiny"):
        profile_named("huge")


def test_a_book_outside_the_ranges_fails_and_a_small_one_has_room_for_chance() -> None:
    within = {name: (low + high) / 2 for name, (low, high) in RANGES.items()}
    margins = dict.fromkeys(RANGES, 0.001)
    Card({}, within, margins).check()

    with pytest.raises(Implausible, match="npl_ratio outside the range"):
        Card({}, {**within, "npl_ratio": 0.09}, margins).check()

    large, small = (card(Counter(open_contracts=count, first=count, contracts=count, clients=count), 0) for count in (10_000, 100))
    assert all(small.margins[name] > large.margins[name] for name in RANGES)
