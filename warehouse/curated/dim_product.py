"""curated.dim_product: products with their product type, as last delivered, and the Unknown product."""

import ibis
import ibis.expr.types as ir
from ibis import _

from warehouse.curated.as_known import with_known_to
from warehouse.curated.values import lookup, with_row
from warehouse.table import TableSpec, columns
from warehouse.terms import UNKNOWN

DIM_PRODUCT = TableSpec(
    name="curated.dim_product",
    description="Loan products with their product type.",
    grain=("product_code",),
    columns=columns(
        (
            ("product_code", "string", "Product key; Unknown for contracts of a product that no delivery has named."),
            ("product_name", "string", "Name for people."),
            ("product_type_id", "string", "Kind of product; Unknown if no delivery has named it."),
            ("product_type_name", "string", "Name of the kind of product."),
            ("base_interest_rate", "decimal(9, 6)?", "Yearly interest rate as delivered."),
            ("processing_fee_percent", "decimal(9, 6)?", "Processing fee as delivered."),
            ("min_tenor", "int32?", "Shortest tenor in months."),
            ("max_tenor", "int32?", "Longest tenor in months."),
            ("is_active", "bool?", "Whether the product is sold; false once it was deleted."),
        )
    ),
)


def dim_product(products: ir.Table, product_types: ir.Table) -> ir.Table:
    """Products as last delivered.

    Grain: one row per product_code.

    Args:
        products: staging.products.
        product_types: staging.product_types.

    Returns:
        the columns of DIM_PRODUCT.
    """
    types = _newest(product_types, "product_type_id").select("product_type_id", "product_type_name")
    known = (
        lookup(_newest(products, "product_code").filter(_.product_code != UNKNOWN), types, ("product_type_id",))
        .mutate(
            product_type_id=ibis.ifelse(_.product_type_name.isnull(), UNKNOWN, _.product_type_id),
            product_type_name=_.product_type_name.fill_null(UNKNOWN),
            is_active=ibis.ifelse(_.is_gone.fill_null(False), False, _.active_flag),
        )
        .select(DIM_PRODUCT.column_names)
    )
    unknown = dict.fromkeys(("product_code", "product_name", "product_type_id", "product_type_name"), UNKNOWN)
    return with_row(known, unknown, DIM_PRODUCT.ibis_schema())


def _newest(staged: ir.Table, key: str) -> ir.Table:
    """The newest values of every key; those of a deleted one stay, for the contracts that refer to it."""
    newest = with_known_to(staged.filter(~_.is_deleted), key).filter(_.known_to.isnull())
    gone = with_known_to(staged, key).filter(_.known_to.isnull(), _.is_deleted).select(key, is_gone=True)
    return lookup(newest, gone, (key,))
