"""The report's data: equal to the marts, added up and never averaged, and there although tables are missing or empty."""

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest

from tests.warehouse.report_book import (
    BUSINESS_DATE,
    DISTRIBUTIONS,
    LAST,
    MARKUP,
    MONTHS,
    PARENTS,
    PORTFOLIOS,
    PRODUCTS,
    QUOTED,
    Row,
    book,
    publish,
    total,
)
from warehouse.lake import Lake
from warehouse.marts import CLIENT_DEFAULT_RISK, ROLL_RATE_BY_REGION, VINTAGE_BY_REGION
from warehouse.report.encode import columnar, script_json
from warehouse.report.measures import RATES, TILES, columns_of
from warehouse.report.read import Data, Source, read
from warehouse.report.regions import MOST_REGIONS, regions
from warehouse.settings import Settings
from warehouse.warehouse import Warehouse

BOOK = book()


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    home = tmp_path_factory.mktemp("home")
    with Lake(Settings(home=home, catalog_uri=f"sqlite:///{home}/catalog.db")) as opened:
        publish(opened, BOOK)
        yield opened


@pytest.fixture(scope="module")
def data(lake: Lake) -> Data:
    warehouse = Warehouse(lake)
    return read(Source(warehouse.table, warehouse.tables()))


@pytest.mark.parametrize("attribution", PORTFOLIOS)
def test_every_sum_of_the_portfolio_equals_its_mart(data, attribution):
    mart, rows = BOOK[PORTFOLIOS[attribution].name], data.datasets["portfolio"].to_pylist()
    columns = columns_of((*(one for pair in TILES for one in pair), *RATES))
    for column in (name for name in columns if name in mart[0]):
        for month in MONTHS:
            for product in PRODUCTS:
                expected = total(mart, column, month_on=month, product_type_id=product)
                assert total(rows, column, attribution=attribution, month_on=month, product_type_id=product) == expected, column


@pytest.mark.parametrize("attribution", DISTRIBUTIONS)
def test_disbursed_leaves_out_what_is_new_or_cancelled(data, attribution):
    mart, rows = BOOK[DISTRIBUTIONS[attribution].name], data.datasets["portfolio"].to_pylist()
    for column, source in (("disbursed_count", "new_contract_count"), ("disbursed_amount", "new_principal_amount")):
        expected = total(mart, source, month_on=LAST, status={"Active", "Paid-off"})
        assert total(rows, column, attribution=attribution, month_on=LAST) == expected


def test_cohorts_are_mature_and_under_the_top_region(data):
    mart = [row for row in BOOK[VINTAGE_BY_REGION.name] if row["is_mature"]]
    rows = data.datasets["vintage"].to_pylist()
    north = {"R1"}
    for row in rows:
        same = {"vintage_month": row["vintage_month"], "mob": row["mob"]}
        if row["region_id"] in north:
            assert row["ever30_count"] == total(mart, "ever30_count", region_id={"P1", "P2"}, **same)
    assert total(rows, "defaulted_principal_amount") == total(mart, "defaulted_principal_amount")
    assert {row["vintage_quarter"] for row in rows} == {"2025 Q2"}
    # June has reached only its month 0 by the end of June, so the quarter has too.
    assert {row["mob"] for row in rows if row["is_quarter_mature"]} == {0}


def test_moves_stand_in_the_month_in_which_they_happened(data):
    mart, rows = BOOK[ROLL_RATE_BY_REGION.name], data.datasets["roll"].to_pylist()
    assert {row["month_on"] for row in rows} == {MONTHS[1], MONTHS[2]}
    move = {"from_bucket": "30_59", "to_bucket": "60_89"}
    for column in ("contract_count", "outstanding_principal_amount"):
        assert total(rows, column, month_on=LAST, **move) == total(mart, column, month_on=MONTHS[1], **move)


def test_risk_counts_the_last_scores_of_clients_who_owe(data):
    scored = [
        row for row in BOOK[CLIENT_DEFAULT_RISK.name] if row["business_date"] == BUSINESS_DATE and row["outstanding_principal_amount"]
    ]
    rows = data.datasets["risk"].to_pylist()
    assert total(rows, "client_count") == len(scored)
    assert sum(row["expected_default_count"] for row in rows) == pytest.approx(sum(row["probability"] for row in scored), abs=1e-4)
    money = sum(row["probability"] * float(row["outstanding_principal_amount"]) for row in scored)
    assert sum(row["expected_default_amount"] for row in rows) == pytest.approx(money, abs=1)
    assert total(rows, "outstanding_principal_amount", grade="E") == total(scored, "outstanding_principal_amount", grade="E")


def test_every_choice_of_region_and_product_has_its_likeliest_clients(data):
    scored = [
        row for row in BOOK[CLIENT_DEFAULT_RISK.name] if row["business_date"] == BUSINESS_DATE and row["outstanding_principal_amount"]
    ]
    listed = data.datasets["likeliest"].to_pylist()

    def first(rows: list[Row], places: set[str], product: str) -> list[str]:
        fitting = [row for row in rows if row["region_id"] in places and row["product_type_id"] == product]
        return [row["client_id"] for row in sorted(fitting, key=lambda row: (-row["probability"], row["client_id"]))][:20]

    for places in ({"P1", "P2"}, {"P3"}, {"P1", "P2", "P3"}):
        for product in PRODUCTS:
            assert first(listed, places, product) == first(scored, places, product)


def test_regions_lose_the_level_that_holds_one_and_keep_names_apart(data):
    assert data.regions.levels == ("Macro region", "Province")
    assert {region_id: data.regions.labels[region_id][0] for region_id in PARENTS} == PARENTS
    assert [data.regions.labels[one][1] for one in ("P1", "P2", "P3")] == [MARKUP, QUOTED, "South (P3)"]
    assert data.regions.labels["Unknown"] == ("Unknown", "Unknown")
    assert data.regions.labels["R1"] == ("North", "North")


def test_a_circle_of_parents_and_a_missing_parent_end_a_chain():
    rows = [
        {"region_id": "a", "region_name": "A", "parent_region_id": "b", "region_level": None, "valid_from": date(2025, 1, 1)},
        {"region_id": "b", "region_name": "B", "parent_region_id": "a", "region_level": None, "valid_from": date(2025, 1, 1)},
        {"region_id": "c", "region_name": "C", "parent_region_id": "gone", "region_level": None, "valid_from": date(2025, 1, 1)},
    ]
    found = regions(rows, ["a", "c", "nowhere"])
    assert found.labels["a"] == ("B", "A")
    assert found.labels["c"] == ("C", "C")
    assert found.labels["nowhere"] == ("nowhere", "nowhere")


def test_levels_with_more_regions_than_a_chart_can_show_are_added_up():
    communes = [{"region_id": f"c{n}", "region_name": f"C{n}", "parent_region_id": f"d{n // 10}"} for n in range(MOST_REGIONS + 10)]
    districts = [{"region_id": f"d{n}", "region_name": f"D{n}", "parent_region_id": "r0" if n % 2 else "r1"} for n in range(26)]
    tops = [{"region_id": f"r{n}", "region_name": f"R{n}", "parent_region_id": None} for n in range(2)]
    rows = [{**row, "region_level": None, "valid_from": date(2025, 1, 1)} for row in (*communes, *districts, *tops)]
    found = regions(rows, [row["region_id"] for row in communes])
    assert len(found.levels) == 2
    assert (found.lowest["c17"], found.tops["c17"], found.labels["c17"]) == ("d1", "r0", ("R0", "D1"))
    assert found.labels["d1"] == ("R0", "D1")
    assert regions(rows, [row["region_id"] for row in communes[:30]]).lowest["c17"] == "c17"


def test_months_say_which_is_open(data):
    assert data.months == {month: month <= BUSINESS_DATE for month in MONTHS}


def test_an_empty_release_gives_empty_datasets():
    empty = read(Source({}.__getitem__, ()))
    assert empty == Data({}, empty.regions, {}, {})


def test_a_column_comes_back_exactly():
    table = pa.table({"text": ["a", "b", "a"], "day": [date(2025, 1, 1)] * 3, "amount": [Decimal("1.25"), Decimal("2.00"), None]})
    held = json.loads(script_json(columnar(table)))
    assert held["length"] == 3
    assert held["columns"]["text"] == {"distinct": ["a", "b"], "codes": [0, 1, 0]}
    assert held["columns"]["day"] == {"distinct": ["2025-01-01"], "codes": [0, 0, 0]}
    assert held["columns"]["amount"] == {"values": [1.25, 2, None]}


def test_no_text_ends_the_element_that_holds_it():
    hostile = {"name": "</script><script>alert(1)</script><!-- & \u2028\u2029 \" ' \\"}
    text = script_json(hostile)
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == hostile
