"""Precision and recall of the quarantine by kind of dirty row, against the generated lender's own ledger of what it did.

A row counts as found where the platform did with it what the ledger asks for: named the rule at that file and line, counted the duplicate,
rejected the file, or kept a row as it was where nothing is wrong with it. docs/faults.md shows the table.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from warehouse.staging.ledger import COUNTS

Entry = Mapping[str, str]  # a line of the generated lender's ledger
Found = Mapping[str, Any]  # a row of ops.quarantine or ops.delivery_ledger
Place = tuple[str, str, str]  # business date, file and line

NOT_NOTICED = {"D18"}  # a penalty without lateness: true or false, it is a fact that the lender claims


class Measure(NamedTuple):
    """One kind of dirty row: how many there were, how many were found, and how many others its rules named; None if it has no rule."""

    defect: str
    injected: int
    found: int
    others: int | None

    @property
    def recall(self) -> float:
        """Share of the dirty rows that were found."""
        return self.found / self.injected

    @property
    def precision(self) -> float | None:
        """Share of the rows named that are dirty; None where no rule is to be named."""
        return None if self.others is None else self.found / (self.found + self.others)


def measures(dirty: Sequence[Entry], judged: Sequence[Found], files: Sequence[Found]) -> list[Measure]:
    """Measures by defect id of one history.

    Args:
        dirty: the generated lender's ledger.
        judged: ops.quarantine after the last delivery.
        files: ops.delivery_ledger.
    """
    named: defaultdict[Place, set[tuple[str, str, str]]] = defaultdict(set)
    for row in judged:
        named[_place(row, "source_file", "source_row_number")].add((row["table_name"], row["rule"], row["disposition"]))
    asked = {(_place(entry, "file", "line"), entry["table"], entry["expected_rule"]) for entry in dirty}
    others = Counter((table, rule) for place, marks in named.items() for table, rule, _ in marks if (place, table, rule) not in asked)
    rejected = {(str(row["business_date"]), row["source_file"]) for row in files if row["status"] == "rejected"}
    by_defect: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in dirty:
        if entry["defect_id"].startswith("D") and entry["expected_disposition"] != "duplicate":
            by_defect[entry["defect_id"]].append(entry)
    found = []
    for defect, entries in by_defect.items():
        hits = sum(_is_found(entry, named, rejected) for entry in entries)
        rules = {(entry["table"], entry["expected_rule"]) for entry in entries if entry["expected_rule"] and defect != "D10"}
        found.append(Measure(defect, len(entries), hits, sum(others[place] for place in rules) if rules else None))
    return found


def duplicates(dirty: Sequence[Entry], files: Sequence[Found]) -> Measure:
    """D01, which the platform counts by file and lists nowhere; for a history in which no file comes twice."""
    asked = Counter((entry["business_date"], entry["table"]) for entry in dirty if entry["expected_disposition"] == "duplicate")
    counted = Counter({(str(row["business_date"]), row["table_name"]): row["duplicate"] for row in files if row["duplicate"]})
    return Measure("D01", asked.total(), (asked & counted).total(), (counted - asked).total())


def together(*parts: Iterable[Measure]) -> list[Measure]:
    """The measures of several histories, added up."""
    sums: defaultdict[str, list[Measure]] = defaultdict(list)
    for measure in (measure for part in parts for measure in part):
        sums[measure.defect].append(measure)
    return [_sum(defect, same) for defect, same in sorted(sums.items())]


def _sum(defect: str, same: Sequence[Measure]) -> Measure:
    others = [one.others for one in same if one.others is not None]
    return Measure(defect, sum(one.injected for one in same), sum(one.found for one in same), sum(others) if others else None)


def unaccounted(files: Sequence[Found]) -> int:
    """Rows delivered less rows with a disposition; 0 if no row is lost."""
    return sum(row["rows_in"] - sum(row[name] for name in COUNTS) for row in files)


def table(measured: Sequence[Measure]) -> str:
    """The measures as a table for people."""
    lines = ["| defect | dirty rows | found | others named | precision | recall |", "|---|---|---|---|---|---|"]
    for one in measured:
        precision = "-" if one.precision is None else f"{one.precision:.3f}"
        others = "-" if one.others is None else one.others
        lines.append(f"| {one.defect} | {one.injected} | {one.found} | {others} | {precision} | {one.recall:.3f} |")
    return "\n".join(lines)


def _is_found(entry: Entry, named: Mapping[Place, set[tuple[str, str, str]]], rejected: set[tuple[str, str]]) -> bool:
    marks = named.get(_place(entry, "file", "line"), set())
    if entry["defect_id"] in NOT_NOTICED:
        return bool(marks)
    if entry["expected_disposition"] == "rejected":
        return (entry["business_date"], entry["file"]) in rejected
    if entry["defect_id"] == "D10" or not entry["expected_rule"]:  # its parent came, or nothing is wrong
        return not marks
    return (entry["table"], entry["expected_rule"], entry["expected_disposition"]) in marks


def _place(row: Mapping[str, Any], file: str, line: str) -> Place:
    return str(row["business_date"]), str(row[file]), str(row[line])
