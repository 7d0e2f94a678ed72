"""Spine and label against the plain-Python oracle, on generated ledgers and on answers worked out by hand."""

from datetime import date, timedelta

from hypothesis import given

from tests.conftest import stored
from tests.oracles import golden
from tests.oracles import labels as oracle
from tests.oracles.compare import check, keyed
from tests.oracles.days import add_months, month_ends
from tests.oracles.ledger import Ledger
from tests.strategies import Case, cases, examples
from tests.warehouse.test_oracle_golden import questions
from training.labels import labels
from training.spine import scope, spine
from warehouse.clock import as_of_dates
from warehouse.curated.positions import positions
from warehouse.terms import Terms

TERMS = Terms()


def labelled(con, ledger: Ledger, as_ofs: list[date], label_dates: list[date]) -> dict[date, dict[tuple, dict]]:
    """Rows by (as_of_on, client_id), for each label date."""
    staged = stored(con, ledger.rows)
    at = positions(staged, as_of_dates(as_ofs, TERMS.time_zone), TERMS)
    members = scope(at, spine(at, TERMS.time_zone))
    found = {}
    for label_on in label_dates:
        outcome = positions(staged, as_of_dates([label_on], TERMS.time_zone), TERMS)
        rows = con.to_pyarrow(labels(members, outcome, outcome.events, label_on)).to_pylist()
        found[label_on] = told(keyed(rows, ("as_of_on", "client_id")))
    return found


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
@examples(1)
def test_labels_equal_the_oracle(con, case: Case):
    """Three month ends, one of them a leap day's, judged when the last delivery is long past and when the window has only just ended."""
    ends = month_ends(case.calendar.opening - timedelta(days=150), case.calendar.opening)
    as_ofs = sorted({ends[0], ends[len(ends) // 2], ends[-1]})
    label_dates = [max(case.calendar.last, add_months(as_ofs[-1], 14)), add_months(as_ofs[1], 13)]
    for label_on, found in labelled(con, case.ledger, as_ofs, label_dates).items():
        check("labels", expected(case.ledger, as_ofs, label_on), found, case.ledger)


def test_golden(con):
    asked = [wanted for _, wanted in questions("labels")]
    as_of = asked[0]["as_of"]
    found = labelled(con, golden.read("labels").ledger, [as_of], [wanted["known_on"] for wanted in asked])
    for wanted in asked:
        for number, answer in wanted.items():
            if number not in ("as_of", "known_on"):
                row = found[wanted["known_on"]].get((as_of, f"client-{number}"))
                assert ("absent" if row is None else row["null_reason"] or row["is_default"]) == answer, (number, wanted["known_on"])
