"""Writing the regional marts into a candidate, from its curated tables alone."""

from datetime import date
from typing import TYPE_CHECKING

import ibis.expr.types as ir

from warehouse.marts.attribution import mart_months
from warehouse.marts.loan_distribution_by_region import LOAN_DISTRIBUTION_BY_REGION, loan_distribution_by_region
from warehouse.marts.portfolio_by_region_month import PORTFOLIO_BY_REGION_MONTH, portfolio_by_region_month

if TYPE_CHECKING:
    from warehouse.lake import Candidate

FACTS = ("fact_contract", "fact_contract_status", "fact_contract_month", "fact_contract_stock", "fact_installment", "fact_penalty")
DIMENSIONS = ("dim_client", "dim_region", "dim_product")


def write_marts(candidate: "Candidate", business_date: date) -> dict[str, int]:
    """Write and audit the marts that follow from the curated tables of a candidate.

    Args:
        candidate: holds the curated tables of the same business date.
        business_date: what the release will know.

    Returns:
        Rows written per table.
    """
    facts = {name: candidate.table(f"curated.{name}") for name in FACTS}
    dims = {name: candidate.table(f"curated.{name}") for name in DIMENSIONS}
    months = mart_months(_first_start(facts["fact_contract"], business_date), business_date)
    of_contracts = {name: facts[name] for name in ("fact_contract", "fact_contract_status")}
    distribution = loan_distribution_by_region(months, fact_contract_stock=facts["fact_contract_stock"], **of_contracts, **dims)
    portfolio = portfolio_by_region_month(
        months,
        fact_contract_month=facts["fact_contract_month"],
        fact_installment=facts["fact_installment"],
        fact_penalty=facts["fact_penalty"],
        **of_contracts,
        **dims,
    )
    written = {}
    for spec, rows in ((LOAN_DISTRIBUTION_BY_REGION, distribution), (PORTFOLIO_BY_REGION_MONTH, portfolio)):
        written[spec.name] = candidate.write(spec, rows)
        candidate.audit(spec)
    return written


def _first_start(fact_contract: ir.Table, business_date: date) -> date:
    """The first start date by the business date, or that date when nothing has started."""
    start = fact_contract.start_date
    first = fact_contract.agg(first=start.min(where=start <= business_date)).to_pyarrow()["first"][0].as_py()
    return first or business_date
