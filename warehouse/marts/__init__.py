"""Regional marts, with the grain in each name."""

from warehouse.marts.client_default_risk import CLIENT_DEFAULT_RISK
from warehouse.marts.client_repayment_history import CLIENT_REPAYMENT_HISTORY
from warehouse.marts.loan_distribution_by_region import (
    LOAN_DISTRIBUTION_BY_CURRENT_REGION_MONTH,
    LOAN_DISTRIBUTION_BY_ORIGINATION_REGION_MONTH,
    LOAN_DISTRIBUTION_BY_REGION,
)
from warehouse.marts.outstanding_movement_by_month import OUTSTANDING_MOVEMENT_BY_MONTH
from warehouse.marts.portfolio_by_region_month import (
    PORTFOLIO_BY_CURRENT_REGION_MONTH,
    PORTFOLIO_BY_ORIGINATION_REGION_MONTH,
    PORTFOLIO_BY_REGION_MONTH,
)
from warehouse.marts.restatement import RESTATEMENT
from warehouse.marts.roll_rate_by_region import ROLL_RATE_BY_REGION
from warehouse.marts.vintage_by_region import VINTAGE_BY_REGION
from warehouse.marts.write import write_marts

BUILT_MARTS = (  # from the curated tables, with every release; the others have writers of their own
    LOAN_DISTRIBUTION_BY_REGION,
    LOAN_DISTRIBUTION_BY_ORIGINATION_REGION_MONTH,
    LOAN_DISTRIBUTION_BY_CURRENT_REGION_MONTH,
    PORTFOLIO_BY_REGION_MONTH,
    PORTFOLIO_BY_ORIGINATION_REGION_MONTH,
    PORTFOLIO_BY_CURRENT_REGION_MONTH,
    VINTAGE_BY_REGION,
    ROLL_RATE_BY_REGION,
    CLIENT_REPAYMENT_HISTORY,
    OUTSTANDING_MOVEMENT_BY_MONTH,
    RESTATEMENT,
)
MARTS = (*BUILT_MARTS, CLIENT_DEFAULT_RISK)

__all__ = [
    "BUILT_MARTS",
    "CLIENT_DEFAULT_RISK",
    "CLIENT_REPAYMENT_HISTORY",
    "LOAN_DISTRIBUTION_BY_CURRENT_REGION_MONTH",
    "LOAN_DISTRIBUTION_BY_ORIGINATION_REGION_MONTH",
    "LOAN_DISTRIBUTION_BY_REGION",
    "MARTS",
    "OUTSTANDING_MOVEMENT_BY_MONTH",
    "PORTFOLIO_BY_CURRENT_REGION_MONTH",
    "PORTFOLIO_BY_ORIGINATION_REGION_MONTH",
    "PORTFOLIO_BY_REGION_MONTH",
    "RESTATEMENT",
    "ROLL_RATE_BY_REGION",
    "VINTAGE_BY_REGION",
    "write_marts",
]
