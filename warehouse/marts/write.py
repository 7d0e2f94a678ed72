"""Writing the regional marts into a candidate.

The stock of a month needs the state of every contract as it was known then, ended ones included, which no curated table holds: it is
computed for some months at a time and only its sums are kept.
"""

from datetime import date
from typing import TYPE_CHECKING

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from warehouse import clock
from warehouse.curated.positions import Positions, positions
from warehouse.curated.staged import Staged
from warehouse.marts.attribution import mart_months
from warehouse.marts.loan_distribution_by_region import LOAN_DISTRIBUTION_BY_REGION, contract_stock, loan_distribution_by_region
from warehouse.marts.portfolio_by_region_month import PORTFOLIO_BY_REGION_MONTH, portfolio_by_region_month
from warehouse.parts import parts
from warehouse.terms import Terms

if TYPE_CHECKING:
    from warehouse.lake import Candidate


def write_marts(candidate: "Candidate", business_date: date, terms: Terms) -> dict[str, int]:
    """Write and audit the marts that follow from the curated tables of a candidate.

    Args:
        candidate: holds staging and the curated tables of the same business date.
        business_date: what the release will know.
        terms: the lender's definitions.

    Returns:
        Rows written per table.
    """
    staged = Staged.read(candidate.table)
    fact_contract = candidate.table("curated.fact_contract")
    first = _first_start(fact_contract, business_date)
    months = mart_months(first, business_date)
    dims = [candidate.table(f"curated.{name}") for name in ("dim_client", "dim_region", "dim_product")]
    statuses = candidate.table("curated.fact_contract_status")
    stock, last = _stock(staged, first, business_date, terms)
    installments, penalties = (table.filter(_.as_of_on == business_date) for table in (last.installments, last.penalties))
    distribution = loan_distribution_by_region(months, stock, fact_contract, statuses, *dims)
    portfolio = portfolio_by_region_month(
        months, candidate.table("curated.fact_contract_month"), fact_contract, statuses, installments, penalties, *dims
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


def _stock(staged: Staged, first: date, business_date: date, terms: Terms) -> tuple[ir.Table, Positions]:
    """contract_stock of all months, computed in parts, and the positions of the last part, which has the business date."""
    days = [min(end, business_date) for end in clock.month_ends(first, clock.month_end(business_date))]
    sums = []
    for part in parts(days, staged):
        as_of = positions(staged, clock.as_of_dates(part, terms.time_zone), terms)
        sums.append(contract_stock(as_of.contracts, as_of.regions).to_pyarrow())
    return ibis.memtable(pa.concat_tables(sums)), as_of
