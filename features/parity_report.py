"""What the parity gate found: the records, their table ops.parity_report, and the page that the Dagster UI shows."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from warehouse.table import TIMESTAMP, TableSpec, columns

if TYPE_CHECKING:
    from warehouse.lake import Lake

READER, FEAST, STAGING, KEYS = "reader", "feast", "staging", "keys"
SHOWN = 20  # mismatches of a view that are written down; all are counted

PARITY_REPORT = TableSpec(
    name="ops.parity_report",
    description="One comparison of one feature view online with the served release, which the release needs to count online.",
    grain=("checked_at", "view_name"),
    columns=columns(
        [
            ("checked_at", TIMESTAMP, "When it was made."),
            ("release_id", "int64", "Served release."),
            ("business_date", "date", "Its business date."),
            ("view_name", "string", "Feature view."),
            ("online_count", "int64", "Rows in the online store."),
            ("offline_count", "int64", "Rows of the release as of its business date."),
            ("changed_count", "int64", "Rows that the last publish wrote."),
            ("checked_count", "int64", "Keys whose values were compared."),
            ("reader_cell_count", "int64", "Values compared as scoring reads them."),
            ("feast_cell_count", "int64", "Values compared as Feast gives them."),
            ("staging_cell_count", "int64", "Values compared with those worked out anew from the staging tables."),
            ("mismatch_count", "int64", "Values and rows that differ."),
            ("is_equal", "boolean", "Whether none does."),
            ("mismatches", "string", f"The first {SHOWN} of them, one a line: client id, feature, way, value found and value expected."),
            ("run_id", "string", "Run that made it; empty outside of Dagster."),
        ]
    ),
)


@dataclass(frozen=True)
class Mismatch:
    """One cell that differs.

    Attributes:
        entity: the key, which is a surrogate id.
        feature: the feature; empty if the row itself is missing or too many.
        by: what differs: the reader's or Feast's value from the release's (READER, FEAST), the release's from one worked out anew
            (STAGING), or a row that only one side has (KEYS).
        online: the online value; of STAGING, the release's.
        offline: the value it should have.
    """

    entity: str
    feature: str
    by: str
    online: object
    offline: object

    def __str__(self) -> str:
        """The difference in a line."""
        return f"{self.entity} {self.feature or 'row'} ({self.by}): {self.online!r}, expected {self.offline!r}"


@dataclass(frozen=True)
class ViewParity:
    """What was compared of one feature view.

    Attributes:
        view: its name.
        rows_online: rows in the online store.
        rows_offline: rows of the release as of its business date.
        changed_keys: keys that the last publish wrote.
        checked_keys: keys whose values were compared.
        cells: values that were compared, by way.
        mismatches: every difference.
        is_of_our_recipe: whether the code and terms of now computed the values, as far as is known; others are not worked out anew.
    """

    view: str
    rows_online: int
    rows_offline: int
    changed_keys: int
    checked_keys: int
    cells: dict[str, int]
    mismatches: tuple[Mismatch, ...]
    is_of_our_recipe: bool = True


@dataclass(frozen=True)
class ParityReport:
    """What was compared.

    Attributes:
        release_id: the served release.
        business_date: its business date.
        views: by published feature view.
    """

    release_id: int
    business_date: date
    views: tuple[ViewParity, ...]

    @property
    def is_equal(self) -> bool:
        """Whether the online release counts."""
        return not self.mismatches

    @property
    def mismatches(self) -> tuple[Mismatch, ...]:
        """Every difference; empty means equal."""
        return tuple(mismatch for view in self.views for mismatch in view.mismatches)

    @property
    def checked_cells(self) -> int:
        """Values that were compared, each way counted."""
        return sum(count for view in self.views for count in view.cells.values())


def record(lake: "Lake", report: ParityReport, run_id: str) -> None:
    """Add a report to ops.parity_report."""
    checked_at = datetime.now(UTC)
    rows = [
        {
            "checked_at": checked_at,
            "release_id": report.release_id,
            "business_date": report.business_date,
            "view_name": view.view,
            "online_count": view.rows_online,
            "offline_count": view.rows_offline,
            "changed_count": view.changed_keys,
            "checked_count": view.checked_keys,
            **{f"{way}_cell_count": view.cells.get(way, 0) for way in (READER, FEAST, STAGING)},
            "mismatch_count": len(view.mismatches),
            "is_equal": not view.mismatches,
            "mismatches": "\n".join(str(mismatch) for mismatch in view.mismatches[:SHOWN]),
            "run_id": run_id,
        }
        for view in report.views
    ]
    lake.append(PARITY_REPORT, pa.Table.from_pylist(rows, schema=PARITY_REPORT.ibis_schema().to_pyarrow()))


def page(report: ParityReport) -> str:
    """The report in Markdown: counts by view, then the first mismatches of each."""
    lines = [
        f"Release {report.release_id} of {report.business_date}: {'equal' if report.is_equal else 'DIFFERS, does not count'}.",
        "",
        "| View | Rows online | Rows offline | Changed | Compared | Values by reader | by Feast | from staging | Mismatches |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for view in report.views:
        ways = (view.cells.get(way, 0) for way in (READER, FEAST, STAGING))
        counts = (view.rows_online, view.rows_offline, view.changed_keys, view.checked_keys, *ways, len(view.mismatches))
        lines.append(f"| {view.view} | {' | '.join(str(count) for count in counts)} |")
    for view in report.views:
        if not view.is_of_our_recipe:
            lines += ["", f"{view.view}: computed by other code or terms, not worked out anew."]
    if report.mismatches:
        lines += ["", "| View | Client | Feature | Way | Found | Expected |", "|---|---|---|---|---|---|"]
        for view in report.views:
            lines += [
                f"| {view.view} | {cell.entity} | {cell.feature or 'row'} | {cell.by} | {cell.online} | {cell.offline} |"
                for cell in view.mismatches[:SHOWN]
            ]
    return "\n".join(lines)
