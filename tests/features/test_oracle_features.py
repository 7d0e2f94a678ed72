"""Client features against the plain-Python oracle and against answers worked out by hand; and no knowledge of the future."""

import random
from decimal import Decimal

import pytest
from hypothesis import given

from features.tables import client_repayment
from tests.conftest import stored
from tests.oracles import features as oracle
from tests.oracles import golden
from tests.oracles.compare import check, keyed
from tests.oracles.days import end_of_day
from tests.oracles.ledger import Ledger, Row
from tests.oracles.positions import Book
from tests.strategies import Case, cases, examples
from tests.warehouse.test_oracle_golden import name_of, questions
from warehouse.terms import Terms

TERMS = Terms()
KEY = ("as_of_on", "client_id")


def rows(con, ledger: Ledger, days) -> dict[tuple, dict]:
    return keyed(con.to_pyarrow(client_repayment(stored(con, ledger.rows), days, TERMS)).to_pylist(), KEY)


def expected(ledger: Ledger, days) -> dict[tuple, dict]:
    return {
        (as_of, client_id): values | dict.fromkeys(("event_timestamp", "created_timestamp"), end_of_day(as_of, TERMS.time_zone))
        for as_of in days
        for client_id, values in oracle.client_repayment(Book(ledger, as_of, TERMS)).items()
    }


@given(cases())
@examples(2)
def test_features_equal_the_oracle(con, case: Case):
    check("features.client_repayment", expected(case.ledger, case.as_ofs), rows(con, case.ledger, case.as_ofs), case.ledger)


@pytest.fixture(scope="module")
def golden_rows(con):
    ledger = golden.read("features").ledger
    return rows(con, ledger, sorted({wanted["as_of"] for _, wanted in questions("features")}))


@pytest.mark.parametrize(("name", "wanted"), questions("features"), ids=name_of)
def test_golden(golden_rows, name, wanted):
    row = golden_rows.get((wanted["as_of"], wanted["client_id"]))
    if wanted.get("absent"):
        assert row is None
        return
    for feature, value in wanted.items():
        if feature not in ("as_of", "client_id"):
            assert row[feature] == ((value[0] / value[1] if value else None) if isinstance(value, list) else value), feature


def poisoned(row: Row, rng: random.Random) -> Row:
    """The row with its facts replaced, its keys and its place in time kept."""
    garbage = {name: Decimal(rng.randint(1, 9_999_999)) for name, value in row.items() if isinstance(value, Decimal)}
    return row | garbage | {"is_deleted": rng.random() < 0.5}


@given(cases(clients=40, as_ofs=2))
@examples(1)
def test_what_becomes_known_later_changes_nothing(con, case: Case):
    """Every row known after T is poisoned or dropped; the features of T are the same bit for bit."""
    as_of, rng = case.as_ofs[0], random.Random(0)
    until = end_of_day(as_of, TERMS.time_zone)
    future = {
        table: [row if row["known_at"] <= until else poisoned(row, rng) for row in found if row["known_at"] <= until or rng.random() < 0.7]
        for table, found in case.ledger.rows.items()
    }
    asked = [as_of]
    before, after = rows(con, case.ledger, asked), rows(con, Ledger(future), asked)
    for row in (*before.values(), *after.values()):
        del row["computed_at"]
    assert after == before
