"""Source contract of installments: the repayment schedule of contracts."""

from warehouse.sources.contract import FIRST, TWO_DECIMALS, SchemaVersion, SourceColumn, SourceTable

INSTALLMENTS = SourceTable(
    name="installments",
    description="The repayment schedule of contracts.",
    key=("installment_id",),
    columns=(
        SourceColumn("installment_id", "text", "Installment key.", required=True, filled=True, aliases=("instalment_id",)),
        SourceColumn("contract_number", "text", "Contract key.", required=True, filled=True),
        SourceColumn(
            "installment_number", "integer", "Position in the schedule, from 1.", required=True, filled=True, aliases=("instalment_number",)
        ),
        SourceColumn("due_date", "date", "Day on which it is due.", required=True, filled=True),
        SourceColumn("inst_amt_principal", "money", "Principal due.", required=True, filled=True),
        SourceColumn("inst_amt_interest", "money", "Interest due."),
        SourceColumn("inst_amt_fee", "money", "Fee due."),
        SourceColumn("status", "text", "Status text as delivered; not used, repayments decide."),
        SourceColumn("penalty_amount", "money", "Penalty charged for lateness.", aliases=("late_fee",)),
    ),
    versions=(
        FIRST,
        SchemaVersion("v2", "Calls the penalty a late fee.", renames=(("penalty_amount", "late_fee"),), backward_compatible=False),
        TWO_DECIMALS,
    ),
    aliases=("instalments",),
)
