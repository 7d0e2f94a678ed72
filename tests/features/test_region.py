"""Features of the region a client lives in, from snapshots written as literals; each number is worked out beside its case."""

from datetime import date
from typing import Any

import ibis
import pytest

from features.region import CLIENT_REGION, CLIENT_REGION_SPEC, client_region, month_ends_before
from tests.conftest import stored
from tests.features.books import d, known
from warehouse.terms import Terms

TERMS = Terms()
DAY, MONTH, EARLIER = d("2024-03-15"), d("2024-02-29"), d("2023-11-30")
REGIONS = [
    {"region_id": "N", "region_name": "North"},
    {"region_id": "S", "region_name": "South"},
    {"region_id": "OLD", "region_name": "Old north", "successor_region_id": "N"},
]
SCHEMA = {
    "as_of_on": "date",
    "client_id": "string",
    "late_count_12m": "int64",
    "installments_due_count_12m": "int64",
    "par30_amount": "float64",
    "outstanding_principal_amount": "float64",
}


def snapshot(day: date, client: str, late: int = 0, due: int = 0, par30: float = 0, outstanding: float = 0) -> dict[str, Any]:
    """One row of features.client_repayment, of the columns that the region looks at."""
    return dict(zip(SCHEMA, (day, client, late, due, par30, outstanding), strict=True))


def rows(con, snapshots, clients, day=DAY, regions=REGIONS) -> dict[str, dict[str, Any]]:
    staged = stored(con, {"regions": regions, "clients": clients})
    held = con.create_table(ibis.util.gen_name("snapshots"), obj=ibis.memtable(snapshots, schema=SCHEMA), temp=True)
    found = con.to_pyarrow(client_region(held, staged, [day], TERMS)).to_pylist()
    return {row["client_id"]: row for row in found}


CLIENTS = [{"client_id": name, "region_id": region} for name, region in (("A", "N"), ("B", "N"), ("C", "S"), ("NEW", "N"))]
SNAPSHOTS = [
    snapshot(MONTH, "A", late=4, due=10, par30=50.25, outstanding=200),
    snapshot(MONTH, "B", late=1, due=10, outstanding=100.5),
    snapshot(MONTH, "C", late=0, due=20, outstanding=40),
    snapshot(EARLIER, "B", outstanding=100),
    snapshot(EARLIER, "C", par30=10, outstanding=40),
    *(snapshot(DAY, name, late=9, due=9, par30=9, outstanding=9) for name in ("A", "B", "C", "NEW")),
]


@pytest.fixture(scope="module")
def found(con):
    return rows(con, SNAPSHOTS, CLIENTS)


def test_a_date_looks_at_the_end_of_the_month_before_and_three_months_earlier():
    assert month_ends_before(DAY) == (MONTH, EARLIER)
    assert month_ends_before(MONTH) == (d("2024-01-31"), d("2023-10-31"))  # a month end does not look at itself
    assert month_ends_before(d("2024-05-31")) == (d("2024-04-30"), d("2024-01-31"))


def test_the_late_ratio_leaves_the_client_out_and_leans_on_the_portfolio(found):
    # Others of A: B and C, 1 late of 30; in the north only B, 1 of 10.
    assert found["A"]["region_late_pay_ratio_12m"] == pytest.approx((1 + 200 * 1 / 30) / (10 + 200), rel=1e-15)
    # Others of C: 5 late of 20; nobody else lives in the south, so the portfolio speaks for it.
    assert found["C"]["region_late_pay_ratio_12m"] == pytest.approx(5 / 20, rel=1e-15)
    # NEW had no loan at the month end: everybody is another client, both northerners count.
    assert found["NEW"]["region_late_pay_ratio_12m"] == pytest.approx((5 + 200 * 5 / 40) / (20 + 200), rel=1e-15)


def test_portfolio_at_risk_is_that_of_the_region_and_its_change_that_since_three_months_earlier(found):
    north = 50.25 / 300.5
    assert found["A"]["region_par30_ratio"] == found["NEW"]["region_par30_ratio"] == north
    assert found["A"]["region_par30_ratio_change_3m"] == north - 0
    assert found["C"]["region_par30_ratio"] == 0
    assert found["C"]["region_par30_ratio_change_3m"] == 0 - 10 / 40


def test_without_a_month_before_there_is_nothing_to_say(con):
    first = rows(con, [snapshot(DAY, "A", late=1, due=2, par30=5, outstanding=5)], CLIENTS)["A"]
    assert [first[feature.name] for feature in CLIENT_REGION] == [None, None, None, 0]
    alone = rows(con, [snapshot(MONTH, "A", late=1, due=2), snapshot(DAY, "A")], CLIENTS)["A"]
    assert alone["region_late_pay_ratio_12m"] is None  # no other client
    assert alone["region_par30_ratio"] is None  # nothing outstanding


def moved(client: str, region: str | None, day: str, **more: Any) -> dict[str, Any]:
    return {"client_id": client, "region_id": region, **known(day), **more}


MOVES = {
    "the first region is no move": ([], 0),
    "one move": ([("S", "2024-01-10")], 1),
    "there and back, the last one today": ([("S", "2024-01-10"), ("N", "2024-03-15")], 2),
    "exactly at the start of the window": ([("S", "2023-03-15")], 0),
    "the first day of the window": ([("S", "2023-03-16")], 1),
    "known tomorrow": ([("S", "2024-03-16")], 0),
    "an empty region is no place to move to or from": ([(None, "2024-01-10"), ("S", "2024-01-20")], 0),
    "the region that this one succeeded": ([("OLD", "2024-01-10")], 0),
    "a region that no delivery has named": ([("ELSEWHERE", "2024-01-10")], 0),
    "a deletion is no move": ([("S", "2024-01-10"), ("N", "2024-01-12", True)], 1),
}


@pytest.fixture(scope="module")
def movers(con):
    first = [{"client_id": case, "region_id": "N"} for case in MOVES]
    later = [moved(case, region, day, is_deleted=bool(gone)) for case, (versions, _) in MOVES.items() for region, day, *gone in versions]
    return rows(con, [snapshot(DAY, case) for case in MOVES], [*first, *later])


@pytest.mark.parametrize("case", MOVES)
def test_moves(movers, case):
    assert movers[case]["moved_region_count_12m"] == MOVES[case][1]


def test_a_client_counts_where_it_lived_then_and_is_compared_with_where_it_lives_now(con):
    clients = [*CLIENTS, moved("A", "S", "2024-03-10")]
    found = rows(con, SNAPSHOTS, clients)
    # A lived in the north at the end of February and brings its arrears to the north's ratio, but reads that of the south.
    assert found["B"]["region_par30_ratio"] == 50.25 / 300.5
    assert found["A"]["region_par30_ratio"] == 0
    # Others in the south: C with 20 due and none late; A's own past is in no region that it reads.
    assert found["A"]["region_late_pay_ratio_12m"] == pytest.approx((0 + 200 * 1 / 30) / (20 + 200), rel=1e-15)


def test_a_client_whose_row_comes_after_its_contract_lives_in_unknown_until_then(con):
    snapshots = [
        snapshot(MONTH, "A", late=1, due=10),
        snapshot(MONTH, "LATE", late=3, due=10, par30=5, outstanding=10),
        *(snapshot(DAY, name) for name in ("A", "LATE", "GHOST")),
    ]
    found = rows(con, snapshots, [{"client_id": "A", "region_id": "N"}, moved("LATE", "S", "2024-03-10")])
    # LATE is one of A's others, in no region that A reads; GHOST, of whom nothing is known yet, lives where LATE lived in February.
    assert found["A"]["region_late_pay_ratio_12m"] == pytest.approx(0.3, rel=1e-15)
    assert found["GHOST"]["region_par30_ratio"] == 0.5
    assert found["LATE"]["region_par30_ratio"] is None


def test_the_table_has_the_declared_columns(con):
    staged = stored(con, {"regions": REGIONS, "clients": CLIENTS})
    table = con.to_pyarrow(client_region(ibis.memtable([], schema=SCHEMA), staged, [DAY], TERMS))
    assert table.num_rows == 0
    assert table.schema.types == CLIENT_REGION_SPEC.ibis_schema().to_pyarrow().types
    assert table.column_names == list(CLIENT_REGION_SPEC.column_names)
