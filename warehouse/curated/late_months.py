"""Months of contracts as known on later days: the rows of fact_contract_month with other knowledge, for what is late and nothing else."""

from collections.abc import Sequence
from datetime import date

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.clock import END, as_of_dates, end_of_day
from warehouse.curated.books import books
from warehouse.curated.contracts import product_types
from warehouse.curated.copies import PREFIX, copied, copy_name, original
from warehouse.curated.fact_contract_month import FACT_CONTRACT_MONTH, contract_months, month_rows
from warehouse.curated.positions import Positions, positions_at
from warehouse.curated.regions import regions_on
from warehouse.curated.staged import Staged
from warehouse.curated.values import literal_rows, lookup
from warehouse.parts import shares
from warehouse.table import TIMESTAMP
from warehouse.terms import UNKNOWN, Terms

GRAIN = ("contract_number", "month_on", "known_on")


def asked_months(late: ir.Table, months: ir.Table) -> ir.Table:
    """The month ends that late facts may change.

    Grain: one row per (contract_number, client_id, known_on, month_on).

    Args:
        late: of `warehouse.curated.late_facts.late_contracts`.
        months: of contract_months.

    Returns:
        the grain, before_on (last day of the month before).
    """
    during = (late.from_on <= months.month_on) & (months.month_on < late.known_on)
    return late.join(months, during).select("contract_number", "client_id", "known_on", "month_on", "before_on")


def no_late_months() -> ir.Table:
    """What late_months gives where nothing is late."""
    return literal_rows([], _schema())


def late_months(staged: Staged, asked: ir.Table, days: Sequence[date], known_days: Sequence[date], terms: Terms) -> ir.Table:
    """Contracts at the month ends that late facts may change, with the knowledge of the day that brought them.

    Grain: one row per (contract_number, month_on, known_on).

    Args:
        staged: the staging tables.
        asked: of asked_months; all contracts of each client that is in it.
        days: the month ends that are asked about.
        known_days: the days of knowledge that are asked about.
        terms: what the lender sets about its definitions.

    Returns:
        the grain, is_counted (the contract had started and not ended before the month), the other columns of FACT_CONTRACT_MONTH (null
        where is_counted is false, region_current_map_id everywhere).
    """
    known = as_of_dates(known_days, terms.time_zone)
    rows = _running(staged, asked, days, known, terms).cache()
    # A contract that left its client is in the copies of both; the day's client says to which it belongs.
    ours = rows.semi_join(asked.select("client_id", "known_on").distinct(), ("client_id", "known_on"))
    absent = asked.select(GRAIN).distinct().anti_join(rows, GRAIN)
    nothing = {name: ibis.null(dtype) for name, dtype in FACT_CONTRACT_MONTH.nullable_schema().items() if name not in GRAIN}
    counted = ours.mutate(is_counted=ibis.literal(True), region_current_map_id=ibis.null("string"))
    missing = absent.mutate(is_counted=ibis.literal(False), **nothing)
    columns = _schema().names
    return counted.select(columns).cast(_schema()).union(missing.select(columns).cast(_schema()))


def _schema() -> ibis.Schema:
    return ibis.schema({**FACT_CONTRACT_MONTH.nullable_schema(), "known_on": "date", "is_counted": "boolean"})


def _running(staged: Staged, asked: ir.Table, days: Sequence[date], known: ir.Table, terms: Terms) -> ir.Table:
    """Contracts that ran in the months asked about, with the columns of FACT_CONTRACT_MONTH and known_on."""
    copies = copied(staged, asked, terms)
    # A copy holds what was known on its day and nothing else, so all of it counts at every date.
    last_known = ibis.literal(end_of_day(END, terms.time_zone), TIMESTAMP)
    as_ofs = as_of_dates(days, terms.time_zone).mutate(known_until=last_known)
    cells = asked.select(as_of_on="month_on", contract_number=copy_name(_.known_on) + _.contract_number).distinct()
    held = books(copies, as_ofs, terms, shares=shares(copies))
    then = positions_at(copies, held, as_ofs, terms, asked=cells)
    origins, then = _placed(staged, then, known, terms)
    months = contract_months(days)
    running = then.contracts.join(months, "as_of_on").filter(_.is_started, _.ended_on.isnull() | (_.ended_on > _.before_on))
    unmapped = literal_rows([], ibis.schema({"region_id": "string", "region_current_map_id": "string"}))
    return _with_products(_original(month_rows(then, running, months, origins, unmapped)), staged, known)


def _placed(staged: Staged, then: Positions, known: ir.Table, terms: Terms) -> tuple[ir.Table, Positions]:
    """Regions of the copies' clients, on the start date and at the month end, each as known on the copy's day."""
    places = then.contracts.select("client_id", "start_date", month_on="as_of_on").distinct().mutate(
        copied_id=_.client_id, client_id=original(_.client_id), as_of_on=_known_on(_.client_id)
    )  # fmt: skip
    places = places.cache()
    origins, lived = (regions_on(places, day, staged, known, terms) for day in ("start_date", "month_on"))
    return (
        places.join(origins, ("as_of_on", "client_id", "start_date"))
        .select("start_date", "region_id", client_id="copied_id", as_of_on="month_on")
        .distinct(),
        then._replace(
            regions=places.join(lived, ("as_of_on", "client_id", "month_on"))
            .select("region_id", client_id="copied_id", as_of_on="month_on")
            .distinct()
            .cache()
        ),
    )


def _original(rows: ir.Table) -> ir.Table:
    """Rows of copies under the keys of what was copied, with known_on."""
    return rows.mutate(known_on=_known_on(_.contract_number), contract_number=original(_.contract_number), client_id=original(_.client_id))


def _with_products(rows: ir.Table, staged: Staged, known: ir.Table) -> ir.Table:
    """Give rows the product type that their product had, as known on known_on."""
    types = product_types(staged, known).drop("product_type_name").rename(known_on="as_of_on")
    return lookup(rows.drop("product_type_id"), types, ("known_on", "product_code")).mutate(
        product_code=ibis.ifelse(_.product_type_id.isnull(), UNKNOWN, _.product_code),
        product_type_id=_.product_type_id.fill_null(UNKNOWN),
    )


def _known_on(name: ir.StringValue) -> ir.DateValue:
    """The day whose knowledge a copy holds."""
    return name.left(PREFIX).cast("date")
