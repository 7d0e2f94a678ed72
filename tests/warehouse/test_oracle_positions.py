"""Positions against the plain-Python oracle, cell by cell, on generated ledgers of many clients at a time."""

from datetime import date

import ibis
import ibis.expr.types as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import stored
from tests.oracles import answers, golden
from tests.oracles.compare import check, keyed
from tests.oracles.days import end_of_day, window_start
from tests.oracles.ledger import BEGINNING, Ledger
from tests.oracles.positions import Book
from tests.strategies import Case, cases, examples
from tests.warehouse.test_oracle_golden import assert_cells, assert_paid, questions
from warehouse.curated.fact_contract import with_outcomes
from warehouse.curated.positions import Positions, peak_dpd, positions
from warehouse.table import TIMESTAMP
from warehouse.terms import Terms

DEFAULT = Terms()
LENIENT = Terms(
    settlement_tolerance_amount=DEFAULT.settlement_tolerance_amount + 5,
    settlement_tolerance_ratio=DEFAULT.settlement_tolerance_ratio * 0,
    grace_days=5,
)


def dates(asked: dict[date, date]) -> ir.Table:
    """As-of dates, each with the day up to whose end knowledge counts."""
    rows = [{"as_of_on": as_of, "known_until": end_of_day(known_on, DEFAULT.time_zone)} for as_of, known_on in asked.items()]
    return ibis.memtable(rows, schema={"as_of_on": "date", "known_until": TIMESTAMP})


def computed(con, ledger: Ledger, asked: dict[date, date], terms: Terms = DEFAULT) -> Positions:
    return positions(stored(con, ledger.rows), dates(asked), terms)


def compare(con, ledger: Ledger, asked: dict[date, date], terms: Terms) -> None:
    """All tables of Positions and the greatest dpd of three windows."""
    found = computed(con, ledger, asked, terms)
    books = [Book(ledger, as_of, terms, known_on) for as_of, known_on in asked.items()]
    for name, key in (
        ("contracts", ("as_of_on", "contract_number")),
        ("installments", ("as_of_on", "installment_id")),
        ("repayments", ("as_of_on", "repayment_id", "allocation_number")),
    ):
        expected = {place: row for book in books for place, row in getattr(answers, name)(book).items()}
        check(name, expected, keyed(con.to_pyarrow(getattr(found, name)).to_pylist(), key), ledger)
    compare_outcomes(con, found, books, ledger)
    compare_penalties(con, found, books, ledger)
    compare_regions(con, found, books, ledger)
    compare_peaks(con, found, books, ledger)


def compare_outcomes(con, found: Positions, books: list[Book], ledger: Ledger) -> None:
    """What fact_contract adds to positions, at every date and not only at a release's."""
    expected = {place: row for book in books for place, row in answers.outcomes(book).items()}
    actual = keyed(con.to_pyarrow(with_outcomes(found)).to_pylist(), ("as_of_on", "contract_number"))
    check("outcomes", expected, actual, ledger)


def compare_penalties(con, found: Positions, books: list[Book], ledger: Ledger) -> None:
    amounts: dict[tuple, dict] = {}
    for row in con.to_pyarrow(found.penalties).to_pylist():
        place = (row["as_of_on"], row["installment_id"], row["penalty_on"])
        amounts.setdefault(place, {"penalty_amount": 0})["penalty_amount"] += row["penalty_amount"]
    expected = {place: row for book in books for place, row in answers.penalties(book).items()}
    check("penalties", expected, {place: row for place, row in amounts.items() if row["penalty_amount"]}, ledger)


def compare_regions(con, found: Positions, books: list[Book], ledger: Ledger) -> None:
    expected = {place: row for book in books for place, row in answers.regions(book).items()}
    actual = keyed(con.to_pyarrow(found.regions).to_pylist(), ("as_of_on", "client_id"))
    check("regions", expected, {place: row for place, row in actual.items() if place in expected}, ledger)


def compare_peaks(con, found: Positions, books: list[Book], ledger: Ledger) -> None:
    """Over a year, a month, all days, and a window that ended before the as-of date."""
    expected, windows = {}, []
    for book in books:
        for after, until in (
            (window_start(book.as_of, 12), book.as_of),
            (window_start(book.as_of, 1), book.as_of),
            (BEGINNING, book.as_of),
            (window_start(book.as_of, 6), window_start(book.as_of, 1)),
        ):
            for number, contract in book.contracts.items():
                windows.append({"as_of_on": book.as_of, "contract_number": number, "from_on": after, "to_on": until, "tag": len(windows)})
                expected[(book.as_of, number, after, until)] = {"max_dpd": contract.max_dpd(after, until)}
    schema = {"as_of_on": "date", "contract_number": "string", "from_on": "date", "to_on": "date", "tag": "int64"}
    peaks = con.to_pyarrow(peak_dpd(found, ibis.memtable(windows, schema=schema))).to_pylist()
    check("peak_dpd", expected, keyed(peaks, ("as_of_on", "contract_number", "from_on", "to_on")), ledger)


@given(cases())
@examples(3)
def test_positions_as_known_then(con, case: Case):
    compare(con, case.ledger, {as_of: as_of for as_of in case.as_ofs}, DEFAULT)


@given(cases(), st.just(LENIENT))
@examples(1)
def test_positions_with_other_terms(con, case: Case, terms: Terms):
    compare(con, case.ledger, {as_of: as_of for as_of in case.as_ofs}, terms)


@given(cases())
@examples(1)
def test_positions_with_hindsight(con, case: Case):
    """Facts dated up to the as-of date, by what the last delivery knows."""
    compare(con, case.ledger, dict.fromkeys(case.as_ofs, case.calendar.last), DEFAULT)


KEYS = {
    "contracts": "contract_number",
    "outcomes": "contract_number",
    "installments": "installment_id",
    "repayments": "repayment_id",
    "max_dpd": "contract_number",
}


def rounds(name: str) -> list[dict[date, date]]:
    """All dates that a golden file asks about, each date at most once a round."""
    expected = [wanted for kind in KEYS for place, wanted in questions(kind) if place == name]
    asked = {(wanted["as_of"], wanted.get("known_on", wanted["as_of"])) for wanted in expected}
    first = {as_of: as_of for as_of, known_on in asked if as_of == known_on}
    return [first, *({as_of: known_on} for as_of, known_on in sorted(asked) if as_of != known_on)]


@pytest.mark.parametrize("name", ["waterfall", "edges", "schedules", "lenient", "outcomes", "months"])
def test_golden(con, name):
    """The answers that a person worked out."""
    told = golden.read(name)
    for asked in rounds(name):
        found = computed(con, told.ledger, asked, told.terms)
        tables = {kind: getattr(found, kind) for kind in ("contracts", "installments", "repayments")} | {"outcomes": with_outcomes(found)}
        rows = {kind: con.to_pyarrow(table).to_pylist() for kind, table in tables.items()}
        for kind, key in KEYS.items():
            for place, wanted in questions(kind):
                as_of = wanted["as_of"]
                if place != name or asked.get(as_of) != wanted.get("known_on", as_of):
                    continue
                if kind == "max_dpd":
                    assert peak(con, found, wanted) == wanted["max_dpd"], wanted
                    continue
                mine = [row for row in rows[kind] if (row["as_of_on"], row[key]) == (as_of, wanted[key])]
                if kind == "repayments":
                    assert_paid(wanted, mine)
                else:
                    assert_cells(wanted, mine[0])


def peak(con, found: Positions, wanted: dict) -> int:
    window = {
        "as_of_on": wanted["as_of"],
        "contract_number": wanted["contract_number"],
        "from_on": wanted["after"],
        "to_on": wanted["as_of"],
    }
    schema = {"as_of_on": "date", "contract_number": "string", "from_on": "date", "to_on": "date"}
    (row,) = con.to_pyarrow(peak_dpd(found, ibis.memtable([window], schema=schema))).to_pylist()
    return row["max_dpd"]
