"""One day more costs as much as its changed clients: the others keep their row, and what comes out is what a whole computation gives."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import ibis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ibis import _

from features.build import build_features, day_before
from features.declare import window_months
from features.incremental import can_follow, touched_clients
from features.region import CLIENT_REGION_SPEC
from features.tables import CLIENT_REPAYMENT, CLIENT_REPAYMENT_SPEC, client_repayment
from tests.conftest import stored
from tests.features.books import book, d, known, lake_of, loan, paid
from tests.strategies import Case, cases, examples
from warehouse.clock import month_end
from warehouse.curated.staged import Staged
from warehouse.terms import Terms

TERMS = Terms()
STAMPS = ("event_timestamp", "created_timestamp", "computed_at", "as_of_on")


def some_days(first: date, seed: int) -> list[date]:
    """Days of the month of a date, its last two among them, where windows begin on month ends."""
    last = month_end(first)
    start = first.replace(day=1 + seed % 20)
    return sorted(
        {*(start + timedelta(days=step) for step in range(5) if start + timedelta(days=step) <= last), last - timedelta(days=1), last}
    )


@given(case=cases(clients=150, as_ofs=1), seed=st.integers(0, 1000))
@examples(2)
def test_a_client_that_is_not_touched_keeps_its_row(con, case: Case, seed: int):
    staged, days = stored(con, case.ledger.rows), some_days(case.as_ofs[0], seed)
    table = con.create_table(f"rows_{seed}_{days[0]:%Y%m%d}", obj=client_repayment(staged, days, TERMS), temp=True, overwrite=True)
    rows = {(row["as_of_on"], row["client_id"]): row for row in con.to_pyarrow(table).to_pylist()}
    kept = 0
    for since, day in (*pairwise(days), (days[0], days[-1])):
        if not can_follow(staged, since, day, TERMS):
            continue
        found = touched_clients(staged, table.filter(table.as_of_on == since), since, day, TERMS, window_months(CLIENT_REPAYMENT))
        touched = con.to_pyarrow(found)["client_id"].to_pylist()
        assert len(touched) == len(set(touched))
        for client in {client for at, client in rows if at in (since, day)} - set(touched):
            before, after = rows.get((since, client)), rows.get((day, client))
            assert before is not None, (client, "came without being touched", since, day)
            assert after is not None, (client, "went without being touched", since, day)
            assert {**after, **dict.fromkeys(STAMPS)} == {**before, **dict.fromkeys(STAMPS)}, (client, since, day)
            kept += 1
    assert kept, "every client was touched on every day: this shows nothing"


BOOK = book(
    loan("A", "1", "2023-11-20", ["2023-12-20", "2024-01-20", "2024-02-20", "2024-03-20"]),
    paid("1-1", "2023-12-20"),
    paid("1-2", "2024-01-25"),
    paid("1-3", "2024-02-20"),
    loan("B", "2", "2024-01-05", ["2024-02-05", "2024-03-05"]),
    paid("2-1", "2024-02-05"),
    loan("C", "3", "2024-01-15", ["2024-02-14"]),
    loan("D", "4", "2024-02-27", ["2024-03-27"]),
    paid("2-2", "2024-02-28", **known("2024-02-28")),
)
SINCE, DAY, MONTH = d("2024-02-27"), d("2024-02-28"), d("2024-01-31")


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    with lake_of(tmp_path_factory.mktemp("lake"), BOOK, DAY) as opened:
        yield opened


def values(candidate, spec, day: date) -> dict[str, dict]:
    table = candidate.table(spec.name)
    rows = table.filter(table.as_of_on == day).drop("computed_at").to_pyarrow().to_pylist()
    return {row["client_id"]: row for row in rows}


def test_a_day_made_from_the_day_before_is_the_day_computed_whole(lake, monkeypatch):
    candidate = lake.candidate("release", "days")
    build_features(candidate, [MONTH, SINCE], TERMS)
    asked = []
    compute = client_repayment

    def spied(staged, days, terms, held=None, clients=None):
        asked.append(None if clients is None else sorted(clients.to_pyarrow()["client_id"].to_pylist()))
        return compute(staged, days, terms, held, clients)

    monkeypatch.setattr("features.build.client_repayment", spied)
    rows = build_features(candidate, [DAY], TERMS, changed_on=DAY)
    # B paid, C has an unpaid installment. A and D only grew a day older.
    assert asked == [["B", "C"]]
    assert rows == 4
    following = {spec: values(candidate, spec, DAY) for spec in (CLIENT_REPAYMENT_SPEC, CLIENT_REGION_SPEC)}
    build_features(candidate, [DAY], TERMS)  # nothing is relied on
    assert asked[1:] == [None]
    assert following == {spec: values(candidate, spec, DAY) for spec in (CLIENT_REPAYMENT_SPEC, CLIENT_REGION_SPEC)}
    assert following[CLIENT_REPAYMENT_SPEC]["B"]["paid_ratio_3m"] == 1
    candidate.discard()


def test_a_reversal_that_is_deleted_concerns_the_contract_to_which_its_repayment_was_moved(con):
    rows = book(
        loan("A", "1", "2024-01-05", ["2024-02-05", "2024-03-05"]),
        loan("B", "2", "2024-01-05", ["2024-02-05", "2024-03-05"]),
        paid("1-1", "2024-02-05", repayment_id="R"),
        {
            "repayments": [
                {
                    **paid("1-1", "2024-02-09", "-100")["repayments"][0],
                    "repayment_id": "V",
                    "reverses_repayment_id": "R",
                    **known("2024-02-10"),
                },
                {**paid("2-1", "2024-02-05")["repayments"][0], "repayment_id": "R", **known("2024-02-15")},
                {"repayment_id": "V", "contract_number": "1", "is_deleted": True, **known("2024-02-28")},
            ]
        },
    )
    staged = stored(con, rows)
    before = ibis.memtable([{"client_id": "A", "unpaid_installment_count": 0}])
    touched = touched_clients(staged, before, SINCE, DAY, TERMS, window_months(CLIENT_REPAYMENT))
    assert sorted(con.to_pyarrow(touched)["client_id"].to_pylist()) == ["A", "B"]
    both = con.to_pyarrow(client_repayment(staged, [SINCE, DAY], TERMS).filter(_.client_id == "B").order_by("as_of_on")).to_pylist()
    # Until the deletion is known the repayment counts as reversed, also where both dates are worked out together.
    assert [row["unpaid_installment_count"] for row in both] == [1, 0]


def test_what_the_tolerance_leaves_unpaid_is_overdue_from_the_day_after_it_was_due(con):
    rows = book(loan("T", "5", "2024-01-27", ["2024-02-27", "2024-03-27"]), paid("5-1", "2024-02-20", "99.5"))
    staged = stored(con, rows)
    found = con.to_pyarrow(client_repayment(staged, [SINCE, DAY], TERMS).order_by("as_of_on")).to_pylist()
    assert [(row["overdue_amount"], row["unpaid_installment_count"]) for row in found] == [(0, 0), (0.5, 0)]
    before = ibis.memtable([{"client_id": "T", "unpaid_installment_count": 0}])
    touched = touched_clients(staged, before, SINCE, DAY, TERMS, window_months(CLIENT_REPAYMENT))
    assert con.to_pyarrow(touched)["client_id"].to_pylist() == ["T"]


def test_where_the_day_before_does_not_do_all_clients_are_computed(lake):
    candidate = lake.candidate("release", "whole")
    build_features(candidate, [SINCE], TERMS)
    staged = Staged.read(candidate.table)
    assert day_before(candidate, staged, [DAY], TERMS, None) == SINCE
    assert day_before(candidate, staged, [DAY], TERMS, DAY) == SINCE
    assert day_before(candidate, staged, [DAY], TERMS, SINCE) is None  # the day before may hold what is not true any more
    assert day_before(candidate, staged, [SINCE, DAY], TERMS, DAY) is None  # several days share one computation
    assert day_before(candidate, staged, [d("2024-03-01")], TERMS, None) is None  # months since something grow for every client
    assert day_before(candidate, staged, [DAY], replace(TERMS, grace_days=3), None) is None  # other definitions
    candidate.discard()


def test_a_product_of_another_type_concerns_clients_that_its_row_does_not_name(con):
    moved = {"product_code": "P1", "product_name": "Cash", "product_type_id": "TW", **known("2024-02-28")}
    rows = {**BOOK, "products": [*BOOK["products"], moved]}
    assert not can_follow(stored(con, rows), SINCE, DAY, TERMS)
    assert can_follow(stored(con, BOOK), SINCE, DAY, TERMS)
    assert not can_follow(stored(con, BOOK), MONTH, SINCE, TERMS)


def test_both_clients_of_a_contract_that_changed_hands_are_touched(con):
    corrected = {**BOOK["contracts"][0], "client_id": "D", **known("2024-02-28")}
    staged = stored(con, {**BOOK, "contracts": [*BOOK["contracts"], corrected]})
    before = ibis.memtable([{"client_id": "B", "unpaid_installment_count": 0}])
    touched = touched_clients(staged, before, SINCE, DAY, TERMS, window_months(CLIENT_REPAYMENT))
    assert sorted(con.to_pyarrow(touched)["client_id"].to_pylist()) == ["A", "B", "D"]  # and B, whose repayment became known


def test_the_windows_are_those_of_the_declarations():
    assert window_months(CLIENT_REPAYMENT) == (3, 6, 12)
