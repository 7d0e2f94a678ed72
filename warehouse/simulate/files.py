"""Delivered files: CSV with a header, one folder a business date, and the ledger of the dirty rows with their lines.

Chunks are appended in the order of clients, so neither bytes nor line numbers depend on the size of a chunk.
"""

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from warehouse.simulate.profiles import Profile
from warehouse.simulate.rows import table_columns

QUOTED = csv.WriteOptions(include_header=False, quoting_style="needed")
LEDGER_COLUMNS = (
    "business_date",
    "file",
    "line",
    "table",
    "key",
    "defect_id",
    "column",
    "original_value",
    "expected_rule",
    "expected_disposition",
)


class DeliveryFiles:
    """Writes the deliveries of one simulation below a folder that does not exist yet."""

    def __init__(self, folder: Path, profile: Profile) -> None:
        self._folder = folder
        self._profile = profile
        self._lines: Counter[Path] = Counter()
        self._ledger: list[pa.Table] = []
        self.row_counts: Counter[str] = Counter()

    def append(self, table: str, rows: pa.Table, key: str) -> None:
        """Append rows to the files of their business dates; the opening delivery has every file, a daily one those with rows."""
        for business_date in self._profile.business_dates:
            mine = rows.filter(pc.equal(rows["_day"], pa.scalar(business_date)))
            if len(mine) or business_date == self._profile.opening_date:
                self._write(self._folder / business_date.isoformat() / f"{table}.csv", table, mine, key)

    def ledger(self) -> pa.Table:
        """All dirty rows so far, in the order of their files."""
        whole = pa.concat_tables(self._ledger)
        return whole.sort_by([("business_date", "ascending"), ("file", "ascending"), ("line", "ascending")])

    def _write(self, path: Path, table: str, rows: pa.Table, key: str) -> None:
        names = table_columns(rows)
        if path not in self._lines:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(",".join(names) + "\n", encoding="utf-8")
            self._lines[path] = 1
        with path.open("ab") as binary:
            csv.write_csv(rows.select(names), binary, QUOTED)
        self._record(path, table, rows, key)
        self._lines[path] += len(rows)
        self.row_counts[table] += len(rows)

    def _record(self, path: Path, table: str, rows: pa.Table, key: str) -> None:
        lines = pa.array(range(self._lines[path] + 1, self._lines[path] + 1 + len(rows)), type=pa.int64())
        dirty = pc.not_equal(rows["_defect"], "")
        chosen, count = rows.filter(dirty), pc.sum(dirty).as_py() or 0
        values = (
            pa.repeat(pa.scalar(path.parent.name), count),
            pa.repeat(pa.scalar(path.name), count),
            lines.filter(dirty.combine_chunks()) if count else lines.slice(0, 0),
            pa.repeat(pa.scalar(table), count),
            chosen[key],
            *(chosen[name] for name in ("_defect", "_column", "_original", "_rule", "_disposition")),
        )
        self._ledger.append(pa.table(dict(zip(LEDGER_COLUMNS, values, strict=True))))
