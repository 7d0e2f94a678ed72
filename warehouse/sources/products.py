"""Source contract of products: loan products on offer."""

from warehouse.sources.contract import FIRST, SourceColumn, SourceTable

PRODUCTS = SourceTable(
    name="products",
    description="Loan products on offer.",
    key=("product_code",),
    columns=(
        SourceColumn("product_code", "text", "Product key.", required=True, filled=True),
        SourceColumn("product_name", "text", "Name for people.", required=True, filled=True),
        SourceColumn("product_type_id", "text", "Kind of product.", required=True, filled=True),
        SourceColumn("base_interest_rate", "ratio", "Yearly interest rate as a share.", negative=True),
        SourceColumn("processing_fee_percent", "ratio", "Processing fee as delivered.", negative=True),
        SourceColumn("min_tenor", "integer", "Shortest tenor in months."),
        SourceColumn("max_tenor", "integer", "Longest tenor in months."),
        SourceColumn("active_flag", "flag", "Whether the product is sold."),
        SourceColumn("min_amount", "money", "Smallest principal."),
        SourceColumn("max_amount", "money", "Largest principal."),
    ),
    versions=(FIRST,),
)
