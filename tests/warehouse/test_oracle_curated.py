"""Curated tables and regional marts, built into a lake from generated ledgers, against the plain-Python oracle, cell by cell."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import STAGING, staging_tables
from tests.oracles import answers, marts
from tests.oracles.compare import check, keyed
from tests.oracles.days import first_day
from tests.oracles.months import Months
from tests.strategies import Calendar, Case, calendar, ledger
from warehouse.build import build_curated, build_marts
from warehouse.lake import Candidate, Lake
from warehouse.settings import Settings
from warehouse.terms import Terms

TERMS = Terms()


@dataclass
class Built:
    """What was built from a ledger, and what the oracle says about it."""

    case: Case
    months: Months
    candidate: Candidate

    def rows(self, name: str, *key: str) -> dict[tuple, dict[str, Any]]:
        return keyed(self.candidate.table(name).to_pyarrow().to_pylist(), key)

    def check(self, name: str, expected: dict[tuple, dict[str, Any]], *key: str) -> None:
        check(name, expected, self.rows(name, *key), self.case.ledger)


def build(case: Case, home: Path) -> Iterator[Built]:
    """Stage the ledger in a lake of its own and build everything as of the last business date."""
    with Lake(Settings(home=home, catalog_uri=f"sqlite:///{home}/catalog.db")) as lake:
        intake = lake.candidate("intake", "stage")
        for name, table in staging_tables(case.ledger.rows).items():
            intake.write(STAGING[name], table)
            intake.audit(STAGING[name])
        intake.publish(case.calendar.last)
        candidate = lake.candidate("release", "build")
        build_curated(candidate, case.calendar.last, TERMS)
        build_marts(candidate, case.calendar.last, TERMS)
        candidate.publish(case.calendar.last)  # refuses what an audit found wrong
        yield Built(case, Months(case.ledger, case.calendar.last, TERMS), candidate)


def facts(built: Built) -> None:
    book = built.months.release
    contracts = answers.outcomes(book)
    for (_, number), row in contracts.items():
        row["vintage_month"] = first_day(row["start_date"])
        row["region_at_origination_id"] = book.contracts[number].region_at_origination_id
        for name in ("is_open", "is_disbursed"):
            del row[name]
    built.check("curated.fact_contract", without_date(contracts), "contract_number")
    installments = answers.installments(book)
    for row in installments.values():
        for name in ("next_due_on", "paid_principal_amount", "is_due", "is_skip_eligible"):
            del row[name]
    built.check("curated.fact_installment", without_date(installments), "installment_id")
    built.check("curated.fact_repayment", without_date(answers.repayments(book)), "repayment_id", "allocation_number")
    events = {
        (number, event.day, event.status): {"is_derived": event.is_derived} for number, c in book.contracts.items() for event in c.events
    }
    built.check("curated.fact_contract_status", events, "contract_number", "status_date", "status")


def without_date(rows: dict[tuple, dict[str, Any]]) -> dict[tuple, dict[str, Any]]:
    return {key[1:]: row for key, row in rows.items()}


def months(built: Built) -> None:
    expected = {(row["contract_number"], row["month_on"]): row for row in built.months.contract_months()}
    built.check("curated.fact_contract_month", expected, "contract_number", "month_on")


def regions(built: Built) -> None:
    """dim_client says of each client and day what the release knows; its intervals do not overlap."""
    book, rows = built.months.release, built.rows("curated.dim_client", "client_id", "valid_from").values()
    for client_id in book.clients():
        mine = sorted((row for row in rows if row["client_id"] == client_id), key=lambda row: row["valid_from"])
        assert [row["valid_to"] for row in mine] == [row["valid_from"] for row in mine[1:]] + [None]
        assert [row["is_current"] for row in mine] == [False] * (len(mine) - 1) + [True]
        day = built.case.calendar.opening - timedelta(days=60)
        while day <= book.as_of:
            valid = next((row for row in reversed(mine) if row["valid_from"] <= day), mine[0])  # the first known region holds before it
            assert valid["region_id"] == book.region(client_id, day), (client_id, day, mine)
            day += timedelta(days=5)


def regional_marts(built: Built) -> None:
    expected = marts.loan_distribution_by_region(built.months)
    built.check("marts.loan_distribution_by_region", expected, "month_on", "region_id", "product_type_id", "status")
    expected = marts.portfolio_by_region_month(built.months)
    built.check("marts.portfolio_by_region_month", expected, "month_on", "region_id", "product_type_id")


CHECKS = (facts, regions, months, regional_marts)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """One larger book, so that each table can fail by itself."""
    when: Calendar = calendar(7)
    yield from build(Case(ledger(when, list(range(60))), when, ()), tmp_path_factory.mktemp("lake"))


@pytest.mark.parametrize("compare", CHECKS, ids=lambda compare: compare.__name__)
def test_one_book(built, compare):
    compare(built)
