"""Features of a requested loan: the same offline and online, equal to a plain answer, and null wherever there is none."""

from collections.abc import Iterator
from itertools import product
from math import inf, nan
from typing import Any

import pyarrow as pa
import pytest
from feast import FeatureStore

from features.on_demand import LOAN_REQUEST, inputs_of, loan_request, loan_request_values
from features.publish import publish_online
from features.store import feature_store
from tests.features.releases import DAY, release, settings_of
from warehouse.clock import end_of_day
from warehouse.lake import Lake

NAMES = [feature.name for feature in LOAN_REQUEST]
CLIENTS: dict[str, dict[str, Any]] = {
    "usual": {
        "next_month_due_amount": 1_500_000.0, "max_principal_amount_lifetime": 20_000_000.0, "max_tenor_months_lifetime": 18,
        "cash_loan_ratio_lifetime": 0.25, "consumer_durable_loan_ratio_lifetime": 0.75, "two_wheeler_loan_ratio_lifetime": 0.0,
    },
    "nothing due": {
        "next_month_due_amount": 0.0, "max_principal_amount_lifetime": 0.0, "max_tenor_months_lifetime": 0,
        "cash_loan_ratio_lifetime": 0.0, "consumer_durable_loan_ratio_lifetime": 0.0, "two_wheeler_loan_ratio_lifetime": 1 / 3,
    },
}  # fmt: skip
AMOUNTS = (30_000_000.0, 1.0, 0.0, -5.0, None, 1e308)
TENORS = (12, 1, 0, -3, None)
TYPES = ("Cash loan", "TWO-wheeler  LOAN", "consumer durable-loan", "Mortgage", "", None)


def answer(client: dict[str, Any] | None, amount: float | None, tenor: int | None, type_name: str | None) -> list[float | None]:
    """The four features, worked out in another way than the platform does."""
    held = client or {}
    due, principal, longest = (
        held.get(name) or 0 for name in ("next_month_due_amount", "max_principal_amount_lifetime", "max_tenor_months_lifetime")
    )
    has_amount, has_tenor = amount is not None and amount > 0, tenor is not None and tenor > 0
    kind = None
    if type_name == "Cash loan":
        kind = held.get("cash_loan_ratio_lifetime")
    elif type_name == "TWO-wheeler  LOAN":
        kind = held.get("two_wheeler_loan_ratio_lifetime")
    elif type_name == "consumer durable-loan":
        kind = held.get("consumer_durable_loan_ratio_lifetime")
    return [
        amount / tenor / due if has_amount and has_tenor and due > 0 else None,
        amount / principal if has_amount and principal > 0 else None,
        tenor / longest if has_tenor and longest > 0 else None,
        kind,
    ]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FeatureStore]:
    settings = settings_of(tmp_path_factory.mktemp("home"))
    with Lake(settings) as lake:
        release(lake, {DAY: CLIENTS})
        publish_online(settings, lake)
        yield feature_store(settings, lake=lake)


@pytest.fixture(scope="module")
def requests() -> list[dict[str, Any]]:
    return [
        {"client_id": client, "requested_amount": amount, "requested_tenor_months": tenor, "requested_product_type": type_name}
        for client, amount, tenor, type_name in product([*CLIENTS, "unknown"], AMOUNTS, TENORS, TYPES)
    ]


@pytest.fixture(scope="module")
def expected(requests: list[dict[str, Any]]) -> dict[str, list[float | None]]:
    rows = [answer(CLIENTS.get(client), *asked) for client, *asked in (row.values() for row in requests)]
    return {name: list(column) for name, column in zip(NAMES, zip(*rows, strict=True), strict=True)}


def offline(store: FeatureStore, requests: list[dict[str, Any]], features: Any) -> dict[str, list]:
    at = end_of_day(DAY, "Asia/Ho_Chi_Minh")
    schema = pa.schema(
        [
            ("client_id", pa.string()),
            ("event_timestamp", pa.timestamp("us", "UTC")),
            ("requested_amount", pa.float64()),
            ("requested_tenor_months", pa.int64()),
            ("requested_product_type", pa.string()),
        ]
    )
    asked = pa.Table.from_pylist([row | {"event_timestamp": at} for row in requests], schema=schema)
    return store.get_historical_features(asked, features).to_arrow().to_pydict()


def test_offline_equals_online_equals_a_plain_answer(
    store: FeatureStore, requests: list[dict[str, Any]], expected: dict[str, list[float | None]]
) -> None:
    references = [f"loan_request:{name}" for name in NAMES]
    by_history = offline(store, requests, references)
    by_server = store.get_online_features(references, requests).to_dict()
    for name in NAMES:
        assert by_history[name] == expected[name], name
        assert by_server[name] == expected[name], name
    assert sum(value is not None for column in expected.values() for value in column) > 300
    assert sum(value is None for column in expected.values() for value in column) > 300


def test_a_service_gives_the_client_and_the_request(store: FeatureStore, requests: list[dict[str, Any]]) -> None:
    service = store.get_feature_service("loan_request_v1")
    asked = requests[:3]
    by_history, by_server = offline(store, asked, service), store.get_online_features(service, asked).to_dict()
    wanted = [*store.get_feature_service("default_risk_v2").feature_view_projections[0].features, *loan_request.features]
    assert {name: by_history[name] for name in (field.name for field in wanted)} == {field.name: by_server[field.name] for field in wanted}
    assert by_history["next_month_due_amount"] == [1_500_000.0] * 3


@pytest.mark.parametrize("odd", [nan, inf, -inf])
def test_no_answer_is_nan_or_infinite(odd: float) -> None:
    usual = {name: 2.0 for feature in LOAN_REQUEST for name in inputs_of(feature)} | {"requested_product_type": "cash loan"}
    for name in usual:
        if name != "requested_product_type":
            found = loan_request_values({key: [value] for key, value in (usual | {name: odd}).items()})
            assert all(value is None or (value == value and abs(value) < inf) for (value,) in found.values()), name
    tiny = loan_request_values({name: [value] for name, value in (usual | {"next_month_due_amount": 5e-324}).items()})
    assert tiny["requested_installment_ratio"] == [None]


def test_null_in_null_out() -> None:
    nothing = loan_request_values({name: [None] for feature in LOAN_REQUEST for name in inputs_of(feature)})
    assert nothing == {name: [None] for name in NAMES}


def test_the_registry_holds_a_reference_to_our_code(store: FeatureStore) -> None:
    """Feast runs the registered text with no module around it: the text may only name the package that is installed."""
    text = store.get_on_demand_feature_view("loan_request").feature_transformation.udf_string
    called: dict[str, Any] = {}
    exec(text, {}, called)
    assert called["_loan_request"]({name: [None] for feature in LOAN_REQUEST for name in inputs_of(feature)})
    assert text.count("import") == 2  # the statement and its comment
