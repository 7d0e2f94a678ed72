"""Tables in the lake: types, whole and partial replacement, empty tables, declarations that change."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.warehouse.lake_book import ACCOUNTS, ALERT, BALANCES, BOOK, DAYS, EVERY_TYPE, rows, stage
from warehouse.lake import Lake, LakeError, SchemaMismatch, UnknownTable
from warehouse.lake.tiers import FAN
from warehouse.settings import Settings
from warehouse.table import Column, TableSpec, columns

EXTREME = {
    "key": "Nguyễn 'x' \"y\"",
    "amount": Decimal("-9999999999999999.99"),
    "rate": Decimal("0.000001"),
    "on": date(1900, 1, 1),
    "at": datetime(2025, 3, 31, 16, 59, 59, 999999, tzinfo=UTC),
    "small": -(2**31),
    "big": 2**63 - 1,
    "ratio": 0.1,
    "is_good": False,
}


@pytest.fixture
def lake(settings: Settings) -> Iterator[Lake]:
    with Lake(settings) as opened:
        yield opened


def days_of(candidate, spec=BALANCES) -> list[tuple[str, date, int]]:
    table = candidate.table(spec.name).order_by("day_on", "account_id")
    return [tuple(row[name] for name in ("account_id", "day_on", "value")) for row in table.to_pyarrow().to_pylist()]


def balances(*values: tuple[str, date, int]) -> ibis.Table:
    return rows(BALANCES, [{"account_id": key, "day_on": day, "value": value} for key, day, value in values])


def test_every_type_comes_back_as_declared(lake: Lake) -> None:
    candidate = lake.candidate("release", "run")
    nulls = dict.fromkeys(EVERY_TYPE.column_names) | {"key": "null"}
    assert candidate.write(EVERY_TYPE, rows(EVERY_TYPE, [EXTREME, nulls])) == 2
    stored = candidate.table(EVERY_TYPE.name)
    wanted = {name: dtype.copy(nullable=True) for name, dtype in EVERY_TYPE.ibis_schema().items()}
    assert dict(stored.schema()) == wanted
    assert stored.order_by("key").to_pyarrow().to_pylist() == [EXTREME, nulls]
    assert all(result.passed for result in candidate.audit(EVERY_TYPE))


def test_literals_are_stored_in_the_declared_type(lake: Lake) -> None:
    # ibis writes a float literal as a decimal and then drops its own cast, so the final COPY must cast
    candidate = lake.candidate("release", "run")
    literals = rows(EVERY_TYPE, [EXTREME]).mutate(ratio=ibis.literal(0.5), amount=ibis.literal(1.005), big=ibis.literal(1).cast("int8"))
    candidate.write(EVERY_TYPE, literals)
    path = lake.reader.files(EVERY_TYPE.name, candidate.staged()[EVERY_TYPE.name].snapshot_id)[0]
    file = pq.read_schema(path)
    assert (file.field("ratio").type, file.field("amount").type, file.field("big").type) == (pa.float64(), pa.decimal128(18, 2), pa.int64())
    assert file.field("at").type == pa.timestamp("us", tz="UTC")
    assert [file.field(name).metadata[b"PARQUET:field_id"] for name in EVERY_TYPE.column_names] == [b"%d" % n for n in range(1, 10)]


def test_arrow_data_in_another_column_order(lake: Lake) -> None:
    candidate = lake.candidate("release", "run")
    assert candidate.write(ACCOUNTS, pa.table({"value": [1, 2], "account_id": ["a", "b"]})) == 2
    assert candidate.table(ACCOUNTS.name).columns == ("account_id", "value")


def test_data_must_have_the_declared_columns(lake: Lake) -> None:
    candidate = lake.candidate("release", "run")
    with pytest.raises(SchemaMismatch, match=r"curated.accounts.*missing value; not declared name, amount"):
        candidate.write(ACCOUNTS, pa.table({"account_id": ["a"], "name": ["n"], "amount": [1]}))
    # the engine's own message would quote the text, which may be a person's name
    with pytest.raises(SchemaMismatch, match="value is string and declared") as raised:
        candidate.write(ACCOUNTS, pa.table({"account_id": ["a"], "value": ["Nguyen Van A"]}))
    assert "Nguyen" not in str(raised.value)
    assert not candidate.has(ACCOUNTS.name)


def test_types_that_iceberg_lacks_are_refused(lake: Lake) -> None:
    spec = TableSpec("curated.tiny", "x", ("key",), (Column("key", "int8", "Key."),))
    with pytest.raises(SchemaMismatch, match="column key: the lake cannot store !int8"):
        lake.candidate("release", "run").write(spec, pa.table({"key": [1]}))


def test_whole_table_is_replaced(lake: Lake) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    candidate = lake.candidate("release", "second")
    candidate.write(ACCOUNTS, pa.table({"account_id": ["z"], "value": [9]}))
    assert candidate.table(ACCOUNTS.name).to_pyarrow().to_pylist() == [{"account_id": "z", "value": 9}]
    assert lake.at().table(ACCOUNTS.name).count().to_pyarrow().as_py() == 2


def test_only_named_partitions_are_replaced(lake: Lake) -> None:
    january, february = DAYS
    stage(lake, "first", 1).publish(february)
    candidate = lake.candidate("release", "second")
    candidate.write(BALANCES, balances(("c", february, 7)), replace=[february])
    assert days_of(candidate) == [("a", january, 1), ("b", january, 1), ("c", february, 7)]


def test_day_without_rows_is_cleared(lake: Lake) -> None:
    # trap 9: PyIceberg's dynamic overwrite does nothing on 0 rows, so it cannot clear a day
    january, february = DAYS
    stage(lake, "first", 1).publish(february)
    candidate = lake.candidate("release", "second")
    assert candidate.write(BALANCES, balances(), replace=[february]) == 0
    assert days_of(candidate) == [("a", january, 1), ("b", january, 1)]
    candidate.write(BALANCES, balances(("a", february, 3)), replace=[february, january])
    assert days_of(candidate) == [("a", february, 3)]


def test_partitions_outside_the_named_ones_are_refused(lake: Lake) -> None:
    candidate = lake.candidate("release", "run")
    with pytest.raises(SchemaMismatch, match=r"marts.balances: the data holds day_on 2025-02-28"):
        candidate.write(BALANCES, balances(("a", DAYS[1], 1)), replace=[DAYS[0]])
    data = lake.catalog.folder(BALANCES.name) / "data"
    assert list(data.iterdir()) == []


@pytest.mark.parametrize("days", [DAYS[:1], DAYS], ids=["one date", "many dates"])
def test_files_keep_the_order_of_the_expression(lake: Lake, days: tuple[date, ...]) -> None:
    # the engine's own PARTITION_BY does not; readers prune by key and merge joins count on it
    numbers = ibis.range(300_000).unnest().name("n").as_table()
    shuffled = numbers.mutate(key=numbers.n * 2_654_435_761 % 300_007)
    data = shuffled.select(
        account_id=shuffled.key.cast("string").lpad(8, "0"),
        day_on=ibis.cases(*((shuffled.n % len(days) == place, ibis.literal(day)) for place, day in enumerate(days))),
        value=shuffled.n,
    )
    candidate = lake.candidate("release", "run")
    assert candidate.write(BALANCES, data.order_by("account_id"), replace=days) == 300_000
    files = lake.reader.files(BALANCES.name, candidate.staged()[BALANCES.name].snapshot_id)
    assert len(files) == len(days)
    for path in files:
        keys = pq.ParquetFile(path).read(["account_id"])["account_id"].to_pylist()
        assert keys == sorted(keys)


@pytest.mark.parametrize("replace", [None, DAYS[:1], DAYS], ids=["whole", "one date", "many dates"])
@pytest.mark.parametrize("is_ordered", [False, True], ids=["as it comes", "ordered"])
def test_partition_column_is_never_null(lake: Lake, replace: tuple[date, ...] | None, is_ordered: bool) -> None:
    data = ibis.memtable(pa.table({"account_id": ["a", "b"], "day_on": pa.array([None, DAYS[0]], pa.date32()), "value": [1, 2]}))
    with pytest.raises(SchemaMismatch, match="day_on is null"):
        lake.candidate("release", "run").write(BALANCES, data.order_by("account_id") if is_ordered else data, replace=replace)


def test_many_partitions_at_once(lake: Lake) -> None:
    # by predicate this took PyIceberg half a minute, and above 200 dates it would rewrite the files through memory
    days = [date.fromordinal(date(2020, 1, 1).toordinal() + n) for n in range(250)]
    candidate = lake.candidate("release", "run")
    candidate.write(BALANCES, balances(*(("a", day, 1) for day in days)), replace=days)
    candidate.write(BALANCES, balances(*(("a", day, 2) for day in days[1:])), replace=days[1:])
    table = candidate.table(BALANCES.name)
    assert table.group_by("value").agg(n=table.count()).order_by("value").to_pyarrow().to_pylist() == [
        {"value": 1, "n": 1},
        {"value": 2, "n": 249},
    ]
    snapshot = candidate.staged()[BALANCES.name].snapshot_id
    assert all(
        task.file.record_count == 1 for task in lake.catalog.holding(BALANCES.name, snapshot).scan(snapshot_id=snapshot).plan_files()
    )


def test_rows_are_appended(lake: Lake) -> None:
    january, february = DAYS
    stage(lake, "first", 1).publish(february)
    candidate = lake.candidate("release", "second")
    candidate.write(BALANCES, balances(("c", january, 2)), replace="append")
    candidate.write(BALANCES, balances(("c", february, 2)), replace="append")
    assert [key for key, _, _ in days_of(candidate)] == ["a", "b", "c", "a", "b", "c"]


def test_dates_need_a_partitioned_table(lake: Lake) -> None:
    with pytest.raises(LakeError, match=r"curated.accounts has no partition column"):
        lake.candidate("release", "run").write(ACCOUNTS, rows(ACCOUNTS, []), replace=[DAYS[0]])


@pytest.mark.parametrize("spec", [ACCOUNTS, BALANCES, EVERY_TYPE], ids=lambda spec: spec.name)
def test_empty_table_is_typed(lake: Lake, spec: TableSpec) -> None:
    # trap 8: the engine cannot read an empty list of files
    candidate = lake.candidate("release", "run")
    assert candidate.write(spec, rows(spec, [])) == 0
    assert all(result.passed for result in candidate.audit(spec))
    candidate.publish(DAYS[0])
    table = lake.at().table(spec.name)
    assert dict(table.schema()) == {name: dtype.copy(nullable=True) for name, dtype in spec.ibis_schema().items()}
    assert table.to_pyarrow().num_rows == 0
    assert lake.at().files(spec.name) == []


def test_table_is_emptied_and_filled_again(lake: Lake) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    for run, values, expected in (("empty", [], 0), ("full", [{"account_id": "a", "value": 5}], 1)):
        candidate = lake.candidate("release", run)
        candidate.write(ACCOUNTS, rows(ACCOUNTS, values))
        candidate.audit(ACCOUNTS)
        candidate.publish(DAYS[0])
        assert lake.at().table(ACCOUNTS.name).count().to_pyarrow().as_py() == expected


def test_table_is_computed_from_its_own_last_version(lake: Lake) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    candidate = lake.candidate("release", "second")
    for _ in range(2):
        held = candidate.table(ACCOUNTS.name)
        candidate.write(ACCOUNTS, held.mutate(value=held.value + 1))
    assert candidate.table(ACCOUNTS.name).value.max().to_pyarrow().as_py() == 3


WIDER = TableSpec(
    ACCOUNTS.name,
    "Accounts with a branch.",
    ACCOUNTS.grain,
    (*ACCOUNTS.columns, *columns([("branch", "string?", "Branch."), ("amount", "decimal(18, 2)?", "Money.")])),
)


def test_declaration_gains_columns(lake: Lake) -> None:
    first = stage(lake, "first", 1)
    first.publish(DAYS[0])
    candidate = lake.candidate("release", "second")
    candidate.write(WIDER, rows(WIDER, [{"account_id": "c", "value": 2, "branch": "x", "amount": Decimal("1.10")}]), replace="append")
    assert all(result.passed for result in candidate.audit(WIDER))
    old = {"value": 1, "branch": None, "amount": None}
    assert candidate.table(ACCOUNTS.name).order_by("account_id").to_pyarrow().to_pylist() == [
        {"account_id": "a"} | old,
        {"account_id": "b"} | old,
        {"account_id": "c", "value": 2, "branch": "x", "amount": Decimal("1.10")},
    ]
    candidate.publish(DAYS[0])
    assert lake.at(1).table(ACCOUNTS.name).columns == ("account_id", "value")  # an older release keeps its columns


def test_empty_table_gains_columns(lake: Lake) -> None:
    for run, spec in (("first", ACCOUNTS), ("second", WIDER)):
        candidate = lake.candidate("release", run)
        candidate.write(spec, rows(spec, []))
        assert all(result.passed for result in candidate.audit(spec))
        candidate.publish(DAYS[0])
    assert lake.at().table(ACCOUNTS.name).columns == WIDER.column_names


def test_ops_tables_are_appended_to(lake: Lake) -> None:
    assert lake.ops(ALERT).to_pyarrow().num_rows == 0
    at = datetime(2025, 1, 1, tzinfo=UTC)
    for key in ("x", "y"):
        assert lake.append(ALERT, pa.table({"alert_id": [key], "at": pa.array([at], pa.timestamp("us", tz="UTC"))})) == 1
    assert lake.append(ALERT, rows(ALERT, [])) == 0
    assert sorted(lake.ops(ALERT).alert_id.to_pyarrow().to_pylist()) == ["x", "y"]
    later = TableSpec(ALERT.name, ALERT.description, ALERT.grain, (*ALERT.columns, Column("text", "string", "Text.", nullable=True)))
    assert lake.ops(later).order_by("alert_id").to_pyarrow().to_pylist()[0] == {"alert_id": "x", "at": at, "text": None}
    with pytest.raises(LakeError, match="write it in a candidate"):
        lake.append(ACCOUNTS, rows(ACCOUNTS, []))


def test_appended_rows_keep_few_files(lake: Lake) -> None:
    at = datetime(2025, 1, 1, tzinfo=UTC)
    held = lake.ops(ALERT)
    for number in range(2 * FAN + 1):
        lake.append(ALERT, rows(ALERT, [{"alert_id": f"{number:02}", "at": at}]))
        held = held if number != FAN - 2 else lake.ops(ALERT)
    assert len(lake.reader.files(ALERT.name, lake.catalog.reload(ALERT.name).current_snapshot().snapshot_id)) < FAN
    assert sorted(lake.ops(ALERT).alert_id.to_pyarrow().to_pylist()) == [f"{number:02}" for number in range(2 * FAN + 1)]
    assert held.count().to_pyarrow().as_py() == FAN - 1  # who read before the small files became one still reads


def test_unknown_tables_name_near_matches(lake: Lake) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    with pytest.raises(UnknownTable, match=r"unknown table 'marts.balance': did you mean marts.balances\?"):
        lake.at().table("marts.balance")
    with pytest.raises(KeyError, match=r"did you mean curated.accounts"):
        lake.candidate("release", "second").table("accounts")


def test_home_may_have_any_name(settings: Settings) -> None:
    home = settings.home / "it's env=prod" / "100% số"
    with Lake(Settings(home=home)) as lake:
        stage(lake, "first", 1).publish(DAYS[0])
        assert lake.at().table(BALANCES.name).columns == BALANCES.column_names
        assert {spec.name for spec in BOOK} == set(lake.at().tables())


def test_a_closed_lake_with_kept_tables_lets_the_interpreter_end_in_silence(tmp_path):
    code = (
        "import pathlib, sys\n"
        "from warehouse.lake import Lake\n"
        "from warehouse.settings import Settings\n"
        "home = pathlib.Path(sys.argv[1])\n"
        "lake = Lake(Settings(home=home, catalog_uri=f'sqlite:///{home}/catalog.db'))\n"
        "held = lake.con.create_table('x', schema={'a': 'int64'}).mutate(b=1).cache()\n"
        "lake.close()\n"
    )
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert ended.stderr == ""
