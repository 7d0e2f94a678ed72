"""What costs in proportion to a change: audits of new files only, and reads from a date on. Old files are deleted to show it."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.warehouse.lake_book import ACCOUNTS, BALANCES, DAYS, rows, stage
from warehouse.lake import Candidate, Lake, LakeError
from warehouse.lake.audit import audit_table
from warehouse.settings import Settings
from warehouse.table import Column, TableSpec, columns

JANUARY, FEBRUARY = DAYS
RULED = TableSpec(
    "marts.ruled",
    "A table with rules.",
    ("key", "day_on"),
    columns(
        [
            ("key", "string", "Key."),
            ("day_on", "date", "Day."),
            ("amount", "int64?", "Amount.", {"bounds": (0, None)}),
            ("state", "string?", "State.", {"values": ("OPEN", "CLOSED")}),
        ]
    ),
)
BY_DAY = TableSpec("marts.ruled_by_day", "The same by day.", RULED.grain, RULED.columns, partition_by="day_on")
ONCE = TableSpec("marts.ruled_once", "A key once, whatever its day.", ("key",), RULED.columns, partition_by="day_on")
ROW = st.fixed_dictionaries(
    {
        "key": st.sampled_from([*"abcdefgh", None]),
        "day_on": st.sampled_from(DAYS),
        "amount": st.sampled_from([None, 0, 5, -1]),
        "state": st.sampled_from([None, "OPEN", "open"]),
    }
)


@pytest.fixture
def lake(settings: Settings) -> Iterator[Lake]:
    with Lake(settings) as opened:
        yield opened


def balances(*values: tuple[str, date, int]) -> ir.Table:
    return rows(BALANCES, [{"account_id": key, "day_on": day, "value": value} for key, day, value in values])


def broken(candidate: Candidate, spec: TableSpec) -> dict[str, int]:
    return {result.rule: result.failed_rows for result in candidate.audit(spec) if not result.passed}


def delete_files(lake: Lake, spec: TableSpec, day: date) -> None:
    """Delete the released files of a day, so that reading one fails."""
    for path in lake.at().files(spec.name):
        if f"day_on={day}" in path:
            Path(path).unlink()


def test_audit_reads_only_partitions_with_new_files(lake: Lake) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    delete_files(lake, BALANCES, JANUARY)
    candidate = lake.candidate("release", "second")
    candidate.write(BALANCES, balances(("c", FEBRUARY, 2)), replace="append")
    assert broken(candidate, BALANCES) == {}
    candidate.merge(BALANCES, balances(("a", FEBRUARY, 2)))
    assert broken(candidate, BALANCES) == {"grain": 2}


@pytest.mark.parametrize("spec", [RULED, BY_DAY, ONCE], ids=lambda spec: spec.name)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(added=st.lists(ROW, min_size=1, max_size=6), removed=st.sets(st.sampled_from("abc")))
def test_audit_of_the_change_finds_what_an_audit_of_all_finds(lake: Lake, spec: TableSpec, added: list[dict], removed: set[str]) -> None:
    base = [{"key": key, "day_on": FEBRUARY if key == "c" else JANUARY, "amount": 1, "state": "OPEN"} for key in "abcd"]
    if spec.name not in (lake.release().tables if lake.release() else {}):
        first = lake.candidate("release", "first")
        first.write(spec, rows(spec, base))
        assert broken(first, spec) == {}
        first.publish(DAYS[0])
    candidate = lake.candidate("release", "second", fresh=True)
    candidate.merge(spec, rows(spec, added), rows(spec, [row for row in base if row["key"] in removed]))
    found = sorted((result.rule, result.passed, result.failed_rows) for result in candidate.audit(spec))
    everything = lake.con.create_table(ibis.util.gen_name("all"), candidate.table(spec.name), temp=True)
    assert found == sorted((result.rule, result.passed, result.failed_rows) for result in audit_table(spec, everything))
    candidate.discard()


def test_all_is_audited_when_the_rules_became_stricter(lake: Lake) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    bounded = (ACCOUNTS.columns[0], Column("value", "int64", "Run that wrote it.", bounds=(2, None)))
    candidate = lake.candidate("release", "second")
    candidate.merge(TableSpec(ACCOUNTS.name, "Stricter.", ACCOUNTS.grain, bounded), rows(ACCOUNTS, [{"account_id": "c", "value": 2}]))
    assert broken(candidate, TableSpec(ACCOUNTS.name, "Stricter.", ACCOUNTS.grain, bounded)) == {"bounds(value)": 2}


def test_all_is_audited_when_the_columns_changed(lake: Lake) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    wider = TableSpec(ACCOUNTS.name, "With a branch.", ACCOUNTS.grain, (*ACCOUNTS.columns, Column("branch", "string", "Branch.")))
    candidate = lake.candidate("release", "second")
    candidate.merge(wider, rows(wider, [{"account_id": "c", "value": 2, "branch": "x"}]))
    assert broken(candidate, wider) == {"not_null(branch)": 2}


def test_rows_from_a_date_on_open_no_older_file(lake: Lake) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    delete_files(lake, BALANCES, JANUARY)
    expected = [("a", FEBRUARY, 1), ("b", FEBRUARY, 1)]
    for holder in (lake.at(), lake.candidate("release", "second")):
        found = holder.table(BALANCES.name, since=FEBRUARY).order_by("account_id").to_pyarrow().to_pylist()
        assert [tuple(row.values()) for row in found] == expected
        assert holder.table(BALANCES.name, since=date(2025, 3, 1)).count().to_pyarrow().as_py() == 0
        assert holder.table(BALANCES.name, since=date(2025, 3, 1)).columns == BALANCES.column_names


def test_rows_from_a_date_on_are_as_filtered_rows(lake: Lake) -> None:
    candidate = lake.candidate("release", "run")
    days = [date(2025, 1, number) for number in range(1, 10)]
    for day in days:
        candidate.merge(BALANCES, balances(("a", day, day.day)))
    for since in (date.min, days[0], days[4], days[8], date.max):
        found = candidate.table(BALANCES.name, since=since).day_on.to_pyarrow().to_pylist()
        assert sorted(found) == [day for day in days if day >= since]
        assert sorted(found) == sorted(candidate.table(BALANCES.name).filter(ibis._.day_on >= since).day_on.to_pyarrow().to_pylist())


def test_rows_from_a_date_on_need_a_partition(lake: Lake) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    with pytest.raises(LakeError, match=r"curated.accounts has no date partition"):
        lake.at().table(ACCOUNTS.name, since=JANUARY)
