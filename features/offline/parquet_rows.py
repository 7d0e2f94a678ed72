"""Rows of local Parquet files by their place: the columns of all rows in one pass, then other columns of some rows in another.

The second pass is what makes it cheap to carry many features: a join works on keys and times, and only rows that are an answer are taken.
Row groups are read one at a time by each worker, so memory is that of what is kept.
"""

import glob
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

WORKERS = min(4, os.cpu_count() or 1)
# A key column that takes fewer bytes a row was written as a dictionary that pays to keep.
DICTIONARY_BYTES = 8


class CannotMerge(Exception):
    """These rows cannot be joined outside the engine; the message says why. The caller takes another plan."""


@dataclass(frozen=True)
class RowGroup:
    """One row group: the file, its number in the file, the place of its first row among all rows, and its rows."""

    path: str
    metadata: pq.FileMetaData
    number: int
    first: int
    rows: int


@dataclass(frozen=True)
class ParquetRows:
    """The rows of some files, in order of the files.

    Attributes:
        paths: local files, at least one.
    """

    paths: tuple[str, ...]

    @cached_property
    def groups(self) -> tuple[RowGroup, ...]:
        """All row groups that have rows, with the place of each first one."""
        found, first = [], 0
        for path in self.paths:
            metadata = pq.read_metadata(path)
            for number in range(metadata.num_row_groups):
                rows = metadata.row_group(number).num_rows
                if rows:
                    found.append(RowGroup(path, metadata, number, first, rows))
                first += rows
        return tuple(found)

    def types(self, columns: Sequence[str]) -> dict[str, pa.DataType]:
        """Types of some columns, which must be the same in all files; a dictionary has the type of its values.

        Raises:
            CannotMerge: a file lacks one, or has another type.
        """
        found: dict[str, pa.DataType] = {}
        for path in self.paths:
            schema = pq.read_schema(path)
            for name in columns:
                if name not in schema.names:
                    raise CannotMerge(f"{path} has no column {name}")
                kind = schema.field(name).type
                kind = kind.value_type if pa.types.is_dictionary(kind) else kind
                if found.setdefault(name, kind) != kind:
                    raise CannotMerge(f"column {name} is {found[name]} in some files and {kind} in {path}")
        return found

    def between(self, column: str, earliest: int | None, latest: int | None) -> list[RowGroup]:
        """Row groups that may have a time in a range.

        Args:
            column: of times or dates.
            earliest: UTC microseconds, None for no limit.
            latest: the same.
        """
        kept = []
        for group in self.groups:
            low, high = _ends(group, column)
            if (latest is None or low is None or low <= latest) and (earliest is None or high is None or high >= earliest):
                kept.append(group)
        return kept

    def map(self, groups: Sequence[RowGroup], columns: Sequence[str], work: Callable[[RowGroup, pa.Table], Any]) -> Iterator[Any]:
        """What some work makes of each row group, in their order; several are worked on at a time.

        Args:
            groups: which.
            columns: that are read; columns that were written as short dictionaries stay encoded.
            work: called with the row group and its columns.
        """

        def one(group: RowGroup) -> Any:
            # Mapped, a column is unpacked from the page cache without a copy; closed after each row group, the map takes no memory.
            with pq.ParquetFile(group.path, metadata=group.metadata, read_dictionary=_encoded(group, columns), memory_map=True) as file:
                rows = file.read_row_group(group.number, columns=list(columns), use_threads=False)
            return work(group, rows.select(list(columns)))

        if len(groups) < 2:
            yield from map(one, groups)
            return
        with ThreadPoolExecutor(WORKERS) as pool:
            yield from pool.map(one, groups)

    def take(self, places: np.ndarray, columns: Sequence[str]) -> pa.Table:
        """Columns of the rows at some places, in the order of the places; nulls where a place is negative.

        Args:
            places: int64, each less than the number of rows; may repeat.
            columns: by name, each once.
        """
        order = np.argsort(places)
        ordered = places[order]
        ends = np.searchsorted(ordered, [0, *(group.first + group.rows for group in self.groups)])
        wanted = {group.first: slice(*ends_) for group, ends_ in zip(self.groups, pairwise(ends), strict=True)}
        groups = [group for group in self.groups if wanted[group.first].stop > wanted[group.first].start]
        types = self.types(columns)
        fixed = {name: _Fixed(types[name], places >= 0) for name in columns if _Fixed.holds(types[name])}
        others = [name for name in columns if name not in fixed]

        def taken(group: RowGroup, rows: pa.Table) -> pa.Table:
            found = ordered[wanted[group.first]] - group.first
            for name, column in fixed.items():
                column.put(order[wanted[group.first]], rows[name], found)
            if not others:
                return None
            part = rows.select(others).take(pa.array(found))
            return pa.table([_plain(part[name], types[name]) for name in others], names=others)

        parts = list(self.map(groups, columns, taken))
        arrays = {name: column.array() for name, column in fixed.items()}
        if others:
            put = np.empty(len(places), "i8")
            put[order] = np.arange(len(places)) - int(np.searchsorted(ordered, 0))
            empty = pa.schema([(name, types[name]) for name in others]).empty_table()
            rest = pa.concat_tables([empty, *parts]).combine_chunks().take(pa.array(put, mask=put < 0))
            arrays |= {name: rest[name] for name in others}
        return pa.table([arrays[name] for name in columns], names=list(columns))


class _Fixed:
    """A column of values of one width, filled in any order, without a copy of what was filled already."""

    def __init__(self, kind: pa.DataType, is_there: np.ndarray) -> None:
        self._kind = kind
        self._values = np.zeros(len(is_there), f"u{kind.bit_width // 8}")
        self._valid = is_there.copy()

    @staticmethod
    def holds(kind: pa.DataType) -> bool:
        """Whether values of a type are numbers of whole bytes."""
        return pa.types.is_primitive(kind) and not pa.types.is_boolean(kind) and kind.bit_width in (8, 16, 32, 64)

    def put(self, at: np.ndarray, column: pa.ChunkedArray, places: np.ndarray) -> None:
        """Put the values of some places of a column."""
        whole = _plain(column, self._kind).combine_chunks() if column.num_chunks != 1 else _plain(column, self._kind).chunk(0)
        data = np.frombuffer(whole.buffers()[1], self._values.dtype)[whole.offset : whole.offset + len(whole)]
        self._values[at] = data[places]
        if whole.null_count:
            self._valid[at] = whole.is_valid().to_numpy(zero_copy_only=False)[places]

    def array(self) -> pa.Array:
        """The filled column."""
        valid = None if self._valid.all() else pa.array(self._valid).buffers()[1]
        return pa.Array.from_buffers(self._kind, len(self._values), [valid, pa.py_buffer(self._values)])


def local_files(path: str) -> list[str] | None:
    """The Parquet files of a path, sorted: a file, the files below a folder, or those of a pattern; None if it is not local.

    Files and folders whose name begins with a dot or an underline are left out, as they are by other readers, but not folders of a value
    such as `_day=1`. Files that were appended to a single file stand in the folder beside it, see files.py.
    """
    if "://" in path and not path.startswith("file://"):
        return None
    place = Path(path.removeprefix("file://"))
    base, rest = below_what_is_there(place)
    if glob.has_magic(rest):
        # A pattern that names hidden files or folders asks for them.
        asks_hidden = any(_is_hidden(part) for part in Path(rest).parts)
        matches = set(glob.glob(rest, root_dir=base, recursive=True))  # noqa: PTH207 (to pathlib `a/**` means folders only)
        found = sorted(file for file in matches if (base / file).is_file())
        return [str(base / file) for file in found if asks_hidden or not any(_is_hidden(part) for part in Path(file).parts)]
    if place.is_dir():
        inside = (file for file in place.rglob("*.parquet") if file.is_file())
        return sorted(str(file) for file in inside if not any(_is_hidden(part) for part in file.relative_to(place).parts))
    beside = appended_folder(place)
    appended = local_files(str(beside)) or [] if beside.is_dir() else []
    return [str(place), *appended] if place.exists() or not appended else appended


def below_what_is_there(place: Path) -> tuple[Path, str]:
    """The part of a path that is there, and the rest below it; only the rest can be a pattern, as a folder may be called `[a]`."""
    base = next(part for part in (place, *place.parents) if part.exists())
    return base, str(place.relative_to(base))


def _is_hidden(name: str) -> bool:
    """Whether other readers leave out a file or folder of this name."""
    return name.startswith(".") or (name.startswith("_") and "=" not in name)


def appended_folder(file: Path) -> Path:
    """Where rows are put that are appended to a source of one file."""
    return file.with_name(file.name + ".d")


def _ends(group: RowGroup, column: str) -> tuple[int | None, int | None]:
    """Least and greatest time of a row group in UTC microseconds, as far as the file says so."""
    held = group.metadata.row_group(group.number)
    for place in range(held.num_columns):
        chunk = held.column(place)
        if chunk.path_in_schema == column:
            said = chunk.statistics
            return (_micros(said.min), _micros(said.max)) if said is not None and said.has_min_max else (None, None)
    return None, None


def _micros(value: Any) -> int | None:
    """A time of the statistics as UTC microseconds, rounded down; None if it is of another kind."""
    if not isinstance(value, datetime | date | pd.Timestamp):
        return None
    at = pd.Timestamp(value)
    at = at.tz_localize("UTC") if at.tzinfo is None else at
    # Not `value`, which is in nanoseconds and ends in the year 2262.
    return int(at.floor("us").as_unit("us").asm8.view("i8"))


def _encoded(group: RowGroup, columns: Sequence[str]) -> list[str]:
    """Text columns of a row group that were written as short dictionaries."""
    held = group.metadata.row_group(group.number)
    chunks = (held.column(place) for place in range(held.num_columns))
    return [
        chunk.path_in_schema
        for chunk in chunks
        if chunk.path_in_schema in columns
        and chunk.physical_type == "BYTE_ARRAY"
        and any("DICTIONARY" in encoding for encoding in chunk.encodings)
        and chunk.total_uncompressed_size < DICTIONARY_BYTES * held.num_rows
    ]


def _plain(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """A column in the type that it has in all row groups."""
    return column if column.type == kind else column.cast(kind)
