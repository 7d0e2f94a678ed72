"""The generated lender looks like a consumer lender, and its past says something about its future."""

from datetime import date

import numpy as np
import pyarrow.parquet as pq
import pytest

from warehouse.simulate import PROFILES, Simulation, simulate

SEED = 7


@pytest.fixture(scope="module")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    return simulate(PROFILES["tiny"], SEED, tmp_path_factory.mktemp("lender"))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    return simulate("demo", SEED, tmp_path_factory.mktemp("demo"))


def test_demo_book_is_plausible_and_enough_to_train_on(demo: Simulation) -> None:
    assert demo.card.outside() == []
    assert demo.card.counts["defaults"] > 500
    assert demo.card.counts["cohorts"] >= 20


def test_past_lateness_predicts_default(demo: Simulation) -> None:
    """One crude feature must separate well, or no model can be trained; it must not separate perfectly, or the truth leaks."""
    months = [row for row in pq.read_table(demo.truth / "client_months.parquet").to_pylist() if row["outcome"] in ("good", "default")]
    bad = np.array([row["outcome"] == "default" for row in months])
    lateness = np.array([row["late_ratio"] + row["dpd"] / 60 for row in months])

    order = np.argsort(np.argsort(lateness, kind="stable"), kind="stable")
    auc = (order[bad].sum() - bad.sum() * (bad.sum() - 1) / 2) / (bad.sum() * (~bad).sum())

    assert 0.70 < auc < 0.90


def test_outcomes_need_a_full_year_and_a_month(demo: Simulation) -> None:
    months = pq.read_table(demo.truth / "client_months.parquet").to_pylist()

    known = {row["month_on"] for row in months if row["outcome"] != "immature"}

    assert max(known) == date(2024, 5, 31)
    assert not {row["month_on"] for row in months if row["outcome"] == "immature"} & known


def test_the_card_can_be_read(lender: Simulation) -> None:
    assert "par30_ratio" in str(lender.card)
    assert str(lender.card).splitlines()[0].split() == ["clients", "200"]
