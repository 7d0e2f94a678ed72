"""Text in a lender's own form against a reader in plain Python, and through all rules of staging."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ibis.backends import BaseBackend

from warehouse.sources.dialect import Dialect
from warehouse.sources.repayments import REPAYMENTS
from warehouse.staging.dialect import UNDECLARED, plainly
from warehouse.staging.values import parse

COMMA = Dialect(decimal=",", thousands=".", date=("DD/MM/YYYY",), timestamp=("DD/MM/YYYY HH:MM:SS",))
OTHERS = (
    Dialect(decimal=",", thousands="\u00a0", date=("D.M.YYYY", "YYYYMMDD")),
    Dialect(thousands="'", date=("MM-DD-YYYY",), timestamp=("MM-DD-YYYYTHH:MM", "YYYYMMDD HHMMSS")),
)


def plain_texts(con: BaseBackend, dialect: Dialect | None, column: str, texts: Sequence[str | None]) -> list[str | None]:
    """One column of rows of repayments with that dialect, as staging goes on to read it."""
    marks = dialect and dialect.marks()
    names = [declared.name for declared in REPAYMENTS.all_columns]
    rows = {name: pa.array(texts if name == column else [None] * len(texts), pa.string()) for name in names}
    table = ibis.memtable(pa.table({**rows, "dialect": pa.array([marks] * len(texts), pa.string()), "place": range(len(texts))}))
    every = [known for known in (other.marks() for other in (COMMA, *OTHERS)) if known]
    return con.to_pyarrow(plainly(table, REPAYMENTS, every).order_by("place"))[column].to_pylist()


def number(text: str, dialect: Dialect) -> str | None:
    """The plain form of a number, read character by character; None if the text is no number of the dialect."""
    sign, digits = (text[0], text[1:]) if text[:1] in ("+", "-") and text else ("", text)
    whole, mark, decimals = digits.partition(dialect.decimal)
    groups = whole.split(dialect.thousands) if dialect.thousands else [whole]
    is_grouped = len(groups) == 1 or (1 <= len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:]))
    parts = [*groups, decimals] if mark else groups
    if not is_grouped or not all(part and set(part) <= set("0123456789") for part in parts):
        return None
    return sign + "".join(groups) + ("." + decimals if mark else "")


def day(text: str, form: str) -> str | None:
    """The plain form of a date, token by token; None if the text does not have the form."""
    found, rest = {}, text
    while form:
        token = next((token for token in ("YYYY", "MM", "DD", "M", "D") if form.startswith(token)), form[0])
        form = form[len(token) :]
        if token[0] not in "YMD":
            if not rest.startswith(token):
                return None
            rest = rest[1:]
            continue
        width = len(token)
        if width == 1:
            width = 2 if rest[1:2] in set("0123456789") - {""} and rest[1:2] else 1
        taken, rest = rest[:width], rest[width:]
        if len(taken) != width or not set(taken) <= set("0123456789"):
            return None
        found[token[0]] = taken.zfill(2)
    return None if rest else f"{found['Y']}-{found['M']}-{found['D']}"


NUMBER_TEXT = st.text(st.sampled_from("0123456789.,'\u00a0+-"), max_size=12) | st.from_regex(
    r"\A-?[0-9]{1,3}([.'\u00a0][0-9]{3}){0,2}([,.][0-9]{1,3})?\Z"
)
DATE_TEXT = (
    st.text(st.sampled_from("0123456789/.-"), max_size=11)
    | st.from_regex(r"\A[0-9]{1,2}[/.-][0-9]{1,2}[/.-](19|20)[0-9]{2}\Z")
    | st.from_regex(r"\A20[0-9]{6}\Z")
)


@settings(max_examples=8, deadline=None)
@given(st.sampled_from([COMMA, *OTHERS]), st.lists(NUMBER_TEXT, min_size=40, max_size=80))
def test_numbers_are_those_of_the_plain_reader(con: BaseBackend, dialect: Dialect, texts: list[str]) -> None:
    expected = [text and (number(text, dialect) or text + UNDECLARED) for text in texts]
    assert plain_texts(con, dialect, "repayment_amount", texts) == expected


@settings(max_examples=8, deadline=None)
@given(st.sampled_from([COMMA, *OTHERS]), st.lists(DATE_TEXT, min_size=40, max_size=80))
def test_dates_are_those_of_the_plain_reader(con: BaseBackend, dialect: Dialect, texts: list[str]) -> None:
    read = [next(filter(None, (day(text, form) for form in dialect.date)), None) for text in texts]
    assert plain_texts(con, dialect, "repayment_date", texts) == [
        text and (found or text + UNDECLARED) for text, found in zip(texts, read, strict=True)
    ]


@pytest.mark.parametrize(
    ("dialect", "text", "plain"),
    [
        (COMMA, "01/04/2025 09:30:00", "2025-04-01 09:30:00"),
        (COMMA, " 01/04/2025 09:30:00.5+07:00 ", "2025-04-01 09:30:00.5+07:00"),
        (COMMA, "01/04/2025", "2025-04-01"),
        (COMMA, "2025-04-01 09:30:00", None),
        (COMMA, "01/04/2025T09:30:00", None),
        (COMMA, "01/04/2025 09:30", None),
        (OTHERS[1], "04-01-2025T09:30", "2025-04-01 09:30"),
        (OTHERS[1], "20250401 093005Z", "2025-04-01 09:30:05Z"),
        (OTHERS[0], "1.4.2025", "2025-04-01"),
        (OTHERS[0], "2025-04-01 09:30:00", "2025-04-01 09:30:00"),
    ],
)
def test_timestamps(con: BaseBackend, dialect: Dialect, text: str, plain: str | None) -> None:
    assert plain_texts(con, dialect, "booked_at", [text]) == [plain or text + UNDECLARED]


def test_text_of_plain_rows_and_of_other_kinds_stays(con: BaseBackend) -> None:
    texts = ["1.234", "01/02/2024", None, ""]
    for column in ("repayment_amount", "repayment_date", "booked_at"):
        assert plain_texts(con, None, column, texts) == texts
    assert plain_texts(con, COMMA, "repayment_id", texts) == texts
    assert plain_texts(con, COMMA, "repayment_amount", [None, " "]) == [None, ""]


@pytest.mark.parametrize(
    ("column", "texts", "values", "fault"),
    [
        ("repayment_amount", ["1.234.567,00", "-0,1", "1234,5"], [Decimal("1234567.00"), Decimal("-0.10"), Decimal("1234.50")], ""),
        ("repayment_amount", ["1.23.456", "1234.5", "1,2,3", "1e5"], [None] * 4, "bad_number"),
        ("repayment_date", ["01/04/2025", "29/02/2024"], [date(2025, 4, 1), date(2024, 2, 29)], ""),
        ("repayment_date", ["31/04/2025", "29/02/2025", "2025-04-01", "1/4/2025", "04/13/2025"], [None] * 5, "bad_date"),
    ],
)
def test_e12_e27_only_the_declared_form_passes_the_rules(
    con: BaseBackend, column: str, texts: list[str], values: list[object], fault: str
) -> None:
    declared = next(each for each in REPAYMENTS.columns if each.name == column)
    table = ibis.memtable(pa.table({"text": plain_texts(con, COMMA, column, texts), "place": range(len(texts))}))
    parsed = parse(table.text, declared)
    found = con.to_pyarrow(table.select("place", value=parsed.value, faults=parsed.faults).order_by("place"))
    assert found["value"].to_pylist() == values
    assert [text.partition(":")[0] for text in found["faults"].to_pylist()] == [fault] * len(texts)
