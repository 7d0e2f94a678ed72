"""The staging tables that curated, features and labels are computed from, as one value.

A source that the lender never delivered but may leave out (penalties, status history) is an empty table, so that no expression needs
to know whether it came.
"""

from collections.abc import Callable
from typing import NamedTuple

import ibis
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

    def of_clients(self, clients: ir.Table) -> "Staged":
        """What concerns some clients: they, and every contract that was ever said to be theirs with all that hangs on it.

        A contract that a correction gave to another client brings its rows of that client along, but not the other contracts of it; so
        what is computed from this is right for the asked clients only.

        Args:
            clients: client_id, once each.

        Returns:
            the staging tables; regions and products are whole.
        """
        contracts = self.contracts.semi_join(clients, "client_id").select("contract_number").distinct()
        # By key, not by row: the version that deletes a row often names nothing but the key.
        installments = _all_versions(self.installments, contracts, "contract_number", "installment_id")
        repayments = _all_versions(self.repayments, contracts, "contract_number", "repayment_id")
        paid = repayments.select(reverses_repayment_id="repayment_id").distinct()
        reversals = _all_versions(self.repayments, paid, "reverses_repayment_id", "repayment_id")  # whatever contract they name
        return self._replace(
            clients=self.clients.semi_join(clients, "client_id"),
            contracts=self.contracts.semi_join(contracts, "contract_number"),
            contract_status_history=self.contract_status_history.semi_join(contracts, "contract_number"),
            installments=installments,
            repayments=ibis.union(repayments, reversals.anti_join(repayments, "repayment_id")),
            penalties=_all_versions(self.penalties, installments.select("installment_id").distinct(), "installment_id", "penalty_id"),
        )


def _all_versions(table: ir.Table, parents: ir.Table, parent: str, key: str) -> ir.Table:
    """All versions of the rows of which any version names one of some parents."""
    return table.semi_join(table.semi_join(parents, parent).select(key), key)
