"""Reconciliation: a book whose marts add up is published; one unit of money too much in one cell of any mart stops the release."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import ibis
import ibis.expr.types as ir
import pytest

from tests.strategies import Case, calendar, ledger
from tests.warehouse.mart_rows import kept
from tests.warehouse.test_oracle_curated import build
from warehouse.lake import AuditFailed, AuditResult, Candidate
from warehouse.marts import BUILT_MARTS
from warehouse.marts.attribution import mart_months
from warehouse.marts.reconciliation import compared, reconcile
from warehouse.marts.write import DIMENSIONS, FACTS

CENT = Decimal("0.01")
JANUARY = date(2024, 1, 31)


class Book(NamedTuple):
    """Tables of a released book."""

    candidate: Candidate
    months: ir.Table
    curated: dict[str, ir.Table]
    marts: dict[str, ir.Table]

    def judged(self, **altered: ir.Table) -> list[AuditResult]:
        """The failed results with some marts in another form."""
        changed = {f"marts.{name}": table for name, table in altered.items()}
        return [result for result in reconcile(self.curated, self.marts | changed, self.months) if not result.passed]


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Book]:
    when = calendar(7)
    for built in build(Case(ledger(when, list(range(60))), when, ()), tmp_path_factory.mktemp("lake")):
        candidate, con = built.candidate, built.candidate._lake.con
        curated = {name: kept(con, candidate.table(f"curated.{name}")) for name in (*FACTS, *DIMENSIONS)}
        months = mart_months(min(built.months.month_ons()), when.last)
        yield Book(candidate, months, curated, {spec.name: kept(con, candidate.table(spec.name)) for spec in BUILT_MARTS})


def altered(table: ir.Table, measure: str, more: Any, which: ir.BooleanValue) -> ir.Table:
    """The table with more of a measure in some rows."""
    dtype = table[measure].type()
    return table.mutate(**{measure: ibis.ifelse(which, table[measure] + ibis.literal(more).cast(dtype), table[measure]).cast(dtype)})


def one_cell(table: ir.Table, measure: str) -> ir.BooleanValue:
    """One row of a table, by its month and region."""
    row = table.filter(table[measure] > 0).order_by(table.columns).limit(1).to_pyarrow().to_pylist()[0]
    grain = next(spec.grain for spec in BUILT_MARTS if set(spec.column_names) == set(table.columns) and set(spec.grain) <= set(row))
    return ibis.and_(*(table[name] == row[name] for name in grain))


def test_a_book_as_it_was_built_reconciles(book: Book) -> None:
    assert book.judged() == []
    rules = {result["rule"] for table in book.candidate.staged().values() for result in table.audit or ()}
    assert {"reconciles with the curated facts", "reconciles with marts.portfolio_by_region_month"} <= rules


@pytest.mark.parametrize(
    ("mart", "measure"),
    [
        ("portfolio_by_region_month", "outstanding_principal_amount"),
        ("portfolio_by_origination_region_month", "due_amount"),
        ("portfolio_by_current_region_month", "penalty_amount"),
        ("portfolio_by_region_month", "bucket_1_29_amount"),
        ("loan_distribution_by_region", "principal_amount"),
        ("loan_distribution_by_origination_region_month", "new_principal_amount"),
        ("loan_distribution_by_current_region_month", "outstanding_principal_amount"),
        ("roll_rate_by_region", "outstanding_principal_amount"),
        ("client_repayment_history", "overdue_amount"),
        ("client_repayment_history", "paid_amount"),
    ],
)
def test_a_hundredth_in_one_cell_is_found(book: Book, mart: str, measure: str) -> None:
    table = book.marts[f"marts.{mart}"]
    failed = book.judged(**{mart: altered(table, measure, CENT, one_cell(table, measure))})
    assert f"marts.{mart}" in {result.table for result in failed}
    mine = next(result for result in failed if result.table == f"marts.{mart}")
    assert mine.message.startswith("month_on 20")
    assert f"{measure} is" in mine.message.replace("then_", "")


def test_money_in_the_wrong_region_is_found(book: Book) -> None:
    table = book.marts["marts.loan_distribution_by_region"]
    moved = table.mutate(region_id=ibis.ifelse(table.region_id == "R1", "R2", table.region_id))
    failed = book.judged(loan_distribution_by_region=moved)
    assert [result.rule for result in failed] == ["reconciles with marts.portfolio_by_region_month"]
    assert "region_id R1: " in failed[0].message


def test_an_ever_measure_that_falls_is_found(book: Book) -> None:
    table = book.marts["marts.vintage_by_region"]
    first = table.filter(table.ever30_count > 0).mob.max().to_pyarrow().as_py()
    failed = book.judged(vintage_by_region=altered(table, "ever30_count", -1, (table.mob == first) & (table.ever30_count > 0)))
    assert "reconciles with the month on book before" in {result.rule for result in failed}


def test_a_lost_cohort_is_found(book: Book) -> None:
    table = book.marts["marts.vintage_by_region"]
    failed = book.judged(vintage_by_region=table.filter(table.region_id != "R1"))
    assert {result.rule for result in failed} == {"reconciles with the disbursed contracts", "reconciles with the facts of contracts"}


def test_the_message_names_table_month_region_and_both_values() -> None:
    there = {(JANUARY, "R1"): {"amount": Decimal("10.00")}, (JANUARY, "R2"): {"amount": Decimal("5.00")}}
    here = {(JANUARY, "R1"): {"amount": Decimal("10.01")}}
    result = compared("marts.one", "marts.other", ("month_on", "region_id"), there, here, ("amount",))
    assert (result.table, result.rule, result.passed, result.failed_rows) == ("marts.one", "reconciles with marts.other", False, 2)
    assert result.message == (
        "month_on 2024-01-31, region_id R1: amount is 10.01, not 10.00; month_on 2024-01-31, region_id R2: amount is 0, not 5.00:"
        " must equal marts.other"
    )


def test_nothing_compares_equal_to_nothing() -> None:
    assert compared("marts.one", "marts.other", ("month_on",), {}, {(JANUARY,): {"amount": None}}, ("amount",)).passed


def test_a_release_that_does_not_reconcile_is_not_published(book: Book) -> None:
    """Without an orchestrator: the failed comparison is part of the table's audit, which publishing asks for."""
    candidate = book.candidate._lake.candidate("release", "wrong")
    spec = next(spec for spec in BUILT_MARTS if spec.name == "marts.portfolio_by_region_month")
    table = candidate.table(spec.name)
    wrong = altered(table, "outstanding_principal_amount", CENT, one_cell(table, "outstanding_principal_amount"))
    candidate.write(spec, wrong)
    judged = reconcile(book.curated, book.marts | {spec.name: candidate.table(spec.name)}, book.months)
    candidate.audit(spec, [result for result in judged if result.table == spec.name])
    with pytest.raises(AuditFailed, match=r"marts\.portfolio_by_region_month: reconciles with the curated facts: month_on \d{4}-\d\d-\d\d"):
        candidate.publish(date(2024, 11, 7))
