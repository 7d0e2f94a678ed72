"""Source contract of penalties: penalties charged on installments."""

from warehouse.sources.contract import FIRST, TWO_DECIMALS, SourceColumn, SourceTable

PENALTIES = SourceTable(
    name="penalties",
    description="Penalties charged on installments.",
    key=("penalty_id",),
    columns=(
        SourceColumn("penalty_id", "text", "Penalty key.", required=True, filled=True),
        SourceColumn("installment_id", "text", "Installment that was late.", required=True, filled=True, aliases=("instalment_id",)),
        SourceColumn("penalty_date", "date", "Day of the charge.", required=True, filled=True),
        SourceColumn("penalty_amount", "money", "Amount charged.", required=True, filled=True),
    ),
    versions=(FIRST, TWO_DECIMALS),
    mandatory=False,
)
