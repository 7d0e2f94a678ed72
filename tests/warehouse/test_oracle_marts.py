"""Marts built into a lake from generated ledgers, with late rows, corrections, movers and mergers, against the oracle, cell by cell."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from tests.oracles import marts, marts_outcomes
from tests.oracles.ledger import Ledger
from tests.strategies import Calendar, Case, calendar, ledger
from tests.warehouse.test_oracle_curated import Built, build

ATTRIBUTIONS = {"month": "by_region", "origination": "by_origination_region_month", "current": "by_current_region_month"}


def with_merger(book: Ledger, when: Calendar) -> Ledger:
    """The ledger with a region that gets another name at the second delivery and is merged into another at the last one."""
    south = next(row for row in book.rows["regions"] if row["region_id"] == "R2")

    def version(business_date: date, **new: Any) -> dict[str, Any]:
        known_at = next(row["known_at"] for row in book.rows["contracts"] if row["business_date"] == business_date)
        return {**south, "business_date": business_date, "is_opening": False, "known_at": known_at, **new}

    later = [
        version(when.dates[1], region_name="Deep South"),
        version(when.last, region_name="Deep South", successor_region_id="R4"),
    ]
    return Ledger({**book.rows, "regions": [*book.rows["regions"], *later]})


@pytest.fixture(scope="module", params=[7, 21])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """Two books with other calendars."""
    when = calendar(request.param)
    yield from build(Case(with_merger(ledger(when, list(range(60))), when), when, ()), tmp_path_factory.mktemp("lake"))


@pytest.mark.parametrize("attribution", ATTRIBUTIONS)
def test_distribution(built: Built, attribution: str) -> None:
    name = f"marts.loan_distribution_{ATTRIBUTIONS[attribution]}"
    expected = marts.loan_distribution_by_region(built.months, attribution)
    built.check(name, expected, "month_on", "region_id", "product_type_id", "status")


@pytest.mark.parametrize("attribution", ATTRIBUTIONS)
def test_portfolio(built: Built, attribution: str) -> None:
    name = "marts.portfolio_by_region_month" if attribution == "month" else f"marts.portfolio_{ATTRIBUTIONS[attribution]}"
    expected = marts.portfolio_by_region_month(built.months, attribution)
    built.check(name, expected, "month_on", "region_id", "product_type_id")


def test_vintages(built: Built) -> None:
    expected = marts_outcomes.vintage_by_region(built.months)
    built.check("marts.vintage_by_region", expected, "vintage_month", "mob", "region_id", "product_type_id")
    assert any(cell["ever90_count"] for cell in expected.values())


def test_roll_rates(built: Built) -> None:
    expected = marts_outcomes.roll_rate_by_region(built.months)
    built.check("marts.roll_rate_by_region", expected, "month_on", "region_id", "product_type_id", "from_bucket", "to_bucket")
    assert {"paid_off", "written_off", "sold", "0", "1_29", "30_59"} <= {key[-1] for key in expected}


def test_client_histories(built: Built) -> None:
    built.check("marts.client_repayment_history", marts_outcomes.client_repayment_history(built.months), "client_id", "month_on")


def test_the_book_has_movers_and_a_merger(built: Built) -> None:
    """What the comparisons are for: regions differ between the attributions."""
    rows = built.candidate.table("curated.fact_contract_month").to_pyarrow().to_pylist()
    assert any(row["region_as_of_month_id"] != row["region_at_origination_id"] for row in rows)
    assert any((row["region_as_of_month_id"], row["region_current_map_id"]) == ("R2", "R4") for row in rows)
