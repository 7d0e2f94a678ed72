"""Source contract of contracts: loan contracts."""

from warehouse.sources.clients import PREFIXED
from warehouse.sources.contract import FIRST, SchemaVersion, SourceColumn, SourceTable
from warehouse.terms import STATUSES

CONTRACTS = SourceTable(
    name="contracts",
    description="Loan contracts.",
    key=("contract_number",),
    columns=(
        SourceColumn("contract_number", "text", "Contract key.", required=True, filled=True),
        SourceColumn("client_id", "text", "Client who owes the loan.", required=True, filled=True, rewrite=PREFIXED),
        SourceColumn("product_code", "text", "Product sold.", required=True, filled=True),
        SourceColumn("principal_amount", "money", "Amount disbursed.", required=True, filled=True),
        SourceColumn("tenor", "integer", "Contractual length in months.", required=True, filled=True),
        SourceColumn("start_date", "date", "Day of disbursement.", required=True, filled=True),
        SourceColumn("status", "text", "Status as of the delivery; empty means derived.", required=True, values=STATUSES),
        SourceColumn("interest_amount", "money", "Interest over the whole tenor."),
        SourceColumn("fee_amount", "money", "Fees over the whole tenor."),
        SourceColumn("last_status_change_date", "date", "Day on which the status began."),
        SourceColumn("channel", "text", "Sales channel."),
    ),
    versions=(
        FIRST,
        SchemaVersion("v2", "Adds the sales channel.", adds=("channel",)),
        SchemaVersion(
            "v3", "Writes KH- before the eight digits of client_id, and amounts with two decimals; same columns.", backward_compatible=False
        ),
    ),
    aliases=("loans",),
)
