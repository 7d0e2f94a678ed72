"""Spine and label against the plain-Python oracle, on generated ledgers and on answers worked out by hand."""

from datetime import date, timedelta

import pytest
from hypothesis import given

from tests.conftest import stored
from tests.oracles import golden
from tests.oracles import labels as oracle
from tests.oracles.compare import check, keyed
from tests.oracles.days import add_months, month_ends
from tests.oracles.ledger import Ledger
from tests.strategies import Case, cases, examples
from tests.warehouse.test_oracle_golden import name_of, questions
from training.labels import labels
from training.spine import scope, spine
from warehouse.clock import as_of_dates
from warehouse.curated.positions import positions
from warehouse.terms import Terms

TERMS = Terms()


def labelled(con, ledger: Ledger, as_ofs: list[date], label_on: date) -> dict[tuple, dict]:
    staged = stored(con, ledger.rows)
    outcome = positions(staged, as_of_dates([label_on], TERMS.time_zone), TERMS)
    at = positions(staged, as_of_dates(as_ofs, TERMS.time_zone), TERMS)
    found = labels(scope(at, spine(at, TERMS.time_zone)), outcome, outcome.events, label_on)
    return keyed(con.to_pyarrow(found).to_pylist(), ("as_of_on", "client_id"))


def expected(ledger: Ledger, as_ofs: list[date], label_on: date) -> dict[tuple, dict]:
    """The label, and why it is null where it is."""
    rows = {}
    for as_of in as_ofs:
        for client_id, (is_default, reason) in oracle.labels(ledger, as_of, label_on, TERMS).items():
            rows[(as_of, client_id)] = {"is_default": is_default, "null_reason": reason}
    return rows


def told(rows: dict[tuple, dict]) -> dict[tuple, dict]:
    """The platform also says why a client defaulted; the contract names reasons of nulls only."""
    return {key: {"is_default": row["is_default"], "null_reason": null_reason(row)} for key, row in rows.items()}


def null_reason(row: dict) -> str | None:
    return row["label_reason"] if row["is_default"] is None else None


@given(cases())
@examples(2)
def test_labels_equal_the_oracle(con, case: Case):
    """Three month ends, one of them a leap day's, judged when the last delivery is long past and when the window has only just ended."""
    ends = month_ends(case.calendar.opening - timedelta(days=150), case.calendar.opening)
    as_ofs = sorted({ends[0], ends[len(ends) // 2], ends[-1]})
    for label_on in (max(case.calendar.last, add_months(as_ofs[-1], 14)), add_months(as_ofs[1], 13)):
        check("labels", expected(case.ledger, as_ofs, label_on), told(labelled(con, case.ledger, as_ofs, label_on)), case.ledger)


@pytest.mark.parametrize(("name", "wanted"), questions("labels"), ids=name_of)
def test_golden(con, name, wanted):
    as_of = wanted["as_of"]
    found = told(labelled(con, golden.read(name).ledger, [as_of], wanted["known_on"]))
    for number, answer in wanted.items():
        if number not in ("as_of", "known_on"):
            row = found.get((as_of, f"client-{number}"))
            assert ("absent" if row is None else row["null_reason"] if row["is_default"] is None else row["is_default"]) == answer, number
