"""E21 to E40, values that nobody should deliver: one opening delivery with all of them, and what becomes of each row; worked by hand.

Keys tell the case: row 24b of E24 has the key 24b. Rules of single texts have their table in tests/warehouse/test_staging_values.py.
"""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import ibis
import pytest
from ibis.backends import BaseBackend

from tests.faults.book import BOOK, OPENING, Row, client, contract, event, installment, repayment, with_rows
from tests.warehouse.judging import Delivered, Judged, judged
from tests.warehouse.staging_rows import at, by, staged
from tests.warehouse.staging_rows import contract as held_contract
from tests.warehouse.staging_rows import installment as held_installment
from tests.warehouse.staging_rows import repayment as held_repayment
from warehouse.clock import add_months, add_months_on, window_start, window_start_on

Case = tuple[Row, str, str]  # a row, what becomes of it, and the rules that it broke
Cases = dict[str, list[Case]]

ACCEPTED, QUARANTINED, PARKED = "accepted", "quarantined", "parked"

E24: Cases = {
    "contracts": [(contract("24a", start_date="2099-01-01"), ACCEPTED, "")],  # kept, unseen until then
    "contract_status_history": [(event("24a", "New", "2099-01-01"), ACCEPTED, "")],
    "installments": [(installment("24a", "24a", due_date="2099-02-01"), ACCEPTED, "installment_count:contract_number")],
    "repayments": [
        (repayment("24a", repayment_date="2024-06-30"), ACCEPTED, ""),  # on the business date
        (repayment("24b", repayment_date="2024-07-01"), QUARANTINED, "future_date:repayment_date"),
        (repayment("24c", repayment_date="2099-12-31"), QUARANTINED, "future_date:repayment_date"),
    ],
}
E25: Cases = {
    "clients": [
        (client("25a", join_date="1900-01-01"), QUARANTINED, "bad_date:join_date"),
        (client("25b", join_date="9999-12-31"), QUARANTINED, "bad_date:join_date"),
        (client("25c", join_date="365243"), QUARANTINED, "bad_date:join_date"),
        (client("25d", join_date="1970-01-01"), ACCEPTED, ""),  # a day like any other
        (client("25e", join_date=""), ACCEPTED, ""),  # how to say that there is none
    ],
    "contracts": [
        (contract("25a", start_date="1900-01-01"), QUARANTINED, "bad_date:start_date"),
        (contract("25b", start_date="0001-01-01"), QUARANTINED, "bad_date:start_date"),
        (contract("25c", last_status_change_date="9999-12-31"), QUARANTINED, "bad_date:last_status_change_date"),
    ],
    "installments": [
        (installment("25a", due_date="9999-12-31"), QUARANTINED, "bad_date:due_date"),
        (installment("25b", due_date="0000-00-00"), QUARANTINED, "bad_date:due_date"),
    ],
}
E26: Cases = {
    "contracts": [
        (contract("26a", start_date="2024-02-29"), ACCEPTED, ""),
        (contract("26b", start_date="2023-02-29"), QUARANTINED, "bad_date:start_date"),
    ],
    "repayments": [
        (repayment("26a", repayment_date="2024-04-30"), ACCEPTED, ""),
        (repayment("26b", repayment_date="2024-04-31"), QUARANTINED, "bad_date:repayment_date"),
    ],
}
E27: Cases = {  # 3 April or 4 March: nobody asks, since neither spelling is declared
    "repayments": [
        (repayment(f"27{key}", repayment_date=text), QUARANTINED, "bad_date:repayment_date")
        for key, text in {"a": "03/04/2024", "b": "04/03/2024", "c": "2024/03/04", "d": "04-03-2024", "e": "3.4.2024"}.items()
    ]
}
E29: Cases = {
    "repayments": [
        (repayment("29a", repayment_amount=" 12 "), ACCEPTED, ""),
        (repayment("29b", repayment_amount="0"), ACCEPTED, ""),  # nothing was paid, and the row says so
        (repayment("29c", repayment_amount="-0"), ACCEPTED, ""),
        (repayment("29d", repayment_amount="0.005"), ACCEPTED, "amount_rounded:repayment_amount"),
        (repayment("29e", repayment_amount="9223372036854775808"), QUARANTINED, "number_too_large:repayment_amount"),
        (repayment("29f", repayment_amount="1e308"), QUARANTINED, "bad_number:repayment_amount"),
        (repayment("29g", repayment_amount="١٢٣"), QUARANTINED, "bad_number:repayment_amount"),
        (repayment("29h", repayment_amount="-5"), QUARANTINED, "negative_amount:repayment_amount"),
    ]
}
E32: Cases = {
    "contracts": [
        (contract("32a", tenor="3", principal_amount="150"), ACCEPTED, ""),
        (contract("32b"), ACCEPTED, ""),
        (contract("32c"), ACCEPTED, ""),
    ],
    "installments": [
        (installment("32a1", "32a", "1"), ACCEPTED, "installment_count:contract_number"),  # 1 and 3 of 3: one is missing
        (installment("32a3", "32a", "3", due_date="2024-04-10"), ACCEPTED, ""),
        (installment("32b1", "32b", "1"), ACCEPTED, ""),  # a number twice, and as many rows as the tenor: both are owed
        (installment("32b2", "32b", "1", due_date="2024-03-10"), ACCEPTED, ""),
        (installment("32c1", "32c", "1", inst_amt_principal="49.99"), ACCEPTED, "schedule_sum:contract_number"),
        (installment("32c2", "32c", "2", due_date="2024-03-10"), ACCEPTED, ""),
    ],
}
E33: Cases = {
    "repayments": [
        (repayment("33a", repayment_date="2024-01-09"), QUARANTINED, "before_start_date:repayment_date"),
        (repayment("33b", repayment_date="2024-01-09", installment_id="I1"), QUARANTINED, "before_start_date:repayment_date"),
        (repayment("33c", repayment_date="2024-01-10"), ACCEPTED, ""),  # on the day of the start
    ]
}
E34: Cases = {
    "contracts": [
        (contract("34a", status=" ACTIVE "), ACCEPTED, ""),
        (contract("34b", status="paid  off"), ACCEPTED, ""),
        (contract("34c", status="Written_Off"), ACCEPTED, ""),
        (contract("34d", status=""), ACCEPTED, ""),  # derived
        (contract("34e", status="Đã tất toán"), QUARANTINED, "value_not_allowed:status"),
        (contract("34f", status="Đang vay"), QUARANTINED, "value_not_allowed:status"),
        (contract("34g", status="Actіve"), QUARANTINED, "value_not_allowed:status"),  # noqa: RUF003 - with a Cyrillic і
        (contract("34h", status="1"), QUARANTINED, "value_not_allowed:status"),
    ],
    "contract_status_history": [(event("34a", "Hoạt động", "2024-02-01"), QUARANTINED, "value_not_allowed:status")],
}
E36: Cases = {  # as a spreadsheet would write 7, 1 and 100000; every text is an id of its own
    "clients": [(client(number), ACCEPTED, "") for number in ("007", "7", "1.0", "1E+05")],
    "contracts": [
        (contract("36a", client_id="007"), ACCEPTED, ""),
        (contract("36b", client_id="1E+05"), ACCEPTED, ""),
        (contract("36c", client_id="1"), PARKED, "orphan:client_id"),
        (contract("36d", client_id="100000"), PARKED, "orphan:client_id"),
        (contract("36e", client_id="07"), PARKED, "orphan:client_id"),
    ],
}
ATTACKS = (
    "'; DROP TABLE clients; --",
    "${jndi:ldap://127.0.0.1/a}",
    "<script>alert(1)</script>",
    "{{7*7}}",
    "../../etc/passwd",
    '"; import os; "',
    "\\u0027 OR 1=1",
)
E37: Cases = {
    "clients": [(client(f"37{attack}", district_code=attack), ACCEPTED, "") for attack in ATTACKS],
    "contracts": [(contract(f"37-{place}", channel=attack), ACCEPTED, "") for place, attack in enumerate(ATTACKS)],
    "repayments": [
        (repayment(f"37-{place}", repayment_amount=attack), QUARANTINED, "bad_number:repayment_amount")
        for place, attack in enumerate(ATTACKS)
    ],
}
HIDDEN = {
    "zero width space": "C\u200b1",
    "right to left override": "\u202eC1",
    "right to left isolate": "\u2067C1\u2069",
    "byte order mark": "C1\ufeff",
    "soft hyphen": "C\u00ad1",
    "no-break space": "C\u00a01",
    "line separator": "C\u20281",
    "arabic letter mark": "C1\u061c",
}
E38: Cases = {
    "clients": [(client(text), QUARANTINED, "invisible_character:client_id") for text in HIDDEN.values()],
    "contracts": [(contract("38a", client_id="C\u200b1"), QUARANTINED, "invisible_character:client_id orphan:client_id")],
}
E40: Cases = {
    "clients": [
        (client("40a", region_id="R99"), ACCEPTED, "unknown_region:region_id"),
        (client("40b", region_id=""), ACCEPTED, ""),
    ]
}
NUMBERED = {24: E24, 25: E25, 26: E26, 27: E27, 29: E29, 32: E32, 33: E33, 34: E34, 36: E36, 37: E37, 38: E38, 40: E40}


def delivered() -> dict[str, list[Row]]:
    return with_rows(*({table: [row for row, _, _ in found] for table, found in cases.items()} for cases in NUMBERED.values()))


@pytest.fixture(scope="module")
def opening(con: BaseBackend) -> Judged:
    """One opening delivery with the rows of all cases."""
    return judged(con, [Delivered(OPENING, list(delivered().items()))])


def check(opening: Judged, number: int) -> None:
    """Every row of a case has the disposition and the rules that the case says."""
    tables = delivered()
    for table, cases in NUMBERED[number].items():
        lines = {json.dumps(row): line for line, row in enumerate(tables[table], start=2)}
        assert len(lines) == len(tables[table])
        found = {line: outcome for line, outcome in opening.of(table).items() if line in {lines[json.dumps(row)] for row, _, _ in cases}}
        assert found == {lines[json.dumps(row)]: (disposition, rules) for row, disposition, rules in cases}


def held(opening: Judged, table: str, key: str) -> dict[str, dict[str, Any]]:
    return {row[key]: row for row in opening.staging[table]}


def end_of(day: date) -> datetime:
    """23:59:59.999999 in Ho Chi Minh City, which is seven hours ahead."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=16, minutes=59, seconds=59, microseconds=999999)


def test_every_row_is_accounted_for(opening: Judged) -> None:
    assert {table: len(rows) for table, rows in opening.rows.items() if rows} == {
        name: len(rows) for name, rows in delivered().items() if rows
    }


def test_e21_a_row_that_comes_twice_is_counted_and_used_once(con: BaseBackend) -> None:
    """In one file, in two files, spelled otherwise, in a second delivery of the day, and the day after."""
    tables = with_rows({"repayments": [repayment("21"), repayment("21"), repayment("21", repayment_amount=" 10.00 ")]})
    again, spaced = [repayment("21", repayment_amount="10.0")], [repayment("21", contract_number=" L1 ")]
    result = judged(
        con,
        [
            Delivered(OPENING, [*tables.items(), ("repayments", again)]),
            Delivered(OPENING, [("repayments", spaced)]),
            Delivered(OPENING + timedelta(days=1), [("repayments", [repayment("21")])]),
        ],
    )
    found = [row["disposition"] for row in result.rows["repayments"]]
    assert (found.count(ACCEPTED), found.count("duplicate")) == (1, 5)
    assert [(row["repayment_id"], row["repayment_amount"]) for row in result.staging["repayments"]] == [("21", Decimal(10))]


def test_e23_a_late_row_is_known_from_the_day_it_came(con: BaseBackend) -> None:
    """A day, 90 days and two years late; however early it was booked."""
    opened = Delivered(OPENING, list(with_rows().items()))
    late = [opened.business_date + timedelta(days=lag) for lag in (1, 90, 730)]
    rows = [Delivered(day, [("repayments", [repayment(f"{day}", booked_at="2024-02-10T10:00:00+07:00")])]) for day in late]
    result = judged(con, [opened, *rows])
    known = {row["repayment_id"]: (row["known_at"], row["booked_at"], row["is_opening"]) for row in result.staging["repayments"]}
    assert known == {f"{day}": (end_of(day), datetime(2024, 2, 10, 3, tzinfo=UTC), False) for day in late}


def test_e24_a_payment_of_tomorrow_is_refused_and_other_future_dates_wait(con: BaseBackend, opening: Judged) -> None:
    check(opening, 24)
    assert held(opening, "contracts", "contract_number")["24a"]["start_date"] == date(2099, 1, 1)
    rows = {"repayments": [repayment("24b", repayment_date="2024-07-01")]}
    first, second = Delivered(OPENING, list(with_rows(rows).items())), Delivered(date(2024, 7, 1), list(rows.items()))
    assert [row["business_date"] for row in judged(con, [first, second]).staging["repayments"]] == [date(2024, 7, 1)]


def test_e25_dates_that_stand_for_no_date_are_refused(opening: Judged) -> None:
    check(opening, 25)


def test_e26_days_that_the_calendar_lacks_are_refused(opening: Judged) -> None:
    check(opening, 26)


MONTHS = {  # from a day, so many months on
    ("2024-01-31", 1): "2024-02-29",
    ("2023-01-31", 1): "2023-02-28",
    ("2024-02-29", 12): "2025-02-28",
    ("2024-03-31", -1): "2024-02-29",
    ("2024-12-31", 2): "2025-02-28",
    ("2024-04-30", 1): "2024-05-30",  # a clamp does not last
}
WINDOWS = {("2024-02-29", 3): "2023-11-30", ("2024-02-28", 3): "2023-11-28", ("2025-02-28", 12): "2024-02-29"}  # month ends stay month ends


def test_e26_months_are_added_up_to_the_last_day_of_a_shorter_one(con: BaseBackend) -> None:
    for days, python, expression in ((MONTHS, add_months, add_months_on), (WINDOWS, window_start, window_start_on)):
        for (text, months), expected in days.items():
            assert python(date.fromisoformat(text), months).isoformat() == expected
            found = con.to_pyarrow(expression(ibis.date(text), months)).as_py()
            assert str(found)[:10] == expected


def test_e27_a_date_in_another_spelling_is_refused_not_guessed(opening: Judged) -> None:
    check(opening, 27)


def test_e29_numbers_in_a_row(opening: Judged) -> None:
    check(opening, 29)
    amounts = {key: row["repayment_amount"] for key, row in held(opening, "repayments", "repayment_id").items() if key.startswith("29")}
    assert amounts == {"29a": Decimal("12.00"), "29b": Decimal(0), "29c": Decimal(0), "29d": Decimal("0.01")}


def test_e30_a_payment_far_above_the_debt_is_kept_to_the_last_dong(con: BaseBackend) -> None:
    """Eleven times what is owed: the schedule is paid, the rest is an overpayment, the sum is what was delivered."""
    rows = staged(
        contracts=[held_contract()],
        installments=[held_installment(number, f"2024-0{number + 1}-01") for number in (1, 2, 3)],
        repayments=[held_repayment("30", "2024-01-15", 33_000_000)],
    )
    then = at(rows, "2024-06-30")
    paid = by(then.repayments, "allocation_number")
    assert {number: (row["installment_id"], int(row["allocated_amount"])) for number, row in paid.items()} == {
        1: ("K1-1", 1_000_000),
        2: ("K1-2", 1_000_000),
        3: ("K1-3", 1_000_000),
        4: (None, 30_000_000),
    }
    (row,) = by(then.contracts, "contract_number").values()
    assert (row["outstanding_principal_amount"], row["overdue_amount"], row["dpd"]) == (0, 0, 0)


def test_e31_a_row_without_its_parent_waits_and_is_escalated_on_the_tenth_day(con: BaseBackend) -> None:
    """A payment before its installment, before its contract, before its client; each arrives some days later and frees the next."""
    children = {
        "contracts": [contract("31", client_id="31")],
        "installments": [installment("31-1", "31"), installment("31-2", "31", "2", due_date="2024-03-10")],
        "repayments": [repayment("31", contract_number=None, installment_id="31-1")],
    }
    opened, parent = Delivered(OPENING, list(with_rows(children).items())), {"clients": [client("31")]}
    for days, is_escalated in ((9, False), (10, True)):
        waiting = judged(con, [opened, Delivered(OPENING + timedelta(days=days), [("regions", BOOK["regions"])])])
        found = {(row["table_name"], row["disposition"], row["is_escalated"]) for row in waiting.quarantine if row["rule"] == "orphan"}
        assert found == {(table, PARKED, is_escalated) for table in children}
    freed = judged(con, [opened, Delivered(OPENING + timedelta(days=12), list(parent.items()))])
    assert [row for row in freed.quarantine if row["rule"] == "orphan"] == []
    assert [row["repayment_id"] for row in freed.staging["repayments"]] == ["31"]


def test_e32_a_schedule_with_a_gap_a_repetition_or_another_sum_is_kept_and_named(opening: Judged) -> None:
    check(opening, 32)


def test_e33_a_payment_before_the_loan_is_refused(opening: Judged) -> None:
    check(opening, 33)


def test_e34_a_status_is_matched_by_its_letters_only(opening: Judged) -> None:
    check(opening, 34)
    found = {key: row["status"] for key, row in held(opening, "contracts", "contract_number").items() if key.startswith("34")}
    assert found == {"34a": "Active", "34b": "Paid-off", "34c": "Written Off", "34d": None}


def test_e36_ids_are_texts_and_never_numbers(opening: Judged) -> None:
    check(opening, 36)
    assert {"007", "7", "1.0", "1E+05"} < set(held(opening, "clients", "client_id"))


def test_e37_texts_that_attack_are_stored_as_they_are_and_shown_as_text(opening: Judged) -> None:
    check(opening, 37)
    assert {row["district_code"] for row in opening.staging["clients"] if row["client_id"].startswith("37")} == set(ATTACKS)
    assert {row["channel"] for row in opening.staging["contracts"] if row["contract_number"].startswith("37")} == set(ATTACKS)
    shown = {row["value"]: json.loads(row["raw_row"]) for row in opening.quarantine if row["rule"] == "bad_number"}
    assert {row["repayment_amount"] for value, row in shown.items() if value in ATTACKS} == set(ATTACKS)


def test_e38_an_id_with_a_character_that_nobody_sees_is_refused(opening: Judged) -> None:
    check(opening, 38)


def test_e40_an_unknown_region_is_kept_and_counts_as_unknown(opening: Judged) -> None:
    check(opening, 40)
    assert held(opening, "clients", "client_id")["40a"]["region_id"] == "R99"
    rows = staged(clients=[{"client_id": "40a", "region_id": "R99"}, {"client_id": "40b", "region_id": None}])
    regions = at(rows, "2024-06-30").regions
    assert {row["client_id"]: row["region_id"] for row in regions.to_pyarrow().to_pylist()} == {"40a": "Unknown", "40b": "Unknown"}
