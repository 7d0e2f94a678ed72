"""Source contract of repayments: money received from clients."""

from warehouse.sources.contract import FIRST, TWO_DECIMALS, SourceColumn, SourceTable

REPAYMENTS = SourceTable(
    name="repayments",
    description="Money received from clients.",
    key=("repayment_id",),
    columns=(
        SourceColumn("repayment_id", "text", "Repayment key.", required=True, filled=True),
        SourceColumn("repayment_date", "date", "Day on which the money was received.", required=True, filled=True),
        SourceColumn(
            "repayment_amount",
            "money",
            "Amount received; negative only in a reversal.",
            required=True,
            filled=True,
            negative=True,
        ),
        SourceColumn("installment_id", "text", "Installment that it pays, if named.", aliases=("instalment_id",)),
        SourceColumn("contract_number", "text", "Contract that it pays, if named."),
        SourceColumn("booked_at", "timestamp", "When the source system booked it."),
        SourceColumn("reverses_repayment_id", "text", "Repayment that this row cancels."),
    ),
    versions=(FIRST, TWO_DECIMALS),
    aliases=("payments",),
    one_of=("installment_id", "contract_number"),
)
