"""Source contract of product_types: kinds of product, such as cash loan."""

from warehouse.sources.contract import FIRST, SourceColumn, SourceTable

PRODUCT_TYPES = SourceTable(
    name="product_types",
    description="Kinds of product, such as cash loan.",
    key=("product_type_id",),
    columns=(
        SourceColumn("product_type_id", "text", "Product type key.", required=True, filled=True),
        SourceColumn("product_type_name", "text", "Name for people.", required=True, filled=True),
    ),
    versions=(FIRST,),
)
