"""Where the generated lender works: regions of Vietnam, how many clients live in each and how risky each is.

The risk shift is a fixed table, drawn once from N(0, 0.25): a region effect that a model can learn and a report must show.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from warehouse.simulate.draws import Draws, Floats, Ints

COUNTRY_ID = "00"


class Region(NamedTuple):
    """A region with its share of clients, its risk shift and its pull on people who move."""

    region_id: str
    region_name: str
    weight: float
    risk: float
    pull: float


REGIONS = (
    Region("01", "Red River Delta", 0.26, -0.20, 0.30),
    Region("02", "Northern Midlands and Mountains", 0.12, 0.15, 0.04),
    Region("03", "North Central and Central Coast", 0.20, 0.05, 0.14),
    Region("04", "South East", 0.24, -0.05, 0.40),
    Region("05", "Mekong River Delta", 0.18, 0.35, 0.12),
)
RISK: Floats = np.array([region.risk for region in REGIONS])


def home_region(draws: Draws, client: Ints) -> Ints:
    """Position in REGIONS where each client lives at first."""
    return draws.choice(client, [region.weight for region in REGIONS])


def new_region(draws: Draws, client: Ints, home: Ints) -> Ints:
    """Position in REGIONS to which each client moves; never the present one."""
    pull = np.tile([region.pull for region in REGIONS], (len(client), 1))
    pull[np.arange(len(client)), home] = 0.0
    return draws.choice(client, pull, lane=1)


def region_ids(position: Ints) -> pa.Array:
    """Region keys of positions in REGIONS."""
    return pa.array([region.region_id for region in REGIONS]).take(pa.array(position))


def regions() -> dict[str, list[str]]:
    """The delivered regions file: the country and its regions."""
    rows = [(COUNTRY_ID, "Vietnam", "", "country")]
    rows += [(region.region_id, region.region_name, COUNTRY_ID, "region") for region in REGIONS]
    return dict(zip(("region_id", "region_name", "parent_region_id", "region_level"), map(list, zip(*rows, strict=True)), strict=True))
