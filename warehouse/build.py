"""Building the curated tables and the marts of a candidate, without an orchestrator.

Everything follows from the candidate's staging tables alone, so building twice gives the same rows, and month ends that the base release
holds as they would be computed stay as they are. Money is allocated once, in books for all dates that are asked for.
"""

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse import clock
from warehouse.curated import (
    DIM_CLIENT,
    DIM_DATE,
    DIM_PRODUCT,
    DIM_REGION,
    FACT_CONTRACT,
    FACT_CONTRACT_STATUS,
    FACT_INSTALLMENT,
    FACT_PENALTY,
    FACT_REPAYMENT,
)
from warehouse.curated.books import OpenBooks, open_books
from warehouse.curated.dim_client import dim_client
from warehouse.curated.dim_date import dim_date
from warehouse.curated.dim_product import dim_product
from warehouse.curated.dim_region import dim_region
from warehouse.curated.fact_contract import fact_contract
from warehouse.curated.fact_contract_status import fact_contract_status
from warehouse.curated.fact_installment import fact_installment
from warehouse.curated.fact_penalty import fact_penalty
from warehouse.curated.fact_repayment import fact_repayment
from warehouse.curated.positions import positions_at
from warehouse.curated.regions import regions_on
from warehouse.curated.staged import Staged
from warehouse.months import build_months, days_of_books, month_days, stale_days
from warehouse.parts import first_start
from warehouse.table import TableSpec
from warehouse.terms import Terms
from warehouse.versions import write_versions

if TYPE_CHECKING:
    from warehouse.lake import Candidate

CALENDAR = (date(1950, 1, 1), date(2099, 12, 31))  # a date outside is a typing error and gets no row in dim_date


def build_curated(
    candidate: "Candidate", business_date: date, terms: Terms, changed_on: date | None = date.min, also: Iterable[date] = ()
) -> OpenBooks:
    """Write and audit all curated tables.

    Args:
        candidate: holds the staging tables.
        business_date: as of which, and with the knowledge of which, the tables are.
        terms: the lender's definitions.
        changed_on: of `warehouse.changes.first_changed_on`: month ends before it stay as the base release has them; None if nothing has
            changed, the earliest date there is to compute them all.
        also: other dates that a later step will ask the books about.

    Returns:
        The books of the computed month ends, the business date and the other dates.

    Raises:
        KeyError: a source without which nothing can be built was never delivered.
    """
    staged = _known(Staged.read(candidate.table), business_date, terms)
    _write(candidate, DIM_REGION, dim_region(staged.regions))
    _write(candidate, DIM_PRODUCT, dim_product(staged.products, staged.product_types))
    _write(candidate, DIM_CLIENT, dim_client(staged.clients, staged.regions, terms))
    _write(candidate, DIM_DATE, dim_date(*_calendar(staged, business_date)))
    days = month_days(first_start(staged.contracts, business_date), business_date)
    stale = stale_days(candidate, days, changed_on, terms)
    asked = {day for day in also if day <= business_date}
    opened = open_books(candidate, staged, days_of_books(days, stale) | asked, terms)
    _build_facts(candidate, opened, business_date, terms)
    build_months(candidate, opened, days, stale, terms)
    write_versions(candidate, opened.staged, business_date, terms, changed_on)
    return opened


def build_marts(candidate: "Candidate", business_date: date, terms: Terms) -> None:
    """Write and audit the regional marts, from the curated tables of the candidate.

    Args:
        candidate: holds the curated tables.
        business_date: as of which the curated tables are.
        terms: the lender's definitions, which the curated tables hold already.
    """
    from warehouse.marts import write_marts

    write_marts(candidate, business_date)


def _known(staged: Staged, business_date: date, terms: Terms) -> Staged:
    """Staging as it was at the end of the business date, for a build of an earlier date than the newest delivery."""
    until = clock.end_of_day(business_date, terms.time_zone)
    return Staged(*(table.filter(_.known_at <= until) for table in staged))


def _build_facts(candidate: "Candidate", opened: OpenBooks, business_date: date, terms: Terms) -> None:
    """The fact tables as of the business date."""
    as_ofs = clock.as_of_dates([business_date], terms.time_zone)
    now = positions_at(opened.staged, opened.books, as_ofs, terms)
    origins = regions_on(now.contracts, "start_date", opened.staged, as_ofs, terms)
    _write(candidate, FACT_CONTRACT_STATUS, fact_contract_status(now.events))
    _write(candidate, FACT_INSTALLMENT, fact_installment(now.installments))
    _write(candidate, FACT_REPAYMENT, fact_repayment(now.repayments))
    _write(candidate, FACT_PENALTY, fact_penalty(now.penalties))
    # Several facts of contracts read installments and repayments; the rows just written are cheaper than working them out again.
    dated = [candidate.table(spec.name).mutate(as_of_on=ibis.literal(business_date)) for spec in (FACT_INSTALLMENT, FACT_REPAYMENT)]
    _write(candidate, FACT_CONTRACT, fact_contract(now._replace(installments=dated[0], repayments=dated[1]), origins))


def _calendar(staged: Staged, business_date: date) -> tuple[date, date]:
    """First and last day of dim_date: whole months around all start and due dates and the business date."""
    starts = staged.contracts.agg(first=_.start_date.min(), last=_.start_date.max()).to_pyarrow().to_pylist()[0]
    dues = staged.installments.agg(first=_.due_date.min(), last=_.due_date.max()).to_pyarrow().to_pylist()[0]
    days = [day for day in (*starts.values(), *dues.values(), business_date) if day is not None]
    first, last = max(min(days), CALENDAR[0]), min(max(days), CALENDAR[1])
    return first.replace(day=1), clock.month_end(last)


def _write(candidate: "Candidate", spec: TableSpec, rows: ir.Table) -> None:
    """Compute a table, stage it and audit it."""
    candidate.write(spec, rows)
    candidate.audit(spec)
