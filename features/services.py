"""Feast feature services: what one model reads, feature by feature. A service never changes once a model is trained on it."""

from feast import FeatureService

from features.views import client_repayment

# Named one by one, in the order of the model matrix: a feature added to the view must not enter a trained model's service.
DEFAULT_RISK_V1_FEATURES = (
    "installments_due_count_3m",
    "installments_due_count_lifetime",
    "late_pay_ratio_3m",
    "late_pay_ratio_6m",
    "late_pay_ratio_12m",
    "late_pay_ratio_lifetime",
    "late_count_lifetime",
    "skipped_count_3m",
    "skipped_count_12m",
    "skipped_ratio_lifetime",
    "early_pay_ratio_12m",
    "early_settlement_count_12m",
    "early_settlement_count_lifetime",
    "max_dpd_12m",
    "max_dpd_lifetime",
    "dpd",
    "overdue_amount",
    "open_contract_count",
    "outstanding_principal_amount",
    "months_since_first_contract",
    "penalty_amount_12m",
)

default_risk_v1 = FeatureService(
    name="default_risk_v1",
    features=[client_repayment[list(DEFAULT_RISK_V1_FEATURES)]],
    description="What the default-risk model reads of a client: repayment, arrears, exposure and tenure",
    owner="credit-risk",
    tags={"model": "default_risk"},
)

SERVICES = (default_risk_v1,)
