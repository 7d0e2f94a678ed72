"""Where clients of the generated lender live and move to, how risky each province is, and the regions file before and after the merger.

A client's province is a position in PROVINCES for ever; which id is delivered depends on the day. Risks are drawn once from the seedless
stream "region risk", N(0, 0.25) a region and N(0, 0.15) a province: effects that a report must show and that no model sees directly.
"""

from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from warehouse.simulate.dates import Days, day
from warehouse.simulate.draws import Draws, Floats, Ints
from warehouse.simulate.provinces import MACROS, MERGED_ON, PROVINCES, successors

COUNTRY_ID = "00"
MACRO_SIGMA, PROVINCE_SIGMA = 0.25, 0.15
MACRO: Ints = np.array([province.macro for province in PROVINCES])
WEIGHT: Floats = np.array([province.weight for province in PROVINCES])
OLD_IDS = pa.array([province.region_id for province in PROVINCES])
NEW_IDS = pa.array([successors()[province.region_id] for province in PROVINCES])


def risks() -> Floats:
    """Risk shift of each province, the same for every seed."""
    draws = Draws(0, "region risk")
    macro, province = np.arange(len(MACROS)), np.arange(len(PROVINCES))
    return MACRO_SIGMA * draws.normal(macro)[MACRO] + PROVINCE_SIGMA * draws.normal(province, at=1)


def new_region(draws: Draws, client: Ints, home: Ints) -> Ints:
    """Position in PROVINCES to which each client moves; never the present one. Most go to the South East and to Ha Noi."""
    pull = np.array([macro.pull for macro in MACROS])[MACRO] * WEIGHT / np.bincount(MACRO, WEIGHT)[MACRO]
    found = draws.choice(client, pull, lane=1)
    elsewhere = draws.choice(client, np.where(np.arange(len(pull)) == np.argmax(pull), 0.0, pull), lane=2)
    return np.where(found != home, found, np.where(elsewhere != home, elsewhere, np.argmax(pull)))


def region_ids(position: Ints, when: Days | np.datetime64) -> pa.Array:
    """Region keys of positions in PROVINCES, as the map of each day names them."""
    is_new = pa.array(np.broadcast_to(when >= day(MERGED_ON), position.shape))
    return pc.if_else(is_new, NEW_IDS.take(pa.array(position)), OLD_IDS.take(pa.array(position)))


def regions(delivered_on: date) -> dict[str, list[str]]:
    """The regions file of a day: the old map, or after the merger both maps with what became of each old province."""
    rows = [(COUNTRY_ID, "Vietnam", "", "country", "")]
    rows += [(macro.region_id, macro.region_name, COUNTRY_ID, "region", "") for macro in MACROS]
    successor = successors()
    by_id = {province.region_id: province for province in PROVINCES}
    for province in PROVINCES:
        new = successor[province.region_id]
        is_gone = delivered_on >= MERGED_ON and new != province.region_id
        rows.append((province.region_id, province.region_name, MACROS[province.macro].region_id, "province", new if is_gone else ""))
    if delivered_on >= MERGED_ON:
        for new in sorted(set(successor.values()) - set(by_id)):
            named_after = by_id[new[:2]]
            rows.append((new, named_after.region_name, MACROS[named_after.macro].region_id, "province", ""))
    names = ("region_id", "region_name", "parent_region_id", "region_level", "successor_region_id")
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
