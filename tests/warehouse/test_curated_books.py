"""Books serve any of their dates, in any number of shares of the contracts, and only the candidate that they were made for."""

from datetime import date
from types import SimpleNamespace

import pytest

from tests.conftest import stored
from tests.strategies import calendar, ledger
from tests.warehouse.staging_rows import TERMS
from warehouse.clock import as_of_dates
from warehouse.curated.books import books, open_books
from warehouse.curated.positions import positions_at
from warehouse.parts import shares

WHEN = calendar(3)
TABLES = ("contracts", "installments", "repayments", "penalties", "events", "arrears")


@pytest.fixture(scope="module")
def rows(con):
    return stored(con, ledger(WHEN, list(range(40))).rows)


def answers(con, rows, held, days):
    """Positions at some dates as sorted rows, by table."""
    found = positions_at(rows, held, as_of_dates(days, TERMS.time_zone), TERMS)
    return {name: sorted(map(repr, con.to_pyarrow(getattr(found, name)).to_pylist())) for name in TABLES}


def test_shares_of_the_contracts_are_the_whole(con, rows):
    as_ofs = as_of_dates(WHEN.dates, TERMS.time_zone)
    whole, cut = books(rows, as_ofs, TERMS), books(rows, as_ofs, TERMS, shares=3)
    assert answers(con, rows, cut, WHEN.dates) == answers(con, rows, whole, WHEN.dates)


def test_a_part_of_the_dates_is_as_all_of_them(con, rows):
    held = books(rows, as_of_dates(WHEN.dates, TERMS.time_zone), TERMS)
    one = WHEN.dates[1]
    alone = books(rows, as_of_dates([one], TERMS.time_zone), TERMS)
    assert answers(con, rows, held, [one])["contracts"] == answers(con, rows, alone, [one])["contracts"]


def test_a_share_holds_so_many_installments(rows):
    count = rows.installments.count().to_pyarrow().as_py()
    assert shares(rows) == 1
    assert shares(rows, rows_at_once=count // 3) == 4


def test_books_answer_their_own_candidate_and_dates(rows):
    def candidate(run_id, intake):
        return SimpleNamespace(run_id=run_id, base_intake=SimpleNamespace(release_id=intake))

    opened = open_books(candidate("run", 2), rows, WHEN.dates, TERMS)
    assert opened.answer(candidate("run", 2), WHEN.dates[1:])
    assert not opened.answer(candidate("run", 2), [*WHEN.dates, date(1999, 1, 1)])
    assert not opened.answer(candidate("run", 3), WHEN.dates)
    assert not opened.answer(candidate("other", 2), WHEN.dates)
