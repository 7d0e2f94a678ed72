"""Rules about a table of a delivery as a whole: is it so unlike the table's other business dates that something must be wrong?

What a file looked like is kept in the ledger when it is taken (column_profile), so these rules read some hundred rows of the ledger and
never history. The unit is the business date, not the delivery: a correction of three rows for a day that was taken belongs to that day.
Lenders mix full snapshots and deltas and change how often they deliver: a figure counts as usual when at least two earlier dates had
one like it, and rows are few only if they are few per day since the date before as well.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from statistics import median
from typing import Any

from warehouse.sources import SOURCES
from warehouse.staging.rules import BATCH_RULES, BY_ID

DATES_COMPARED = 20  # newest business dates before the delivery's own that are looked at
DATES_NEEDED = 5  # of them with the table, or there is nothing usual about it yet
ALIKE_DATES = 2  # as many earlier dates with the same oddity make it usual
LOW_ROWS_RATIO, ROWS_THAT_MATTER = 0.40, 50
FILLED_RATIO, EMPTY_ROWS = 0.50, 50
CONSTANT_ROWS = 100
REJECTED_RATIO, REJECTED_OF_ROWS, REJECTED_TIMES_USUAL = 0.20, 100, 2.0
MEANS_SOMETHING_EMPTY = {"op"}  # an empty op is U


class UnknownRule(ValueError):
    """What to accept is no rule of deliveries, or names no source table."""


@dataclass(frozen=True)
class Look:
    """What the files of one table looked like, together.

    Attributes:
        rows: of all files.
        quarantined: of them.
        offered: by column, rows of the files that have it.
        filled: by column, rows with a value in it.
        constant: amounts with one value in all rows of all files.
        days: since the table's business date before; None for the first one.
    """

    rows: int = 0
    quarantined: int = 0
    offered: Mapping[str, int] = field(default_factory=dict)
    filled: Mapping[str, int] = field(default_factory=dict)
    constant: frozenset[str] = frozenset()
    days: int | None = None

    @property
    def rejected_ratio(self) -> float:
        """Share of the rows that are quarantined."""
        return self.quarantined / self.rows if self.rows else 0.0


@dataclass(frozen=True)
class Suspicion:
    """One rule that a table of a delivery broke, with its figures and the usual ones."""

    rule: str
    table: str
    figures: str

    @property
    def accept(self) -> str:
        """What to accept if the delivery is right."""
        return f"{self.rule}:{self.table}"

    def __str__(self) -> str:
        rule = BY_ID[self.rule]
        return f"{self.table}: {self.figures} ({rule.id}). {rule.sentence[:-1]}, or take it as it is with --accept {self.accept}"


def accepted_rules(texts: Iterable[str]) -> frozenset[tuple[str, str | None]]:
    """What an operator accepts, from texts `RULE` or `RULE:TABLE`.

    Returns:
        rule and table; None stands for every table.

    Raises:
        UnknownRule: the rule or the table does not exist; the message lists those that do.
    """
    accepted = set()
    rules, tables = [rule.id for rule in BATCH_RULES], [source.name for source in SOURCES]
    for text in texts:
        rule, _, table = text.partition(":")
        if rule not in rules:
            raise UnknownRule(f"{text!r}: must be RULE or RULE:TABLE with a rule of {', '.join(rules)}")
        if table and table not in tables:
            raise UnknownRule(f"{text!r}: must be RULE or RULE:TABLE with a table of {', '.join(tables)}")
        accepted.add((rule, table or None))
    return frozenset(accepted)


def is_accepted(suspicion: Suspicion, accepted: Collection[tuple[str, str | None]]) -> bool:
    """Whether an operator said that it is right."""
    return (suspicion.rule, suspicion.table) in accepted or (suspicion.rule, None) in accepted


def look(files: Iterable[Mapping[str, Any]], days: int | None = None) -> Look:
    """What entries of the ledger, all of one table, looked like together; days as in Look."""
    rows = quarantined = 0
    offered: dict[str, int] = {}
    filled: dict[str, int] = {}
    constants: list[set[str]] = []
    for entry in files:
        profile = json.loads(entry["column_profile"]) if entry["column_profile"] else {"filled": {}, "constant": []}
        rows += entry["rows_in"]
        quarantined += entry["quarantined"]
        if entry["rows_in"]:
            constants.append(set(profile["constant"]))
        for name, count in profile["filled"].items():
            offered[name] = offered.get(name, 0) + entry["rows_in"]
            filled[name] = filled.get(name, 0) + count
    return Look(rows, quarantined, offered, filled, frozenset(set.intersection(*constants) if constants else ()), days)


def looks_by_date(by_date: Mapping[date, list[Mapping[str, Any]]]) -> dict[date, Look]:
    """A Look for each business date, from the entries of the ledger by date, oldest first."""
    looks: dict[date, Look] = {}
    for day, files in by_date.items():
        looks[day] = look(files, days_since(day, looks))
    return looks


def days_since(business_date: date, before: Iterable[date]) -> int | None:
    """Days since the last of some business dates; None if there is none."""
    last = max(before, default=None)
    return (business_date - last).days if last else None


def delivered_suspicions(table: str, of_date: Look, delivered: Look, usual: Sequence[Look]) -> list[Suspicion]:
    """Rules that a table of a delivery breaks before its rows are judged.

    Args:
        table: source table.
        of_date: the table on the delivery's business date, with what was taken before.
        delivered: the table in this delivery alone.
        usual: the same on earlier business dates.
    """
    if len(usual) < DATES_NEEDED:
        return []
    return [*_row_count_low(table, of_date, usual), *_column_empty(table, delivered, usual), *_column_constant(table, delivered, usual)]


def judged_suspicions(table: str, delivered: Look, usual: Sequence[Look]) -> list[Suspicion]:
    """Rules that a table of a delivery breaks when its rows have been judged; arguments as of delivered_suspicions."""
    if len(usual) < DATES_NEEDED or delivered.rows < REJECTED_OF_ROWS:
        return []
    share, before = delivered.rejected_ratio, median(day.rejected_ratio for day in usual)
    alike = [day for day in usual if day.rejected_ratio >= share / REJECTED_TIMES_USUAL]
    if share <= REJECTED_RATIO or share <= REJECTED_TIMES_USUAL * before or len(alike) >= ALIKE_DATES:
        return []
    figures = (
        f"{delivered.quarantined} of {delivered.rows} rows broke a rule, {share:.0%}; usual is {before:.0%} (median of {_dates(usual)})"
    )
    return [Suspicion("rejected_share_high", table, figures)]


def _row_count_low(table: str, of_date: Look, usual: Sequence[Look]) -> list[Suspicion]:
    expected = _expected_rows(of_date, usual)
    alike = [day for day in usual if of_date.rows >= LOW_ROWS_RATIO * day.rows]
    if expected < ROWS_THAT_MATTER or of_date.rows >= LOW_ROWS_RATIO * expected or len(alike) >= ALIKE_DATES:
        return []
    return [Suspicion("row_count_low", table, f"{of_date.rows} rows; usual are {expected:.0f} (median of {_dates(usual)})")]


def _expected_rows(of_date: Look, usual: Sequence[Look]) -> float:
    """Rows of a usual business date, or of as many days as this one covers if those are fewer: changes grow with the days, books do not."""
    daily = [day.rows / day.days for day in usual if day.days]
    whole = median(day.rows for day in usual)
    return min(whole, of_date.days * median(daily)) if of_date.days and daily else whole


def _column_empty(table: str, delivered: Look, usual: Sequence[Look]) -> list[Suspicion]:
    """A column that the file does not have at all is a matter of its schema version, and not judged here."""
    found = []
    for name, offered in delivered.offered.items():
        shares = [day.filled[name] / day.offered[name] for day in usual if day.offered.get(name)]
        if delivered.filled[name] or offered < EMPTY_ROWS or name in MEANS_SOMETHING_EMPTY or len(shares) < DATES_NEEDED:
            continue
        if median(shares) >= FILLED_RATIO and shares.count(0.0) < ALIKE_DATES:
            figures = (
                f"column {name} is empty in all {offered} rows; usual is a value in {median(shares):.0%} (median of {len(shares)} dates)"
            )
            found.append(Suspicion("column_empty", table, figures))
    return found


def _column_constant(table: str, delivered: Look, usual: Sequence[Look]) -> list[Suspicion]:
    """Required amounts only: dates, statuses and references of one day are often all the same, as are fees and penalties."""
    comparable = [day for day in usual if day.rows >= CONSTANT_ROWS]
    if delivered.rows < CONSTANT_ROWS or len(comparable) < DATES_NEEDED:
        return []
    return [
        Suspicion(
            "column_constant", table, f"column {name} has one value in all {delivered.rows} rows; on {_dates(comparable)} it had several"
        )
        for name in sorted(delivered.constant)
        if all(name not in day.constant and day.filled.get(name) for day in comparable)
    ]


def _dates(usual: Sequence[Look]) -> str:
    return f"{len(usual)} business dates"
