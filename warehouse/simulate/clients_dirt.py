"""What the lender does not know of a client, in every version of the client's row: the region, or the district and commune.

A row that repeats the one before it is a duplicate for a platform, whatever it lacks; so only rows that bring news are in the ledger.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from warehouse.simulate.catalog import NO_OPTIONAL, NO_REGION, NO_REGION_AT_ALL, OTHER_REGION, Defect
from warehouse.simulate.dates import days
from warehouse.simulate.draws import Draws
from warehouse.simulate.profiles import Profile
from warehouse.simulate.rows import LEDGER, constant, replaced, together, where
from warehouse.simulate.versions import is_written

Flags = npt.NDArray[np.bool_]

CONTENT = ("region_id", "client_name", "join_date", "credit_score", "family_name", "given_name", "district_code", "commune_code")


def without_optional(profile: Profile, seed: int, clean: pa.Table) -> pa.Table:
    """Clients rows without what is not known, and `_fresh`: whether a row differs from the one before it."""
    number = clean["_entity"].to_numpy()
    region, place = Draws(seed, "unknown region").uniform(number), Draws(seed, "unknown place").uniform(number)
    rate = profile.rates.unknown_region
    is_other, is_empty = region < rate, (region >= rate) & (region < 2 * rate)
    is_placeless = ~is_other & ~is_empty & (place < profile.rates.optional_missing)
    has_district = is_written("clients", "district_code", _days(clean))
    column = where(has_district, constant("district_code", len(clean)), "commune_code")
    lived_in = {name: clean[name].combine_chunks() for name in ("region_id", "district_code", "commune_code")}
    place_code = where(has_district, lived_in["district_code"], lived_in["commune_code"])
    told_region = where(is_empty, constant("", len(clean)), lived_in["region_id"])
    values = {name: where(is_placeless, constant("", len(clean)), lived_in[name]) for name in ("district_code", "commune_code")}
    rows = replaced(clean, values | {"region_id": where(is_other, constant(NO_REGION, len(clean)), told_region)})
    fresh = _fresh(rows)
    for defect, chosen, name, value in (
        (OTHER_REGION, is_other, "region_id", lived_in["region_id"]),
        (NO_REGION_AT_ALL, is_empty, "region_id", lived_in["region_id"]),
        (NO_OPTIONAL, is_placeless, column, place_code),
    ):
        rows = _noted(rows, defect, chosen & fresh, name, value)
    return rows.append_column("_fresh", pa.array(fresh))


def _noted(rows: pa.Table, defect: Defect, chosen: Flags, column: pa.Array | str, original: pa.Array) -> pa.Table:
    texts = dict(zip(LEDGER, (defect.id, column, original, defect.rule, defect.disposition), strict=True))
    return replaced(rows, {name: pc.if_else(pa.array(chosen), text, rows[name]) for name, text in texts.items()})


def _fresh(rows: pa.Table) -> Flags:
    """Whether what a file says of a client differs from what the file before it said."""
    when, number = _days(rows), rows["_entity"].to_numpy()
    said = together(*(where(is_written("clients", name, when), _whole(rows, name), "") for name in CONTENT), separator="\x1f")
    found = np.ones(len(rows), dtype=bool)
    same = pc.equal(said[1:], said[:-1]).to_numpy(zero_copy_only=False)
    found[1:] = (number[1:] != number[:-1]) | ~same
    return found


def _days(rows: pa.Table) -> npt.NDArray[np.datetime64]:
    return days(rows["_day"].to_numpy())


def _whole(rows: pa.Table, name: str) -> pa.Array:
    return rows[name].combine_chunks()
