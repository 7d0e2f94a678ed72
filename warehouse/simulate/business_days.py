"""Which delivery a row comes with: the first one on or after the day on which the lender has it.

Daily deliveries come every day; before them there may be one at each month end, which then holds the last version of each row.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from warehouse.simulate.dates import NEVER, Days, days
from warehouse.simulate.draws import Ints
from warehouse.simulate.profiles import Profile
from warehouse.simulate.rows import replaced


def business_days(profile: Profile) -> Days:
    """Business dates of all deliveries, oldest first."""
    return np.array(profile.business_dates, dtype="datetime64[D]")


def delivered_on(profile: Profile, when: Days) -> Days:
    """Business date of the first delivery on or after each day; NaT after the last one."""
    return _at(profile, when, "left")


def next_delivery(profile: Profile, when: Days) -> Days:
    """Business date of the first delivery after each day; NaT after the last one."""
    return _at(profile, when, "right")


def _at(profile: Profile, when: Days, side: str) -> Days:
    every = np.append(business_days(profile), NEVER)
    place = np.searchsorted(every[:-1], when, side=side)  # type: ignore[call-overload]  # NaT sorts last
    return every[place]


def batched(profile: Profile, rows: pa.Table, per_key: int) -> pa.Table:
    """Rows with the business date of their delivery instead of the day on which the lender has them.

    Rows that no delivery brings are left out; of several rows of a key in one delivery the last one stays.

    Args:
        profile: calendar.
        rows: in the order of keys and days.
        per_key: entities that one key has.
    """
    when = delivered_on(profile, days(rows["_day"].to_numpy()))
    kept = ~np.isnat(when)
    if profile.opening is not None:
        kept &= ~is_followed(rows["_entity"].to_numpy() // per_key, when)
    return replaced(rows, {"_day": pa.array(when)}).filter(pa.array(kept))


def is_followed(key: Ints, when: Days, least: Days | None = None) -> npt.NDArray[np.bool_]:
    """Whether the next row has the same key and comes with the same delivery, or with one up to a given date."""
    until = when if least is None else least
    found = np.zeros(len(key), dtype=bool)
    found[:-1] = (key[1:] == key[:-1]) & (when[1:] <= until[:-1])
    return found
