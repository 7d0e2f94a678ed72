"""The marts of a whole ledger through the lake: they pass their audits, reconcile with the curated tables and come out the same again."""

from collections import Counter
from decimal import Decimal

import ibis
import pytest

from tests.conftest import STAGING, staging_tables
from tests.strategies import calendar, ledger
from warehouse.build import build_curated
from warehouse.clock import month_end
from warehouse.lake import Lake
from warehouse.marts import BUILT_MARTS, LOAN_DISTRIBUTION_BY_REGION, PORTFOLIO_BY_REGION_MONTH, write_marts
from warehouse.settings import Settings
from warehouse.terms import Terms

TERMS = Terms()
SPECS = (LOAN_DISTRIBUTION_BY_REGION, PORTFOLIO_BY_REGION_MONTH)


def ingest(lake: Lake, rows) -> None:
    """Publish literal staging rows as an intake."""
    candidate = lake.candidate("intake", "rows")
    for name, table in staging_tables(rows).items():
        candidate.write(STAGING[name], lake.con.to_pyarrow(table))
        candidate.audit(STAGING[name])
    candidate.publish(calendar(3).last)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Tables of a release of a ledger of forty clients, as lists of rows, and a second computation of the marts."""
    home = tmp_path_factory.mktemp("lake")
    when = calendar(3)
    with Lake(Settings(home=home, catalog_uri=f"sqlite:///{home}/catalog.db")) as lake:
        ingest(lake, ledger(when, list(range(40))).rows)
        candidate = lake.candidate("release", "build")
        build_curated(candidate, when.last, TERMS)
        written = write_marts(candidate, when.last)
        candidate.publish(when.last)
        facts = ("curated.fact_contract", "curated.fact_contract_month", "curated.fact_installment")
        names = (*facts, *(spec.name for spec in BUILT_MARTS))
        tables = {name: lake.at().table(name).to_pyarrow().to_pylist() for name in names}
        again = lake.candidate("release", "again")
        write_marts(again, when.last)
        second = {spec.name: again.table(spec.name).to_pyarrow().to_pylist() for spec in BUILT_MARTS}
        again.discard()
    return when.last, tables, written, second


def test_rows_written_are_the_rows_of_the_release(built):
    _, tables, written, _ = built
    assert written == {spec.name: len(tables[spec.name]) for spec in BUILT_MARTS}
    assert all(rows > 20 for rows in written.values())


def test_a_second_computation_gives_the_same_rows(built):
    _, tables, _, second = built
    for spec in BUILT_MARTS:
        assert sorted(map(repr, second[spec.name])) == sorted(map(repr, tables[spec.name]))


def test_the_stock_of_the_business_date_is_every_contract_that_has_started(built):
    business_date, tables, _, _ = built
    started = [row for row in tables["curated.fact_contract"] if row["start_date"] <= business_date]
    stock = [row for row in tables[LOAN_DISTRIBUTION_BY_REGION.name] if row["as_of_on"] == business_date]
    assert sum(row["contract_count"] for row in stock) == len(started)
    assert sum(row["principal_amount"] for row in stock) == sum(row["principal_amount"] for row in started)
    by_status = Counter(row["status"] for row in started)
    assert {s: sum(row["contract_count"] for row in stock if row["status"] == s) for s in by_status} == by_status


def test_new_contracts_of_all_months_are_all_contracts(built):
    business_date, tables, _, _ = built
    started = [row for row in tables["curated.fact_contract"] if row["start_date"] <= business_date]
    rows = tables[LOAN_DISTRIBUTION_BY_REGION.name]
    assert sum(row["new_contract_count"] for row in rows) == len(started)
    assert sum(row["new_principal_amount"] for row in rows) == sum(row["principal_amount"] for row in started)


@pytest.mark.parametrize("measure", ["outstanding_principal_amount", "overdue_amount"])
def test_a_months_portfolio_is_the_sum_of_its_contracts(built, measure):
    _, tables, _, _ = built
    months = {row["month_on"] for row in tables["curated.fact_contract_month"]}
    for month in months:
        contracts = [
            row[measure] for row in tables["curated.fact_contract_month"] if row["month_on"] == month and row["status"] == "Active"
        ]
        regions = [row[measure] for row in tables[PORTFOLIO_BY_REGION_MONTH.name] if row["month_on"] == month]
        assert sum(regions, Decimal(0)) == sum(contracts, Decimal(0)), month


def test_both_marts_tell_the_same_outstanding_principal(built):
    _, tables, _, _ = built
    sums = []
    for spec in SPECS:
        found: Counter = Counter()
        for row in tables[spec.name]:
            found[row["month_on"], row["region_id"], row["product_type_id"]] += row["outstanding_principal_amount"]
        sums.append({key: amount for key, amount in found.items() if amount})
    assert sums[0] == sums[1]


def test_events_of_all_months_are_all_events(built):
    _, tables, _, _ = built
    contracts, rows = tables["curated.fact_contract"], tables[PORTFOLIO_BY_REGION_MONTH.name]
    for measure in ("written_off_principal_amount", "sold_principal_amount"):
        assert sum(row[measure] for row in rows) == sum(row[measure] for row in contracts)
    assert sum(row["early_settled_count"] for row in rows) == sum(row["is_early_settled"] for row in contracts)
    assert sum(row["refinanced_count"] for row in rows) == sum(row["is_refinanced"] for row in contracts)


def test_installments_due_carry_their_late_and_skipped_ones(built):
    _, tables, _, _ = built
    installments, rows = tables["curated.fact_installment"], tables[PORTFOLIO_BY_REGION_MONTH.name]
    assert sum(row["late_count"] for row in rows) == sum(row["is_late"] for row in installments)
    assert sum(row["skipped_count"] for row in rows) == sum(row["is_skipped"] for row in installments)
    assert sum(row["installments_due_count"] for row in rows) > 50


def test_only_the_open_month_is_incomplete(built):
    business_date, tables, _, _ = built
    for spec in SPECS:
        for row in tables[spec.name]:
            assert row["as_of_on"] == min(row["month_on"], business_date)
            assert row["is_complete_month"] == (row["month_on"] <= business_date)
            assert row["month_on"] == month_end(row["month_on"])


def test_a_ledger_without_contracts_gives_empty_marts(tmp_path):
    when = calendar(3)
    with Lake(Settings(home=tmp_path, catalog_uri=f"sqlite:///{tmp_path}/catalog.db")) as lake:
        ingest(lake, {})
        candidate = lake.candidate("release", "build")
        build_curated(candidate, when.last, TERMS)
        assert write_marts(candidate, when.last) == {spec.name: 0 for spec in BUILT_MARTS}
        for spec in BUILT_MARTS:
            found = candidate.table(spec.name)
            assert isinstance(found, ibis.Table)
            assert found.columns == spec.column_names
