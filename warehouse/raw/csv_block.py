"""Rows of one block of csv lines: plain lines through Arrow, at a twentieth of the cost, all others through the strict reader.

A line is plain if it can be read in one way only: it has the header's number of fields, no NUL and no bare CR, and each of its quotes
encloses a whole field that ends on the line. Which lines are plain is proved for every block before Arrow's answer is used: by the
places of the quotes, by the number of rows that came back, and by the length of the fields.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from warehouse.raw.csv_strict import FIELD_CHARACTERS, Row, strict_rows
from warehouse.raw.header import FileRejected
from warehouse.raw.text import Block
from warehouse.sources.dialect import Dialect

BOM = "\ufeff".encode()  # Arrow drops it at the start of what it is given
MOSTLY = 0.3  # share of odd lines from which reading all by the strict reader is cheaper than picking them out
_NEWLINE, _RETURN = b"\n"[0], b"\r"[0]


@dataclass
class Rows:
    """What a block holds.

    Attributes:
        tables: rows with the header's number of fields: a column of text for each place, named by it from 0, and `number`.
        others: rows with another number of fields, or a NUL character.
        cut: the last row of the file, if it is one of the others and its line has no end.
        lines: line ends passed.
        rest: bytes of a row that the block begins and does not end.
    """

    tables: list[pa.Table] = field(default_factory=list)
    others: list[Row] = field(default_factory=list)
    cut: Row | None = None
    lines: int = 0
    rest: bytes = b""

    def __len__(self) -> int:
        return sum(map(len, self.tables)) + len(self.others)


class BlockReader:
    """Reads the blocks of one file.

    Args:
        width: fields of the header.
        dialect: delimiter and quote.
    """

    def __init__(self, width: int, dialect: Dialect) -> None:
        self._width, self._dialect = width, dialect
        self._names = [str(place) for place in range(width)]
        self._quote, self._delimiter = dialect.quote.encode(), dialect.delimiter.encode()

    def read(self, block: Block) -> Rows:
        """The rows of a block.

        Raises:
            FileRejected: a quote is out of place, or a field or line is too long; its rows_read counts rows of the block.
        """
        if self._width > 1 and not _has_bare_return(block.data) and not block.data.startswith(BOM):
            lines = _Lines(block.data)
            for has_blank in (False, True):  # looking for blank lines costs as much as reading, and few files have any
                try:
                    if (rows := self._mostly_by_arrow(block, lines, has_blank)) is not None:
                        return rows
                except (pa.ArrowInvalid, FileRejected):  # the strict reader says the same with its place, or finds nothing wrong
                    break
        return self._strictly(block)

    def _strictly(self, block: Block) -> Rows:
        """The whole block through the strict reader."""
        text = block.data.decode()
        rows, found, position = Rows(), _Found(self._width), 0
        try:
            for row in strict_rows(iter(io.StringIO(text, newline="")), block.line, self._dialect, block.is_last):
                position, rows.lines = row.position, row.lines
                found.add(row, is_end=block.is_open and position == len(text))
        except FileRejected as rejected:
            rejected.rows_read = len(found)
            raise
        rows.rest = text[position:].encode()
        return found.into(rows)

    def _mostly_by_arrow(self, block: Block, lines: "_Lines", has_blank: bool) -> Rows | None:
        """Plain lines through Arrow, others through the strict reader; None if the answer could not be proved to be right."""
        found, rows = _Found(self._width), Rows(lines=lines.ends)
        taken = self._take_special(lines, has_blank, block, rows, found)
        numbers = np.flatnonzero(~taken) if taken is not None else np.arange(lines.count)
        data = lines.only(numbers) if taken is not None else block.data
        if data:
            table, skipped = self._by_arrow(data)
            if len(table) + len(skipped) != len(numbers) or not _are_fields_short(table):
                return None
            for index in map(int, numbers[skipped]):
                (row,) = strict_rows(iter([lines.text(index)]), block.line + index, self._dialect, is_last=True)
                found.add(row, is_end=block.is_open and index == lines.count - 1)
            numbered = pa.array(np.delete(numbers, skipped) + block.line, pa.int64())
            rows.tables.append(table.append_column("number", numbered))
        return found.into(rows)

    def _take_special(self, lines: "_Lines", has_blank: bool, block: Block, rows: Rows, found: "_Found") -> np.ndarray | None:
        """Read the lines that are not plain, and those that their rows go on to.

        Returns:
            for each line whether it was read; None if all lines look plain.
        """
        special = self._special(lines, has_blank)
        if special is None:
            return None
        if special.mean() > MOSTLY:
            raise pa.ArrowInvalid("few lines are plain")
        taken = np.zeros(lines.count, bool)
        starts = np.flatnonzero(special)
        place = 0
        while place < len(starts):
            begin = end = int(starts[place])
            for row in strict_rows(lines.texts(begin), block.line + begin, self._dialect, block.is_last):
                end = begin + row.lines
                found.add(row, is_end=block.is_open and end == lines.count)
                if end == lines.count or not special[end]:
                    break
            else:  # the block ends within the row that begins at `end`
                rows.lines, rows.rest = end, block.data[lines.starts[end] :]
                taken[begin:] = True
                return taken
            taken[begin:end] = True
            place = int(np.searchsorted(starts, end))
        return taken

    def _special(self, lines: "_Lines", has_blank: bool) -> np.ndarray | None:
        """For each line whether it is blank, holds a NUL, or has quotes other than around whole fields; None if none can be."""
        data = lines.data
        has_quote = bool(self._quote) and self._quote in data
        if not has_quote and b"\0" not in data and not has_blank:
            return None
        special = lines.are_blank()
        special[lines.of(np.flatnonzero(lines.codes == 0))] = True
        if has_quote:
            self._mark_odd_quotes(lines, special)
        return special

    def _mark_odd_quotes(self, lines: "_Lines", special: np.ndarray) -> None:
        """Mark lines whose quotes do not come in pairs of one behind a field's start and one before its end."""
        places = np.flatnonzero(lines.codes == self._quote[0])
        counts = np.diff(np.append(np.searchsorted(places, lines.starts), len(places)))
        special |= counts % 2 == 1
        paired = places[np.repeat(counts % 2 == 0, counts)]
        opens, closes = paired[0::2], paired[1::2]
        before, after = lines.padded[opens], lines.padded[closes + 2]  # padded has one byte in front
        is_open = (before == self._delimiter[0]) | (before == _NEWLINE)
        is_close = (after == self._delimiter[0]) | (after == _NEWLINE) | (after == _RETURN)
        special[lines.of(opens[~(is_open & is_close)])] = True

    def _by_arrow(self, data: bytes) -> tuple[pa.Table, list[int]]:
        """Rows of the header's width, and the places of the lines that have another."""
        skipped: list[int] = []

        def skip(row: pacsv.InvalidRow) -> str:
            skipped.append(row.number - 1)
            return "skip"

        table = pacsv.read_csv(
            pa.BufferReader(data),
            read_options=pacsv.ReadOptions(use_threads=False, column_names=self._names, block_size=len(data) + 1),
            parse_options=pacsv.ParseOptions(
                delimiter=self._dialect.delimiter,
                quote_char=self._dialect.quote if self._quote and self._quote in data else False,
                newlines_in_values=False,
                ignore_empty_lines=True,  # they would be rows of empty fields; left out, they are missed in the count
                invalid_row_handler=skip,
            ),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(self._names, pa.string()), strings_can_be_null=False, check_utf8=False
            ),
        )
        return table, skipped


class _Lines:
    r"""A block without bare \r, line by line; places of lines are computed when they are asked for."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.ends = data.count(b"\n")
        self.count = self.ends + (not data.endswith(b"\n"))

    @cached_property
    def padded(self) -> np.ndarray:
        """The bytes between two line ends."""
        return np.frombuffer(b"\n" + self.data + b"\n", np.uint8)

    @cached_property
    def codes(self) -> np.ndarray:
        """The bytes."""
        return self.padded[1:-1]

    @cached_property
    def starts(self) -> np.ndarray:
        """Place of the first byte of each line."""
        return np.concatenate([[0], np.flatnonzero(self.codes == _NEWLINE) + 1])[: self.count]

    def of(self, places: np.ndarray) -> np.ndarray:
        """The lines on which bytes are."""
        return np.searchsorted(self.starts, places, side="right") - 1

    def are_blank(self) -> np.ndarray:
        """For each line whether nothing is on it."""
        first = self.padded[self.starts + 1]
        return (first == _NEWLINE) | (first == _RETURN)  # no bare \r: behind it comes the end

    def text(self, index: int) -> str:
        """One line with its end."""
        end = self.starts[index + 1] if index + 1 < self.count else len(self.data)
        return self.data[self.starts[index] : end].decode()

    def texts(self, first: int) -> Iterator[str]:
        """Lines from one on."""
        return (self.text(index) for index in range(first, self.count))

    def only(self, indexes: np.ndarray) -> bytes:
        """The bytes of some lines, in ascending order."""
        if not len(indexes):
            return b""
        breaks = np.flatnonzero(np.diff(indexes) > 1) + 1
        runs = np.split(indexes, breaks)
        ends = np.append(self.starts[1:], len(self.data))
        return b"".join(self.data[self.starts[run[0]] : ends[run[-1]]] for run in runs)


class _Found:
    """Rows that the strict reader gave."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._whole: list[Row] = []
        self._others: list[Row] = []
        self._cut: Row | None = None

    def __len__(self) -> int:
        return len(self._whole) + len(self._others)

    def add(self, row: Row, is_end: bool) -> None:
        """Take a row; is_end: its last line is the file's last and has no end."""
        if row.is_blank:
            return
        if len(row.fields) == self._width and not row.has_nul:
            self._whole.append(row)
        elif is_end and len(row.fields) < self._width:
            self._cut = row
        else:
            self._others.append(row)

    def into(self, rows: Rows) -> Rows:
        """Add the rows found to those of a block."""
        rows.others, rows.cut = self._others, self._cut
        if self._whole:
            by_place = zip(*(row.fields for row in self._whole), strict=True)
            columns = {str(place): pa.array(values, pa.string()) for place, values in enumerate(by_place)}
            rows.tables.append(pa.table({**columns, "number": pa.array([row.number for row in self._whole], pa.int64())}))
        return rows


def _has_bare_return(data: bytes) -> bool:
    return b"\r" in data and data.count(b"\r") != data.count(b"\r\n")


def _are_fields_short(table: pa.Table) -> bool:
    """Whether no field can be longer than the csv module takes."""
    longest = (pc.max(pc.binary_length(column)).as_py() or 0 for column in table.columns)
    return sum(longest) <= FIELD_CHARACTERS
