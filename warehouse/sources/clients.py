"""Source contract of clients: clients and the region in which each lives."""

from warehouse.sources.contract import FIRST, SchemaVersion, SourceColumn, SourceTable

PREFIXED = (r"^KH-([0-9]{8})$", r"\1")  # the id of version 3 -> that of the versions before, in every table

CLIENTS = SourceTable(
    name="clients",
    description="Clients and the region in which each lives.",
    key=("client_id",),
    columns=(
        SourceColumn("client_id", "text", "Client key.", required=True, filled=True, rewrite=PREFIXED),
        SourceColumn("region_id", "text", "Region of residence; empty means Unknown.", required=True),
        SourceColumn("client_name", "text", "Name of the person.", personal=True),
        SourceColumn("join_date", "date", "Day on which the client joined."),
        SourceColumn("credit_score", "integer", "Score of the lender at joining.", negative=True),
        SourceColumn("family_name", "text", "Family name of the person.", personal=True),
        SourceColumn("given_name", "text", "Given names of the person.", personal=True),
        SourceColumn("district_code", "text", "District of residence, before districts were abolished."),
        SourceColumn("commune_code", "text", "Commune of residence."),
    ),
    versions=(
        FIRST,
        SchemaVersion(
            "v3",
            "Splits client_name into family_name and given_name, and writes KH- before the eight digits of client_id.",
            adds=("family_name", "given_name"),
            drops=("client_name",),
            backward_compatible=False,
        ),
        SchemaVersion("v4", "Adds the commune; the district is gone.", adds=("commune_code",), drops=("district_code",)),
    ),
    aliases=("customers",),
)
