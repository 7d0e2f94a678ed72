"""What `feast apply` registers. Feast imports every module below its yaml, so this folder names the objects and makes none."""

from features.entities import client
from features.on_demand import loan_request, requested_loan
from features.services import default_risk_v1, default_risk_v2, loan_request_v1
from features.sources import client_region_source, client_repayment_source
from features.store import registered_project
from features.views import client_region, client_repayment

lending = registered_project()

__all__ = [
    "client",
    "client_region",
    "client_region_source",
    "client_repayment",
    "client_repayment_source",
    "default_risk_v1",
    "default_risk_v2",
    "lending",
    "loan_request",
    "loan_request_v1",
    "requested_loan",
]
