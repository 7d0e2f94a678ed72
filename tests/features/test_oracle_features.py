"""Client features against the plain-Python oracle, and both against answers worked out by hand."""

import math
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given

from features.region import CLIENT_REGION, client_region
from features.tables import CLIENT_REPAYMENT, client_repayment
from tests.conftest import stored
from tests.oracles import features as oracle
from tests.oracles import features_region as region_oracle
from tests.oracles import golden
from tests.oracles.compare import check, keyed
from tests.oracles.days import end_of_day
from tests.oracles.ledger import KEYS, Ledger
from tests.oracles.positions import Book
from tests.strategies import Case, cases, examples
from warehouse.terms import Terms

TERMS = Terms()
KEY = ("as_of_on", "client_id")
KEY_CELLS = ("as_of", "client_id", "absent")
FILES = ("features", "features_lateness", "features_known", "features_contracts")
# One division of two counts or days has one right answer; the others add weights, roots, decimals or several divisions.
EXACT = {feature.name for feature in (*CLIENT_REPAYMENT, *CLIENT_REGION) if feature.dtype == "int64"} | {
    f"{name}_{window}"
    for name in ("late_pay_ratio", "late_over_5_days_ratio", "mean_late_days", "paid_3_days_early_ratio")
    for window in ("3m", "6m", "12m", "lifetime")
}
Answers = dict[tuple, dict[str, Any]]


def repayment_rows(con: Any, ledger: Ledger, days: Sequence[date]) -> Answers:
    """Rows of client_repayment, by as-of date and client."""
    return keyed(con.to_pyarrow(client_repayment(stored(con, ledger.rows), days, TERMS)).to_pylist(), KEY)


def rows(con: Any, ledger: Ledger, days: Sequence[date]) -> tuple[Answers, Answers]:
    """Rows of client_repayment and of client_region, by as-of date and client."""
    staged = stored(con, ledger.rows)
    month_ends = {region_oracle.month_before(day) for day in days} | {region_oracle.quarter_before(day) for day in days}
    values = con.to_pyarrow(client_repayment(staged, sorted({*days, *month_ends}), TERMS))
    snapshots = con.create_table("snapshots", obj=values, temp=True, overwrite=True)
    asked = [row for row in values.to_pylist() if row["as_of_on"] in days]
    return keyed(asked, KEY), keyed(con.to_pyarrow(client_region(snapshots, staged, days, TERMS)).to_pylist(), KEY)


def expected(ledger: Ledger, days: Sequence[date]) -> tuple[Answers, Answers]:
    """The oracle's rows of both views."""
    repayment: Answers = {}
    region: Answers = {}
    for as_of in days:
        now, month, quarter = (Book(ledger, day, TERMS) for day in region_oracle.days(as_of))
        times = dict.fromkeys(("event_timestamp", "created_timestamp"), end_of_day(as_of, TERMS.time_zone))
        repayment |= {(as_of, client_id): values | times for client_id, values in oracle.client_repayment(now).items()}
        region |= {(as_of, client_id): values | times for client_id, values in region_oracle.client_region(now, month, quarter).items()}
    return repayment, region


@given(cases(clients=100, as_ofs=2))
@examples(2)
def test_features_equal_the_oracle(con, case: Case):
    wanted, found = expected(case.ledger, case.as_ofs), rows(con, case.ledger, case.as_ofs)
    for table, theirs, ours in zip(("features.client_repayment", "features.client_region"), wanted, found, strict=True):
        check(table, theirs, ours, case.ledger)
        unequal = [(key, name) for key, row in theirs.items() for name in EXACT & row.keys() if row[name] != ours[key][name]]
        assert not unequal, "equal to within rounding only"


def test_the_oracle_answers_every_declared_feature():
    """A feature that nobody worked out a second time cannot be added."""
    told = golden.read("features_region")
    as_of = date(2024, 4, 15)
    repayment, region = expected(told.ledger, [as_of])
    for declared, answers in ((CLIENT_REPAYMENT, repayment), (CLIENT_REGION, region)):
        assert {name for row in answers.values() for name in row} == {feature.name for feature in declared} | {
            "event_timestamp",
            "created_timestamp",
        }


# --- worked by hand


def together(names: Sequence[str]) -> Ledger:
    """The ledgers of several golden files, whose clients and contracts have different names."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name in names:
        for table, facts in golden.read(name).ledger.rows.items():
            held = {tuple(row[column] for column in (*KEYS[table], "business_date")) for row in found.get(table, ())}
            is_reference = table in ("regions", "product_types", "products")
            keys = {tuple(row[column] for column in KEYS[table]) for row in found.get(table, ())}
            new = [row for row in facts if not (is_reference and tuple(row[column] for column in KEYS[table]) in keys)]
            assert not held & {tuple(row[column] for column in (*KEYS[table], "business_date")) for row in new}, table
            found.setdefault(table, []).extend(new)
    return Ledger(found)


QUESTIONS = [("repayment", wanted) for name in FILES for wanted in golden.read(name).expect["features"]]
QUESTIONS += [("region", wanted) for wanted in golden.read("features_region").expect["regions"]]


def name_of(value: Any) -> str:
    return f"{value['client_id']}-{value['as_of']}" if isinstance(value, Mapping) else value


@pytest.fixture(scope="module")
def golden_rows(con) -> dict[str, Answers]:
    """The platform's rows for all questions."""
    days = {view: sorted({wanted["as_of"] for asked, wanted in QUESTIONS if asked == view}) for view in ("repayment", "region")}
    repayment = repayment_rows(con, together(FILES), days["repayment"])
    _, region = rows(con, golden.read("features_region").ledger, days["region"])
    return {"repayment": repayment, "region": region}


@pytest.fixture(scope="module")
def golden_oracle() -> dict[str, Answers]:
    """The oracle's rows for all questions."""
    ledger, region_ledger = together(FILES), golden.read("features_region").ledger
    days = {view: sorted({wanted["as_of"] for asked, wanted in QUESTIONS if asked == view}) for view in ("repayment", "region")}
    return {"repayment": expected(ledger, days["repayment"])[0], "region": expected(region_ledger, days["region"])[1]}


def assert_answer(row: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> None:
    """The cells of a row are those worked out by hand: [a, b] is a / b, [] is empty, a number with a point is right to 9 digits."""
    if wanted.get("absent"):
        assert row is None
        return
    assert row is not None
    for name, value in wanted.items():
        if name in KEY_CELLS:
            continue
        if value == []:
            assert row[name] is None, name
        elif isinstance(value, list) and name in EXACT:
            assert row[name] == float(Fraction(*value)), name
        elif isinstance(value, list | Decimal):
            told = Fraction(*value) if isinstance(value, list) else value
            assert math.isclose(row[name], float(told), rel_tol=1e-9, abs_tol=1e-12), (name, row[name], value)
        else:
            assert row[name] == value, name


@pytest.mark.parametrize(("view", "wanted"), QUESTIONS, ids=name_of)
def test_golden_oracle(golden_oracle, view, wanted):
    assert_answer(golden_oracle[view].get((wanted["as_of"], wanted["client_id"])), wanted)


@pytest.mark.parametrize(("view", "wanted"), QUESTIONS, ids=name_of)
def test_golden(golden_rows, view, wanted):
    assert_answer(golden_rows[view].get((wanted["as_of"], wanted["client_id"])), wanted)


@pytest.mark.parametrize(("view", "declared"), [("repayment", CLIENT_REPAYMENT), ("region", CLIENT_REGION)])
def test_every_feature_was_worked_out_by_hand_where_it_is_something(view, declared):
    """Each feature has an answer that is neither empty nor 0."""
    worked = {name for asked, wanted in QUESTIONS if asked == view for name, value in wanted.items() if value not in ([], 0)}
    zero = {
        name
        for name in worked
        if all(isinstance(wanted.get(name, []), list) and not (wanted.get(name) or [0])[0] for asked, wanted in QUESTIONS if asked == view)
    }
    assert {feature.name for feature in declared} - (worked - zero) == set()
