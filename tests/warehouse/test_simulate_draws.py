"""Random numbers, calendar and schedules of the generated lender, against published values and the warehouse's own calendar."""

from datetime import date, timedelta

import numpy as np
import pytest

from warehouse.clock import add_months
from warehouse.simulate import dates as simulated_dates
from warehouse.simulate.draws import Draws, philox
from warehouse.simulate.schedule import Terms, amounts, balance


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [  # published test vectors of Random123 for philox4x32-10
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_published_words(counter: tuple[int, ...], key: tuple[int, int], words: tuple[int, ...]) -> None:
    result = philox(tuple(np.array([word], dtype=np.uint64) for word in counter), key)

    assert tuple(int(word[0]) for word in result) == words


def test_a_draw_depends_on_its_entity_alone() -> None:
    draws = Draws(1, "example")

    together = draws.uniform(np.arange(1000), at=3, lane=1)
    alone = [draws.uniform(np.array([number]), at=3, lane=1)[0] for number in (0, 17, 999)]

    assert together[[0, 17, 999]].tolist() == alone


def test_draws_differ_by_seed_stream_occasion_and_lane_and_are_uniform() -> None:
    entity = np.arange(20_000)
    drawn = [
        Draws(1, "a").uniform(entity),
        Draws(2, "a").uniform(entity),
        Draws(1, "b").uniform(entity),
        Draws(1, "a").uniform(entity, at=1),
        Draws(1, "a").uniform(entity, lane=1),
    ]

    assert np.abs(np.corrcoef(drawn) - np.eye(5)).max() < 0.03
    assert all(abs(one.mean() - 0.5) < 0.01 and one.min() >= 0 and one.max() < 1 for one in drawn)


def test_months_clamp_as_everywhere_in_the_warehouse() -> None:
    start = date(2024, 1, 1)
    every = [start + timedelta(days=number) for number in range(0, 800, 7)] + [date(2024, 1, 31), date(2024, 2, 29)]
    for months in (-13, -1, 0, 1, 12):
        found = simulated_dates.add_months(simulated_dates.days(every), np.full(len(every), months))
        assert found.tolist() == [add_months(one, months) for one in every]


def test_annuity_has_the_known_installment_and_balance() -> None:
    terms = Terms(*(np.array([value]) for value in (10_000_000, 12, 0.025, 0)), simulated_dates.days(["2024-01-31"]))

    first = amounts(terms, np.array([1]))

    assert first.total.tolist() == [974_871]  # 974,871.27
    assert balance(terms, np.array([6])).tolist() == [5_369_713]


@pytest.mark.parametrize("rate", [0.0, 0.03])
def test_principal_parts_sum_to_the_loan(rate: float) -> None:
    tenor = 7
    terms = Terms(*(np.full(tenor, value) for value in (1_000_001, tenor, rate, 5)), simulated_dates.days(["2024-01-31"] * tenor))

    parts = amounts(terms, np.arange(1, tenor + 1))

    assert parts.principal.sum() == 1_000_001
    assert (parts.principal > 0).all()
    assert (parts.interest >= 0).all()
