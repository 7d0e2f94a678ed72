"""Features of a loan that a client asks for, computed when they are asked: Feast's on-demand feature view `loan_request`.

Each feature is one plain function of values of the request and of the client; its parameters name them. Training and serving run the same
functions, row by row. A value that cannot be worked out is null, never NaN or infinite. Feast stores in its registry the source text of
what it calls and runs that text, so a registry has to be trusted as code is; ours only names this module.
"""

import inspect
from collections.abc import Mapping, Sequence
from copy import copy
from functools import cache
from math import isfinite
from types import FunctionType
from typing import Any, cast

from feast import Field, RequestSource
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.transformation.python_transformation import PythonTransformation
from feast.types import Float64, Int64, String

from features.declare import REQUEST, Feature, feast_field
from features.views import client_repayment

Number = float | None


def requested_installment_ratio(requested_amount: Number, requested_tenor_months: Number, next_month_due_amount: Number) -> Number:
    """Requested amount per month of its tenor, divided by what falls due on open contracts within a month."""
    return _ratio(_ratio(_asked(requested_amount), _asked(requested_tenor_months)), next_month_due_amount)


def requested_amount_ratio(requested_amount: Number, max_principal_amount_lifetime: Number) -> Number:
    """Requested amount divided by the greatest principal of the client's contracts."""
    return _ratio(_asked(requested_amount), max_principal_amount_lifetime)


def requested_tenor_ratio(requested_tenor_months: Number, max_tenor_months_lifetime: Number) -> Number:
    """Requested tenor divided by the greatest tenor of the client's contracts."""
    return _ratio(_asked(requested_tenor_months), max_tenor_months_lifetime)


def requested_product_type_ratio(
    requested_product_type: str | None,
    cash_loan_ratio_lifetime: Number,
    consumer_durable_loan_ratio_lifetime: Number,
    two_wheeler_loan_ratio_lifetime: Number,
) -> Number:
    """Share of the requested type of product among the client's contracts."""
    shares = {
        "cashloan": cash_loan_ratio_lifetime,
        "consumerdurableloan": consumer_durable_loan_ratio_lifetime,
        "twowheelerloan": two_wheeler_loan_ratio_lifetime,
    }
    name = "".join((requested_product_type or "").lower().replace("-", " ").split())
    return _finite(shares.get(name))


LOAN_REQUEST = (
    Feature(
        name="requested_installment_ratio", expr=requested_installment_ratio, ledger=REQUEST, window=None,
        dtype="float64", unit="ratio", bounds=(0, None), monotone=+1,
        null_means="nothing falls due within a month, or no amount or tenor is asked for",
        code="REQUESTED_BURDEN", reason="The loan you ask for adds much to what you pay each month.",
    ),
    Feature(
        name="requested_amount_ratio", expr=requested_amount_ratio, ledger=REQUEST, window=None,
        dtype="float64", unit="ratio", bounds=(0, None), monotone=+1,
        null_means="the client has no contract with a principal, or no amount is asked for",
        code="REQUESTED_AMOUNT", reason="You ask for more than you have borrowed before.",
    ),
    Feature(
        name="requested_tenor_ratio", expr=requested_tenor_ratio, ledger=REQUEST, window=None,
        dtype="float64", unit="ratio", bounds=(0, None), monotone=0,
        null_means="the client has no contract with a tenor, or no tenor is asked for",
        code="REQUESTED_TENOR", reason="You ask for a loan of another length than before.",
    ),
    Feature(
        name="requested_product_type_ratio", expr=requested_product_type_ratio, ledger=REQUEST, window=None,
        dtype="float64", unit="ratio", bounds=(0, 1), monotone=0,
        null_means="the client is not known, or the type is not cash loan, consumer durable loan or two-wheeler loan",
        code="REQUESTED_PRODUCT", reason="You have little history with the type of loan that you ask for.",
    ),
)  # fmt: skip


def loan_request_values(rows: Mapping[str, Sequence[Any]]) -> dict[str, list[Number]]:
    """The features of some requests.

    Args:
        rows: the inputs by name, as lists of one length.

    Returns:
        One list per feature.
    """
    return {
        feature.name: [feature.expr(*values) for values in zip(*(rows[name] for name in inputs_of(feature)), strict=True)]
        for feature in LOAN_REQUEST
    }


@cache
def inputs_of(feature: Feature) -> tuple[str, ...]:
    """Values of the request and features of the client that a feature is computed from."""
    return tuple(inspect.signature(feature.expr).parameters)


def _asked(value: Number) -> Number:
    """A number of the request; what is not above 0 asks for nothing."""
    return value if value is not None and value > 0 else None


def _ratio(part: Number, whole: Number) -> Number:
    """A quotient, or null where there is none."""
    return None if part is None or not whole else _finite(part / whole)


def _finite(value: Number) -> Number:
    """A value, or null for one that is no number."""
    return float(value) if value is not None and isfinite(value) else None


requested_loan = RequestSource(
    name="requested_loan",
    schema=[
        Field(name="requested_amount", dtype=Float64, description="Amount asked for, in the lender's currency.", tags={"unit": "money"}),
        Field(name="requested_tenor_months", dtype=Int64, description="Months over which it is to be paid.", tags={"unit": "months"}),
        Field(name="requested_product_type", dtype=String, description="Name of the type of product.", tags={"unit": "name"}),
    ],
    description="What a client asks for, given with the request",
    owner="credit-risk",
    tags={"layer": "request"},
)

_REQUESTED = {field.name for field in requested_loan.schema}
_OF_CLIENT = dict.fromkeys(name for feature in LOAN_REQUEST for name in inputs_of(feature) if name not in _REQUESTED)


def _loan_request(rows: dict[str, list]) -> dict[str, list]:
    """What Feast calls. It runs the text of this function with no module around it, so it imports what it needs."""
    from features.on_demand import loan_request_values

    return loan_request_values(rows)


class _Declared(PythonTransformation):
    """A transformation whose fields are declared; Feast would infer them from a call with made-up values, whose answers are null here."""

    def infer_features(self, random_input: dict[str, Any], singleton: bool | None = False) -> list[Field]:
        """The declared fields."""
        return [feast_field(feature) for feature in LOAN_REQUEST]


loan_request = OnDemandFeatureView(
    name="loan_request",
    sources=[client_repayment[list(_OF_CLIENT)], requested_loan],
    schema=[feast_field(feature) for feature in LOAN_REQUEST],
    feature_transformation=_Declared(cast(FunctionType, _loan_request), inspect.getsource(_loan_request)),
    mode="python",
    description="How a loan that a client asks for compares with the client's contracts and dues.",
    owner="credit-risk",
    tags={"grain": "one row per request"},
)

ON_DEMAND_VIEWS = (loan_request,)


def selected(view: OnDemandFeatureView) -> OnDemandFeatureView:
    """All features of an on-demand view, for a feature service.

    Feast 0.67 reads on-demand views from its registry without the descriptions and tags of their fields, and then refuses a service whose
    fields have some. So a service names the fields without them.
    """
    chosen = copy(view)
    chosen.projection.features = [Field(name=field.name, dtype=field.dtype) for field in view.features]
    return chosen
