"""Thousands of generated contracts against the plain-Python oracle: every fact, as of the last delivery."""

import random

from hypothesis import given
from hypothesis import strategies as st

from tests.oracles.positions import Book
from tests.strategies import calendar, examples, ledger
from tests.warehouse.test_oracle_positions import DEFAULT, compare

CLIENTS = 1250  # with one to three contracts each
CONTRACTS = 2000


@given(st.integers(0, 2**32 - 1))
@examples(2)
def test_every_fact_of_thousands_of_contracts(con, seed: int):
    when = calendar(seed)
    found = ledger(when, random.Random(seed).sample(range(2**32), CLIENTS))
    assert len(Book(found, when.last, DEFAULT).contracts) >= CONTRACTS
    compare(con, found, {when.last: when.last}, DEFAULT)
