"""The warehouse as people read it."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.warehouse.lake_book import ALERT, BALANCES, BOOK, DAYS, SCORES, rows, stage
from warehouse import open_warehouse
from warehouse.lake import Lake, NoRelease, UnknownTable
from warehouse.settings import Settings
from warehouse.table import Column, TableSpec
from warehouse.warehouse import Warehouse


@pytest.fixture
def warehouse(settings: Settings) -> Iterator[Warehouse]:
    with Lake(settings) as lake:
        stage(lake, "first", 1).publish(DAYS[0])
        stage(lake, "second", 2).publish(DAYS[1])
    with open_warehouse(settings).lake as lake:
        yield Warehouse(lake)


def answers(warehouse: Warehouse, query: str) -> list[dict]:
    return warehouse.sql(query).to_pyarrow().to_pylist()


def test_nothing_can_be_read_before_the_first_release(settings: Settings) -> None:
    warehouse = open_warehouse(settings)
    for read in (lambda: warehouse.table("marts.x"), lambda: warehouse.sql("select 1 from marts.x"), warehouse.tables):
        with pytest.raises(NoRelease, match="no release yet; run lending build"):
            read()
    warehouse.lake.close()


def test_environment_is_the_default(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setenv("LENDING_HOME", str(settings.home / "elsewhere"))
    with open_warehouse().lake as lake:
        assert lake.settings.home == settings.home / "elsewhere"


def test_tables_by_name(warehouse: Warehouse) -> None:
    assert warehouse.release.release_id == 2
    assert set(warehouse.table(BALANCES.name).value.to_pyarrow().to_pylist()) == {2}
    assert set(warehouse.at(1).table(BALANCES.name).value.to_pyarrow().to_pylist()) == {1}
    assert warehouse.tables() == sorted([*(spec.name for spec in BOOK), "ops.audit_result"])
    with pytest.raises(UnknownTable, match=r"did you mean marts.balances\?"):
        warehouse.table("marts.balence")


def test_warehouse_stays_on_its_release(warehouse: Warehouse) -> None:
    total = warehouse.sql("select sum(value) as total from marts.balances")
    stage(warehouse.lake, "third", 3).publish(DAYS[1])
    assert total.to_pyarrow().to_pylist() == [{"total": 8}]
    assert answers(warehouse, "select distinct value from features.scores") == [{"value": 2}]
    assert answers(Warehouse(warehouse.lake), "select distinct value from features.scores") == [{"value": 3}]


def test_ops_tables_are_shown_as_they_are_now(warehouse: Warehouse) -> None:
    assert warehouse.release
    warehouse.lake.append(ALERT, rows(ALERT, [{"alert_id": "x", "at": None}]))
    assert warehouse.table(ALERT.name).alert_id.to_pyarrow().to_pylist() == ["x"]
    assert answers(warehouse, "select count(*) as n from ops.alert") == [{"n": 1}]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("select count(*) as n from marts.balances", [{"n": 4}]),
        ("select balances.value as v from marts.balances limit 1", [{"v": 2}]),
        ("select marts.balances.value as v from marts.balances limit 1", [{"v": 2}]),
        ("select b.value as v from marts.balances b join curated.accounts a using (account_id) limit 1", [{"v": 2}]),
        ("with x as (select * from marts.balances) select count(*) as n from x", [{"n": 4}]),
        ("select count(*) as n from (select 1 from marts.balances union all select 1 from features.scores)", [{"n": 6}]),
        ("select 'marts.balances' as name", [{"name": "marts.balances"}]),
        ("select value as v from curated.accounts where account_id in (select account_id from marts.balances) limit 1", [{"v": 2}]),
    ],
)
def test_sql(warehouse: Warehouse, query: str, expected: list[dict]) -> None:
    assert answers(warehouse, query) == expected


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("select from where", "not valid SQL at line 1, column 17"),
        ("drop table x", "one query can be run here"),
        ("select 1; select 2", "one query can be run here"),
        ("copy (select 1) to 'file'", "one query can be run here"),
        ("", "one query can be run here"),
    ],
)
def test_sql_that_is_not_one_query(warehouse: Warehouse, query: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        warehouse.sql(query)


def test_sql_reads_empty_and_changed_tables(warehouse: Warehouse) -> None:
    candidate = warehouse.lake.candidate("release", "third")
    later = TableSpec(SCORES.name, "Scores.", SCORES.grain, (*SCORES.columns, Column("grade", "string", "Grade.", nullable=True)))
    candidate.merge(later, rows(later, [{"account_id": "z", "value": 3, "grade": "A"}]))
    candidate.write(BALANCES, rows(BALANCES, []))
    for spec in (later, BALANCES):
        candidate.audit(spec)
    candidate.publish(DAYS[1])
    newest = Warehouse(warehouse.lake)
    assert answers(newest, "select count(*) as n from marts.balances") == [{"n": 0}]
    assert answers(newest, "select grade, count(*) as n from features.scores group by 1 order by 2") == [
        {"grade": "A", "n": 1},
        {"grade": None, "n": 2},
    ]


def test_sql_names_near_matches(warehouse: Warehouse) -> None:
    with pytest.raises(UnknownTable, match=r"unknown table 'marts.balancs': did you mean marts.balances\?"):
        warehouse.sql("select * from marts.balancs")


def test_import_is_cheap() -> None:
    heavy = "{'ibis', 'pyiceberg', 'duckdb', 'pandas', 'pyarrow'}"
    code = f"import sys, warehouse; assert not {heavy} & set(sys.modules), sorted({heavy} & set(sys.modules))"
    subprocess.run([sys.executable, "-c", code], check=True)
