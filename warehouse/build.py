"""Building the curated tables and the marts of a candidate, without an orchestrator.

Everything is computed from the candidate's staging tables alone, so building twice gives the same rows. Month ends are worked out some at
a time: what bounds memory is installments times dates.
"""

from datetime import date
from typing import TYPE_CHECKING

import ibis.expr.types as ir
from ibis import _

from warehouse import clock
from warehouse.curated import (
    DIM_CLIENT,
    DIM_DATE,
    DIM_PRODUCT,
    DIM_REGION,
    FACT_CONTRACT,
    FACT_CONTRACT_MONTH,
    FACT_CONTRACT_STATUS,
    FACT_INSTALLMENT,
    FACT_REPAYMENT,
)
from warehouse.curated.dim_client import dim_client
from warehouse.curated.dim_date import dim_date
from warehouse.curated.dim_product import dim_product
from warehouse.curated.dim_region import dim_region
from warehouse.curated.fact_contract import fact_contract
from warehouse.curated.fact_contract_month import contract_months, fact_contract_month
from warehouse.curated.fact_contract_status import fact_contract_status
from warehouse.curated.fact_installment import fact_installment
from warehouse.curated.fact_repayment import fact_repayment
from warehouse.curated.positions import positions
from warehouse.curated.regions import current_map, regions_on
from warehouse.curated.staged import Staged
from warehouse.parts import parts
from warehouse.table import TableSpec
from warehouse.terms import Terms

if TYPE_CHECKING:
    from warehouse.lake import Candidate

CALENDAR = (date(1950, 1, 1), date(2099, 12, 31))  # a date outside is a typing error and gets no row in dim_date


def build_curated(candidate: "Candidate", business_date: date, terms: Terms) -> None:
    """Write and audit all curated tables.

    Args:
        candidate: holds the staging tables.
        business_date: as of which, and with the knowledge of which, the tables are.
        terms: the lender's definitions.

    Raises:
        KeyError: a source without which nothing can be built was never delivered.
    """
    staged = _known(Staged.read(candidate.table), business_date, terms)
    _write(candidate, DIM_REGION, dim_region(staged.regions))
    _write(candidate, DIM_PRODUCT, dim_product(staged.products, staged.product_types))
    _write(candidate, DIM_CLIENT, dim_client(staged.clients, staged.regions, terms))
    _write(candidate, DIM_DATE, dim_date(*_calendar(staged, business_date)))
    _build_facts(candidate, staged, business_date, terms)
    _build_months(candidate, staged, business_date, terms)


def build_marts(candidate: "Candidate", business_date: date, terms: Terms) -> None:
    """Write and audit the regional marts, from the curated tables of the candidate.

    Args:
        candidate: holds staging and curated tables.
        business_date: as of which the curated tables are.
        terms: the lender's definitions.
    """
    from warehouse.marts import write_marts

    write_marts(candidate, business_date, terms)


def month_days(first: date, business_date: date) -> list[date]:
    """The as-of dates of fact_contract_month: every month end from a first date on, and the business date for the open month."""
    return sorted({*clock.month_ends(first, business_date), business_date})


def _known(staged: Staged, business_date: date, terms: Terms) -> Staged:
    """Staging as it was at the end of the business date, for a build of an earlier date than the newest delivery."""
    until = clock.end_of_day(business_date, terms.time_zone)
    return Staged(*(table.filter(_.known_at <= until) for table in staged))


def _build_facts(candidate: "Candidate", staged: Staged, business_date: date, terms: Terms) -> None:
    """The fact tables as of the business date."""
    as_ofs = clock.as_of_dates([business_date], terms.time_zone)
    now = positions(staged, as_ofs, terms)
    origins = regions_on(now.contracts, "start_date", staged, as_ofs, terms)
    _write(candidate, FACT_CONTRACT, fact_contract(now.contracts, origins))
    _write(candidate, FACT_CONTRACT_STATUS, fact_contract_status(now.events))
    _write(candidate, FACT_INSTALLMENT, fact_installment(now.installments))
    _write(candidate, FACT_REPAYMENT, fact_repayment(now.repayments))


def _build_months(candidate: "Candidate", staged: Staged, business_date: date, terms: Terms) -> None:
    """fact_contract_month, some months at a time."""
    today = clock.as_of_dates([business_date], terms.time_zone)
    regions_now = current_map(staged, today).drop("as_of_on").cache()
    asked_days = month_days(_first_start(staged, business_date), business_date)
    for number, days in enumerate(parts(asked_days, staged)):
        months = contract_months(days)
        asked = {*days, *(clock.month_end(clock.add_months(day, -1)) for day in days)}
        as_ofs = clock.as_of_dates(asked, terms.time_zone)
        then = positions(staged, as_ofs, terms)
        origins = regions_on(then.contracts, "start_date", staged, as_ofs, terms)
        rows = fact_contract_month(then, months, origins, regions_now)
        candidate.write(FACT_CONTRACT_MONTH, rows.cache(), replace=[clock.month_end(day) for day in days] if number else None)
    candidate.audit(FACT_CONTRACT_MONTH)


def _first_start(staged: Staged, business_date: date) -> date:
    """The first start date by the business date, or that date if nothing has started."""
    started = staged.contracts.filter(_.start_date <= business_date)
    return started.agg(first=_.start_date.min()).to_pyarrow()["first"][0].as_py() or business_date


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
