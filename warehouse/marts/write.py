"""Writing the regional marts into a candidate, from its curated tables alone."""

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

import ibis.expr.types as ir

from warehouse.curated.keep import in_engine
from warehouse.marts.attribution import mart_months
from warehouse.marts.client_repayment_history import CLIENT_REPAYMENT_HISTORY, client_repayment_history
from warehouse.marts.loan_distribution_by_region import LOAN_DISTRIBUTIONS, loan_distribution_by_region, loan_distribution_cells
from warehouse.marts.moves import contract_moves
from warehouse.marts.outstanding_movement_by_month import OUTSTANDING_MOVEMENT_BY_MONTH, outstanding_movement_by_month
from warehouse.marts.portfolio_by_region_month import PORTFOLIOS, portfolio_by_region_month, portfolio_cells
from warehouse.marts.reconciliation import reconcile
from warehouse.marts.restatement import RESTATEMENT, restatement
from warehouse.marts.roll_rate_by_region import ROLL_RATE_BY_REGION, roll_rate_by_region
from warehouse.marts.vintage_by_region import VINTAGE_BY_REGION, vintage_by_region
from warehouse.parts import first_start
from warehouse.table import TableSpec

if TYPE_CHECKING:
    from warehouse.lake import Candidate

FACTS = ("fact_contract", "fact_contract_status", "fact_contract_month", "fact_contract_stock", "fact_installment", "fact_penalty")
LEDGER = ("fact_contract_month", "fact_contract_month_version", "fact_contract", "fact_contract_status", "fact_repayment")
VERSIONS = "fact_contract_month_version"
DIMENSIONS = ("dim_client", "dim_region", "dim_product")


def write_marts(candidate: "Candidate", business_date: date) -> dict[str, int]:
    """Write, reconcile and audit the marts that follow from the curated tables of a candidate.

    What does not add up is a failed audit of its table: nothing of the candidate can be published then.

    Args:
        candidate: holds the curated tables of the same business date.
        business_date: what the release will know.

    Returns:
        Rows written per table.
    """
    tables = {name: candidate.table(f"curated.{name}") for name in dict.fromkeys((*FACTS, *LEDGER, *DIMENSIONS))}
    months = mart_months(first_start(tables["fact_contract"], business_date), business_date)
    written = {spec: candidate.write(spec, rows) for spec, rows in marts(months, tables)}
    judged = reconcile(tables, {spec.name: candidate.table(spec.name) for spec in written}, months)
    for spec in written:
        candidate.audit(spec, [result for result in judged if result.table == spec.name])
    return {spec.name: rows for spec, rows in written.items()}


def marts(months: ir.Table, tables: dict[str, ir.Table]) -> Iterator[tuple[TableSpec, ir.Table]]:
    """The marts, one after the other; what several of them need is computed once and kept while they are written.

    Args:
        months: as from mart_months.
        tables: the curated tables by their names without the layer.
    """

    def of(*names: str) -> dict[str, ir.Table]:
        return {name: tables[name] for name in names}

    names = of("dim_region", "dim_product")
    moves = in_engine(contract_moves(tables["fact_contract_month"]))
    cells = in_engine(loan_distribution_cells(months, **of("fact_contract_stock", "fact_contract", "fact_contract_status", "dim_client")))
    for attribution, spec in LOAN_DISTRIBUTIONS:
        yield spec, loan_distribution_by_region(cells, attribution, months, **names)
    cells = in_engine(portfolio_cells(months, moves, **of(*FACTS, "dim_client")))
    for attribution, spec in PORTFOLIOS:
        yield spec, portfolio_by_region_month(cells, attribution, months, **names)
    yield VINTAGE_BY_REGION, vintage_by_region(months, **of("fact_contract"), **names)
    yield ROLL_RATE_BY_REGION, roll_rate_by_region(months, moves, **of("fact_contract_month"), **names)
    history = of("fact_contract_month", "fact_contract", "fact_installment", "dim_client")
    yield CLIENT_REPAYMENT_HISTORY, client_repayment_history(months, **history)
    yield OUTSTANDING_MOVEMENT_BY_MONTH, outstanding_movement_by_month(months, **of(*LEDGER))
    yield RESTATEMENT, restatement(months, **of("fact_contract_month", VERSIONS), **names)
