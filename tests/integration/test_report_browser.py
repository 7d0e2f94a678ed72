"""The portfolio report in a real browser: every chart draws, filters give the figures of the marts, nothing asks the network.

The browser runs far from the lender's time zone, so that a month end that moved with the zone would be seen.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.warehouse.report_book import (
    BUSINESS_DATE,
    GENERATED_AT,
    LAST,
    MARKUP,
    MONTHS,
    PARENTS,
    PLACES,
    PORTFOLIOS,
    PRODUCTS,
    QUOTED,
    Row,
    book,
    month_before,
    publish,
    total,
)
from warehouse.lake import Lake
from warehouse.marts import CLIENT_DEFAULT_RISK, RESTATEMENT, ROLL_RATE_BY_REGION, VINTAGE_BY_REGION
from warehouse.report.pages import PAGES
from warehouse.report.write import write_report
from warehouse.settings import Settings
from warehouse.warehouse import Warehouse

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs the Debian packages chromium and chromium-driver"),
]
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--window-size=1440,900",
)
BOOK = book()
PAGE_NAMES = [page.name for page in PAGES]
NORTH = {"P1", "P2"}


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """Pages of the whole book."""
    return written(tmp_path_factory.mktemp("home"), BOOK)


def written(home: Path, rows: dict[str, list[Row]]) -> Path:
    with Lake(Settings(home=home, catalog_uri=f"sqlite:///{home}/catalog.db")) as lake:
        publish(lake, rows)
        return write_report(Warehouse(lake), home / "pages", "VND", GENERATED_AT).folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in (*ARGUMENTS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(str(DRIVER), env={**os.environ, "TZ": "America/Los_Angeles"})
    driver = webdriver.Chrome(options, service)
    yield driver
    driver.quit()


@pytest.fixture
def open_page(browser, report) -> Callable[..., webdriver.Chrome]:
    """Opens a page of the report by its name and waits until everything is drawn."""

    def go(name: str, folder: Path = report) -> webdriver.Chrome:
        browser.get("about:blank")
        browser.get((folder / f"{name}.html").as_uri())
        return settled(browser)

    return go


def settled(browser: webdriver.Chrome) -> webdriver.Chrome:
    WebDriverWait(browser, 60).until(lambda one: one.execute_script("return document.documentElement.dataset.ready") == "yes")
    return browser


def choose(browser: webdriver.Chrome, name: str, value: str) -> None:
    Select(browser.find_element(By.NAME, name)).select_by_value(value)
    settled(browser)


def errors(browser: webdriver.Chrome) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def tiles(browser: webdriver.Chrome) -> dict[str, tuple[str, str]]:
    """Of each tile its title, value with unit, and change."""
    found = {}
    for one in browser.find_elements(By.CLASS_NAME, "tile"):
        parts = [one.find_element(By.CLASS_NAME, name).text for name in ("value", "unit", "change")]
        found[one.find_element(By.TAG_NAME, "h2").text] = (f"{parts[0]} {parts[1]}".strip(), parts[2])
    return found


def figures(browser: webdriver.Chrome, chart: str) -> list[dict[str, str]]:
    """What a chart shows, from its own table."""
    script = """
        const details = document.querySelector(`#${arguments[0]} details`);
        details.open = false; details.open = true; details.dispatchEvent(new Event('toggle'));
        const [head, ...body] = [...details.querySelectorAll('tr')].map((row) => [...row.children].map((cell) => cell.textContent));
        return body.map((row) => Object.fromEntries(row.map((text, place) => [head[place], text])));
    """
    return browser.execute_script(script, chart)


def mart(attribution: str = "as_of") -> list[Row]:
    return BOOK[PORTFOLIOS[attribution].name]


def percent(part: Any, whole: Any) -> str:
    return f"{round(Decimal(part) / Decimal(whole) * 100, 1)}%"


def million(value: Any) -> str:
    return f"{Decimal(value) / 10**6:,.{2 if abs(value) < 10**7 else 1 if abs(value) < 10**9 else 0}f} million VND"


def expected_tiles(rows: list[Row], month: date, **equal: Any) -> dict[str, str]:
    """Key figures of a choice, added up in plain Python."""

    def of(column: str) -> Any:
        return total(rows, column, month_on=month, **equal)

    return {
        "Outstanding principal": million(of("outstanding_principal_amount")),
        "Open contracts": f"{of('open_contract_count'):,}",
        "PAR30": percent(of("par30_amount"), of("outstanding_principal_amount")),
        "NPL": percent(of("npl_amount"), of("outstanding_principal_amount")),
        "Late installments": percent(of("late_count"), of("installments_due_count")),
        "Collection rate": percent(of("paid_amount"), of("due_amount")),
        "Early settlement": percent(of("early_settled_count"), of("open_or_started_count")),
        "Written off": million(of("written_off_principal_amount")),
        "Penalties charged": million(of("penalty_amount")),
    }


def values(shown: dict[str, tuple[str, str]], names: Any) -> dict[str, str]:
    return {name: shown[name][0] for name in names}


@pytest.mark.parametrize("name", PAGE_NAMES)
def test_every_chart_of_a_page_draws_and_describes_itself(open_page, name):
    browser = open_page(name)
    assert browser.title != "taken"
    charts = browser.find_elements(By.CSS_SELECTOR, ".card .chart")
    assert len(charts) == len(next(page for page in PAGES if page.name == name).figures)
    for chart in charts:
        assert chart.find_elements(By.CSS_SELECTOR, "svg .role-mark path, svg .role-mark line, svg .role-mark text"), chart.text
        description = chart.get_attribute("aria-label")
        assert "Highest:" in description
        assert "Lowest:" in description
    assert errors(browser) == []


@pytest.mark.parametrize("name", PAGE_NAMES)
def test_every_option_of_every_filter_draws_without_an_error(open_page, name):
    browser = open_page(name)
    for control in [one.get_attribute("name") for one in browser.find_elements(By.TAG_NAME, "select")]:
        options = [one.get_attribute("value") for one in Select(browser.find_element(By.NAME, control)).options]
        for value in [*options, options[0]]:
            choose(browser, control, value)
    assert errors(browser) == []


def test_nothing_is_asked_of_the_network(open_page):
    for name in PAGE_NAMES:
        open_page(name)
    messages = [json.loads(entry["message"])["message"] for entry in settled(open_page("index")).get_log("performance")]
    asked = {one["params"]["request"]["url"].partition(":")[0] for one in messages if one["method"] == "Network.requestWillBeSent"}
    assert asked <= {"file", "data", "about", "chrome"}  # the last one is the browser's own first page


def test_tiles_are_sums_divided_once_under_every_filter(open_page):
    browser = open_page("index")
    expected = expected_tiles(mart(), LAST)
    assert values(tiles(browser), expected) == expected
    choose(browser, "product", "CL")
    assert values(tiles(browser), expected) == expected_tiles(mart(), LAST, product_type_id="CL")
    choose(browser, "within", "North")
    assert values(tiles(browser), expected) == expected_tiles(mart(), LAST, product_type_id="CL", region_id=NORTH)
    choose(browser, "month", MONTHS[1].isoformat())
    assert values(tiles(browser), expected) == expected_tiles(mart(), MONTHS[1], product_type_id="CL", region_id=NORTH)
    choose(browser, "attribution", "origination")
    assert values(tiles(browser), expected) == expected_tiles(mart("origination"), MONTHS[1], product_type_id="CL", region_id=NORTH)
    choose(browser, "measure", "count")
    written_off = total(mart("origination"), "written_off_count", month_on=MONTHS[1], product_type_id="CL", region_id=NORTH)
    assert tiles(browser)["Written off"][0] == str(written_off)
    assert errors(browser) == []


def test_a_tile_compares_with_the_month_before(open_page):
    browser, rows = open_page("index"), mart()

    def late(month: date) -> Decimal:
        return Decimal(total(rows, "late_count", month_on=month)) / total(rows, "installments_due_count", month_on=month) * 100

    change = late(LAST) - late(month_before(LAST))
    assert tiles(browser)["Late installments"][1] == f"{'+' if change > 0 else '−'}{abs(change):.1f} points on May 2025"
    choose(browser, "month", MONTHS[0].isoformat())
    assert tiles(browser)["Late installments"][1] == "no month before"


def test_lines_hold_complete_months_and_the_chosen_one(open_page):
    browser, rows = open_page("index"), mart()
    shares = {(row["Month"], row["Measure"]): row["Share"] for row in figures(browser, "at_risk")}
    assert {month for month, _ in shares} == {"Apr 2025", "May 2025", "Jun 2025"}
    for month, text in ((MONTHS[0], "Apr 2025"), (LAST, "Jun 2025")):
        whole = total(rows, "outstanding_principal_amount", month_on=month)
        assert shares[text, "PAR60"] == percent(total(rows, "par60_amount", month_on=month), whole)
    choose(browser, "month", MONTHS[3].isoformat())
    assert "Jul 2025 (open)" in {row["Month"] for row in figures(browser, "at_risk")}


def test_rates_by_region_are_sorted_by_rate_and_hide_few_clients(open_page):
    browser, rows = open_page("regions"), mart()

    def rate(places: set[str]) -> tuple[int, int]:
        chosen = {"month_on": LAST, "region_id": places}
        return total(rows, "late_count", **chosen), total(rows, "installments_due_count", **chosen)

    shown = {row["Region"]: row["Rate"] for row in figures(browser, "dots")}
    assert shown == {"North": percent(*rate(NORTH)), "South (R2)": percent(*rate({"P3"}))}  # Unknown has two clients
    choose(browser, "level", "level_2")
    by_province = {row["Region"]: row for row in figures(browser, "dots")}
    assert {name: row["Rate"] for name, row in by_province.items()} == {
        MARKUP: percent(*rate({"P1"})),
        QUOTED: percent(*rate({"P2"})),
        "South (P3)": percent(*rate({"P3"})),
    }
    low, high = wilson(*rate({"P1"}))
    assert (by_province[MARKUP]["95 % from"], by_province[MARKUP]["95 % to"]) == (f"{low:.1%}", f"{high:.1%}")
    choose(browser, "rate", "par30")
    whole = total(rows, "outstanding_principal_amount", month_on=LAST, region_id="P2")
    assert {row["Region"]: row["Rate"] for row in figures(browser, "dots")}[QUOTED] == percent(
        total(rows, "par30_amount", month_on=LAST, region_id="P2"), whole
    )
    assert browser.find_element(By.CSS_SELECTOR, "#dots h2").text == "PAR30 by region"


def wilson(part: int, whole: int) -> tuple[float, float]:
    """The roots of (p - part/whole)² = z² p (1 - p) / whole, found by halving."""
    share, z = part / whole, 1.959963984540054

    def root(inside: float, outside: float) -> float:
        for _ in range(60):
            middle = (inside + outside) / 2
            if (middle - share) ** 2 <= z * z * middle * (1 - middle) / whole:
                inside = middle
            else:
                outside = middle
        return inside

    return root(share, 0.0), root(share, 1.0)


def test_the_book_by_region_and_product(open_page):
    browser, rows = open_page("regions"), mart()
    shown = {(row["Region"], row["Product"]): row["Total"] for row in figures(browser, "distribution")}
    for product, name in PRODUCTS.items():
        chosen = {"month_on": LAST, "product_type_id": product}
        assert shown["North", name] == million(total(rows, "outstanding_principal_amount", region_id=NORTH, **chosen))
    choose(browser, "measure", "count")
    counts = {(row["Region"], row["Product"]): row["Total"] for row in figures(browser, "distribution")}
    expected = total(rows, "open_contract_count", region_id="P3", month_on=LAST, product_type_id="TW")
    assert counts["South (R2)", "Two-Wheeler loan"] == f"{expected} open contracts"
    assert len(counts) == len(PRODUCTS) * len(set(PARENTS.values()))


def test_roll_rates_add_up_to_the_whole_and_follow_the_measure(open_page):
    browser, rows = open_page("quality"), [row for row in BOOK[ROLL_RATE_BY_REGION.name] if row["month_on"] == MONTHS[1]]
    for measure, column in (("amount", "outstanding_principal_amount"), ("count", "contract_count")):
        choose(browser, "measure", measure)
        shown = {(row["From"], row["To"]): row["Share"] for row in figures(browser, "roll_matrix")}
        whole = total(rows, column, from_bucket="30_59")
        assert shown["30-59", "60-89"] == percent(total(rows, column, from_bucket="30_59", to_bucket="60_89"), whole)
        assert sum(float(share[:-1]) for (before, _), share in shown.items() if before == "30-59") == pytest.approx(100, abs=0.5)


def test_cohorts_follow_their_measure_product_and_region(open_page):
    browser = open_page("quality")
    rows = [
        row for row in BOOK[VINTAGE_BY_REGION.name] if row["is_mature"] and row["vintage_month"] == date(2025, 4, 1) and row["mob"] == 1
    ]

    def cell() -> str:
        return next(
            row["Share"]
            for row in figures(browser, "vintage_triangle")
            if (row["Disbursed in"], row["Months on book"]) == ("Apr 2025", "1")
        )

    assert cell() == percent(total(rows, "ever30_count"), total(rows, "contract_count"))
    choose(browser, "within", "North")
    choose(browser, "vintage", "defaulted")
    north = {"region_id": NORTH}
    assert cell() == percent(total(rows, "defaulted_principal_amount", **north), total(rows, "principal_amount", **north))
    choose(browser, "product", "TW")
    assert browser.find_element(By.CSS_SELECTOR, "#vintage_triangle .empty").is_displayed()


def test_collections_divide_sums(open_page):
    browser, rows = open_page("collections"), mart()
    shown = {row["Month"]: row for row in figures(browser, "due_and_paid")}
    due, paid = (total(rows, column, month_on=LAST) for column in ("due_amount", "paid_amount"))
    assert shown["Jun 2025"] == {
        "Month": "Jun 2025",
        "Due": million(due),
        "Collected": million(paid),
        "Collected of due": percent(paid, due),
    }


def test_the_likeliest_clients_follow_product_and_region(open_page):
    browser = open_page("risk")
    rows = [row for row in BOOK[CLIENT_DEFAULT_RISK.name] if row["business_date"] == BUSINESS_DATE and row["outstanding_principal_amount"]]

    def listed() -> list[str]:
        return [one.text for one in browser.find_elements(By.CSS_SELECTOR, "#likeliest tbody th")]

    def likeliest(**equal: Any) -> list[str]:
        fitting = [row for row in rows if all(row[name] in value for name, value in equal.items())]
        return [row["client_id"] for row in sorted(fitting, key=lambda row: (-row["probability"], row["client_id"]))][:20]

    assert listed() == likeliest()
    choose(browser, "product", "CL")
    choose(browser, "within", "North")
    assert listed() == likeliest(product_type_id={"CL"}, region_id=NORTH)
    assert "late payments, current arrears" in browser.find_element(By.ID, "likeliest").text
    fitting = [row for row in rows if row["product_type_id"] == "CL" and row["region_id"] in NORTH]
    assert tiles(browser)["Clients who owe something"][0] == str(len(fitting))


def test_restated_months_follow_their_measure(open_page):
    browser, rows = open_page("health"), BOOK[RESTATEMENT.name]
    for measure in ("outstanding_principal_amount", "par30_amount"):
        choose(browser, "restated", measure)
        before = total(mart(), measure, month_on=LAST)
        change = total(rows, "change_amount", measure=measure, month_on=LAST)
        shown = next(row for row in figures(browser, "restated_shares") if row["Month"] == "Jun 2025")
        assert (shown["First reported"], shown["Known now"]) == (million(before), million(before + change))
        assert len(figures(browser, "restated_changes")) == 6
    assert browser.find_element(By.CSS_SELECTOR, "#restated_shares h2").text.startswith("Principal 30 days past due")


def test_the_theme_button_changes_page_and_charts(open_page):
    browser = open_page("index")

    def looks() -> tuple[str, str]:
        label = browser.find_element(By.CSS_SELECTOR, "#book .role-axis-label text")
        return browser.find_element(By.TAG_NAME, "body").value_of_css_property("background-color"), label.get_attribute("fill")

    before = looks()
    browser.find_element(By.ID, "theme").click()
    after = looks() if settled(browser) else before
    assert before[0] != after[0]
    assert before[1] != after[1]
    assert errors(browser) == []


def test_a_choice_goes_along_to_the_next_page(open_page):
    browser = open_page("index")
    choose(browser, "within", PARENTS["P3"])
    browser.find_element(By.LINK_TEXT, "Collections").click()
    settled(browser)
    assert Select(browser.find_element(By.NAME, "within")).first_selected_option.text == PARENTS["P3"]
    expected = expected_tiles(mart(), LAST, region_id="P3")
    assert tiles(browser)["Late installments"][0] == expected["Late installments"]


def test_every_control_is_reached_by_the_keyboard_and_named(open_page):
    browser = open_page("regions")
    browser.execute_script("document.querySelector('.skip').focus()")
    reached = set()
    for _ in range(60):
        active = browser.switch_to.active_element
        reached.add(active.get_attribute("name") or active.get_attribute("id") or active.tag_name)
        active.send_keys(Keys.TAB)
    controls = browser.find_elements(By.TAG_NAME, "select")
    assert {one.get_attribute("name") for one in controls} | {"theme", "a", "summary"} <= reached
    assert all(one.accessible_name for one in controls)


def test_without_scores_the_page_says_what_to_run(open_page, tmp_path):
    folder = written(tmp_path, {name: rows for name, rows in BOOK.items() if name != CLIENT_DEFAULT_RISK.name})
    browser = open_page("risk", folder)
    assert "lending score --all" in browser.find_element(By.ID, "main").text
    assert errors(browser) == []


def test_a_release_without_rows_says_so_on_every_page(open_page, tmp_path):
    folder = written(tmp_path, dict.fromkeys(BOOK, ()))
    for name in PAGE_NAMES:
        browser = open_page(name, folder)
        assert [one.is_displayed() for one in browser.find_elements(By.CSS_SELECTOR, "figure .empty")] == [True] * len(
            browser.find_elements(By.CSS_SELECTOR, "figure .chart")
        )
        assert errors(browser) == []


def test_unknown_regions_stay_in_the_totals(open_page):
    browser = open_page("index")
    choose(browser, "within", "Unknown")
    assert tiles(browser)["Open contracts"][0] == str(total(mart(), "open_contract_count", month_on=LAST, region_id=PLACES[3]))
