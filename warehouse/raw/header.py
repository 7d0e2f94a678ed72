"""Match the columns of a delivered file to its data contract.

Names match without regard to case, spaces, hyphens and underscores, and by declared alias, so that `Contract Number` is
contract_number. What matches nothing is kept as an extra value and reported; nothing is matched by position.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from warehouse.sources import SourceTable
from warehouse.sources.contract import plain_name


class FileRejected(ValueError):
    """A file cannot be used as a whole; the message names the place, the rule and the fix.

    Attributes:
        rows_read: data rows that were read before the fault, for the ledger.
    """

    def __init__(self, message: str, rows_read: int = 0) -> None:
        super().__init__(message)
        self.rows_read = rows_read


@dataclass(frozen=True)
class Header:
    """Where the columns of a file go.

    Attributes:
        names: for each column of the file, the contract's column, or None for one that it does not declare.
        delivered: the names as delivered, never empty.
        schema_version: version of the contract that the columns match.
    """

    names: tuple[str | None, ...]
    delivered: tuple[str, ...]
    schema_version: str

    @property
    def unknown(self) -> tuple[str, ...]:
        """Delivered columns that the contract does not declare."""
        return tuple(name for name, match in zip(self.delivered, self.names, strict=True) if match is None)


def match_header(delivered: Sequence[str], source: SourceTable) -> Header:
    """Match delivered column names to a contract.

    Raises:
        FileRejected: a column is there twice, or a required one is missing.
    """
    titles = tuple(name.strip() or f"column_{position}" for position, name in enumerate(delivered, start=1))
    declared = {plain_name(name): column.name for column in source.all_columns for name in (column.name, *column.aliases)}
    names = tuple(declared.get(plain_name(title)) for title in titles)
    _refuse_twice([name or plain_name(title) for name, title in zip(names, titles, strict=True)])
    _refuse_missing(set(filter(None, names)), titles, source)
    return Header(names, titles, source.version_of([*filter(None, names), *titles]))


def _refuse_twice(names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FileRejected(f"column {', '.join(twice)} is there more than once; deliver each column once")


def _refuse_missing(present: set[str], titles: tuple[str, ...], source: SourceTable) -> None:
    missing = [column.name for column in source.columns if column.required and column.name not in present]
    if source.one_of and not present & set(source.one_of):
        missing.append(" or ".join(source.one_of))
    if not missing:
        return
    message = f"required column {', '.join(missing)} is missing; deliver {source.name} with it (found: {', '.join(titles) or 'no column'})"
    if len(titles) == 1 and (mark := next((mark for mark in ";\t|" if mark in titles[0]), None)):
        message += f"; the columns look separated by {mark!r}, deliver them separated by commas"
    raise FileRejected(message)
