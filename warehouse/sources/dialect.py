"""How a lender writes the text of a source table: marks between fields, encoding, marks in numbers, order of dates.

The reader undoes delimiter, quote and encoding. Marks of numbers and dates stay in raw as they were delivered: raw holds the declaration
beside them (`Dialect.marks`), and staging reads them by it, so that a later change of the file of dialects changes no row that is held.
"""

import codecs
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from itertools import combinations, product
from pathlib import Path
from typing import Any

ISO_DATE = "YYYY-MM-DD"
DELIMITERS = ",;|\t^~:"
QUOTES = ('"', "'", "")
THOUSANDS = ("", ".", ",", "'", "’", " ", "\u00a0", "\u202f")
DATE_TOKENS = {"YYYY": (4,), "MM": (2,), "M": (1, 2), "DD": (2,), "D": (1, 2)}
CLOCKS = ("HH:MM:SS", "HH:MM", "HHMMSS")
CONTROL_TOTALS = "control_totals"  # the section of files that say what a delivery holds
_PLAIN_SECTION = "default"


class DialectError(ValueError):
    """A file of dialects declares something that cannot be read; the message names the section, the value and the rule."""


@dataclass(frozen=True)
class Dialect:
    """How the text of one source table is written; as it stands, the plain form.

    Attributes:
        delimiter: character between the fields of a csv file.
        quote: character around fields of a csv file; empty if quotes have no meaning.
        encoding: of csv and jsonl files without a byte order mark, by its Python name.
        decimal: mark before the decimals of a number in a csv file.
        thousands: mark between groups of three digits in a csv file; empty for none. Numbers without it are read too.
        date: forms of a date, of YYYY, MM or M, DD or D and marks between them; M and D have one or two digits.
        timestamp: forms of a timestamp, a date and a clock such as `DD/MM/YYYY HH:MM:SS`; empty for the plain form.
    """

    delimiter: str = ","
    quote: str = '"'
    encoding: str = "utf-8"
    decimal: str = "."
    thousands: str = ""
    date: tuple[str, ...] = (ISO_DATE,)
    timestamp: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._check_fields()
        self._check_numbers()
        for form in self.date:
            date_tokens(form)
        for form in self.timestamp:
            clock_of(form)
        _refuse_ambiguous(self.date)
        _refuse_ambiguous(self.timestamp)

    def marks(self, numbers: bool = True) -> str | None:
        """What differs from the plain form in numbers and dates, as JSON with sorted keys; None if nothing does.

        Args:
            numbers: whether the numbers of the file are text under this dialect; those of JSON are not.
        """
        names = ("decimal", "thousands") if numbers else ()
        plain = Dialect()
        differs = {name: getattr(self, name) for name in (*names, "date", "timestamp") if getattr(self, name) != getattr(plain, name)}
        return json.dumps(differs, sort_keys=True, ensure_ascii=False, separators=(",", ":")) if differs else None

    @property
    def number_pattern(self) -> str:
        """Regular expression of a whole number text: groups of three if any, sign and decimals optional."""
        mark = re.escape(self.thousands)
        grouped = f"|[0-9]{{1,3}}({mark}[0-9]{{3}})+" if mark else ""
        return f"^[+-]?([0-9]+{grouped})([{self.decimal}][0-9]+)?$"

    def number(self, text: str) -> Decimal | None:
        """The number that a text is under this dialect; None if it is none."""
        if not re.fullmatch(self.number_pattern, text):
            return None
        return Decimal(text.replace(self.thousands, "").replace(self.decimal, "."))

    @classmethod
    def of_marks(cls, marks: str) -> "Dialect":
        """The dialect with the marks that raw holds."""
        declared: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(marks).items()}
        return cls(**declared)

    def _check_fields(self) -> None:
        _one_of("delimiter", self.delimiter, tuple(DELIMITERS))
        _one_of("quote", self.quote, QUOTES)
        try:
            codec = codecs.lookup(self.encoding)
            sample = "".join(map(chr, range(32, 127)))
            holds_ascii = codec.name.startswith(("utf-8", "utf-16", "utf-32")) or sample.encode(self.encoding) == sample.encode()
        except (LookupError, UnicodeError):
            holds_ascii = False
        if not holds_ascii:
            raise DialectError(f"encoding {self.encoding!r}: must be the name of a text encoding such as utf-8, cp1258 or latin-1")

    def _check_numbers(self) -> None:
        _one_of("decimal", self.decimal, (".", ","))
        _one_of("thousands", self.thousands, THOUSANDS)
        if self.decimal == self.thousands:
            raise DialectError(f"decimal and thousands are both {self.decimal!r}; a number could be read in two ways")


def date_tokens(form: str) -> tuple[str, ...]:
    """The parts of a date form: tokens, and the marks between them.

    Raises:
        DialectError: the form does not name a year, a month and a day once each, or they run into each other.
    """
    parts = tuple(part for part in re.split("(YYYY|MM|M|DD|D)", form) if part)
    tokens = [part for part in parts if part in DATE_TOKENS]
    marks = [part for part in parts if part not in DATE_TOKENS]
    if sorted(token[0] for token in tokens) != ["D", "M", "Y"] or any(not re.fullmatch("[-/. ]", mark) for mark in marks):
        raise DialectError(
            f"date {form!r}: must have YYYY, MM (or M) and DD (or D) once, with one of - / . or a space between them, or none"
        )
    if {"M", "D"} & set(tokens) and len(parts) != 5:
        raise DialectError(f"date {form!r}: M and D have one or two digits, so they need a mark between them")
    if parts[0] not in DATE_TOKENS or parts[-1] not in DATE_TOKENS:
        raise DialectError(f"date {form!r}: must begin and end with YYYY, MM, M, DD or D")
    return parts


def clock_of(form: str) -> tuple[str, str, str]:
    """The date form, the mark (a space or T) and the clock of a timestamp form.

    Raises:
        DialectError: it is none.
    """
    for clock in CLOCKS:
        for mark in (" ", "T"):
            if form.endswith(mark + clock):
                date = form.removesuffix(mark + clock)
                date_tokens(date)
                return date, mark, clock
    raise DialectError(f"timestamp {form!r}: must be a date, a space or T, and one of {', '.join(CLOCKS)}, such as DD/MM/YYYY HH:MM:SS")


def read_dialects(path: Path | None) -> dict[str, Dialect]:
    """The dialects of a TOML file: one section a source table, and `default` for the keys and tables that have none.

    Args:
        path: of the file; None if every table is plain.

    Returns:
        dialects by source table, all of them, and that of control totals.

    Raises:
        DialectError: the file cannot be used; the message names it and the section.
    """
    from warehouse.sources import SOURCES  # here, because the sources' contracts do not need this module

    names = [*(source.name for source in SOURCES), CONTROL_TOTALS]
    if path is None:
        return dict.fromkeys(names, Dialect())
    try:
        sections = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DialectError(f"{path}: cannot be read as TOML ({error})") from error
    for name, section in sections.items():
        if not isinstance(section, dict):
            raise DialectError(f"{path}: {name}: must stand below a section, such as [default]")
        if name != _PLAIN_SECTION and name not in names:
            raise DialectError(f"{path}: [{name}]: no source table has this name; use default or one of {', '.join(names)}")
    plain = sections.get(_PLAIN_SECTION, {})
    _declared(path, _PLAIN_SECTION, plain)
    return {name: _declared(path, name, plain | sections.get(name, {})) for name in names}


def _declared(path: Path, section: str, keys: Mapping[str, Any]) -> Dialect:
    """One section as a dialect; a single form of a date or timestamp may stand without its list."""
    known = {field.name: isinstance(field.default, tuple) for field in fields(Dialect)}
    values: dict[str, Any] = {}
    for key, value in keys.items():
        if key not in known:
            raise DialectError(f"{path}: [{section}] {key}: no such key; use one of {', '.join(known)}")
        several = [value] if known[key] and isinstance(value, str) else value
        is_fine = isinstance(value, str) if not known[key] else isinstance(several, list) and all(isinstance(form, str) for form in several)
        if not is_fine or (key == "date" and not several):
            raise DialectError(f"{path}: [{section}] {key} = {value!r}: must be a text{' or a list of texts' if known[key] else ''}")
        values[key] = tuple(several) if known[key] else value
    try:
        dialect = Dialect(**values)
    except DialectError as error:
        raise DialectError(f"{path}: [{section}] {error}") from None
    if dialect.delimiter in (dialect.decimal, dialect.thousands):
        raise DialectError(
            f"{path}: [{section}] delimiter {dialect.delimiter!r} is also a mark inside numbers; declare the delimiter of the files"
        )
    return dialect


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise DialectError(f"{name} {value!r}: must be one of {' '.join(map(repr, allowed))}")


def _refuse_ambiguous(forms: tuple[str, ...]) -> None:
    """Two forms that one text could have would make 01/02 a guess."""
    for one, other in combinations(forms, 2):
        if _shapes(one) & _shapes(other):
            raise DialectError(f"{one!r} and {other!r}: one text could be read by both; declare one of them")


def _shapes(form: str) -> set[str]:
    """What texts of a form look like, with 9 for each digit."""
    pieces = re.split("(YYYY|MM|M|DD|D|HH|SS)", form)
    widths = [DATE_TOKENS.get(piece, (2,) if piece in ("HH", "SS") else None) for piece in pieces]
    choices = [["9" * width for width in found] if found else [piece] for piece, found in zip(pieces, widths, strict=True)]
    return {"".join(choice) for choice in product(*choices)}
