"""Delivered text to typed values, as expressions: the text is checked before the cast.

A cast is no check: engines read `12.5` as the integer 13 and `1e5` as a number. So a pattern decides, and only text that passed it
reaches the cast; whatever failed is null and marked with its rule. Most values are spelled plainly: one pattern and one cast do for
them what the rules of `parse` do for all.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

import ibis
import ibis.expr.types as ir

from warehouse.sources.contract import KINDS, SourceColumn
from warehouse.staging.rules import broken, marks

YEAR = "(190[1-9]|19[1-9][0-9]|2[01][0-9]{2})"  # systems write 1900-01-01 and 9999-12-31 where they have no date
DAY = rf"{YEAR}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
NO_SUCH_DAY = r"-02-3|-(04|06|09|11)-31|^2100-02-29|^..([02468][1235679]|[13579][01345789])-02-29"
MIDNIGHT = r"[T ]00:00(:00([.]0+)?)?"
CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,9})?)?"
OFFSET = r"(Z|z|[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?)"
INVISIBLE = "[\u0001-\u001f\u007f-\u00a0\u00ad\u061c\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]"
PLAIN_DAY = (  # days that the calendar has in every year, so not 29 February
    f"{YEAR}-((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)"
)
PLAIN_TEXT = {  # kind -> texts of which `plain_value` gives what `parse` gives, without a mark
    "money": r"^[0-9]{1,15}([.][0-9]{1,2})?$",
    "ratio": r"^[0-9]{1,3}([.][0-9]{1,6})?$",
    "integer": "^[0-9]{1,9}$",
    "date": f"^{PLAIN_DAY}$",
    "timestamp": f"^{PLAIN_DAY}([T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](Z|[+-](0[0-9]|1[0-5]):[0-5][0-9])?)?$",
    "flag": "^(true|false)$",
}
PLAIN_ID = "^[!-~]+$"
PLAIN_WORDS = r"^[^\s\x00-\x1f]([^\x00-\x1f]*[^\s\x00-\x1f])?$"
END_OF_DAY = "23:59:59.999999"  # what a day without a time means
TRUE, FALSE = ("true", "t", "yes", "y", "1", "1.0"), ("false", "f", "no", "n", "0", "0.0")
INTEGER_DIGITS = 9  # fit into 32 bits


class Parsed(NamedTuple):
    """A typed value, null where the text broke a rule, and the marks of the rules that reject or warn."""

    value: ir.Value
    faults: ir.StringValue
    warnings: ir.StringValue


def parse(text: ir.StringValue, column: SourceColumn) -> Parsed:
    """Type one trimmed column; empty text is null.

    Args:
        text: trimmed, null if empty.
        column: what the contract says about it. A timestamp comes out without its zone, see is_wall_time.
    """
    if column.values:
        return _listed(text, column)
    readers: dict[str, Callable[[], Parsed]] = {
        "text": lambda: _text(text, column),
        "money": lambda: _decimal(text, column, whole_digits=15, scale=2),
        "ratio": lambda: _decimal(text, column, whole_digits=3, scale=6),
        "integer": lambda: _integer(text, column),
        "date": lambda: _date(text, column),
        "timestamp": lambda: _timestamp(text, column),
        "flag": lambda: _flag(text, column),
    }
    return readers[column.kind]()


def is_plain(text: ir.StringValue, column: SourceColumn) -> ir.BooleanValue:
    """Whether a text that is not empty, as delivered, is spelled so that `plain_value` reads it: nothing to trim, nothing to mark."""
    if column.values:
        return text.isin(column.values)
    if column.kind == "text":
        return text.re_search(PLAIN_ID if column.identifies else PLAIN_WORDS)
    return text.re_search(PLAIN_TEXT[column.kind])


def plain_value(text: ir.StringValue, column: SourceColumn) -> ir.Value:
    """The typed value of a plain text: what `parse` gives, in one step."""
    if column.kind == "text":
        return text.re_replace(*column.rewrite) if column.rewrite else text
    if column.kind == "flag":
        return text == "true"
    if column.kind != "timestamp":
        return text.cast(KINDS[column.kind])
    rest = text.substr(len("YYYY-MM-DD HH:MM:SS"))
    minutes = rest.substr(1, 2).try_cast("int32") * 60 + rest.substr(4, 2).try_cast("int32")
    east = minutes.fill_null(0) * ibis.ifelse(rest.startswith("-"), -60, 60)
    clock = ibis.ifelse(text.length() == len("YYYY-MM-DD"), END_OF_DAY, text.substr(len("YYYY-MM-DD "), len("HH:MM:SS")))
    return (text.substr(0, len("YYYY-MM-DD")) + " " + clock).cast("timestamp(6)") - east.as_interval("s")


def canonical(text: ir.StringValue, values: tuple[str, ...]) -> ir.StringValue:
    """The listed value that a text stands for, whatever its case, spaces, hyphens and underscores; null if none."""
    plain = text.re_replace(r"[\s_-]", "").lower()
    return ibis.cases(*((plain == value.replace(" ", "").replace("-", "").lower(), value) for value in values))


def _text(text: ir.StringValue, column: SourceColumn) -> Parsed:
    hidden = text.re_search(INVISIBLE) if column.identifies else ibis.literal(False)
    if column.rewrite:
        text = text.re_replace(*column.rewrite)
    return Parsed(text, broken(hidden, "invisible_character", column.name), marks())


def _listed(text: ir.StringValue, column: SourceColumn) -> Parsed:
    value = canonical(text, column.values or ())
    return Parsed(value, broken(text.notnull() & value.isnull(), "value_not_allowed", column.name), marks())


def _decimal(text: ir.StringValue, column: SourceColumn, whole_digits: int, scale: int) -> Parsed:
    """Rounding half up (away from zero) is done on the text: engines round half to even, half up or not at all."""
    is_number = text.re_search(r"^[+-]?[0-9]+([.][0-9]+)?$")
    is_large = text.re_search(rf"^[+-]?0*[1-9][0-9]{{{whole_digits},}}([.]|$)")
    checked = ibis.ifelse(is_number & ~is_large, text.re_replace("^[+]", ""), ibis.null("string"))
    kept = checked.re_extract(rf"^-?[0-9]+([.][0-9]{{1,{scale}}})?", 0)
    unit = Decimal(1).scaleb(-scale)
    step = ibis.cases(
        (checked.re_search(rf"^-[0-9]+[.][0-9]{{{scale}}}[5-9]"), -unit),
        (checked.re_search(rf"^[0-9]+[.][0-9]{{{scale}}}[5-9]"), unit),
        else_=Decimal(0) * unit,
    )
    value = (kept.cast(KINDS[column.kind]) + step.cast(KINDS[column.kind])).cast(KINDS[column.kind])
    faults = marks(
        broken(text.notnull() & ~is_number, "bad_number", column.name),
        broken(is_number & is_large, "number_too_large", column.name),
    )
    if not column.negative:
        faults = faults + broken(value < 0, "negative_amount", column.name)
    rounded = checked.re_search(rf"[.][0-9]{{{scale}}}[0-9]*[1-9]") if column.kind == "money" else ibis.literal(False)
    return Parsed(value, faults, broken(rounded, "amount_rounded", column.name))


def _integer(text: ir.StringValue, column: SourceColumn) -> Parsed:
    is_integer = text.re_search(r"^[+-]?[0-9]+([.]0+)?$")
    is_large = text.re_search(rf"^[+-]?0*[1-9][0-9]{{{INTEGER_DIGITS},}}([.]|$)")
    checked = ibis.ifelse(is_integer & ~is_large, text, ibis.null("string"))
    value = checked.re_replace("^[+]", "").re_extract("^-?[0-9]+", 0).cast(KINDS["integer"])
    faults = marks(
        broken(text.notnull() & ~is_integer, "bad_integer", column.name),
        broken(is_integer & is_large, "number_too_large", column.name),
    )
    if not column.negative:
        faults = faults + broken(value < 0, "negative_amount", column.name)
    return Parsed(value, faults, marks())


def _is_day(text: ir.StringValue, rest: str) -> ir.BooleanValue:
    """Whether a text begins with a day that the calendar has and goes on as the pattern says."""
    return text.re_search(f"^{DAY}{rest}$") & ~text.re_search(NO_SUCH_DAY)


def _date(text: ir.StringValue, column: SourceColumn) -> Parsed:
    """A day; a time after it must be midnight, as exports of date columns write it."""
    is_day = _is_day(text, f"({MIDNIGHT})?")
    value = ibis.ifelse(is_day, text.substr(0, 10), ibis.null("string")).cast("date")
    return Parsed(value, broken(text.notnull() & ~is_day, "bad_date", column.name), marks())


def _timestamp(text: ir.StringValue, column: SourceColumn) -> Parsed:
    """A time without its zone: in UTC if it was delivered with an offset, else a wall time; a day alone means its end."""
    is_time = _is_day(text, f"([T ]{CLOCK} ?{OFFSET}?)?")
    rest = text.substr(len("YYYY-MM-DD"))
    clock = ibis.cases(
        (rest == "", END_OF_DAY),
        (rest.re_search("^.[0-9]{2}:[0-9]{2}([^:]|$)"), rest.substr(1, len("HH:MM")) + ":00"),
        else_=rest.re_extract("[0-9:]{8}([.][0-9]{1,6})?", 0),
    )
    delivered = ibis.ifelse(is_time, text.substr(0, len("YYYY-MM-DD")) + " " + clock, ibis.null("string")).cast("timestamp(6)")
    value = delivered - _seconds_east(rest).as_interval("s")
    return Parsed(value, broken(text.notnull() & ~is_time, "bad_timestamp", column.name), marks())


def is_wall_time(text: ir.StringValue) -> ir.BooleanValue:
    """Whether a delivered time has no offset, so that it counts in the lender's zone."""
    return ~text.substr(len("YYYY-MM-DD")).re_search("[Zz+-]")


def _seconds_east(rest: ir.StringValue) -> ir.IntegerValue:
    """Seconds east of UTC of the offset behind a clock time, such as Z, +07:00 or -0330; 0 without one."""
    hours = rest.re_extract("[+-]([0-9]{2})", 1).nullif("").cast("int32").fill_null(0)
    minutes = rest.re_extract("[+-][0-9]{2}:?([0-9]{2})", 1).nullif("").cast("int32").fill_null(0)
    return (hours * 3600 + minutes * 60) * ibis.ifelse(rest.contains("-"), -1, 1)


def _flag(text: ir.StringValue, column: SourceColumn) -> Parsed:
    lowered = text.lower()
    value = ibis.cases((lowered.isin(TRUE), True), (lowered.isin(FALSE), False))
    return Parsed(value, broken(text.notnull() & value.isnull(), "bad_flag", column.name), marks())
