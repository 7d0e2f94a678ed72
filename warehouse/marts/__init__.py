"""Regional marts, with the grain in each name."""

from warehouse.marts.client_default_risk import CLIENT_DEFAULT_RISK
from warehouse.marts.loan_distribution_by_region import LOAN_DISTRIBUTION_BY_REGION
from warehouse.marts.portfolio_by_region_month import PORTFOLIO_BY_REGION_MONTH
from warehouse.marts.write import write_marts

MARTS = (LOAN_DISTRIBUTION_BY_REGION, PORTFOLIO_BY_REGION_MONTH, CLIENT_DEFAULT_RISK)

__all__ = ["CLIENT_DEFAULT_RISK", "LOAN_DISTRIBUTION_BY_REGION", "MARTS", "PORTFOLIO_BY_REGION_MONTH", "write_marts"]
