"""What the generated lender sells: three product types, and the terms of each contract.

Mix, tickets, tenors and rates follow public figures of Vietnamese consumer lenders (cash loans are few but large). Amounts are whole dong.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from warehouse.simulate import shocks
from warehouse.simulate.dates import Days
from warehouse.simulate.draws import Draws, Floats, Ints
from warehouse.simulate.profiles import Profile
from warehouse.terms import PRODUCT_TYPES

TYPE_IDS = ("CL", "CD", "TW")


class Product(NamedTuple):
    """A product: type, share of new contracts, ticket in dong (median, sigma), tenors with weights, yearly rates, risk and fraud."""

    product_code: str
    product_name: str
    type_position: int
    share: float
    median: float
    sigma: float
    tenors: tuple[int, ...]
    tenor_weights: tuple[float, ...]
    rates: tuple[float, float]
    fee: int
    risk: float
    fraud: float
    delivered_fee_percent: str


PRODUCTS = (
    Product("CL01", "Cash loan", 0, 0.30, 28e6, 0.55, (12, 18, 24, 36, 48), (2, 2, 4, 2, 1), (0.35, 0.55), 0, 0.20, 0.004, "0.02"),
    Product("CD01", "Consumer durable", 1, 0.435, 8e6, 0.50, (6, 9, 12), (2, 4, 2), (0.30, 0.60), 11_000, -0.05, 0.008, "0.01"),
    Product("CD00", "Consumer durable, zero interest", 1, 0.145, 8e6, 0.50, (6, 9, 12), (3, 3, 2), (0.0, 0.0), 11_000, -0.05, 0.008, "0"),
    Product("TW01", "Two-wheeler", 2, 0.12, 24e6, 0.30, (12, 18, 24, 36), (2, 4, 3, 1), (0.30, 0.45), 0, -0.15, 0.003, "0.015"),
)
RISK: Floats = np.array([product.risk for product in PRODUCTS])
FRAUD: Floats = np.array([product.fraud for product in PRODUCTS])
IS_CASH: npt.NDArray[np.bool_] = np.array([product.type_position == 0 for product in PRODUCTS])
IS_DURABLE: npt.NDArray[np.bool_] = np.array([product.type_position == 1 for product in PRODUCTS])
IS_TWO_WHEELER: npt.NDArray[np.bool_] = np.array([product.type_position == 2 for product in PRODUCTS])
REFINANCING = 0  # a refinancing is always a cash loan
CASH_SHARE_AFTER_S2 = 0.45
TICKET_RANGE = (0.25, 4.0)  # of a product's median
SHOPS, BAD_SHOPS, SHOP_SIGMA, BAD_SHOP_FACTOR = 6_000, 15, 0.3, 40.0  # points of sale; all but cash loans are sold there


class Sale(NamedTuple):
    """Terms of newly sold contracts, one array an attribute."""

    product: Ints
    principal: Ints
    tenor: Ints
    rate: Floats
    fee: Ints
    shop: Ints  # point of sale, -1 for none


def sell(profile: Profile, draws: Draws, contract: Ints, start: Days, is_refinancing: npt.NDArray[np.bool_]) -> Sale:
    """Draw product, ticket, tenor and monthly rate of new contracts."""
    product = np.where(is_refinancing, REFINANCING, draws.choice(contract, _shares(profile, start)))
    size, tenor_draw, rate_draw = draws.normal(contract, lane=1), draws.uniform(contract, lane=4), draws.uniform(contract, lane=5)
    median, sigma, low, high, fee = (np.array(column)[product] for column in zip(*(_price(product) for product in PRODUCTS), strict=True))
    ticket = np.clip(median * np.exp(sigma * size), *(factor * median for factor in TICKET_RANGE))
    return Sale(
        product=product,
        principal=(np.round(ticket / 100_000) * 100_000).astype(np.int64),
        tenor=_tenor(product, tenor_draw),
        rate=np.round(low + (high - low) * rate_draw, 3) / 12,
        fee=fee.astype(np.int64),
        shop=np.where(IS_CASH[product], -1, draws.between(contract, 0, SHOPS - 1, lane=6)),
    )


def _shares(profile: Profile, start: Days) -> Floats:
    """Shares of the products among new contracts, one row a contract; shock S2 sells more cash loans."""
    share = np.array([product.share for product in PRODUCTS])
    other = np.where(IS_CASH, CASH_SHARE_AFTER_S2, share * (1 - CASH_SHARE_AFTER_S2) / share[~IS_CASH].sum())
    is_shifted = np.array([shocks.in_force(profile.shocks, "S2", when) for when in np.unique(start)], dtype=bool)
    return np.where(is_shifted[np.searchsorted(np.unique(start), start)][:, None], other, share)


def shop_fraud() -> Floats:
    """How much more fraud than elsewhere there is at each point of sale; 1 on average. The same for every seed."""
    factor = np.exp(SHOP_SIGMA * Draws(0, "shop").normal(np.arange(SHOPS)))
    factor[:BAD_SHOPS] *= BAD_SHOP_FACTOR
    return factor / factor.mean()


def _price(product: Product) -> tuple[float, float, float, float, float]:
    return product.median, product.sigma, *product.rates, product.fee


def _tenor(product: Ints, draw: Floats) -> Ints:
    tenor = np.zeros(len(product), dtype=np.int64)
    for position, item in enumerate(PRODUCTS):
        chosen = product == position
        edges = np.cumsum(item.tenor_weights) / np.sum(item.tenor_weights)
        tenor[chosen] = np.array(item.tenors)[np.searchsorted(edges, draw[chosen], side="right")]
    return tenor


def product_types() -> dict[str, list[str]]:
    """The delivered product_types file."""
    return {"product_type_id": list(TYPE_IDS), "product_type_name": list(PRODUCT_TYPES)}


def products() -> dict[str, list[str]]:
    """The delivered products file."""
    return {
        "product_code": [product.product_code for product in PRODUCTS],
        "product_name": [product.product_name for product in PRODUCTS],
        "product_type_id": [TYPE_IDS[product.type_position] for product in PRODUCTS],
        "base_interest_rate": [f"{sum(product.rates) / 2:.3f}" for product in PRODUCTS],
        "processing_fee_percent": [product.delivered_fee_percent for product in PRODUCTS],
        "min_tenor": [str(min(product.tenors)) for product in PRODUCTS],
        "max_tenor": [str(max(product.tenors)) for product in PRODUCTS],
        "active_flag": ["true" for _ in PRODUCTS],
        "min_amount": [f"{TICKET_RANGE[0] * product.median:.0f}" for product in PRODUCTS],
        "max_amount": [f"{TICKET_RANGE[1] * product.median:.0f}" for product in PRODUCTS],
    }
