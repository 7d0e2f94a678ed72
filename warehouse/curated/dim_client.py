"""curated.dim_client: clients over time, without names: which region a client lived in on which day."""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.curated.regions import client_versions
from warehouse.curated.spans import spans
from warehouse.curated.values import lookup
from warehouse.table import TIMESTAMP, TableSpec, columns
from warehouse.terms import UNKNOWN, Terms

DIM_CLIENT = TableSpec(
    name="curated.dim_client",
    description="Clients with their region over time, one row per client and time over which nothing about it changed.",
    grain=("client_id", "valid_from"),
    columns=columns(
        (
            ("client_id", "string", "Client key."),
            ("region_id", "string", "Region of residence; Unknown where empty or named by no delivery."),
            ("join_date", "date?", "Day on which the client joined."),
            ("credit_score", "int32?", "Score of the lender at joining."),
            ("valid_from", "date", "First day on which the row holds; 1900-01-01 for the opening delivery."),
            ("valid_to", "date?", "Day on which it holds no more; empty while it holds."),
            ("is_current", "bool", "Whether the row holds on the release's business date and after."),
            ("known_at", TIMESTAMP, "From when the platform could use the row."),
        )
    ),
)


def dim_client(clients: ir.Table, regions: ir.Table, terms: Terms) -> ir.Table:
    """Clients over time.

    Grain: one row per (client_id, valid_from).

    Args:
        clients: staging.clients.
        regions: staging.regions; a region that none of its rows names is Unknown.
        terms: the lender's time zone.

    Returns:
        the columns of DIM_CLIENT.
    """
    held = regions.filter(~_.is_deleted).select("region_id", is_held=True).distinct()
    versions = lookup(client_versions(clients, terms.time_zone), held, ("region_id",)).mutate(
        region_id=ibis.ifelse(_.is_held.notnull(), _.region_id, UNKNOWN)
    )
    return (
        spans(versions, "client_id", ("region_id", "join_date", "credit_score"))
        .mutate(is_current=_.valid_to.isnull())
        .select(DIM_CLIENT.column_names)
    )
