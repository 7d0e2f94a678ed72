"""Source contract of contract_status_history: status changes of contracts."""

from warehouse.sources.contract import FIRST, SourceColumn, SourceTable
from warehouse.terms import STATUSES

CONTRACT_STATUS_HISTORY = SourceTable(
    name="contract_status_history",
    description="Status changes of contracts.",
    key=("contract_number", "status", "status_date"),
    columns=(
        SourceColumn("contract_number", "text", "Contract key.", required=True, filled=True),
        SourceColumn("status", "text", "Status that began.", required=True, filled=True, values=STATUSES),
        SourceColumn("status_date", "date", "Day on which it began.", required=True, filled=True),
    ),
    versions=(FIRST,),
    mandatory=False,
)
