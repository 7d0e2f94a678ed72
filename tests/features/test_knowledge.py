"""No feature knows the future, and no order, repetition, split, calendar or currency changes an answer.

Every test is about all features of all declared views: one ledger is answered once, then changed in a way that features must not notice
or must follow, and answered again. Rows are compared to the last bit unless a test says otherwise.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from random import Random
from typing import Any

import ibis.expr.types as ir
import pytest
from ibis import _
from ibis.backends import BaseBackend

from features.catalog import VIEWS
from features.declare import Feature
from features.region import CLIENT_REGION_SPEC, client_region, month_ends_before
from features.tables import CLIENT_REPAYMENT_SPEC, client_repayment
from tests.conftest import stored
from tests.features import transformations as to
from tests.features.transformations import Rows
from tests.oracles.ledger import Ledger, Row
from tests.strategies import calendar, ledger
from warehouse.clock import end_of_day
from warehouse.curated.staged import Staged
from warehouse.table import TableSpec
from warehouse.terms import Terms

TERMS = Terms(settlement_tolerance_amount=Decimal("2.00"))
WHEN = calendar(3)
FIRST, LAST = date(2024, 6, 30), WHEN.last  # rows of several deliveries become known between the two
DAYS = (FIRST, LAST)
UNTIL = end_of_day(FIRST, TERMS.time_zone)
FACTOR = 4  # a power of two scales a float without rounding it anew
TIMES = ("event_timestamp", "created_timestamp", "as_of_on")

# How each view is computed from staging and from the snapshots of client_repayment; a view that is declared and not here fails a test.
COMPUTE: dict[str, tuple[TableSpec, Callable[[ir.Table, Staged, Sequence[date], Terms], ir.Table]]] = {
    "client_repayment": (CLIENT_REPAYMENT_SPEC, lambda snapshots, _staged, days, _terms: snapshots.filter(_.as_of_on.isin(days))),
    "client_region": (CLIENT_REGION_SPEC, client_region),
}
ACROSS_CLIENTS = {"client_region"}  # a row depends on other clients too, so half of them give other rows
COUNTS_REPAYMENTS = {f"repayment_count_{months}m" for months in (3, 6, 12)}  # two parts are two repayments

Answers = dict[str, dict[tuple[date, str], dict[str, Any]]]


def answers(con: BaseBackend, rows: Rows, days: Sequence[date] = DAYS, terms: Terms = TERMS) -> Answers:
    """Rows of all views by as-of date and client, without the wall clock."""
    staged = stored(con, rows)
    needed = sorted({*days, *(end for day in days for end in month_ends_before(day))})
    snapshots = con.create_table("snapshots", obj=con.to_pyarrow(client_repayment(staged, needed, terms)), temp=True, overwrite=True)
    found = {
        view: con.to_pyarrow(compute(snapshots, staged, days, terms).drop("computed_at")) for view, (_spec, compute) in COMPUTE.items()
    }
    return {view: {(row["as_of_on"], row["client_id"]): row for row in table.to_pylist()} for view, table in found.items()}


def of_days(found: Answers, *days: date) -> Answers:
    """The answers of some dates."""
    return {view: {key: row for key, row in rows.items() if key[0] in days} for view, rows in found.items()}


def assert_same(found: Answers, expected: Answers, same: Callable[[Any, Any, Feature], bool] = lambda a, b, _feature: a == b) -> None:
    """Equal rows; a failure names views, features and some of the cells."""
    wrong = []
    for view, rows in expected.items():
        assert found[view].keys() == rows.keys(), view
        for key, row in rows.items():
            wrong += [(feature.name, *key, row[feature.name], found[view][key][feature.name])
                      for feature in VIEWS[view] if not same(row[feature.name], found[view][key][feature.name], feature)]  # fmt: skip
    assert not wrong, f"{sorted({name for name, *_ in wrong})} differ: {wrong[:5]}"


def close(before: Any, after: Any) -> bool:
    """Equal, a float to within rounding."""
    return before == after or (isinstance(before, float) and isinstance(after, float) and math.isclose(before, after, rel_tol=1e-9))


@pytest.fixture(scope="module")
def rows() -> Rows:
    """One ledger of many clients: a computation costs seconds, whatever its size."""
    return ledger(WHEN, Random(4).sample(range(2**32), 80)).rows


@pytest.fixture(scope="module")
def truth(con, rows) -> Answers:
    """Its answers."""
    return answers(con, rows)


def test_every_declared_view_is_tested_here():
    assert COMPUTE.keys() == VIEWS.keys()


def test_every_feature_has_something_to_say_about_the_ledger(truth):
    """A feature that is the same for everybody would pass all tests of this module."""
    for view, features in VIEWS.items():
        for feature in features:
            assert len({row[feature.name] for row in truth[view].values()}) > 1, feature.name


def test_garbage_in_place_of_what_became_known_later_changes_nothing(con, rows, truth):
    assert_same(answers(con, to.poisoned(rows, UNTIL), [FIRST]), of_days(truth, FIRST))


def test_without_what_became_known_later_nothing_changes(con, rows, truth):
    assert_same(answers(con, to.truncated(rows, UNTIL), [FIRST]), of_days(truth, FIRST))


def test_neither_order_nor_repetition_of_rows_changes_anything(con, rows, truth):
    """All rows come twice in one delivery and once more in the next, in any order; dates are asked the other way round."""
    kept = to.delivered_twice(con, rows, WHEN.dates)
    assert_same(answers(con, to.shuffled(kept, seed=1), DAYS[::-1]), truth)


def test_half_of_the_clients_on_one_date_are_the_same(con, rows, truth):
    """Of views whose rows are about nobody else; that all clients of the first date are the same, poisoning shows."""
    half = {row["client_id"] for row in rows["clients"]} - {row["client_id"] for row in rows["clients"][::2]}
    found, whole = answers(con, Ledger(rows).of_clients(half).rows, [LAST]), of_days(truth, LAST)
    for view in VIEWS.keys() - ACROSS_CLIENTS:
        expected = {key: row for key, row in whole[view].items() if key[1] in half}
        assert expected
        assert_same({view: found[view]}, {view: expected})


def test_a_repayment_in_two_parts_of_one_day_settles_as_before(con, rows, truth):
    found = answers(con, to.repayments_in_two(rows))
    assert_same(found, truth, lambda before, after, feature: feature.name in COUNTS_REPAYMENTS or before == after)
    pairs = [(row, found["client_repayment"][key]) for key, row in truth["client_repayment"].items()]
    assert all(before[name] <= after[name] for before, after in pairs for name in COUNTS_REPAYMENTS)
    assert all(any(before[name] < after[name] for before, after in pairs) for name in COUNTS_REPAYMENTS)


def test_28_years_later_in_a_smaller_currency_times_and_amounts_follow_and_nothing_else(con, rows, truth):
    """Weekdays, lengths of months and leap years repeat; what a lender tolerates is an amount too."""
    terms = replace(TERMS, settlement_tolerance_amount=TERMS.settlement_tolerance_amount * FACTOR)
    found = answers(con, to.years_later(to.money_times(rows, FACTOR)), [day + to.CALENDAR for day in DAYS], terms)
    moved = {view: {(key[0] - to.CALENDAR, key[1]): row for key, row in of_view.items()} for view, of_view in found.items()}
    assert_same(moved, truth, lambda before, after, feature: close(before * FACTOR if feature.unit == "money" else before, after))
    for view, expected in truth.items():
        assert all(moved[view][key][name] - row[name] == to.CALENDAR for key, row in expected.items() for name in TIMES)


# --- corrections, reversals and late bookings


def told_later(rows: Rows) -> dict[str, list[Row]]:
    """Rows that became known after the first date about what had happened by then, by what they are."""
    known = {row["repayment_id"] for row in rows["repayments"] if row["known_at"] <= UNTIL}
    happened = [row for row in rows["repayments"] if row["known_at"] > UNTIL and row["repayment_date"] <= FIRST]
    return {
        "late booking": [row for row in happened if row["repayment_id"] not in known and row["reverses_repayment_id"] is None],
        "correction": [row for row in happened if row["repayment_id"] in known],
        "reversal": [row for row in rows["repayments"] if row["known_at"] > UNTIL and row["reverses_repayment_id"] in known],
    }


def test_corrections_reversals_and_late_bookings_count_from_the_day_they_are_known(con, rows, truth):
    """Each kind is taken away from a third of the clients: the first date stays as it is for all, the last does not."""
    owner = {row["contract_number"]: row["client_id"] for row in rows["contracts"]}
    clients = sorted(set(owner.values()))
    later = told_later(rows)
    assert all(later.values()), "the ledger has none of some kind"
    concerned = {
        kind: {owner[row["contract_number"]] for row in found} & set(clients[place::3]) for place, (kind, found) in enumerate(later.items())
    }
    gone = [row for kind, found in later.items() for row in found if owner[row["contract_number"]] in concerned[kind]]
    found = answers(con, to.changed(rows, lambda _table, row: None if row in gone else row))
    assert_same(of_days(found, FIRST), of_days(truth, FIRST))
    before, after = truth["client_repayment"], found["client_repayment"]
    for kind, of_kind in concerned.items():
        assert any(before[key] != after[key] for key in before if key[0] == LAST and key[1] in of_kind), kind


# --- declarations


def test_values_keep_their_declared_bounds_and_nulls(truth):
    for view, (spec, _compute) in COMPUTE.items():
        for row in truth[view].values():
            for column in spec.columns:
                if column.name == "computed_at":
                    continue
                value = row[column.name]
                assert column.nullable or value is not None, column.name
                least, greatest = column.bounds or (None, None)
                assert value is None or least is None or value >= least, (column.name, value)
                assert value is None or greatest is None or value <= greatest, (column.name, value)


def test_windows_lie_in_one_another(truth):
    for row in truth["client_repayment"].values():
        for name in ("installments_due_count", "late_count", "skipped_count", "max_dpd", "repayment_count"):
            over = [row[f"{name}_{window}"] for window in ("3m", "6m", "12m", "lifetime") if f"{name}_{window}" in row]
            assert len(over) > 1
            assert over == sorted(over), name
        assert row["dpd"] <= row["max_dpd_3m"]
        assert row["early_settlement_count_12m"] <= row["early_settlement_count_lifetime"]


def test_no_rows_give_typed_empty_tables(con):
    staged = stored(con, {})
    snapshots = con.create_table("snapshots", obj=con.to_pyarrow(client_repayment(staged, [FIRST], TERMS)), temp=True, overwrite=True)
    for spec, compute in COMPUTE.values():
        found = con.to_pyarrow(compute(snapshots, staged, [FIRST], TERMS))
        assert found.num_rows == 0
        assert found.column_names == list(spec.column_names)
        assert [field.type for field in found.schema] == [field.type for field in spec.ibis_schema().to_pyarrow()]
