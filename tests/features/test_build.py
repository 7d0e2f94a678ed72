"""Writing the feature table: whole dates are replaced, others stay, and the table passes its audit."""

from dataclasses import replace
from datetime import date

import pyarrow.parquet as pq
import pytest

from features.build import build_features, history_days, stale_days
from features.tables import CLIENT_REPAYMENT_SPEC
from tests.features.books import book, d, lake_of, loan, paid
from warehouse.terms import Terms

TERMS = Terms()
BOOK = book(
    loan("A", "1", "2023-11-30", ["2023-12-31", "2024-01-31", "2024-02-29"]),
    paid("1-1", "2023-12-31"),
    loan("B", "2", "2024-01-15", ["2024-02-15"]),
)


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    with lake_of(tmp_path_factory.mktemp("lake"), BOOK, d("2024-02-29")) as opened:
        yield opened


def rows(candidate):
    found = candidate.table(CLIENT_REPAYMENT_SPEC.name).drop("computed_at").to_pyarrow().to_pylist()
    return {(row["as_of_on"].isoformat(), row["client_id"]): row for row in found}


def test_dates_are_written_once_replaced_whole_and_the_same_in_parts(lake):
    candidate = lake.candidate("release", "build")
    days = [d("2024-02-29"), d("2023-12-31"), d("2024-01-31"), d("2024-01-31")]
    assert build_features(candidate, days, TERMS) == 5  # A on three dates, B on the two after its start
    whole = rows(candidate)
    assert sorted(whole) == [("2023-12-31", "A"), ("2024-01-31", "A"), ("2024-01-31", "B"), ("2024-02-29", "A"), ("2024-02-29", "B")]
    # Two of the dates again, each a part of its own: they are replaced, the third stays.
    assert build_features(candidate, days[1:], TERMS, rows_at_once=1) == 3
    assert rows(candidate) == whole
    candidate.publish(d("2024-02-29"))  # every rule of the audit holds
    for file in lake.at().files(CLIENT_REPAYMENT_SPEC.name):
        clients = pq.read_table(file)["client_id"].to_pylist()
        assert clients == sorted(clients)


def test_no_date_writes_nothing(lake):
    candidate = lake.candidate("release", "nothing")
    assert build_features(candidate, [], TERMS) == 0
    assert CLIENT_REPAYMENT_SPEC.name not in candidate.staged()


def test_a_build_asks_for_month_ends_and_the_business_date():
    assert history_days(d("2024-01-20"), d("2024-03-02")) == [d("2024-01-31"), d("2024-02-29"), d("2024-03-02")]
    # Only the business date where no history has begun, and a business date that is a month end once.
    assert history_days(d("2024-03-02"), d("2024-03-02")) == [d("2024-03-02")]
    assert history_days(d("2020-02-01"), d("2020-03-31")) == [d("2020-02-29"), d("2020-03-31")]


def test_only_snapshots_that_a_delivery_can_have_changed_are_computed_again(lake):
    candidate, last = lake.candidate("release", "all"), d("2024-02-29")
    days = history_days(d("2023-11-30"), last)
    build_features(candidate, days, TERMS)
    candidate.publish(last)
    after = lake.candidate("release", "after")
    assert stale_days(after, last, None, TERMS) == []
    assert stale_days(after, last, d("2024-01-31"), TERMS) == days[2:]
    assert stale_days(after, last, date.min, TERMS) == days
    other = replace(TERMS, grace_days=3)
    assert stale_days(after, last, None, other) == days
    build_features(after, days[:1], other)  # now the table holds snapshots of two kinds
    assert stale_days(after, last, None, other) == stale_days(after, last, None, TERMS) == days
