"""The report's pages as files: the same every time, closed to the network, honest about what a release lacks and what a chart follows."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.warehouse.report_book import (
    DISTRIBUTIONS,
    GENERATED_AT,
    LAST,
    MARKUP,
    MONTHS,
    PORTFOLIOS,
    QUOTED,
    RESTATED_ON,
    book,
    filled,
    publish,
    total,
)
from warehouse.lake import Lake, NoRelease
from warehouse.marts import RESTATEMENT
from warehouse.marts.portfolio_by_region_month import PORTFOLIO_BY_REGION_MONTH
from warehouse.marts.restatement import MEASURES
from warehouse.report import restated
from warehouse.report.index import write_index
from warehouse.report.pages import PAGES
from warehouse.report.read import PORTFOLIO, Source, read
from warehouse.report.specs import TITLES, follows, missing
from warehouse.report.write import Report, write_report
from warehouse.settings import Settings
from warehouse.warehouse import Warehouse

BOOK = book()


@pytest.fixture(scope="module")
def lake(tmp_path_factory) -> Iterator[Lake]:
    home = tmp_path_factory.mktemp("home")
    with Lake(Settings(home=home, catalog_uri=f"sqlite:///{home}/catalog.db")) as opened:
        publish(opened, BOOK)
        yield opened


@pytest.fixture(scope="module")
def report(lake, tmp_path_factory) -> Report:
    return write_report(Warehouse(lake), tmp_path_factory.mktemp("pages"), "VND", GENERATED_AT)


def page_data(text: str) -> dict:
    """What the page's script reads."""
    return json.loads(re.search(r'<script type="application/json" id="page">(.*?)</script>', text, re.DOTALL)[1])


def test_the_same_release_gives_the_same_bytes(lake, report, tmp_path):
    again = write_report(Warehouse(lake), tmp_path, "VND", GENERATED_AT)
    assert [page.name for page in again.pages] == [f"{page.name}.html" for page in PAGES]
    assert [page.read_bytes() for page in again.pages] == [page.read_bytes() for page in report.pages]


def test_pages_name_nothing_elsewhere(report):
    for page in report.pages:
        text = page.read_text()
        assert "default-src 'none'" in text
        own = text.replace(re.search(r"<style>.*</style>", text, re.DOTALL)[0], "")
        markup = re.sub(r"<script.*?</script>", "", own, flags=re.DOTALL)
        assert set(re.findall(r'(?:src|href)="([^"]*)"', markup)) <= {"#main", "data:,", *(f"{one.name}.html" for one in PAGES)}
        assert "url(" not in re.search(r"<style>(.*)</style>", text, re.DOTALL)[1]


def test_names_from_data_are_text_and_never_markup(report):
    for page in report.pages:
        assert MARKUP not in page.read_text()
    assert [page_data(report.pages[1].read_text())["regions"][one][1] for one in ("P1", "P2")] == [MARKUP, QUOTED]


def test_no_page_holds_a_client_save_the_list_of_the_likeliest(report):
    held = {page.stem for page in report.pages if "client_id" in page.read_text().partition('id="page">')[2].partition("</script>")[0]}
    assert held == {"risk"}


def test_what_a_chart_does_not_follow_is_said_and_true(report):
    for page, path in zip(PAGES, report.pages, strict=True):
        text = path.read_text()
        charts = page_data(text)["charts"]
        for figure in page.figures:
            card = re.search(rf'<figure class="[^"]*" id="{figure.name}">.*?</figure>', text, re.DOTALL)[0]
            note = re.search(r"Does not follow: (.*?)\.</p>", card)
            said = {part.partition(" (")[0] for part in note[1].split("; ")} if note else set()
            not_followed = {TITLES[name] for name in page.filters if name not in follows(charts[figure.name])}
            special = {TITLES[name] for name in ("level", "rate", "vintage", "restated")}
            assert said == not_followed - special, figure.name


def test_every_expression_of_a_signal_has_its_signal(report):
    for path in report.pages:
        for name, spec in page_data(path.read_text())["charts"].items():
            declared = {param["name"] for param in spec.get("params", ())}
            used = set(
                re.findall(r"\b(month|product|within|level|attribution|measure|rate|vintage|restated|dark)\b(?=[ .\])])", expressions(spec))
            )
            assert {one for one in used if f"datum.{one}" not in expressions(spec)} <= declared, name


def expressions(spec: dict) -> str:
    """All filters and calculations of a chart."""
    steps = [step for step in spec.get("transform", ()) if isinstance(step, dict)]
    return " ; ".join(str(step.get("filter", step.get("calculate", ""))) for step in steps) + " "


def test_a_release_without_a_mart_or_a_column_is_told_apart_from_zeros(lake, tmp_path):
    held = Warehouse(lake)
    names = [name for name in held.tables() if name != "marts.vintage_by_region"]

    def table(name: str):
        found = held.table(name)
        return found.drop("npl_amount") if name in {spec.name for spec in PORTFOLIOS.values()} else found

    data = read(Source(table, names))
    lacking = {figure.name for page in PAGES for figure in page.figures if missing(figure, data)}
    assert lacking == {"at_risk", "vintage_curves", "vintage_triangle"}


def test_before_the_first_release_there_is_no_report(settings, tmp_path):
    with Lake(settings) as lake, pytest.raises(NoRelease, match="run lending build"):
        write_report(Warehouse(lake), tmp_path, "VND", GENERATED_AT)


def test_the_report_reads_columns_that_the_marts_have():
    assert set(PORTFOLIO) <= set(PORTFOLIO_BY_REGION_MONTH.column_names)
    assert set(restated.TITLES) == set(MEASURES)


def test_restated_months_begin_at_what_was_reported(lake):
    warehouse = Warehouse(lake)
    data = read(Source(warehouse.table, warehouse.tables()))
    rows, mart, changes = data.datasets["reported"].to_pylist(), BOOK[PORTFOLIOS["as_of"].name], BOOK[RESTATEMENT.name]
    for measure in ("outstanding_principal_amount", "par30_amount"):
        for month in (MONTHS[0], LAST):
            assert total(rows, "reported_amount", measure=measure, month_on=month) == total(mart, measure, month_on=month)
            assert total(rows, "change_amount", measure=measure, month_on=month) == total(
                changes, "change_amount", measure=measure, month_on=month
            )
    causes = data.datasets["restatement"].to_pylist()
    assert {row["cause"] for row in causes} == {f"{RESTATED_ON[0]} (delivery 1)", str(RESTATED_ON[1])}
    assert total(causes, "change_amount") == total(changes, "change_amount")


def test_many_deliveries_that_changed_something_become_one_group(con):
    days = [MONTHS[3].replace(day=day) for day in range(1, 21)]
    rows = [
        {"known_on": day, "month_on": LAST, "measure": "par30_amount", "change_amount": Decimal(n), "contract_count": 1}
        for n, day in enumerate(days)
    ]
    found = restated.causes(con.create_table("many", filled(RESTATEMENT, rows), temp=True), None).to_pyarrow().to_pylist()
    assert len(found) == restated.LAST_CAUSES + 1
    earlier = next(row for row in found if row["cause"] == restated.EARLIER)
    assert earlier["change_amount"] == sum(range(20 - restated.LAST_CAUSES))


def test_the_first_page_links_the_reports_that_are_there(tmp_path):
    assert "run lending report" in write_index(tmp_path).read_text()
    (tmp_path / "drift_2025-06-30.html").write_text("")
    (tmp_path / "drift_2025-07-01.html").write_text("")
    (tmp_path / "portfolio").mkdir()
    (tmp_path / "portfolio" / "index.html").write_text("")
    links = re.findall(r'href="([^"#]*\.html)"', write_index(tmp_path).read_text())
    assert links == ["portfolio/index.html", "drift_2025-07-01.html", "drift_2025-06-30.html"]


def test_the_book_of_these_tests_has_three_attributions_that_differ():
    firsts = [BOOK[spec.name] for spec in (*PORTFOLIOS.values(), *DISTRIBUTIONS.values())]
    assert all(one != other for one in firsts for other in firsts if one is not other)
