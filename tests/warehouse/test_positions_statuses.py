"""Status events and what they say about a contract's end: one small contract per clause, all worked out in one computation."""

import pytest

from tests.warehouse.staging_rows import at, by, contract, installment, joined, repayment, staged

DAYS = ("2024-01-05", "2024-01-12", "2024-02-15", "2024-03-15", "2024-04-15", "2024-06-30", "2024-12-31")
LAST = DAYS[-1]


def one(number, *versions, paid=(), history=(), **agreed):
    """A contract of one installment of 1,000,000 due 2024-02-10, with the versions of its row and payments as (day, amount)."""
    rows = [contract(number, tenor=1, principal_amount=1_000_000, **agreed | version) for version in versions or ({},)]
    return {
        "contracts": rows,
        "installments": [installment(1, "2024-02-10", contract_number=number)],
        "repayments": [repayment(f"{number}-{day}", day, amount, number, **more) for day, amount, more in paid],
        "contract_status_history": [{"contract_number": number, **row} for row in history],
    }


def told(status, day, **more):
    return {"status": status, "status_date": day, **more}


FULL = ("2024-02-09", 1_000_000, {})
FIRST = {"on": "2024-01-02"}  # delivered on the day after the start, as later rows are

BOOK = joined(
    one("PLAIN"),
    one("NEW", {"status": "New", **FIRST}, {"status": "Active", "last_status_change_date": "2024-01-10", "on": "2024-02-01"}),
    one("SETTLED", {"status": "Paid-off"}, paid=[FULL]),
    one("SETTLED_LATE_KNOWN", {"status": "Paid-off"}, paid=[("2024-02-09", 1_000_000, {"booked_at": "2024-03-01"})]),
    one("UNSETTLED", FIRST, {"status": "Paid-off", "on": "2024-03-01"}),
    one("OWN_DATE", FIRST, {"status": "Paid-off", "last_status_change_date": "2024-02-20", "on": "2024-03-01"}, paid=[FULL]),
    one("REPEATED", FIRST, {"client_id": "C1", "channel": "shop", "on": "2024-03-01"}),
    one("REPEATED_DATED", FIRST, {"last_status_change_date": "2024-02-20", "on": "2024-03-01"}),
    one("CANCELLED_EARLY", {"status": "Cancel", "last_status_change_date": "2023-12-20"}),
    one("EMPTY", {"status": None}, paid=[FULL]),
    one("EMPTY_UNPAID", {"status": None}),
    one("AHEAD", FIRST, {"status": "Sold", "last_status_change_date": "2024-06-01", "on": "2024-03-01"}),
    one("FUTURE", {"start_date": "2024-06-30", **FIRST}),
    one(
        "HISTORY",
        {"status": "Close"},
        history=[told("Active", "2024-01-01"), told("Written Off", "2024-03-01"), told("Close", "2024-04-01")],
    ),
    one("HISTORY_LATER", {"status": "New", **FIRST}, history=[told("Active", "2024-02-01", on="2024-01-02")]),
    one(
        "CONTRADICTED",
        FIRST,
        {"status": "Written Off", "last_status_change_date": "2024-03-01", "on": "2024-03-10"},
        history=[told("Active", "2024-01-01")],
    ),
    one(
        "CAUGHT_UP",
        FIRST,
        {"status": "Written Off", "on": "2024-03-10"},
        history=[told("Active", "2024-01-01"), told("Written Off", "2024-03-01", on="2024-04-01")],
    ),
    one("STALE", FIRST, history=[told("Active", "2024-01-01"), told("Sold", "2024-03-01", on="2024-03-01")]),
    one("REOPENED", history=[told("Active", "2024-01-01"), told("Paid-off", "2024-02-20"), told("Active", "2024-03-10")]),
    one(
        "REOPENED_LOST",
        history=[
            told("Active", "2024-01-01"),
            told("Paid-off", "2024-02-20"),
            told("Active", "2024-03-10"),
            told("Written Off", "2024-05-01"),
        ],
    ),
    one("LOST_SOLD", history=[told("Active", "2024-01-01"), told("Written Off", "2024-03-01"), told("Sold", "2024-04-01")]),
    one("ONE_DAY", history=[told("Paid-off", "2024-03-01"), told("Active", "2024-03-01"), told("Close", "2024-03-01")]),
    one("CLOSED_PAID", FIRST, {"status": "Close", "last_status_change_date": "2024-03-01", "on": "2024-03-01"}, paid=[FULL]),
    one("CLOSED_UNPAID", FIRST, {"status": "Close", "last_status_change_date": "2024-03-01", "on": "2024-03-01"}),
    one("CLOSED_CANCEL", history=[told("Active", "2024-01-01"), told("Cancel", "2024-01-08"), told("Close", "2024-01-10")], paid=[FULL]),
    one("DELETED", FIRST, {"deleted": True, "on": "2024-03-01"}),
    one("BORN_AGAIN", {"status": "Sold", **FIRST}, {"deleted": True, "on": "2024-02-01"}, {"on": "2024-03-01"}),
)


@pytest.fixture(scope="module")
def then():
    return at(staged(**BOOK), *DAYS)


@pytest.fixture(scope="module")
def events(then):
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for day, number, on, status in by(then.events, "as_of_on", "contract_number", "status_date", "status"):
        found.setdefault((day, number), []).append((on, status))
    return {place: sorted(rows) for place, rows in found.items()}


@pytest.fixture(scope="module")
def contracts(then):
    return by(then.contracts, "as_of_on", "contract_number")


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("PLAIN", [("2024-01-01", "Active")]),
        # A first status New begins the contract as New; each later status on its own date.
        ("NEW", [("2024-01-01", "New"), ("2024-01-10", "Active")]),
        # No date of its own and all settled: the settlement date of the last installment.
        ("SETTLED", [("2024-01-01", "Active"), ("2024-02-09", "Paid-off")]),
        # Not all settled: the business date.
        ("UNSETTLED", [("2024-01-01", "Active"), ("2024-03-01", "Paid-off")]),
        # A date of its own wins over the settlement.
        ("OWN_DATE", [("2024-01-01", "Active"), ("2024-02-20", "Paid-off")]),
        # The same status again without a date of its own is no event; with one it is.
        ("REPEATED", [("2024-01-01", "Active")]),
        ("REPEATED_DATED", [("2024-01-01", "Active"), ("2024-02-20", "Active")]),
        # The contract cannot end before it begins: Active moves to the first delivered status's date.
        ("CANCELLED_EARLY", [("2023-12-20", "Active"), ("2023-12-20", "Cancel")]),
        # An empty status is Active, and Paid-off once all is settled.
        ("EMPTY", [("2024-01-01", "Active"), ("2024-02-09", "Paid-off")]),
        ("EMPTY_UNPAID", [("2024-01-01", "Active")]),
        # A delivered history is taken as it is, and the contract row that agrees with it adds nothing.
        ("HISTORY", [("2024-01-01", "Active"), ("2024-03-01", "Written Off"), ("2024-04-01", "Close")]),
        # A contract row that differs from the last event is an event of its own.
        ("CONTRADICTED", [("2024-01-01", "Active"), ("2024-03-01", "Written Off")]),
        # Until the history has it too: the event dated by the row's business date goes.
        ("CAUGHT_UP", [("2024-01-01", "Active"), ("2024-03-01", "Written Off")]),
        # An old row that agreed when it came does not contradict what the history says later.
        ("STALE", [("2024-01-01", "Active"), ("2024-03-01", "Sold")]),
        # A deleted contract that comes back begins anew.
        ("BORN_AGAIN", [("2024-01-01", "Active")]),
    ],
)
def test_events(events, number, expected):
    assert events[LAST, number] == expected


def test_an_event_of_the_row_stands_until_the_history_has_it(events):
    assert events["2024-03-15", "CAUGHT_UP"] == [("2024-01-01", "Active"), ("2024-03-10", "Written Off")]


def test_an_event_dated_by_a_settlement_is_known_when_the_payments_are(contracts, then):
    # Settled on 02-09 by a payment booked on 03-01: on 02-15 nobody knew.
    assert [contracts[day, "SETTLED_LATE_KNOWN"]["status"] for day in ("2024-02-15", "2024-03-15")] == ["Active", "Paid-off"]
    assert contracts["2024-03-15", "SETTLED_LATE_KNOWN"]["status_on"].isoformat() == "2024-02-09"
    rows = by(then.events, "as_of_on", "contract_number", "event_key")
    event = next(row for key, row in rows.items() if key[:2] == ("2024-03-15", "SETTLED_LATE_KNOWN") and row["status"] == "Paid-off")
    assert event["known_at"].isoformat() == "2024-03-01T16:59:59.999999+00:00"


@pytest.mark.parametrize(
    ("number", "day", "status", "status_on", "ended_on", "close_reason"),
    [
        ("PLAIN", LAST, "Active", "2024-01-01", None, None),
        ("NEW", "2024-01-12", "New", "2024-01-01", None, None),
        ("AHEAD", "2024-04-15", "Active", "2024-01-01", None, None),  # a date after the business date is unseen until then
        ("AHEAD", "2024-06-30", "Sold", "2024-06-01", "2024-06-01", None),
        ("FUTURE", "2024-04-15", "New", "2024-06-30", None, None),  # before its start date
        ("FUTURE", "2024-06-30", "Active", "2024-01-02", None, None),  # Active since it was delivered so
        ("HISTORY_LATER", "2024-01-12", "New", "2024-01-01", None, None),  # history delivered, its first event still ahead
        ("HISTORY_LATER", "2024-02-15", "Active", "2024-02-01", None, None),
        ("HISTORY", LAST, "Close", "2024-04-01", "2024-03-01", "written_off"),  # the first ending event ends it, the last one names it
        ("REOPENED", "2024-02-15", "Active", "2024-01-01", None, None),
        ("REOPENED", LAST, "Active", "2024-03-10", None, None),  # events before the last Active do not count
        ("REOPENED_LOST", LAST, "Written Off", "2024-05-01", "2024-05-01", None),
        ("LOST_SOLD", LAST, "Sold", "2024-04-01", "2024-03-01", None),
        ("ONE_DAY", LAST, "Close", "2024-03-01", "2024-03-01", "paid"),  # one day: Active, Paid-off, Close in this order
        ("CLOSED_PAID", LAST, "Close", "2024-03-01", "2024-03-01", "paid"),  # Active is no reason, but all is settled
        ("CLOSED_UNPAID", LAST, "Close", "2024-03-01", "2024-03-01", "unknown"),
        ("CLOSED_CANCEL", LAST, "Close", "2024-01-10", "2024-01-08", "cancel"),
    ],
)
def test_status_and_end(contracts, number, day, status, status_on, ended_on, close_reason):
    row = contracts[day, number]
    dates = [row[name] and row[name].isoformat() for name in ("status_on", "ended_on")]
    assert (row["status"], *dates, row["close_reason"]) == (status, status_on, ended_on, close_reason)


def test_only_delivered_history_is_not_derived(then):
    found = by(then.events.filter(then.events.as_of_on == LAST), "contract_number", "status_date", "status")
    assert not found["HISTORY", "2024-01-01", "Active"]["is_derived"]
    assert found["CONTRADICTED", "2024-03-01", "Written Off"]["is_derived"]
    assert found["PLAIN", "2024-01-01", "Active"]["is_derived"]


def test_a_deleted_contract_is_gone_from_then_on(contracts):
    assert ("2024-02-15", "DELETED") in contracts
    assert ("2024-03-15", "DELETED") not in contracts


def test_open_and_disbursed(contracts):
    flags = {number: (contracts[LAST, number]["is_open"], contracts[LAST, number]["is_disbursed"]) for _, number in contracts if _ == LAST}
    assert flags["PLAIN"] == (True, True)
    assert flags["SETTLED"] == (False, True)
    assert flags["CANCELLED_EARLY"] == (False, False)
    assert flags["CLOSED_CANCEL"] == (False, True)  # by its status; what the Close means is another column
    assert (contracts["2024-01-12", "NEW"]["is_open"], contracts["2024-01-12", "NEW"]["is_disbursed"]) == (False, False)
