"""Rows of csv text by Python's csv module in strict mode, which never drops, fills or shifts a row silently.

Exact and slow (about 5 microseconds a row). csv_block reads plain lines in another way and leaves to this module every line on which
the two could differ, so what this module does is what a csv file means here.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from warehouse.raw.header import FileRejected
from warehouse.raw.text import MAX_LINE
from warehouse.sources.dialect import Dialect

FIELD_CHARACTERS = csv.field_size_limit()  # in one field: 131,072 unless someone changed it


@dataclass(frozen=True)
class Row:
    """One row of the text.

    Attributes:
        number: line on which it begins.
        fields: its text, quotes undone.
        has_nul: whether one of its lines holds a NUL character.
        lines: lines read from the text when it ended.
        position: characters read from the text when it ended.
    """

    number: int
    fields: list[str]
    has_nul: bool
    lines: int
    position: int

    @property
    def is_blank(self) -> bool:
        """Whether the row is an empty line, which is no row of a table."""
        return not self.fields or (len(self.fields) == 1 and not self.fields[0].strip())


class _Lines:
    """Lines on their way to the csv module."""

    def __init__(self, lines: Iterator[str], first: int) -> None:
        self._lines, self._first = lines, first
        self.count = self.position = 0
        self.has_nul = self.is_exhausted = False

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = next(self._lines, "")
        if not line:
            self.is_exhausted = True
            raise StopIteration
        self.count += 1
        self.position += len(line)
        if len(line) >= MAX_LINE:
            number = self._first + self.count - 1
            raise FileRejected(f"line {number}: longer than {MAX_LINE} characters; no row of a table is, deliver the file again")
        self.has_nul = self.has_nul or "\0" in line
        return line


def strict_rows(lines: Iterator[str], first: int, dialect: Dialect, is_last: bool) -> Iterator[Row]:
    """Rows of some lines, blank ones too, of which the first begins a row.

    Args:
        lines: with their ends.
        first: number of the first line.
        dialect: delimiter and quote.
        is_last: whether nothing follows. If not, a row that the lines begin and do not end is left out.

    Raises:
        FileRejected: a quote is out of place, or a field or line is too long.
    """
    source = _Lines(lines, first)
    reader = csv.reader(source, strict=True, **_marks(dialect))
    begins = first
    try:
        for fields in reader:
            yield Row(begins, fields, source.has_nul, source.count, source.position)
            begins, source.has_nul = first + source.count, False
    except csv.Error as error:
        if source.is_exhausted and not is_last:
            return
        place = max(first + source.count - 1, first)
        raise FileRejected(f"near line {place}: {error}; a quote or a field there is wrong, deliver the file again") from error


def _marks(dialect: Dialect) -> dict[str, Any]:
    if not dialect.quote:
        return {"delimiter": dialect.delimiter, "quoting": csv.QUOTE_NONE, "quotechar": None}
    return {"delimiter": dialect.delimiter, "quotechar": dialect.quote}
