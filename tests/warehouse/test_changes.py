"""Which as-of dates a change of staging touches, and that finding out reads only what changed."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.warehouse.lake_book import ACCOUNTS, DAYS, rows, stage
from warehouse.changes import earliest_known, first_changed_on
from warehouse.lake import Candidate, Lake
from warehouse.settings import Settings
from warehouse.sources import SOURCES
from warehouse.table import Column, TableSpec
from warehouse.terms import Terms

STAGING = {source.name: source.staging_spec() for source in SOURCES}
REGIONS = STAGING["regions"]
OPENING = date(2025, 1, 31)
TERMS = Terms()
ROWS = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 2), max_size=6)


@pytest.fixture
def lake(settings: Settings) -> Iterator[Lake]:
    with Lake(settings) as opened:
        yield opened


def known(day: int, month: int = 1) -> datetime:
    return datetime(2025, month, day, 16, 59, 59, 999999, tzinfo=UTC)


def region(key: str, name: str, day: int, month: int = 1) -> dict:
    filled = {"is_deleted": False, "is_opening": False, "source_file": "f", "source_sha256": "0", "source_row_number": 2}
    return filled | {"region_id": key, "region_name": name, "business_date": date(2025, month, day), "known_at": known(day, month)}


def regions(*values: dict) -> pa.Table:
    return pa.Table.from_pylist(list(values), schema=REGIONS.ibis_schema().to_pyarrow())


def intake(lake: Lake, run_id: str, added: pa.Table, removed: pa.Table | None = None) -> None:
    """Publish a change of staging.regions; other staging tables are empty."""
    candidate = lake.candidate("intake", run_id)
    for spec in STAGING.values():
        empty = pa.Table.from_pylist([], schema=spec.ibis_schema().to_pyarrow())
        candidate.merge(spec, added if spec is REGIONS else empty, removed if spec is REGIONS else None)
        candidate.audit(spec)
    candidate.publish(OPENING)


def built(lake: Lake, run_id: str) -> Candidate:
    candidate = lake.candidate("release", run_id)
    candidate.write(ACCOUNTS, rows(ACCOUNTS, []))
    candidate.audit(ACCOUNTS)
    return candidate


def released(lake: Lake) -> None:
    intake(lake, "opening", regions(region("a", "A", 1), region("b", "B", 2), region("c", "C", 3)))
    built(lake, "first").publish(OPENING)


def test_everything_changes_before_the_first_release(lake: Lake) -> None:
    intake(lake, "opening", regions(region("a", "A", 1)))
    assert first_changed_on(built(lake, "first"), lake, TERMS) == date.min


def test_nothing_changes_on_the_same_intake(lake: Lake) -> None:
    released(lake)
    assert first_changed_on(built(lake, "second"), lake, TERMS) is None


@pytest.mark.parametrize(
    ("added", "removed", "expected"),
    [
        ([region("d", "D", 4, 2)], [], date(2025, 2, 4)),  # a new version
        ([region("d", "D", 2)], [], date(2025, 1, 2)),  # a late one
        ([], [region("b", "B", 2)], date(2025, 1, 2)),  # one that is gone
        ([region("c", "other", 3)], [region("c", "C", 3)], date(2025, 1, 3)),  # another value of a held one
        ([region("a", "A", 1), region("d", "D", 4)], [region("a", "A", 1)], date(2025, 1, 4)),  # written again as it was
    ],
    ids=["new", "late", "gone", "corrected", "rewritten"],
)
def test_first_changed_date(lake: Lake, added: list[dict], removed: list[dict], expected: date) -> None:
    released(lake)
    intake(lake, "second", regions(*added), regions(*removed))
    assert first_changed_on(built(lake, "second"), lake, TERMS) == expected


def test_only_files_that_changed_are_read(lake: Lake) -> None:
    released(lake)
    (opening,) = lake.intake().files(REGIONS.name)
    intake(lake, "second", regions(region("d", "D", 4)))
    Path(opening).unlink()
    assert first_changed_on(built(lake, "second"), lake, TERMS) == date(2025, 1, 4)


def test_new_column_alone_is_no_change(lake: Lake) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    wider = TableSpec(ACCOUNTS.name, "Wider.", ACCOUNTS.grain, (*ACCOUNTS.columns, Column("branch", "string", "Branch.", nullable=True)))
    candidate = lake.candidate("release", "second")
    candidate.write(wider, rows(wider, [{"account_id": key, "value": 1, "branch": "x"} for key in "ab"]))
    gone, come = lake.changed_rows(ACCOUNTS.name, lake.release().tables[ACCOUNTS.name], candidate.snapshots()[ACCOUNTS.name])
    assert gone.columns == come.columns == ACCOUNTS.column_names
    assert (gone.count().to_pyarrow().as_py(), come.count().to_pyarrow().as_py()) == (0, 0)


def test_equal_states_have_no_earliest_change(lake: Lake) -> None:
    assert earliest_known(lake, {}) is None


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(states=st.lists(ROWS, min_size=2, max_size=4))
def test_changed_rows_are_the_difference_of_sets(lake: Lake, states: list[dict[str, int]]) -> None:
    candidate, snapshots, held = lake.candidate("release", "run", fresh=True), [], {}
    for state in states:
        change = {key: value for key, value in state.items() if held.get(key) != value}
        away = [key for key in held if state.get(key) != held[key]]
        added = rows(ACCOUNTS, [{"account_id": key, "value": value} for key, value in change.items()])
        candidate.merge(ACCOUNTS, added, pa.table({"account_id": pa.array(away, pa.string())}))
        held = state
        snapshots.append(candidate.snapshots()[ACCOUNTS.name])
    old, new = set(states[0].items()), set(states[-1].items())
    gone, come = (side.to_pyarrow().to_pylist() for side in lake.changed_rows(ACCOUNTS.name, snapshots[0], snapshots[-1]))
    assert sorted(tuple(row.values()) for row in gone) == sorted(old - new)
    assert sorted(tuple(row.values()) for row in come) == sorted(new - old)
    candidate.discard()
