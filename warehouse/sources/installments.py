"""Source contract of installments: the repayment schedule of contracts."""

from warehouse.sources.contract import SchemaVersion, SourceColumn, SourceTable

INSTALLMENTS = SourceTable(
    name="installments",
    description="The repayment schedule of contracts.",
    key=("installment_id",),
    columns=(
        SourceColumn("installment_id", "text", "Installment key.", required=True, filled=True),
        SourceColumn("contract_number", "text", "Contract key.", required=True, filled=True),
        SourceColumn("installment_number", "integer", "Position in the schedule, from 1.", required=True, filled=True),
        SourceColumn("due_date", "date", "Day on which it is due.", required=True, filled=True),
        SourceColumn("inst_amt_principal", "money", "Principal due.", required=True, filled=True),
        SourceColumn("inst_amt_interest", "money", "Interest due."),
        SourceColumn("inst_amt_fee", "money", "Fee due."),
        SourceColumn("status", "text", "Status text as delivered; not used, repayments decide."),
        SourceColumn("penalty_amount", "money", "Penalty charged for lateness."),
    ),
    versions=(SchemaVersion("v1", "First version."),),
)
