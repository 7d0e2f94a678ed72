"""Row-level change of a table: the rows are right, only files that must be are written again, and files do not pile up."""

from collections.abc import Iterator, Mapping
from datetime import date

import ibis
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.warehouse.lake_book import ACCOUNTS, BALANCES, DAYS, rows, stage
from warehouse.lake import Candidate, Lake, LakeError, SchemaMismatch
from warehouse.lake.tiers import FAN, SMALL_ROWS, TIERS, StoredFile, crowded, tier
from warehouse.settings import Settings
from warehouse.table import TableSpec, columns

JANUARY, FEBRUARY = DAYS
WIDER = TableSpec(ACCOUNTS.name, "With a branch.", ACCOUNTS.grain, (*ACCOUNTS.columns, *columns([("branch", "string?", "Branch.")])))
KEYS = "abcdefg"
CHANGES = st.lists(
    st.tuples(st.dictionaries(st.sampled_from(KEYS), st.integers(0, 9)), st.sets(st.sampled_from(KEYS))), min_size=1, max_size=8
)


@pytest.fixture
def lake(settings: Settings) -> Iterator[Lake]:
    with Lake(settings) as opened:
        yield opened


def accounts(values: Mapping[str, int]) -> ibis.Table:
    return rows(ACCOUNTS, [{"account_id": key, "value": value} for key, value in values.items()])


def balances(*values: tuple[str, date, int]) -> ibis.Table:
    return rows(BALANCES, [{"account_id": key, "day_on": day, "value": value} for key, day, value in values])


def keys(*names: str) -> pa.Table:
    return pa.table({"account_id": pa.array(names, pa.string())})


def held(candidate: Candidate, spec: TableSpec = ACCOUNTS) -> dict:
    table = candidate.table(spec.name).to_pyarrow().to_pylist()
    found = {tuple(row[name] for name in spec.grain) if len(spec.grain) > 1 else row[spec.grain[0]]: row["value"] for row in table}
    assert len(found) == len(table)
    return found


def files(lake: Lake, candidate: Candidate, spec: TableSpec = ACCOUNTS) -> set[str]:
    return set(lake.reader.files(spec.name, candidate.staged()[spec.name].snapshot_id))


def publish(candidate: Candidate, spec: TableSpec = ACCOUNTS) -> None:
    assert all(result.passed for result in candidate.audit(spec))
    candidate.publish(DAYS[-1])


def test_table_that_the_base_lacks_starts_with_the_added_rows(lake: Lake) -> None:
    candidate = lake.candidate("release", "run")
    assert candidate.merge(ACCOUNTS, accounts({"a": 1, "b": 2}), keys("a", "z")) == 2
    assert held(candidate) == {"a": 1, "b": 2}
    assert candidate.merge(BALANCES, balances(), balances()) == 0
    assert held(candidate, BALANCES) == {}
    assert candidate.staged().keys() == {ACCOUNTS.name, BALANCES.name}
    candidate.audit(ACCOUNTS)
    publish(candidate, BALANCES)


def test_rows_are_added_and_removed(lake: Lake) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    candidate = lake.candidate("release", "second")
    assert candidate.merge(ACCOUNTS, accounts({"b": 5, "c": 6}), keys("b")) == 2
    assert held(candidate) == {"a": 1, "b": 5, "c": 6}
    publish(candidate)
    assert lake.at().table(ACCOUNTS.name).count().to_pyarrow().as_py() == 3
    assert set(lake.at(1).table(ACCOUNTS.name).value.to_pyarrow().to_pylist()) == {1}


def test_same_run_may_merge_again(lake: Lake) -> None:
    candidate = lake.candidate("release", "run")
    candidate.merge(ACCOUNTS, accounts({"a": 1, "b": 1}))
    candidate.merge(ACCOUNTS, accounts({"a": 2}), keys("a"))
    candidate.merge(ACCOUNTS, accounts({}), candidate.table(ACCOUNTS.name).filter(ibis._.value == 1))
    assert held(candidate) == {"a": 2}


def test_only_files_that_hold_a_removed_row_are_written_again(lake: Lake) -> None:
    candidate = lake.candidate("release", "run")
    candidate.merge(ACCOUNTS, accounts({"a": 1, "b": 1}))
    (first,) = files(lake, candidate)
    candidate.merge(ACCOUNTS, accounts({"c": 2, "d": 2}))
    (second,) = files(lake, candidate) - {first}
    candidate.merge(ACCOUNTS, accounts({}), keys("d", "unknown"))
    assert first in files(lake, candidate)
    assert second not in files(lake, candidate)
    assert held(candidate) == {"a": 1, "b": 1, "c": 2}


def test_partitions_are_changed_row_by_row(lake: Lake) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    candidate = lake.candidate("release", "second")
    before = set(lake.at().files(BALANCES.name))
    new_day = date(2025, 3, 31)
    candidate.merge(BALANCES, balances(("a", FEBRUARY, 7), ("a", new_day, 8)), balances(("a", FEBRUARY, 0)).drop("value"))
    assert held(candidate, BALANCES) == {("a", JANUARY): 1, ("b", JANUARY): 1, ("b", FEBRUARY): 1, ("a", FEBRUARY): 7, ("a", new_day): 8}
    kept = before & files(lake, candidate, BALANCES)
    assert [f"day_on={JANUARY}" in path for path in kept] == [True]
    publish(candidate, BALANCES)


def test_partition_is_not_needed_in_the_grain(lake: Lake) -> None:
    spec = TableSpec("marts.by_day", "Account once, with a day.", ("account_id",), BALANCES.columns, partition_by="day_on")
    candidate = lake.candidate("release", "run")
    candidate.merge(spec, balances(("a", JANUARY, 1), ("b", FEBRUARY, 1)))
    candidate.merge(spec, balances(("a", FEBRUARY, 2)), keys("a"))
    assert held(candidate, spec) == {"a": 2, "b": 1}


@pytest.mark.parametrize("removed", [None, keys(), keys("unknown")], ids=["nothing", "no keys", "unknown keys"])
def test_change_without_rows_stages_nothing(lake: Lake, removed: pa.Table | None) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    candidate = lake.candidate("release", "second")
    assert candidate.merge(ACCOUNTS, accounts({}), removed) == 0
    assert candidate.staged() == {}
    assert candidate.audit(ACCOUNTS) == []
    candidate.write(BALANCES, balances(("a", JANUARY, 2)))
    publish(candidate, BALANCES)
    assert held(candidate) == {"a": 1, "b": 1}
    assert lake.at().release.tables[ACCOUNTS.name] == lake.at(1).release.tables[ACCOUNTS.name]


def test_change_without_rows_follows_the_declaration(lake: Lake) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    candidate = lake.candidate("release", "second")
    candidate.merge(WIDER, rows(WIDER, []))
    assert candidate.table(ACCOUNTS.name).columns == WIDER.column_names
    publish(candidate, WIDER)
    assert lake.at(1).table(ACCOUNTS.name).columns == ACCOUNTS.column_names


def test_rewritten_rows_follow_the_declaration(lake: Lake) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    candidate = lake.candidate("release", "second")
    candidate.merge(WIDER, rows(WIDER, [{"account_id": "c", "value": 2, "branch": "x"}]), keys("a"))
    assert candidate.table(ACCOUNTS.name).order_by("account_id").to_pyarrow().to_pylist() == [
        {"account_id": "b", "value": 1, "branch": None},
        {"account_id": "c", "value": 2, "branch": "x"},
    ]


def test_merge_is_refused_before_anything_is_staged(lake: Lake) -> None:
    candidate = lake.candidate("release", "run")
    with pytest.raises(SchemaMismatch, match=r"curated.accounts.*missing value"):
        candidate.merge(ACCOUNTS, keys("a"))
    candidate.merge(ACCOUNTS, accounts({"a": 1}))
    with pytest.raises(SchemaMismatch, match=r"rows to remove are named by their grain; account_id is missing"):
        candidate.merge(ACCOUNTS, accounts({"b": 1}), pa.table({"value": [1]}))
    with pytest.raises(LakeError, match="is not published in channel release"):
        candidate.merge(TableSpec("staging.x", "x", ("account_id",), ACCOUNTS.columns), accounts({}))
    assert held(candidate) == {"a": 1}


def test_merged_duplicates_fail_the_audit(lake: Lake) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    candidate = lake.candidate("release", "second")
    candidate.merge(ACCOUNTS, accounts({"a": 2}))
    assert [(result.rule, result.failed_rows) for result in candidate.audit(ACCOUNTS) if not result.passed] == [("grain", 2)]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES)
def test_merges_are_as_changes_of_a_dictionary(lake: Lake, changes: list[tuple[dict[str, int], set[str]]]) -> None:
    expected: dict[str, int] = {}
    candidate = lake.candidate("release", "run", fresh=True)
    for added, removed in changes:
        removed = removed | (added.keys() & expected.keys())  # what is added again goes first, as a caller does it
        expected = {key: value for key, value in expected.items() if key not in removed} | added
        candidate.merge(ACCOUNTS, accounts(added), keys(*removed))
        assert held(candidate) == expected
    candidate.discard()


def test_daily_merges_keep_few_files(lake: Lake) -> None:
    candidate = lake.candidate("release", "run")
    candidate.merge(ACCOUNTS, accounts({"first": 0}))
    most = 0
    for number in range(4 * FAN):
        candidate.merge(ACCOUNTS, accounts({f"k{number}": number}))
        most = max(most, len(files(lake, candidate)))
    assert most <= FAN + 1
    assert held(candidate) == {"first": 0} | {f"k{number}": number for number in range(4 * FAN)}


def test_partitions_are_compacted_apart(lake: Lake) -> None:
    candidate = lake.candidate("release", "run")
    for number in range(FAN + 1):
        candidate.merge(BALANCES, balances((f"k{number}", FEBRUARY, 1), *([(f"k{number}", JANUARY, 1)] if number < 2 else [])))
    days = sorted(path.split("day_on=")[1][:10] for path in files(lake, candidate, BALANCES))
    assert days == [str(JANUARY)] * 2 + [str(FEBRUARY)] * 2
    assert len(held(candidate, BALANCES)) == FAN + 3


def test_tiers_follow_the_number_of_rows() -> None:
    edges = [SMALL_ROWS * FAN**power for power in range(TIERS)]
    assert [tier(edge - 1) for edge in edges] == list(range(TIERS))
    assert [tier(edge) for edge in edges] == list(range(1, TIERS + 1))
    assert tier(0) == 0
    assert tier(10**12) == TIERS


@pytest.mark.parametrize("rows_a_day", [1, 700, SMALL_ROWS, 150_000])
def test_thousands_of_merges_keep_few_files_and_write_little_again(rows_a_day: int) -> None:
    opening = StoredFile("opening", 33_000_000, None)
    held, written, most = [opening], 0, 0
    merges = 4000
    for number in range(merges):
        chosen = crowded(held)
        made = sum(file.rows for file in held if file.path in chosen)
        held = [file for file in held if file.path not in chosen] + [StoredFile(f"added-{number}", rows_a_day, None)]
        held += [StoredFile(f"made-{number}", made, None)] if made else []
        written += made
        most = max(most, sum(file.rows < SMALL_ROWS * FAN ** (TIERS - 1) for file in held))
    assert opening in held
    assert sum(file.rows for file in held) == opening.rows + merges * rows_a_day
    assert most <= TIERS * FAN
    # each row once a tier, beside the small files, which cost less than SMALL_ROWS a merge
    assert written <= merges * (rows_a_day * TIERS + SMALL_ROWS)


def test_lower_tiers_that_fill_the_next_one_go_into_it_at_once() -> None:
    small = [StoredFile(f"small-{number}", SMALL_ROWS // 2, None) for number in range(FAN)]
    middle = [StoredFile(f"middle-{number}", SMALL_ROWS * 2, None) for number in range(FAN - 1)]
    assert crowded(small + middle) == {file.path for file in small + middle}
    assert crowded(small[1:] + middle) == set()
    assert FAN * TIERS <= 24


def test_large_table_is_written_in_parts(lake: Lake) -> None:
    # a change of one row writes the rows of its file again, so no file may hold a whole table
    numbers = ibis.range(3_000_000).unnest().name("n").as_table()
    candidate = lake.candidate("release", "run")
    candidate.merge(ACCOUNTS, numbers.select(account_id=numbers.n.cast("string"), value=numbers.n))
    first = files(lake, candidate)
    assert len(first) == 2
    assert all(tier(file.rows) == TIERS for file in lake.reader.stored(ACCOUNTS.name, candidate.snapshots()[ACCOUNTS.name]))
    candidate.merge(ACCOUNTS, accounts({"7": -7}), keys("7"))
    assert len(first & files(lake, candidate)) == 1
    table = candidate.table(ACCOUNTS.name)
    assert table.count().to_pyarrow().as_py() == 3_000_000
    assert table.filter(table.account_id == "7").value.to_pyarrow().to_pylist() == [-7]
