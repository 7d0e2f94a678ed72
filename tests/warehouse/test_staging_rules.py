"""Rules on rows, references, keys and knowledge time: worked cases on literal deliveries, judged once per module."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from ibis.backends import BaseBackend

from tests.warehouse.judging import Delivered, Judged, judged
from warehouse.staging.rules import RULES, SEVERITIES

OPENING, NEXT, LATER, LAST = date(2024, 6, 30), date(2024, 7, 1), date(2024, 7, 2), date(2024, 7, 12)


def end_of(day: date) -> datetime:
    """23:59:59.999999 in Ho Chi Minh City, which is seven hours ahead."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=16, minutes=59, seconds=59, microseconds=999999)


def contract(number: str, **other: str | None) -> dict[str, str | None]:
    row = {"client_id": "C1", "product_code": "P1", "principal_amount": "100", "tenor": "2", "start_date": "2024-01-10", "status": "Active"}
    return {"contract_number": number, **row, **other}


def installment(number: str, of: str = "L1", position: str = "1", **other: str | None) -> dict[str, str | None]:
    row = {"installment_number": position, "due_date": "2024-02-10", "inst_amt_principal": "50"}
    return {"installment_id": number, "contract_number": of, **row, **other}


def repayment(number: str, **other: str | None) -> dict[str, str | None]:
    row = {"repayment_date": "2024-02-10", "repayment_amount": "10", "installment_id": "I1"}
    return {"repayment_id": number, **row, **other}


def event(status: str, day: str, of: str = "L1") -> dict[str, str | None]:
    return {"contract_number": of, "status": status, "status_date": day}


PLACES = [
    ("regions", [{"region_id": "R1", "region_name": " Hà Nội "}]),
    ("product_types", [{"product_type_id": "T1", "product_type_name": "Cash loan"}]),
    (
        "products",
        [
            {
                "product_code": "P1",
                "product_name": "Cash",
                "product_type_id": "T1",
                "min_tenor": "2",
                "max_tenor": "12",
                "max_amount": "500",
            },
            {"product_code": "P2", "product_name": "Other", "product_type_id": "T9"},
        ],
    ),
    ("clients", [{"client_id": "C1", "region_id": "R1"}, {"client_id": "C2", "region_id": "R9"}, {"client_id": "C3", "region_id": ""}]),
]
CONTRACTS = {
    2: (contract("L1"), "accepted", ""),
    3: (contract("L2", client_id="C9"), "parked", "orphan:client_id"),
    4: (contract("L3", product_code="P9"), "accepted", "unknown_product:product_code"),
    5: (contract("L4", tenor="1"), "accepted", "tenor_out_of_range:tenor"),
    6: (contract("L5", principal_amount="501"), "accepted", "amount_out_of_range:principal_amount"),
    7: (contract("L6", status=""), "accepted", ""),  # an empty status is derived later
    8: (contract("L7", status="Odd"), "quarantined", "value_not_allowed:status"),
    9: (contract("L8", tenor="", client_id=None), "quarantined", "required_value_missing:client_id required_value_missing:tenor"),
    10: (contract("L9", start_date="2025-01-01"), "accepted", ""),  # kept, unseen until then
    11: (contract("L10", principal_amount="-5"), "quarantined", "negative_amount:principal_amount"),
    12: ({"contract_number": "L11", "op": "D"}, "accepted", ""),  # a tombstone needs its key only
    13: ({"client_id": "C1", "op": "d"}, "quarantined", "required_value_missing:contract_number"),
    14: (contract("L12", op="X"), "quarantined", "value_not_allowed:op"),
    15: ({"read_fault": "ragged_row", "extra_values": '["L13", "C1"]'}, "quarantined", "ragged_row:"),
    16: (contract("L14"), "accepted", ""),
}
HISTORY = {
    2: (event("New", "2024-01-01"), "accepted", ""),
    3: (event("active", "2024-01-10"), "accepted", ""),
    4: (event("Paid-off", "2024-05-01"), "accepted", ""),
    5: (event("Active", "2024-06-01"), "quarantined", "status_transition:status"),
    6: (event("New", "2024-01-01", "L3"), "accepted", ""),
    7: (event("Written Off", "2024-03-01", "L3"), "quarantined", "status_transition:status"),
    8: (event("Close", "2024-03-01", "L4"), "accepted", ""),  # a history may begin anywhere
    9: (event("Active", "2024-03-01", "L99"), "parked", "orphan:contract_number"),
    10: (event("Active", "2024-03-01", "L5"), "accepted", ""),
    11: (event("Sold", "2024-03-01", "L5"), "accepted", ""),  # of one day, in the order of the statuses
}
INSTALLMENTS = {
    2: (installment("I1"), "accepted", ""),
    3: (installment("I2", position="2"), "accepted", ""),
    4: (installment("I3", "L99"), "parked", "orphan:contract_number"),
    5: (
        installment("I4", "L3", inst_amt_principal="99.996"),
        "accepted",
        "amount_rounded:inst_amt_principal installment_count:contract_number",
    ),
    6: (installment("I5", "L6"), "accepted", "schedule_sum:contract_number"),
    7: (installment("I6", "L6", position="2", inst_amt_principal="49.99"), "accepted", ""),
    8: (installment("I7", "L2"), "parked", "orphan:contract_number"),  # its contract waits for a client
}
REPAYMENTS = {
    2: (repayment("Y1"), "accepted", ""),
    3: (repayment("Y2", installment_id="I99"), "parked", "orphan:installment_id"),
    # the contract is paid
    4: (repayment("Y3", installment_id="I99", contract_number="L3"), "accepted", "unknown_installment:installment_id"),
    5: (repayment("Y4", installment_id="I1", contract_number="L3"), "accepted", ""),  # the installment wins
    6: (repayment("Y5", installment_id="", contract_number="L99"), "parked", "orphan:contract_number"),
    7: (repayment("Y6", installment_id=None), "quarantined", "required_value_missing:installment_id"),
    8: (repayment("Y7", repayment_date="2024-07-01"), "quarantined", "future_date:repayment_date"),
    9: (repayment("Y8", repayment_date="2024-01-09"), "quarantined", "before_start_date:repayment_date"),
    10: (repayment("Y9", repayment_amount="-10"), "quarantined", "negative_amount:repayment_amount"),
    11: (repayment("Y10", repayment_amount="-10", reverses_repayment_id="Y1"), "accepted", ""),
    12: (repayment("Y11", repayment_amount="10", reverses_repayment_id="Y10"), "quarantined", "reversal_of_reversal:reverses_repayment_id"),
    13: (repayment("Y12", repayment_amount="-10", reverses_repayment_id="Y99"), "parked", "orphan:reverses_repayment_id"),
    14: (repayment("Y13", installment_id=None, reverses_repayment_id="Y3"), "accepted", ""),  # of the contract of what it cancels
    15: (repayment("Y14", repayment_date="2024-01-10"), "accepted", ""),  # on the day of the start
    16: (repayment("Y15", repayment_date="2024-06-30", booked_at="2024-07-05T10:00:00+07:00"), "accepted", ""),
    17: (repayment("Y16", booked_at="2024-02-12T10:00:00+07:00"), "accepted", ""),
    18: (repayment("Y17", booked_at="2024-02-12"), "accepted", ""),
    19: (repayment("Y18", repayment_amount="7"), "quarantined", "key_conflict:"),
    20: (repayment("Y18", repayment_amount="8"), "quarantined", "key_conflict:"),
    21: (repayment("Y19", reverses_repayment_id="Y18"), "parked", "orphan:reverses_repayment_id"),  # of a row that is in quarantine
}
PENALTIES = {
    2: ({"penalty_id": "F1", "installment_id": "I1", "penalty_date": "2024-03-01", "penalty_amount": "5"}, "accepted", ""),
    3: (
        {"penalty_id": "F2", "installment_id": "I99", "penalty_date": "2024-03-01", "penalty_amount": "5"},
        "parked",
        "orphan:installment_id",
    ),
}
CASES = {
    "contracts": CONTRACTS,
    "contract_status_history": HISTORY,
    "installments": INSTALLMENTS,
    "repayments": REPAYMENTS,
    "penalties": PENALTIES,
}


@pytest.fixture(scope="module")
def opening(con: BaseBackend) -> Judged:
    """One opening delivery with every case."""
    files = [*PLACES, *((table, [row for row, _, _ in cases.values()]) for table, cases in CASES.items())]
    return judged(con, [Delivered(OPENING, files)])


@pytest.mark.parametrize("table", list(CASES))
def test_every_row_gets_its_disposition_and_rules(opening: Judged, table: str) -> None:
    expected = {number: (disposition, marks) for number, (_, disposition, marks) in CASES[table].items()}
    assert opening.of(table) == expected


def test_unknown_parents_of_clients_and_products_only_warn(opening: Judged) -> None:
    assert opening.of("clients") == {2: ("accepted", ""), 3: ("accepted", "unknown_region:region_id"), 4: ("accepted", "")}
    assert opening.of("products") == {2: ("accepted", ""), 3: ("accepted", "unknown_product_type:product_type_id")}


def by_key(opened: Judged, table: str, key: str) -> dict[str, dict[str, Any]]:
    return {row[key]: row for row in opened.staging[table]}


def test_values_are_trimmed_and_statuses_canonical(opening: Judged) -> None:
    assert by_key(opening, "regions", "region_id")["R1"]["region_name"] == "Hà Nội"
    assert by_key(opening, "contracts", "contract_number")["L1"]["status"] == "Active"
    assert by_key(opening, "clients", "client_id")["C3"]["region_id"] is None


def test_the_paid_contract_is_resolved(opening: Judged) -> None:
    rows = by_key(opening, "repayments", "repayment_id")
    paid = {key: (row["installment_id"], row["contract_number"]) for key, row in rows.items()}
    assert paid["Y1"] == ("I1", "L1")
    assert paid["Y3"] == ("I99", "L3")
    assert paid["Y4"] == ("I1", "L1")
    assert paid["Y13"] == (None, "L3")


def test_rows_of_the_opening_are_known_from_their_booking_or_event(opening: Judged) -> None:
    repaid = by_key(opening, "repayments", "repayment_id")
    assert repaid["Y1"]["known_at"] == end_of(date(2024, 2, 10))
    assert repaid["Y16"]["known_at"] == datetime(2024, 2, 12, 3, tzinfo=UTC)
    assert repaid["Y17"]["known_at"] == end_of(date(2024, 2, 12))  # a day means its end
    assert repaid["Y15"]["known_at"] == end_of(OPENING)  # booked after the opening: known with it
    assert by_key(opening, "installments", "installment_id")["I1"]["known_at"] == end_of(date(2024, 1, 10))  # its contract's start
    assert by_key(opening, "contracts", "contract_number")["L9"]["known_at"] == end_of(OPENING)  # starts later
    assert by_key(opening, "clients", "client_id")["C1"]["known_at"] < datetime(1900, 1, 2, tzinfo=UTC)
    assert all(row["is_opening"] for rows in opening.staging.values() for row in rows)


def test_quarantine_names_the_place_the_value_and_the_fix(opening: Judged) -> None:
    (row,) = [row for row in opening.quarantine if row["rule"] == "before_start_date"]
    assert (row["table_name"], row["source_row_number"], row["column_name"], row["severity"]) == (
        "repayments",
        9,
        "repayment_date",
        "reject",
    )
    assert row["reason"].startswith("repayment_date = '2024-01-09': The repayment is dated before its contract started; correct")
    assert row["raw_row"].startswith('{"repayment_id": "Y8", "repayment_date": "2024-01-09"')


def test_every_rule_has_a_sentence_with_a_fix() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.severity in SEVERITIES
        assert rule.sentence.endswith(".")
        assert ";" in rule.sentence or ":" in rule.sentence


def test_personal_values_are_masked(con: BaseBackend) -> None:
    files = [("clients", [{"client_id": "C1", "region_id": "R9", "client_name": "Nguyễn Văn An", "extra_values": '{"phone": "0901"}'}])]
    (row,) = judged(con, [Delivered(OPENING, files)], ["clients"]).quarantine
    assert row["raw_row"] == '{"client_id": "C1", "region_id": "R9", "client_name": "***"}'


REGION = {"region_id": "R", "region_name": "A"}


def region(name: str, **other: str | None) -> dict[str, str | None]:
    return {**REGION, "region_name": name, **other}


def versions(con: BaseBackend, *deliveries: Delivered) -> tuple[list[tuple[date, str | None, bool]], list[str]]:
    """Staged versions of the regions (date, name, deleted), and the dispositions and marks of all rows in order."""
    result = judged(con, deliveries, ["regions"])
    staged = sorted((row["business_date"], row["region_name"], row["is_deleted"]) for row in result.staging["regions"])
    rows = sorted(result.rows["regions"], key=lambda row: (row["file_number"], row["source_row_number"]))
    return staged, [f"{row['disposition']} {row['faults']}{row['notes']}".strip().removesuffix(":") for row in rows]


def test_a_value_may_return(con: BaseBackend) -> None:
    days = [Delivered(day, [("regions", [region(name)])]) for day, name in ((OPENING, "A"), (NEXT, "B"), (LATER, "A"), (LAST, "A"))]
    staged, dispositions = versions(con, *days)
    assert staged == [(OPENING, "A", False), (NEXT, "B", False), (LATER, "A", False)]
    assert dispositions == ["accepted", "accepted", "accepted", "duplicate"]


def test_the_later_delivery_of_a_date_wins_key_by_key(con: BaseBackend) -> None:
    other = {"region_id": "S", "region_name": "S"}
    staged, dispositions = versions(
        con,
        Delivered(OPENING, [("regions", [region("A"), other])]),
        Delivered(OPENING, [("regions", [region("B")])]),
        Delivered(OPENING, [("regions", [region("B"), other | {"extra_values": "{}"}])]),  # the same again in another file
    )
    assert staged == [(OPENING, "B", False), (OPENING, "S", False)]
    assert dispositions == ["duplicate superseded_by_delivery", "accepted", "accepted", "duplicate", "duplicate"]


def test_e22_a_key_twice_in_a_delivery(con: BaseBackend) -> None:
    early, late = "2024-06-01T00:00:00Z", "2024-06-02T00:00:00Z"
    staged, dispositions = versions(
        con,
        Delivered(OPENING, [("regions", [region("A"), region("A")])]),  # equal
        Delivered(NEXT, [("regions", [region("B", updated_at=early)]), ("regions", [region("C", updated_at=late)])]),
        Delivered(LATER, [("regions", [region("D", updated_at=late), region("E", updated_at=late)])]),  # nobody knows
        Delivered(LAST, [("regions", [region("F"), region("G", updated_at=early)])]),  # a row without a time is the oldest
    )
    assert staged == [(OPENING, "A", False), (NEXT, "C", False), (LAST, "G", False)]
    assert dispositions == [
        *("accepted", "duplicate"),
        *("duplicate superseded_in_delivery", "accepted"),
        *("quarantined key_conflict", "quarantined key_conflict"),
        *("duplicate superseded_in_delivery", "accepted"),
    ]


def test_tombstones_are_versions(con: BaseBackend) -> None:
    gone = {"region_id": "R", "op": "D"}
    staged, dispositions = versions(
        con,
        *(
            Delivered(day, [("regions", [row])])
            for day, row in ((OPENING, region("A")), (NEXT, gone), (LATER, region("Z", op="D")), (LAST, region("A")))
        ),
    )
    assert staged == [(OPENING, "A", False), (NEXT, None, True), (LAST, "A", False)]
    assert dispositions == ["accepted", "accepted", "duplicate", "accepted"]


def test_e31_a_parked_row_is_released_when_its_parent_arrives(con: BaseBackend) -> None:
    child = Delivered(OPENING, [("contracts", [contract("L1")])])
    waiting = judged(con, [child, Delivered(LAST, [("regions", [REGION])])], ["regions", "clients", "contracts"])
    assert waiting.of("contracts")[2][0] == "parked"
    assert [row["is_escalated"] for row in waiting.quarantine if row["rule"] == "orphan"] == [True]  # 12 days later
    parent = Delivered(NEXT, [("clients", [{"client_id": "C1", "region_id": None}])])
    released = judged(con, [child, parent], ["clients", "contracts"])
    (row,) = released.staging["contracts"]
    assert (row["business_date"], row["known_at"], row["is_opening"]) == (OPENING, end_of(date(2024, 1, 10)), True)
    fresh = judged(con, [child, Delivered(NEXT, [("regions", [REGION])])], ["regions", "clients", "contracts"])
    assert [row["is_escalated"] for row in fresh.quarantine if row["rule"] == "orphan"] == [False]


def test_e23_a_later_row_is_known_when_it_was_delivered(con: BaseBackend) -> None:
    """However early it was booked; and a late arrival of an earlier date is known at that date."""
    opened = Delivered(
        OPENING, [("clients", [{"client_id": "C1", "region_id": None}]), ("contracts", [contract("L1")]), ("repayments", [])]
    )
    late = repayment("Y1", installment_id=None, contract_number="L1", booked_at="2024-02-10T10:00:00Z")
    result = judged(con, [opened, Delivered(LATER, [("repayments", [late])])], ["clients", "contracts", "repayments"])
    (row,) = result.staging["repayments"]
    assert (row["known_at"], row["is_opening"], row["booked_at"]) == (end_of(LATER), False, datetime(2024, 2, 10, 10, tzinfo=UTC))


def test_an_accepted_repayment_is_not_judged_by_later_versions_of_its_contract(con: BaseBackend) -> None:
    paid = repayment("Y1", installment_id=None, contract_number="L1", repayment_date="2024-02-10")
    first = [("clients", [{"client_id": "C1", "region_id": None}]), ("contracts", [contract("L1")]), ("repayments", [paid])]
    moved = [("contracts", [contract("L1", start_date="2024-06-01")])]
    result = judged(con, [Delivered(OPENING, first), Delivered(NEXT, moved)], ["clients", "contracts", "repayments"])
    assert result.of("repayments") == {2: ("accepted", "")}


def test_e35_a_refused_event_is_accepted_when_delivered_again_with_the_one_between(con: BaseBackend) -> None:
    parents = [("clients", [{"client_id": "C1", "region_id": None}]), ("contracts", [contract("L1")])]
    jump = [event("New", "2024-01-01"), event("Sold", "2024-03-01")]
    fixed = [event("Active", "2024-01-10"), event("Sold", "2024-03-01")]
    result = judged(
        con,
        [Delivered(OPENING, [*parents, ("contract_status_history", jump)]), Delivered(NEXT, [("contract_status_history", fixed)])],
        ["clients", "contracts", "contract_status_history"],
    )
    found = {(row["business_date"], row["status"]): row["disposition"] for row in result.rows["contract_status_history"]}
    assert found == {
        (OPENING, "New"): "accepted",
        (OPENING, "Sold"): "quarantined",
        (NEXT, "Active"): "accepted",
        (NEXT, "Sold"): "accepted",
    }
