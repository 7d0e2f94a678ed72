"""Bounds of shares at known values and at their edges, and the small-cell rule at its limits."""

import ibis
import pytest

from warehouse.marts.intervals import wilson, with_flags, with_shares

COUNTS = {"part": "int64", "whole": "int64", "client_count": "int64"}


def rows(*counts: tuple[int | None, int | None, int]):
    names = list(COUNTS)
    return ibis.memtable([dict(zip(names, row, strict=True)) for row in counts], schema=COUNTS)


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [
        # The last two are the examples of Newcombe (1998), to the four digits given there.
        (0, 10, 0.0, 0.2775),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        (1, 29, 0.0061, 0.1718),
        (81, 263, 0.2553, 0.3662),
    ],
)
def test_bounds_of_known_shares(con, part, whole, low, high):
    table = rows((part, whole, 9))
    found = con.to_pyarrow(table.select(low=wilson(table.part, table.whole)[0], high=wilson(table.part, table.whole)[1])).to_pylist()[0]
    assert found == pytest.approx({"low": low, "high": high}, abs=5e-5)


def test_a_share_of_nothing_has_no_bounds_and_one_above_the_whole_is_all(con):
    found = con.to_pyarrow(with_shares(rows((0, 0, 9), (None, 5, 9), (7, 5, 9)), [("share", "part", "whole")])).to_pylist()
    assert [(row["share"], row["share_low"], row["share_high"]) for row in found[:2]] == [(None, None, None)] * 2
    assert (found[2]["share"], found[2]["share_high"]) == (1.4, 1.0)


@pytest.mark.parametrize(("whole", "is_small"), [(0, False), (1, True), (29, True), (30, False)])
def test_fewer_than_thirty_cases_are_a_small_sample(con, whole, is_small):
    assert con.to_pyarrow(with_flags(rows((0, whole, 9)), ["whole"])).to_pylist()[0]["is_small_sample"] is is_small


@pytest.mark.parametrize(("clients", "is_few"), [(0, True), (4, True), (5, False)])
def test_fewer_than_five_clients_are_few(con, clients, is_few):
    assert con.to_pyarrow(with_flags(rows((1, 40, clients)), ["whole"])).to_pylist()[0]["is_few_clients"] is is_few
