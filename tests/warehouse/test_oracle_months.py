"""fact_contract_month against the plain-Python oracle: exact at each month end, by what was known then and by nothing later."""

from datetime import date

import ibis.expr.types as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ibis import _

from tests.conftest import stored
from tests.oracles import golden
from tests.oracles.compare import check, keyed
from tests.oracles.ledger import Ledger
from tests.oracles.months import Months
from tests.oracles.positions import Book
from tests.strategies import Calendar, calendar, examples, ledger
from tests.warehouse.test_oracle_golden import assert_month, questions
from warehouse.build import month_days
from warehouse.clock import as_of_dates
from warehouse.curated.fact_contract_month import contract_months, fact_contract_month
from warehouse.curated.positions import Positions, positions
from warehouse.curated.regions import current_map, regions_on
from warehouse.terms import Terms

TERMS = Terms()
KEY = ("contract_number", "month_on")
CLIENTS = 250


def months_of(con, found: Ledger, days: list[date], today: date, before: list[date]) -> list[dict]:
    """Rows of some as-of dates; of dates before them only who had ended."""
    staged = stored(con, found.rows)
    as_ofs = as_of_dates(days, TERMS.time_zone)
    then = positions(staged, as_ofs, TERMS)
    ended = ended_by(positions(staged, as_of_dates(before, TERMS.time_zone), TERMS)) if before else None
    origins = regions_on(then.contracts, "start_date", staged, as_ofs, TERMS)
    regions_now = current_map(staged, as_of_dates([today], TERMS.time_zone)).drop("as_of_on")
    return con.to_pyarrow(fact_contract_month(then, contract_months(days), origins, regions_now, ended)).to_pylist()


def ended_by(then: Positions) -> ir.Table:
    """Who had ended, as known at each date."""
    return then.contracts.filter(_.ended_on.notnull()).select("contract_number", before_on="as_of_on")


def compare(con, when: Calendar, found: Ledger) -> None:
    """All months of a ledger, worked out in two parts as a build does."""
    oracle = Months(found, when.last, TERMS)
    days = month_days(oracle.month_ons()[0], when.last)
    cut = len(days) * 2 // 3
    rows = months_of(con, found, days[:cut], when.last, []) + months_of(con, found, days[cut:], when.last, days[cut - 1 : cut])
    expected = {tuple(row[name] for name in KEY): row for row in oracle.contract_months()}
    check("fact_contract_month", expected, keyed(rows, KEY), found)


def test_golden_months(con):
    """The answers that a person worked out."""
    for name in {name for name, _wanted in questions("months")}:
        told = golden.read(name)
        first = min(row["start_date"] for row in told.ledger.rows["contracts"])
        rows = months_of(con, told.ledger, month_days(first, told.business_date), told.business_date, [])
        for place, wanted in questions("months"):
            if place == name:
                assert_month(wanted, rows)


@given(st.integers(0, 2**32 - 1))
@examples(2)
def test_month_rows_are_exact(con, seed: int):
    when = calendar(seed)
    compare(con, when, ledger(when, list(range(seed, seed + CLIENTS))))


@pytest.fixture(scope="module")
def book() -> tuple[Calendar, Ledger]:
    when = calendar(7)
    return when, ledger(when, list(range(CLIENTS)))


def test_late_and_corrected_rows_matter(book):
    """The generated ledgers are no easy ones: with hindsight hundreds of month rows would be other rows."""
    when, found = book
    then = {(row["as_of_on"], row["contract_number"]): row for row in Months(found, when.last, TERMS).contract_months()}
    now = {day: Book(found, day, TERMS, when.last) for day in {day for day, _number in then}}
    changed = {"row": 0, "dpd": 0, "status": 0, "outstanding_principal_amount": 0}
    for (day, number), row in then.items():
        contract = now[day].contracts.get(number)
        changed["row"] += contract is None
        if contract is not None:
            changed["dpd"] += contract.dpd(day) != row["dpd"]
            changed["status"] += contract.now.status != row["status"]
            changed["outstanding_principal_amount"] += contract.outstanding_principal_amount != row["outstanding_principal_amount"]
    assert min(changed.values()) > 0, changed
    assert changed["dpd"] > 100, changed


def test_what_becomes_known_later_restates_no_month(con, book):
    """Months computed from what had been delivered by a date are the months of a release of that date, in a later one too."""
    when, found = book
    until = when.dates[-3]
    delivered = Ledger({table: [row for row in rows if row["business_date"] <= until] for table, rows in found.rows.items()})
    days = month_days(until.replace(day=1), until)
    then, later = (keyed(months_of(con, ledger, days, until, []), KEY) for ledger in (delivered, found))
    assert later == then
