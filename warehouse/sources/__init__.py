"""Source tables that a lender delivers, one module each, in the order in which their references resolve."""

from warehouse.sources.clients import CLIENTS
from warehouse.sources.contract import SourceColumn, SourceTable
from warehouse.sources.contract_status_history import CONTRACT_STATUS_HISTORY
from warehouse.sources.contracts import CONTRACTS
from warehouse.sources.installments import INSTALLMENTS
from warehouse.sources.penalties import PENALTIES
from warehouse.sources.product_types import PRODUCT_TYPES
from warehouse.sources.products import PRODUCTS
from warehouse.sources.regions import REGIONS
from warehouse.sources.repayments import REPAYMENTS

SOURCES: tuple[SourceTable, ...] = (
    REGIONS,
    PRODUCT_TYPES,
    PRODUCTS,
    CLIENTS,
    CONTRACTS,
    CONTRACT_STATUS_HISTORY,
    INSTALLMENTS,
    REPAYMENTS,
    PENALTIES,
)

__all__ = ["SOURCES", "SourceColumn", "SourceTable"]
