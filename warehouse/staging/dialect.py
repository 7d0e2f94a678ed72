"""Text in a lender's own form to the plain form: numbers with a point, dates with the year first.

Runs before typing, on rows of raw that hold marks of a dialect. Nothing is guessed: text that the declaration does not describe is marked
so that the rules of values reject it, even where it would be fine as plain text, such as `2025-04-01` in a file of days first.
"""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from warehouse.sources import SourceColumn, SourceTable
from warehouse.sources.dialect import ISO_DATE, Dialect, clock_of, date_tokens

NUMBERS = ("money", "ratio", "integer")
UNDECLARED = " (not as declared)"
DIGITS = {"YYYY": "[0-9]{4}", "MM": "[0-9]{2}", "M": "[0-9]{1,2}", "DD": "[0-9]{2}", "D": "[0-9]{1,2}"}
CLOCKS = {"HH:MM:SS": "[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.][0-9]{1,9})?", "HH:MM": "[0-9]{2}:[0-9]{2}", "HHMMSS": "[0-9]{6}"}
OFFSET = "(?: ?(?:Z|z|[+-][0-9]{2}(?::?[0-9]{2})?))?"


def plainly(rows: ir.Table, source: SourceTable, dialects: Sequence[str]) -> ir.Table:
    """Rows of raw with their numbers and dates in the plain form.

    Grain: as the rows.

    Args:
        rows: of raw.<name>, with the column dialect.
        source: the table's contract.
        dialects: values of the column dialect; rows with another value, or null, stay as they are.
    """
    declared = {marks: Dialect.of_marks(marks) for marks in dialects}
    changed: dict[str, ir.Value] = {}
    for column in source.all_columns:
        text = rows[column.name].strip()
        forms = {marks: _plain(text, column, dialect) for marks, dialect in declared.items()}
        cases = [(rows["dialect"] == marks, form) for marks, form in forms.items() if form is not None]
        if cases:
            changed[column.name] = ibis.cases(*cases, else_=rows[column.name])
    return rows.mutate(**changed) if changed else rows


def _plain(text: ir.StringValue, column: SourceColumn, dialect: Dialect) -> ir.StringValue | None:
    """The plain form of a trimmed text; None if the dialect writes such values plainly."""
    if column.values:
        return None
    if column.kind in NUMBERS and (dialect.decimal != "." or dialect.thousands):
        return _number(text, dialect)
    if column.kind == "date" and dialect.date != (ISO_DATE,):
        return _first_that_fits(text, [_date(text, form) for form in dialect.date])
    if column.kind == "timestamp":
        return _timestamp(text, dialect)
    return None


def _number(text: ir.StringValue, dialect: Dialect) -> ir.StringValue:
    digits = text.replace(dialect.thousands, "") if dialect.thousands else text
    return _first_that_fits(text, [(text.re_search(dialect.number_pattern), digits.replace(dialect.decimal, "."))])


def _timestamp(text: ir.StringValue, dialect: Dialect) -> ir.StringValue | None:
    """A day alone is written as in columns of dates; without a declared form, times are plain."""
    days = [_date(text, form) for form in dialect.date] if dialect.date != (ISO_DATE,) else []
    if not dialect.timestamp:
        return ibis.cases(*days, else_=text) if days else None
    if not days:
        days = [_date(text, ISO_DATE)]
    return _first_that_fits(text, [*(_time(text, form) for form in dialect.timestamp), *days])


def _first_that_fits(text: ir.StringValue, forms: list[tuple[ir.BooleanValue, ir.StringValue]]) -> ir.StringValue:
    """The plain form of a text, or the text with a mark that no rule takes."""
    return ibis.cases((text == "", text), *forms, else_=text + UNDECLARED)


def _date(text: ir.StringValue, form: str, rest: str = "") -> tuple[ir.BooleanValue, ir.StringValue]:
    """Whether a text has a form of dates, and its year, month and day; whether the calendar has the day is for the rules of values."""
    pattern, groups = _pattern(form)
    pattern = f"^{pattern}{rest}$"
    year, month, day = (text.re_extract(pattern, groups[letter]) for letter in "YMD")
    return text.re_search(pattern), year + "-" + month.lpad(2, "0") + "-" + day.lpad(2, "0")


def _time(text: ir.StringValue, form: str) -> tuple[ir.BooleanValue, ir.StringValue]:
    """The same of a form of timestamps; an offset may follow."""
    date, mark, clock = clock_of(form)
    rest = f"{mark}({CLOCKS[clock]})({OFFSET})"
    fits, day = _date(text, date, rest)
    pattern = f"^{_pattern(date)[0]}{rest}$"
    time = text.re_extract(pattern, 4)
    if clock == "HHMMSS":
        time = time.substr(0, 2) + ":" + time.substr(2, 2) + ":" + time.substr(4, 2)
    return fits, day + " " + time + text.re_extract(pattern, 5)


def _pattern(form: str) -> tuple[str, dict[str, int]]:
    """The regular expression of a form of dates, and the group of its year, month and day by their letters."""
    parts: list[str] = []
    groups: dict[str, int] = {}
    for part in date_tokens(form):
        if part in DIGITS:
            groups[part[0]] = len(groups) + 1
            parts.append(f"({DIGITS[part]})")
        else:
            parts.append(f"[{part}]")
    return "".join(parts), groups
