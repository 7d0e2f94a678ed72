"""From staging to a star schema: dimensions, facts, and the positions from which everything later is cut."""

from warehouse.curated.dim_client import DIM_CLIENT
from warehouse.curated.dim_date import DIM_DATE
from warehouse.curated.dim_product import DIM_PRODUCT
from warehouse.curated.dim_region import DIM_REGION
from warehouse.curated.fact_contract import FACT_CONTRACT
from warehouse.curated.fact_contract_month import FACT_CONTRACT_MONTH
from warehouse.curated.fact_contract_month_version import FACT_CONTRACT_MONTH_VERSION
from warehouse.curated.fact_contract_status import FACT_CONTRACT_STATUS
from warehouse.curated.fact_contract_stock import FACT_CONTRACT_STOCK
from warehouse.curated.fact_installment import FACT_INSTALLMENT
from warehouse.curated.fact_penalty import FACT_PENALTY
from warehouse.curated.fact_repayment import FACT_REPAYMENT

CURATED = (
    DIM_REGION,
    DIM_PRODUCT,
    DIM_CLIENT,
    DIM_DATE,
    FACT_CONTRACT,
    FACT_CONTRACT_STATUS,
    FACT_INSTALLMENT,
    FACT_REPAYMENT,
    FACT_PENALTY,
    FACT_CONTRACT_MONTH,
    FACT_CONTRACT_MONTH_VERSION,
    FACT_CONTRACT_STOCK,
)

__all__ = [
    "CURATED",
    "DIM_CLIENT",
    "DIM_DATE",
    "DIM_PRODUCT",
    "DIM_REGION",
    "FACT_CONTRACT",
    "FACT_CONTRACT_MONTH",
    "FACT_CONTRACT_MONTH_VERSION",
    "FACT_CONTRACT_STATUS",
    "FACT_CONTRACT_STOCK",
    "FACT_INSTALLMENT",
    "FACT_PENALTY",
    "FACT_REPAYMENT",
]
