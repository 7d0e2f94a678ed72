"""Where the events of a contract count: a few columns by which millions of events are summed before their region is looked up.

Most clients never move, so that their region is known without a look at the month. Events of the others are summed client by client.
"""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.curated.values import lookup
from warehouse.marts.attribution import REGIONS, region_as_of
from warehouse.marts.measures import summed
from warehouse.terms import UNKNOWN

NOBODY = ""  # no client: the home region says where the events count
PLACE = ("month_on", "product_type_id", "region_at_origination_id", "home_region_id", "mover_id")


def contract_places(fact_contract: ir.Table, dim_client: ir.Table) -> ir.Table:
    """Product type, region at origination and client's home of each contract.

    Grain: one row per contract_number.

    Args:
        fact_contract: curated.fact_contract.
        dim_client: curated.dim_client.

    Returns:
        contract_number and the columns of PLACE but month_on: the one region of a client who never moved, else the client.
    """
    lives = dim_client.group_by("client_id").agg(home_region_id=_.region_id.min(), row_count=_.count(), end_count=_.valid_to.count())
    # A client who moved has several rows; a deleted one has an end, after which it lives nowhere.
    is_home = ((_.row_count == 1) & (_.end_count == 0)).fill_null(False)
    placed = lookup(fact_contract, lives, ("client_id",)).mutate(is_home=is_home)
    return placed.select(
        "contract_number",
        "product_type_id",
        "region_at_origination_id",
        home_region_id=ibis.ifelse(_.is_home, _.home_region_id, UNKNOWN),
        mover_id=ibis.ifelse(_.is_home, NOBODY, _.client_id),
    )


def resolved(events: ir.Table, months: ir.Table, dim_client: ir.Table) -> ir.Table:
    """Events by place, summed by both regions.

    Grain: one row per (month_on, region_id, region_at_origination_id, product_type_id).

    Args:
        events: has PLACE and additive measures.
        months: as from mart_months.
        dim_client: curated.dim_client.
    """
    stayed = events.filter(_.mover_id == NOBODY).rename(region_id="home_region_id").drop("mover_id")
    moved = events.filter(_.mover_id != NOBODY).rename(client_id="mover_id").drop("home_region_id")
    dated = moved.inner_join(months.select("month_on", "as_of_on"), "month_on")
    found = region_as_of(dated, dim_client).drop("client_id", "as_of_on")
    return summed([stayed, found], ("month_on", *REGIONS, "product_type_id"))
