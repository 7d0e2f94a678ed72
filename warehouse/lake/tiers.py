"""Which small files of a table become one: size tiers, as in a log-structured merge tree.

A file's tier is its number of rows on a scale of FAN: below SMALL_ROWS, below FAN times that, and so on for TIERS tiers; larger files are
left alone. FAN files of one tier and partition become one file, usually of the next tier. So a partition keeps at most FAN files of each
tier however many changes it has seen, and a row is written again at most once per tier; only files below SMALL_ROWS, which cost next to
nothing, may stay in their tier and be written again.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

SMALL_ROWS = 10_000
FAN = 6
TIERS = 3  # the last one ends at 360,000 rows; well below the size of a file that the writer splits off


class StoredFile(NamedTuple):
    """A data file of a snapshot: path, rows, and the partition (days since 1970, None without partitions)."""

    path: str
    rows: int
    partition: int | None


def tier(rows: int) -> int:
    """The tier of a file, from 0; TIERS for a file that is left alone."""
    return min(TIERS, max(0, 1 + math.floor(math.log(rows / SMALL_ROWS, FAN)))) if rows >= SMALL_ROWS else 0


def crowded(files: Iterable[StoredFile]) -> set[str]:
    """Paths of the files that are to become one per partition, since FAN of a tier have come together."""
    by_partition: dict[int | None, list[StoredFile]] = {}
    for file in files:
        by_partition.setdefault(file.partition, []).append(file)
    return {file.path for group in by_partition.values() for file in _crowded(group)}


def _crowded(files: list[StoredFile]) -> list[StoredFile]:
    chosen: list[StoredFile] = []
    for level in range(TIERS):
        here = [file for file in files if tier(file.rows) == level]
        joins = bool(chosen) and tier(sum(file.rows for file in chosen)) == level  # the file made of lower tiers lands here
        if len(here) + joins >= FAN:
            chosen += here
    return chosen
