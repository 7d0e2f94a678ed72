"""Delivered text to typed values: what is accepted, what is refused and by which rule."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import ibis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ibis.backends import BaseBackend

from warehouse.clock import instant_at
from warehouse.sources import SourceColumn
from warehouse.staging.values import is_plain, is_wall_time, parse, plain_value
from warehouse.terms import STATUSES


def parsed(con: BaseBackend, kind: str, texts: list[str | None], **options: Any) -> list[tuple[Any, str]]:
    """Value and first mark of each text."""
    table = ibis.memtable({"position": range(len(texts)), "text": texts}, schema={"position": "int64", "text": "string"})
    result = parse(table.text, SourceColumn("x", kind, "", **options))
    rows = con.to_pyarrow(table.select("position", value=result.value, marks=result.faults + result.warnings)).to_pylist()
    return [(row["value"], row["marks"].partition(":")[0]) for row in sorted(rows, key=lambda row: row["position"])]


MONEY = {
    "12": (Decimal("12.00"), ""),
    "+12.5": (Decimal("12.50"), ""),
    "0007.10": (Decimal("7.10"), ""),
    "-0": (Decimal("0.00"), ""),
    "12.345": (Decimal("12.35"), "amount_rounded"),  # half up
    "12.344": (Decimal("12.34"), "amount_rounded"),
    "0.005": (Decimal("0.01"), "amount_rounded"),
    "12.500": (Decimal("12.50"), ""),  # more digits, the same value
    "999999999999999.99": (Decimal("999999999999999.99"), ""),
    "1000000000000000": (None, "number_too_large"),
    "1" + "0" * 30: (None, "number_too_large"),
    "-1": (Decimal("-1.00"), "negative_amount"),
    "-1.005": (Decimal("-1.01"), "negative_amount"),  # half up is away from zero
    "1e5": (None, "bad_number"),  # a cast would read 100000
    "1e308": (None, "bad_number"),
    "1,2,3": (None, "bad_number"),
    "9223372036854775808": (None, "number_too_large"),
    "1,234.50": (None, "bad_number"),
    "1.234.567,00": (None, "bad_number"),
    ".5": (None, "bad_number"),
    "5.": (None, "bad_number"),
    "NaN": (None, "bad_number"),
    "inf": (None, "bad_number"),
    "١٢٣": (None, "bad_number"),
    "1 000": (None, "bad_number"),
    "12O0": (None, "bad_number"),
    None: (None, ""),
}
INTEGERS = {
    "12": (12, ""),
    "12.0": (12, ""),
    "12.00": (12, ""),
    "007": (7, ""),
    "12.5": (None, "bad_integer"),  # a cast would read 13
    "1e3": (None, "bad_integer"),
    "999999999": (999_999_999, ""),
    "1000000000": (None, "number_too_large"),
    "9223372036854775808": (None, "number_too_large"),
    "-3": (-3, "negative_amount"),
}
DATES = {
    "2024-02-29": (date(2024, 2, 29), ""),
    "2023-02-29": (None, "bad_date"),
    "2100-02-29": (None, "bad_date"),
    "2000-02-29": (date(2000, 2, 29), ""),
    "2024-04-31": (None, "bad_date"),
    "2024-13-01": (None, "bad_date"),
    "2024-00-10": (None, "bad_date"),
    "2024-1-5": (None, "bad_date"),
    "31/12/2024": (None, "bad_date"),
    "20240131": (None, "bad_date"),
    "9999-12-31": (None, "bad_date"),
    "365243": (None, "bad_date"),
    "2024-01-31 00:00:00": (date(2024, 1, 31), ""),  # a date column exported with its midnight
    "2024-01-31T00:00:00.000": (date(2024, 1, 31), ""),
    "2024-01-31 10:00:00": (None, "bad_date"),
}
STATUS_TEXTS = {
    "ACTIVE": "Active",
    "paid off": "Paid-off",
    "Paid_Off": "Paid-off",
    "written-off": "Written Off",
    "SOLD": "Sold",
    "close": "Close",
}


@pytest.mark.parametrize(("kind", "cases"), [("money", MONEY), ("integer", INTEGERS)], ids=["money", "integer"])
def test_e29_numbers_are_checked_before_the_cast(con: BaseBackend, kind: str, cases: dict[str | None, tuple[Any, str]]) -> None:
    found = parsed(con, kind, list(cases))
    assert dict(zip(cases, found, strict=True)) == cases


def test_e26_dates_are_checked_before_the_cast(con: BaseBackend) -> None:
    assert dict(zip(DATES, parsed(con, "date", list(DATES)), strict=True)) == DATES


def test_negative_numbers_where_the_contract_allows_them(con: BaseBackend) -> None:
    assert parsed(con, "money", ["-12.34"], negative=True) == [(Decimal("-12.34"), "")]


def test_e34_statuses_match_without_case_spaces_and_hyphens(con: BaseBackend) -> None:
    found = parsed(con, "text", [*STATUS_TEXTS, "Da tra het"], values=STATUSES)
    assert found == [(value, "") for value in STATUS_TEXTS.values()] + [(None, "value_not_allowed")]


def test_flags(con: BaseBackend) -> None:
    found = parsed(con, "flag", ["true", "F", "Yes", "0", "1.0", "maybe", None])
    assert found == [(True, ""), (False, ""), (True, ""), (False, ""), (True, ""), (None, "bad_flag"), (None, "")]


def test_e38_an_id_with_an_invisible_character_is_refused(con: BaseBackend) -> None:
    table = ibis.memtable({"text": ["C1", "C\u200b1", "\u202eC1", "Nguyễn", "'; DROP TABLE x"]})
    result = parse(table.text, SourceColumn("client_id", "text", ""))
    marked = con.to_pyarrow(table.select("text", marks=result.faults)).to_pylist()
    assert {row["text"] for row in marked if row["marks"]} == {"C\u200b1", "\u202eC1"}


TIMES = {  # text -> (wall or UTC time, whether it is a wall time)
    "2024-01-31T10:00:00Z": (datetime(2024, 1, 31, 10), False),
    "2024-01-31T10:00:00+07:00": (datetime(2024, 1, 31, 3), False),
    "2024-01-31T23:59:59+07:00": (datetime(2024, 1, 31, 16, 59, 59), False),  # the last second of the lender's day
    "2024-01-31T23:59:59Z": (datetime(2024, 1, 31, 23, 59, 59), False),
    "2024-01-31T23:59:59": (datetime(2024, 1, 31, 23, 59, 59), True),
    "2024-01-31 10:00:00 -0330": (datetime(2024, 1, 31, 13, 30), False),
    "2024-01-31T10:00:00.123456789+07": (datetime(2024, 1, 31, 3, 0, 0, 123456), False),
    "2024-01-31 10:00": (datetime(2024, 1, 31, 10), True),
    "2024-01-31T23:59:59.5": (datetime(2024, 1, 31, 23, 59, 59, 500000), True),
    "2024-01-31": (datetime(2024, 1, 31, 23, 59, 59, 999999), True),  # a day means its end
    "2024-01-31T24:00:00Z": None,
    "2024-02-30T10:00:00Z": None,
    "2024-01-31T10:61:00": None,
    "yesterday": None,
}


def test_e28_times_with_and_without_offset(con: BaseBackend) -> None:
    table = ibis.memtable({"text": list(TIMES)})
    result = parse(table.text, SourceColumn("booked_at", "timestamp", ""))
    shown = table.select("text", value=result.value, marks=result.faults, is_wall=is_wall_time(table.text))
    for row in con.to_pyarrow(shown).to_pylist():
        expected = TIMES[row["text"]]
        found = None if row["marks"] == "bad_timestamp:booked_at " else (row["value"], row["is_wall"])
        assert found == expected, row["text"]


@pytest.mark.parametrize("zone", ["Asia/Ho_Chi_Minh", "Europe/Prague", "America/New_York", "UTC"])
def test_e28_wall_times_are_of_the_lenders_zone(con: BaseBackend, zone: str) -> None:
    """Around changes of the clock: 2:30 may happen never or twice; the first counts, as in Python."""
    walls = [datetime(2024, month, day, hour, 30) for month, day in ((3, 10), (3, 31), (10, 27), (11, 3), (7, 1)) for hour in range(5)]
    table = ibis.memtable({"wall": walls}, schema={"wall": "timestamp(6)"})
    for row in con.to_pyarrow(table.mutate(instant=instant_at(table.wall, zone))).to_pylist():
        assert row["instant"].astimezone(UTC) == row["wall"].replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(alphabet="0123456789.+-e, -T:Z", max_size=12), min_size=20, max_size=60))
def test_any_text_is_typed_or_refused_but_never_fails(con: BaseBackend, texts: list[str]) -> None:
    for kind in ("money", "ratio", "integer", "date", "timestamp", "flag"):
        for text, (value, rule) in zip(texts, parsed(con, kind, texts, negative=True), strict=True):
            assert (value is None) == rule.startswith(("bad_", "number_too_large")), (kind, text, value, rule)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(alphabet="0123456789.+-e, -T:Ztruefals\u00a0A", min_size=1, max_size=26), min_size=20, max_size=60))
def test_the_short_way_gives_what_the_rules_give(con: BaseBackend, texts: list[str]) -> None:
    """A plain text is read in one step; the rules say the same of it, and mark nothing."""
    texts += [
        "2024-02-28",
        "2024-02-28 10:11:12",
        "2024-02-28T10:11:12-07:30",
        "2024-12-31T10:11:12Z",
        "12.5",
        "0012",
        "KH-00000012",
        "Active",
        "true",
    ]
    table = ibis.memtable({"text": texts})
    columns = [SourceColumn("x", kind, "") for kind in ("money", "ratio", "integer", "date", "timestamp", "flag", "text")]
    columns += [SourceColumn("x_id", "text", "", rewrite=(r"^KH-([0-9]{8})$", r"\1")), SourceColumn("x", "text", "", values=STATUSES)]
    for column in columns:
        plain = table.filter(is_plain(table.text, column))
        rules = parse(plain.text.strip().nullif(""), column)
        both = plain.select("text", short=plain_value(plain.text, column), long=rules.value, marks=rules.faults + rules.warnings)
        found = con.to_pyarrow(both).to_pylist()
        assert found, column
        assert all(row["short"] == row["long"] and row["marks"] == "" for row in found), column
