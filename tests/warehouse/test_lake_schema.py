"""Declarations that change: what a stored table follows, what it refuses, and that older files and releases stay as they were."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from tests.warehouse.lake_book import ACCOUNTS, ALERT, BALANCES, DAYS, rows, stage
from warehouse.lake import Candidate, Lake, SchemaMismatch, records
from warehouse.settings import Settings
from warehouse.table import Column, TableSpec, columns

LOANS = TableSpec(
    "curated.loans",
    "Loans as they were declared first.",
    ("loan_id",),
    columns(
        [
            ("loan_id", "string", "Key."),
            ("term", "int32?", "Months."),
            ("rate", "float32?", "Rate."),
            ("amount", "decimal(9, 2)?", "Money."),
            ("branch", "string?", "Branch."),
            ("note", "string?", "Free text."),
        ]
    ),
)
LATER = TableSpec(
    "curated.loans",
    "Loans as they are declared now.",
    ("loan_number",),
    columns(
        [
            ("loan_number", "string", "Key.", {"renamed_from": ("loan_id",)}),
            ("branch", "string?", "A new column under the name of an old one: see former_branch."),
            ("tenor_months", "int64?", "Months.", {"renamed_from": ("months", "term")}),
            ("rate", "float64?", "Rate."),
            ("amount", "decimal(18, 2)?", "Money."),
            ("started_on", "date?", "Start."),
        ]
    ),
    retired=("note",),
)
# Between the two: the branch is renamed and gone, so that its name is free.
BETWEEN = TableSpec(
    "curated.loans", "In between.", ("loan_id",), tuple(c for c in LOANS.columns if c.name != "branch"), retired=("branch",)
)
OLD = {"loan_id": "a", "term": 12, "rate": 0.5, "amount": Decimal("1234567.89"), "branch": "north", "note": "x"}
NEW = {
    "loan_number": "b",
    "branch": "south",
    "tenor_months": 2**40,
    "rate": 0.1,
    "amount": Decimal("9999999999999999.99"),
    "started_on": date(2025, 1, 1),
}
OLD_NOW = {"loan_number": "a", "branch": None, "tenor_months": 12, "rate": 0.5, "amount": Decimal("1234567.89"), "started_on": None}


@pytest.fixture
def lake(settings: Settings) -> Iterator[Lake]:
    with Lake(settings) as opened:
        yield opened


def held(table: ibis.Table) -> list[dict]:
    return table.order_by(table.columns[0]).to_pyarrow().to_pylist()


def publish(candidate: Candidate, spec: TableSpec) -> None:
    assert [result for result in candidate.audit(spec) if not result.passed] == []
    candidate.publish(DAYS[-1])


def first_release(lake: Lake) -> None:
    candidate = lake.candidate("release", "first")
    candidate.write(LOANS, rows(LOANS, [OLD]))
    publish(candidate, LOANS)


def evolved(lake: Lake) -> Candidate:
    """A candidate whose table went through both changes, with a file of each declaration."""
    candidate = lake.candidate("release", "second")
    candidate.merge(BETWEEN, rows(BETWEEN, []))
    candidate.merge(LATER, rows(LATER, [NEW]))
    return candidate


@pytest.mark.parametrize("is_recorded", [True, False], ids=["recorded files", "files of an older version"])
def test_all_changes_at_once(lake: Lake, is_recorded: bool) -> None:
    first_release(lake)
    evolved_candidate = evolved(lake)
    if not is_recorded:
        with lake.catalog.engine.begin() as connection:
            connection.execute(sa.delete(records.file))
    with Lake(lake.settings) as fresh:
        candidate = fresh.candidate("release", "second")
        assert held(candidate.table(LOANS.name)) == [OLD_NOW, NEW]
        assert candidate.table(LOANS.name).columns == LATER.column_names
        assert dict(candidate.table(LOANS.name).schema()) == dict(LATER.nullable_schema())
        publish(candidate, LATER)
        old, new = fresh.at(1).table(LOANS.name), fresh.at().table(LOANS.name)
        assert held(old) == [OLD]  # an older release keeps its names, types and columns
        assert dict(old.schema()) == dict(LOANS.nullable_schema())
        assert held(new) == [OLD_NOW, NEW]
        assert new.filter(new.tenor_months > 12).loan_number.to_pyarrow().to_pylist() == ["b"]
    assert evolved_candidate.kind == "release"


def test_rows_merge_after_the_change(lake: Lake) -> None:
    first_release(lake)
    publish(evolved(lake), LATER)
    third = NEW | {"loan_number": "c", "tenor_months": 1}
    candidate = lake.candidate("release", "third")
    candidate.merge(LATER, rows(LATER, [third, OLD_NOW | {"branch": "x"}]), pa.table({"loan_number": ["a"]}))
    assert held(candidate.table(LOANS.name)) == [OLD_NOW | {"branch": "x"}, NEW, third]
    publish(candidate, LATER)
    assert held(lake.at(1).table(LOANS.name)) == [OLD]
    assert held(lake.at(2).table(LOANS.name)) == [OLD_NOW, NEW]
    gone, come = lake.changed_rows(LOANS.name, lake.at(2).release.tables[LOANS.name], lake.at(3).release.tables[LOANS.name])
    assert (held(gone), held(come)) == ([OLD_NOW], [OLD_NOW | {"branch": "x"}, third])


def test_rows_merge_into_files_of_an_older_version(lake: Lake) -> None:
    first_release(lake)
    publish(evolved(lake), LATER)
    with lake.catalog.engine.begin() as connection:
        connection.execute(sa.delete(records.file))
    with Lake(lake.settings) as fresh:
        candidate = fresh.candidate("release", "third")
        candidate.merge(LATER, rows(LATER, [OLD_NOW | {"branch": "x"}]), pa.table({"loan_number": ["a"]}))
        assert held(candidate.table(LOANS.name)) == [OLD_NOW | {"branch": "x"}, NEW]
        publish(candidate, LATER)


def test_rolled_back_release_reads_with_its_old_names(lake: Lake) -> None:
    first_release(lake)
    publish(evolved(lake), LATER)
    lake.rollback(to=1)
    assert held(lake.at().table(LOANS.name)) == [OLD]
    candidate = lake.candidate("release", "third")
    candidate.merge(LATER, rows(LATER, [NEW]))
    assert held(candidate.table(LOANS.name)) == [OLD_NOW, NEW]


def test_field_ids_are_those_of_the_table(lake: Lake) -> None:
    first_release(lake)
    candidate = evolved(lake)
    table = lake.catalog.reload(LOANS.name)
    ids = {field.name: field.field_id for field in table.schema().fields}
    assert ids == {"loan_number": 1, "branch": 7, "tenor_months": 2, "rate": 3, "amount": 4, "started_on": 8}
    paths = lake.reader.files(LOANS.name, candidate.snapshots()[LOANS.name])
    (newest,) = (path for path in paths if "started_on" in pq.read_schema(path).names)
    assert {field.name: int(field.metadata[b"PARQUET:field_id"]) for field in pq.read_schema(newest)} == ids


def test_rename_by_name_would_read_wrong_data(lake: Lake) -> None:
    # trap of renames: files matched by name mix two columns that had one name at different times
    first_release(lake)
    candidate = evolved(lake)
    paths = lake.reader.files(LOANS.name, candidate.snapshots()[LOANS.name])
    by_name = lake.con.read_parquet(paths, union_by_name=True)
    assert "north" in by_name.branch.to_pyarrow().to_pylist()
    assert candidate.table(LOANS.name).branch.to_pyarrow().to_pylist().count("north") == 0


def test_partition_column_may_get_a_new_name(lake: Lake) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    renamed = TableSpec(
        BALANCES.name,
        "Balances by day.",
        ("account_id", "as_of_on"),
        columns(
            [("account_id", "string", "Key."), ("as_of_on", "date", "Day.", {"renamed_from": ("day_on",)}), ("value", "int64", "Value.")]
        ),
        partition_by="as_of_on",
    )
    candidate = lake.candidate("release", "second")
    added = rows(renamed, [{"account_id": "a", "as_of_on": DAYS[1], "value": 5}])
    candidate.merge(renamed, added, added.drop("value"))
    assert candidate.table(BALANCES.name, since=DAYS[1]).order_by("account_id").value.to_pyarrow().to_pylist() == [5, 1]
    publish(candidate, renamed)
    candidate = lake.candidate("release", "third")
    candidate.write(renamed, rows(renamed, []), replace=[DAYS[0]])
    assert candidate.table(BALANCES.name).as_of_on.to_pyarrow().to_pylist() == [DAYS[1]] * 2


@pytest.mark.parametrize(
    ("held_type", "wanted", "value"),
    [("int32", "int64", 2**40), ("float32", "float64", 0.1), ("decimal(9, 2)", "decimal(18, 2)", Decimal("12345678901.25"))],
)
def test_types_widen(lake: Lake, held_type: str, wanted: str, value: object) -> None:
    narrow, wide = (
        TableSpec("curated.n", "n", ("key",), columns([("key", "string", "k"), ("n", f"{dtype}?", "Number.")]))
        for dtype in (held_type, wanted)
    )
    candidate = lake.candidate("release", "run")
    candidate.write(narrow, rows(narrow, [{"key": "a", "n": Decimal(1) if "decimal" in wanted else 1}]))
    candidate.write(wide, rows(wide, [{"key": "b", "n": value}]), replace="append")
    assert candidate.table("curated.n").schema()["n"] == wide.nullable_schema()["n"]
    assert held(candidate.table("curated.n")) == [{"key": "a", "n": 1}, {"key": "b", "n": value}]
    with pytest.raises(SchemaMismatch, match=r"curated.n.n: .* in the lake, .* in the declaration; a type only widens"):
        candidate.write(narrow, rows(narrow, []))


def changed(*declared: tuple, retired: tuple[str, ...] = (), partition_by: str | None = None) -> TableSpec:
    """curated.accounts with other columns."""
    return TableSpec(ACCOUNTS.name, "Changed.", (declared[0][0],), columns(declared), partition_by, retired)


KEY = ("account_id", "string", "Key.")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (changed(KEY), "the lake has value, the declaration does not; a column with a new name says so in renamed_from"),
        (changed(KEY, ("amount", "int64", "x")), "the lake has value, the declaration does not"),
        (changed(KEY, ("value", "date", "x")), r"accounts.value: long in the lake, date in the declaration; a type only widens"),
        (changed(KEY, ("value", "int32", "x")), r"accounts.value: long in the lake, int in the declaration"),
        (changed(KEY, ("value", "decimal(18, 2)", "x")), "declare a new column instead"),
        (changed(KEY, ("number", "string", "x", {"renamed_from": ("value",)})), r"accounts.number: long in the lake, string in the"),
        (
            changed(KEY, ("value", "int64", "x"), ("day_on", "date", "x"), partition_by="day_on"),
            "partitioned by nothing in the lake and by day_on",
        ),
    ],
    ids=["dropped", "renamed in silence", "retyped", "narrowed", "other kind", "renamed and retyped", "partitioned"],
)
def test_changes_that_lose_values_are_refused(lake: Lake, spec: TableSpec, message: str) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    before = lake.catalog.reload(ACCOUNTS.name).schema()
    with pytest.raises(SchemaMismatch, match=message):
        lake.candidate("release", "second").write(spec, rows(spec, []))
    assert lake.catalog.reload(ACCOUNTS.name).schema() == before


def test_decimal_keeps_its_scale(lake: Lake) -> None:
    specs = [TableSpec("curated.n", "n", ("n",), columns([("n", dtype, "Number.")])) for dtype in ("decimal(9, 2)", "decimal(18, 4)")]
    candidate = lake.candidate("release", "run")
    candidate.write(specs[0], rows(specs[0], []))
    with pytest.raises(SchemaMismatch, match=r"decimal\(9, 2\) in the lake, decimal\(18, 4\) in the declaration"):
        candidate.write(specs[1], rows(specs[1], []))


@pytest.mark.parametrize(("value", "broken"), [(None, {"not_null(branch)": 1}), ("x", {})], ids=["nulls are held", "none are held"])
def test_nullable_column_becomes_required_only_if_no_value_is_missing(lake: Lake, value: str | None, broken: dict[str, int]) -> None:
    loose, strict = (changed(KEY, ("branch", dtype, "Branch.")) for dtype in ("string?", "string"))
    first = lake.candidate("release", "first")
    first.write(loose, rows(loose, [{"account_id": "a", "branch": value}]))
    publish(first, loose)
    candidate = lake.candidate("release", "second")
    candidate.merge(strict, rows(strict, [{"account_id": "b", "branch": "y"}]))
    assert {result.rule: result.failed_rows for result in candidate.audit(strict) if not result.passed} == broken


def test_newest_rows_of_ops_follow_the_declaration(lake: Lake) -> None:
    at = datetime(2025, 1, 1, tzinfo=UTC)
    lake.append(ALERT, rows(ALERT, [{"alert_id": "x", "at": at}]))
    later = TableSpec(
        ALERT.name, "Alerts.", ("alert_id",), (ALERT.columns[0], Column("raised_at", ALERT.columns[1].dtype, "When.", renamed_from=("at",)))
    )
    assert lake.ops(later).to_pyarrow().to_pylist() == [{"alert_id": "x", "raised_at": at}]
    lake.append(later, rows(later, [{"alert_id": "y", "raised_at": at}]))
    assert lake.ops(later).order_by("alert_id").to_pyarrow().to_pylist() == [
        {"alert_id": "x", "raised_at": at},
        {"alert_id": "y", "raised_at": at},
    ]


@pytest.mark.parametrize("wrong", [{"retired": ("value",)}, {"retired": ("old", "old")}])
def test_former_names_are_not_declared_as_well(wrong: dict) -> None:
    with pytest.raises(ValueError, match="is a former name and must not be declared or listed a second time"):
        TableSpec(ACCOUNTS.name, "x", ACCOUNTS.grain, ACCOUNTS.columns, **wrong)
