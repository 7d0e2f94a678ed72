"""The staging tables that curated, features and labels are computed from, as one value.

A source that the lender never delivered but may leave out (penalties, status history) is an empty table, so that no expression needs
to know whether it came.
"""

from collections.abc import Callable
from typing import NamedTuple

import ibis.expr.types as ir

from warehouse.curated.values import literal_rows
from warehouse.sources import SOURCES


class Staged(NamedTuple):
    """One staging table per source table; rows are versions of keys (see `warehouse.curated.as_known`)."""

    regions: ir.Table
    product_types: ir.Table
    products: ir.Table
    clients: ir.Table
    contracts: ir.Table
    contract_status_history: ir.Table
    installments: ir.Table
    repayments: ir.Table
    penalties: ir.Table

    @classmethod
    def read(cls, table: Callable[[str], ir.Table]) -> "Staged":
        """Look the staging tables up by name.

        Args:
            table: gives the table of a name such as `staging.clients`, and raises a KeyError if there is none.

        Raises:
            KeyError: a table is missing without which nothing can be built.
        """
        found = {}
        for source in SOURCES:
            try:
                found[source.name] = table(f"staging.{source.name}")
            except KeyError:
                if source.mandatory:
                    raise
                found[source.name] = literal_rows([], source.staging_spec().ibis_schema())
        return cls(**found)
