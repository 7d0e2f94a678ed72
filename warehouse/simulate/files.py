"""Delivered files, one folder a business date, and the ledger of their dirty rows; and the Parquet files of the truth.

Parts are appended in the order of clients, and Parquet rows are grouped by their count, so bytes do not depend on the size of a chunk.
"""

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.simulate.parts import Part
from warehouse.simulate.profiles import Profile

GROUP_ROWS = 131_072
LEDGER_COLUMNS = (
    "business_date",
    "folder",
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


class ParquetFile:
    """A Parquet file that grows; its groups have GROUP_ROWS rows, whatever the pieces in which they come."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = pq.ParquetWriter(path, schema, compression="snappy", store_schema=False)
        self._waiting: list[pa.Table] = []
        self._rows = 0

    def append(self, rows: pa.Table) -> None:
        """Add rows at the end."""
        self._waiting.append(rows)
        self._rows += len(rows)
        if self._rows >= GROUP_ROWS:
            whole = pa.concat_tables(self._waiting)
            done = self._rows - self._rows % GROUP_ROWS
            for first in range(0, done, GROUP_ROWS):
                self._write(whole.slice(first, GROUP_ROWS))
            rest = whole.slice(done)
            self._waiting, self._rows = [rest], len(rest)

    def close(self) -> None:
        """Write what waits and the end of the file."""
        if self._rows:
            self._write(pa.concat_tables(self._waiting))
        self._writer.close()

    def _write(self, rows: pa.Table) -> None:
        # A column in several pieces would begin a page with each of them.
        self._writer.write_table(rows.combine_chunks(), row_group_size=GROUP_ROWS)


class CsvFile:
    """A csv file that grows; it is open only while it does, since there may be hundreds."""

    def __init__(self, path: Path, names: tuple[str, ...]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(",".join(names) + "\n", encoding="utf-8")
        self._path = path

    def append(self, body: pa.Buffer) -> None:
        """Add lines at the end."""
        with self._path.open("ab") as binary:
            binary.write(body)

    def close(self) -> None:
        """Nothing is open between appends."""


class DeliveryFiles:
    """Writes the deliveries of one simulation below a folder that does not exist yet."""

    def __init__(self, folder: Path, profile: Profile) -> None:
        self._folder = folder
        self._profile = profile
        self._files: dict[Path, CsvFile | ParquetFile] = {}
        self._rows: Counter[Path] = Counter()
        self._dirty: dict[Path, list[pa.Table]] = {}
        self.row_counts: Counter[str] = Counter()

    def append(self, part: Part) -> None:
        """Add a part to its file."""
        path = self._folder / part.business_date.isoformat() / f"{part.table}.{self._profile.file_format}"
        self._file(path, part).append(part.body)  # type: ignore[arg-type]
        if len(part.dirty):
            begins = self._rows[path] + (2 if self._profile.file_format == "csv" else 1)
            line = pa.compute.add(part.dirty["line"], begins)
            self._dirty.setdefault(path, []).append(part.dirty.set_column(0, "line", line))
        self._rows[path] += part.rows
        self.row_counts[part.table] += part.rows

    def close(self) -> pa.Table:
        """End all files and return the ledger of their dirty rows, in the order of files and lines."""
        for file in self._files.values():
            file.close()
        parts = [_ledger(path, pa.concat_tables(self._dirty[path])) for path in sorted(self._dirty)]
        return pa.concat_tables([LEDGER_SCHEMA.empty_table(), *parts])

    def _file(self, path: Path, part: Part) -> CsvFile | ParquetFile:
        if path not in self._files:
            is_csv = self._profile.file_format == "csv"
            self._files[path] = CsvFile(path, part.names) if is_csv else ParquetFile(path, part.body.schema)  # type: ignore[union-attr]
        return self._files[path]


LEDGER_SCHEMA = pa.schema([pa.field(name, pa.int64() if name == "line" else pa.string()) for name in LEDGER_COLUMNS])


def _ledger(path: Path, dirty: pa.Table) -> pa.Table:
    """Lines of the ledger of one file."""
    of_file = {"business_date": path.parent.name, "folder": path.parent.name, "file": path.name, "table": path.stem}
    columns = [
        pa.repeat(pa.scalar(of_file[name]), len(dirty)) if name in of_file else dirty[name].cast(LEDGER_SCHEMA.field(name).type)
        for name in LEDGER_COLUMNS
    ]
    return pa.table(columns, schema=LEDGER_SCHEMA)


class TruthFiles:
    """Writes the truth folder as chunks come in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, ParquetFile] = {}

    def append(self, tables: dict[str, pa.Table]) -> None:
        """Add the truth of one chunk."""
        for name, rows in tables.items():
            if name not in self._files:
                self._files[name] = ParquetFile(self._folder / f"{name}.parquet", rows.schema)
            self._files[name].append(rows)

    def close(self) -> None:
        """End all files."""
        for file in self._files.values():
            file.close()
