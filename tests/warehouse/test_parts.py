"""Dates are cut into as few parts as fit."""

from tests.conftest import stored
from tests.features.books import book, d, loan
from warehouse.parts import parts

DAYS = [d("2024-02-29"), d("2024-01-31"), d("2024-03-31"), d("2024-01-31")]
IN_ORDER = [d("2024-01-31"), d("2024-02-29"), d("2024-03-31")]


def test_dates_are_cut_by_installments_times_dates(con):
    staged = stored(con, book(loan("A", "1", "2024-01-01", ["2024-02-01", "2024-03-01", "2024-04-01"])))
    assert list(parts(DAYS, staged)) == [IN_ORDER]
    assert list(parts(DAYS, staged, rows_at_once=6)) == [IN_ORDER[:2], IN_ORDER[2:]]
    # A single date that is too large is computed all the same.
    assert list(parts(DAYS, staged, rows_at_once=1)) == [[day] for day in IN_ORDER]
    assert list(parts([], staged)) == []


def test_a_book_without_installments_is_one_part(con):
    assert list(parts(DAYS, stored(con, {}))) == [IN_ORDER]
