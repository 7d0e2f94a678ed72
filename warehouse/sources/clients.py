"""Source contract of clients: clients and the region in which each lives."""

from warehouse.sources.contract import FIRST, SourceColumn, SourceTable, tracked

CLIENTS = SourceTable(
    name="clients",
    description="Clients and the region in which each lives.",
    key=("client_id",),
    columns=(
        SourceColumn("client_id", "text", "Client key.", required=True, filled=True),
        SourceColumn("region_id", "text", "Region of residence; empty means Unknown.", required=True),
        SourceColumn("client_name", "text", "Name of the person.", personal=True),
        SourceColumn("join_date", "date", "Day on which the client joined."),
        SourceColumn("credit_score", "integer", "Score of the lender at joining.", negative=True),
    ),
    versions=(FIRST, tracked()),
    aliases=("customers",),
)
