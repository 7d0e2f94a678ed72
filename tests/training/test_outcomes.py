"""Spine and label by worked cases: every condition, every reason, and both sides of every edge."""

from datetime import date

import pytest

from tests.conftest import stored
from tests.features.books import Rows, book, d, known, loan, paid
from training.labels import REASONS, labels, mature_cohorts
from training.spine import scope, spine
from warehouse.clock import as_of_dates
from warehouse.curated.positions import Positions, positions
from warehouse.terms import Terms

TERMS = Terms()
T = "2023-03-31"  # its window ends on 2024-03-31 and is mature on 2024-04-30
MATURE = "2024-04-30"


def together(*cases: Rows) -> Rows:
    """One book of all cases: the ids of case n end in /n, so that one computation answers them all."""
    return book(*(numbered(case, number) for number, case in enumerate(cases)))


def numbered(rows: Rows, number: int | str) -> Rows:
    ids = ("client_id", "contract_number", "installment_id", "repayment_id")
    return {
        table: [{name: f"{value}/{number}" if name in ids else value for name, value in row.items()} for row in held]
        for table, held in rows.items()
    }


def at(con, rows: Rows, *days: str) -> Positions:
    return positions(stored(con, rows), as_of_dates([d(day) for day in days], TERMS.time_zone), TERMS)


def by_client(con, table) -> dict[tuple[str, str], dict]:
    """Rows by (client, month end)."""
    return {(row["client_id"], row["as_of_on"].isoformat()): row for row in con.to_pyarrow(table).to_pylist()}


def base(*due: str) -> list[Rows]:
    """Client C with contract K: an installment of January 2023, paid, and others."""
    return [loan("C", "K", "2022-12-15", ["2023-01-15", *due]), paid("K-1", "2023-01-15")]


def ended(status: str, on: str, delivered: str) -> Rows:
    """A later version of contract K that says how it ended."""
    row = loan("C", "K", "2022-12-15", ["2023-01-15"])["contracts"][0]
    return {"contracts": [row | {"status": status, "last_status_change_date": d(on), "principal_amount": 180} | known(delivered)]}


ASKED = (
    (book(loan("C", "K", "2023-01-31", [T])), True),  # the first installment falls due on T: due, not late
    (book(loan("C", "K", "2023-01-31", ["2023-04-01"])), False),  # nothing due yet
    (book(loan("C", "K", "2022-12-01", ["2023-01-01", "2023-06-01"])), True),  # 89 days past due
    (book(loan("C", "K", "2022-12-01", ["2022-12-31", "2023-06-01"])), False),  # 90: in default already
    (book(loan("C", "K", "2023-03-31", ["2023-03-31"])), True),  # disbursed on T
    (book(loan("C", "K", "2022-12-01", ["2023-01-01"], status="New")), False),  # never disbursed
    (book(loan("C", "K", "2022-12-01", ["2023-01-01"], status="Paid-off", last_status_change_date=date(2023, 2, 1))), False),
    (book(*base("2023-06-15"), ended("Written Off", "2023-03-31", "2023-03-31")), False),  # ended on T and known on T
    (book(*base("2023-06-15"), ended("Written Off", "2023-03-31", "2023-04-01")), True),  # ended on T, known a day later
)


DAYS = ("2023-01-31", "2023-02-27", "2023-02-28", T)
# An old contract was written off at 120 days past due: its days past due stay, although a new contract is open and clean.
LOST_BEFORE = book(
    loan("LOST", "OLD", "2022-08-01", ["2022-09-01"], status="Written Off", last_status_change_date=date(2022, 12, 30)),
    loan("LOST", "NEW", "2022-12-15", ["2023-01-15", "2023-06-15"]),
    paid("NEW-1", "2023-01-15"),
)
TWO_CONTRACTS = book(
    loan("TWO", "SMALL", "2022-12-15", ["2023-01-15", "2023-06-15"]),
    paid("SMALL-1", "2023-01-15"),
    loan("TWO", "LARGE", "2023-02-10", ["2023-05-10", "2023-06-10", "2023-07-10"]),
)


@pytest.fixture(scope="module")
def asked(con) -> dict[tuple[str, str], dict]:
    """The spine of all cases at all days."""
    rows = book(together(*(rows for rows, _ in ASKED)), LOST_BEFORE, TWO_CONTRACTS)
    return by_client(con, spine(at(con, rows, *DAYS), TERMS.time_zone))


def test_who_is_asked(asked):
    assert {number: (f"C/{number}", T) in asked for number in range(len(ASKED))} == {n: is_asked for n, (_, is_asked) in enumerate(ASKED)}


def test_a_loss_on_another_contract_keeps_a_client_out(asked):
    assert ("LOST", T) not in asked


def test_spine_columns(asked):
    row = asked["TWO", T]
    assert row["event_timestamp"].isoformat() == "2023-03-31T16:59:59.999999+00:00"
    assert (row["region_id"], row["product_type_id"]) == ("R1", "CL")
    assert row["vintage_month"] == d("2023-02-01")  # of LARGE, which owes most
    assert asked["TWO", "2023-01-31"]["vintage_month"] == d("2022-12-01")  # before LARGE began


@pytest.mark.parametrize(
    ("day", "end"), [("2023-01-31", "2024-01-31"), ("2023-02-27", "2024-02-27"), ("2023-02-28", "2024-02-29"), (T, "2024-03-31")]
)
def test_a_window_of_a_month_end_ends_on_one(asked, day, end):
    assert asked["TWO", day]["window_end_on"] == d(end)


GOOD, INDETERMINATE = (0, None), (None, "indeterminate")


OUTCOMES = (
    # days past due: 30 and 90 are reached on the day, and a payment d days late peaked at d - 1
    ([*base("2023-06-30"), paid("K-2", "2023-06-30")], GOOD),
    ([*base("2023-06-30"), paid("K-2", "2023-07-30")], GOOD),
    ([*base("2023-06-30"), paid("K-2", "2023-07-31")], INDETERMINATE),
    ([*base("2023-06-30"), paid("K-2", "2023-09-28")], INDETERMINATE),
    ([*base("2023-06-30"), paid("K-2", "2023-09-29")], (1, "dpd_90")),
    # the window's last day counts, the day after does not
    (base("2024-01-01"), (1, "dpd_90")),
    (base("2024-01-02"), INDETERMINATE),
    (base("2024-03-02"), GOOD),
    (base("2024-03-01"), INDETERMINATE),
    # 89 days past due on T turn bad tomorrow unless T's arrears are paid tomorrow
    ([loan("C", "K", "2022-12-01", ["2023-01-01", "2023-06-01"])], (1, "dpd_90")),
    ([loan("C", "K", "2022-12-01", ["2023-01-01", "2023-06-01"]), paid("K-1", "2023-04-01"), paid("K-2", "2023-06-01")], GOOD),
    # losses need no days past due
    ([*base("2023-06-15"), paid("K-2", "2023-06-15"), ended("Written Off", "2023-05-01", "2023-05-02")], (1, "written_off")),
    ([*base("2024-06-15"), ended("Sold", "2024-03-31", "2024-03-31")], (1, "sold")),
    ([*base("2024-06-15"), ended("Sold", "2024-04-01", "2024-04-01")], GOOD),
    # a loss in the window counts although it was delivered after it, by the label date
    ([*base("2024-06-15"), ended("Sold", "2024-03-31", "2024-04-30")], (1, "sold")),
    ([*base("2024-06-15"), ended("Sold", "2024-03-31", "2024-05-01")], GOOD),
    # dated before T but not known on T: the client was asked about, and the loss is the outcome
    ([*base("2023-06-15"), paid("K-2", "2023-06-15"), ended("Written Off", "2023-03-30", "2023-04-03")], (1, "written_off")),
    # dpd comes first, then write-off
    ([*base("2023-06-15"), ended("Written Off", "2023-12-01", "2023-12-01")], (1, "dpd_90")),
    # a payment in the window that is known by the label date repairs the outcome, one known later does not
    ([*base("2023-06-30"), paid("K-2", "2023-07-01", **known("2024-04-30"))], GOOD),
    ([*base("2023-06-30"), paid("K-2", "2023-07-01", **known("2024-05-01"))], (1, "dpd_90")),
    # ended well
    ([*base("2024-06-15"), ended("Paid-off", "2023-05-01", "2023-05-01")], GOOD),
    # a contract that began after T is not in scope
    ([*base("2023-06-15"), paid("K-2", "2023-06-15"), loan("C", "N", "2023-04-01", ["2023-05-01"])], GOOD),
    # another contract that was open on T is
    ([*base("2023-06-15"), paid("K-2", "2023-06-15"), loan("C", "N", "2023-03-31", ["2023-05-01"])], (1, "dpd_90")),
)


@pytest.fixture(scope="module")
def told(con) -> tuple[Positions, Positions]:
    """Positions of all outcomes on the month ends and on the label date."""
    rows = book(together(*(book(*rows) for rows, _ in OUTCOMES)), numbered(book(*base("2023-12-01")), "leap"))
    return at(con, rows, "2023-02-28", T), at(con, rows, MATURE)


def label_rows(con, told: tuple[Positions, Positions], label_on: str = MATURE, **options) -> dict[tuple[str, str], tuple]:
    then, later = told
    table = labels(scope(then, spine(then, TERMS.time_zone)), later, later.events, d(label_on), **options)
    return {key: (row["is_default"], row["label_reason"]) for key, row in by_client(con, table).items()}


def test_what_happened(con, told):
    found = label_rows(con, told)
    assert [found[f"C/{number}", T] for number in range(len(OUTCOMES))] == [expected for _, expected in OUTCOMES]


def test_the_window_of_a_february_holds_the_leap_day(con, told):
    """Due on 2023-12-01, 90 days past due on 2024-02-29."""
    assert label_rows(con, told)["C/leap", "2023-02-28"] == (1, "dpd_90")


def test_a_label_waits_for_its_window_and_the_booking_lag(con, told):
    """A default that is seen early stays null until its row is mature, or the newest cohorts would hold bad clients only."""
    found = label_rows(con, told, label_on="2024-04-29")
    assert {label for (_, day), label in found.items() if day == T} == {(None, "immature")}


def test_indeterminate_may_count_as_good(con, told):
    strict, lenient = label_rows(con, told), label_rows(con, told, indeterminate_as_good=True)
    assert {label for key, label in lenient.items() if strict[key] == INDETERMINATE} == {(0, "indeterminate")}
    assert {key for key in strict if strict[key] != lenient[key]} == {key for key in strict if strict[key] == INDETERMINATE}


def test_reasons_are_named():
    assert set(REASONS) == {"immature", "dpd_90", "written_off", "sold", "indeterminate"}


def test_mature_cohorts():
    assert mature_cohorts(d("2023-01-10"), d("2024-04-29")) == [d("2023-01-31"), d("2023-02-28")]
    assert mature_cohorts(d("2023-01-10"), d("2024-04-30")) == [d("2023-01-31"), d("2023-02-28"), d(T)]
    assert mature_cohorts(d("2024-01-10"), d("2024-04-30")) == []
    # 2024-02-29 + 30 days = 2024-03-30
    assert mature_cohorts(d("2023-02-01"), d("2024-03-29")) == []
    assert mature_cohorts(d("2023-02-01"), d("2024-03-30")) == [d("2023-02-28")]
