"""No client and no time leaks between samples, whatever cohorts and clients there are."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.split import CALIBRATION, DEVELOPMENT, TEST, client_fold, eras, samples, validation_folds
from warehouse.clock import month_ends

COHORTS = month_ends(date(2020, 1, 1), date(2024, 12, 31))


@settings(max_examples=60, deadline=None)
@given(st.integers(2, len(COHORTS)))
def test_the_test_is_newest_and_calibration_is_between(count):
    parts = eras(COHORTS[:count])
    assert parts.test[-1] == COHORTS[count - 1]
    assert max(parts.development + parts.calibration) < min(parts.test)
    if count >= 3:
        assert max(parts.development) < min(parts.calibration)
        assert sorted(parts.development + parts.calibration + parts.test) == COHORTS[:count]
    assert all(parts)


@pytest.mark.parametrize("cohorts", [[], COHORTS[:1]])
def test_fewer_than_two_cohorts_cannot_be_divided(cohorts):
    with pytest.raises(ValueError, match="at least 2 are needed"):
        eras(cohorts)


def test_no_client_is_in_two_samples_and_no_row_is_out_of_its_era():
    clients = np.repeat(np.array([f"c{i}" for i in range(500)], dtype=object), 20)
    days = np.tile(np.array(COHORTS[:20], dtype=object), 500)
    parts = eras(COHORTS[:20])
    found = samples(clients, days, parts)
    members = {name: set(clients[found == name]) for name in (DEVELOPMENT, CALIBRATION, TEST)}
    assert not members[DEVELOPMENT] & members[CALIBRATION]
    assert not members[DEVELOPMENT] & members[TEST]
    assert not members[CALIBRATION] & members[TEST]
    for name in members:
        assert set(days[found == name]) == set(getattr(parts, name))


def test_folds_have_their_shares_and_depend_on_the_client_alone():
    folds = [client_fold(f"client-{i}") for i in range(20_000)]
    assert {name: round(folds.count(name) / len(folds), 2) for name in set(folds)} == {DEVELOPMENT: 0.5, CALIBRATION: 0.2, TEST: 0.3}
    assert client_fold("client-7") == folds[7]


def test_validation_folds_keep_a_client_together():
    clients = np.array(["a", "b", "c", "a", "b", "a"], dtype=object)
    found = validation_folds(clients, 5)
    assert len({found[0], found[3], found[5]}) == len({found[1], found[4]}) == 1
    assert set(validation_folds(np.array([f"c{i}" for i in range(100)], dtype=object), 5)) == set(range(5))
