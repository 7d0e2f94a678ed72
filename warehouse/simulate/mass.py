"""Faults of whole days: repayments of one region without dates (D20), amounts of one channel in thousands (shock S6)."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from warehouse.simulate.booking import ENTITIES
from warehouse.simulate.business_days import business_days
from warehouse.simulate.catalog import NO_DATES_IN_REGION, THOUSANDS, Defect
from warehouse.simulate.dates import days
from warehouse.simulate.draws import Draws
from warehouse.simulate.geography import MACRO, WEIGHT
from warehouse.simulate.loans import channels
from warehouse.simulate.profiles import Profile
from warehouse.simulate.shocks import in_force

Flags = npt.NDArray[np.bool_]
WRONG_CHANNEL = 2


def mass_defects(profile: Profile, seed: int, repayments: pa.Table) -> list[tuple[Defect, Flags]]:
    """Which delivered repayments each fault breaks."""
    when, entity = days(repayments["_day"].to_numpy()), repayments["_entity"].to_numpy()
    dateless = np.zeros(len(when), dtype=bool)
    for when_lost, macro in _regions_without_dates(profile, seed):
        dateless |= (when == when_lost) & (repayments["_macro"].to_numpy() == macro)
    wrong_days = [wrong for wrong in business_days(profile)[1:-1] if in_force(profile.shocks, "S6", wrong)]
    in_thousands = np.isin(when, np.array(wrong_days, dtype="datetime64[D]")) & (channels(seed, entity // ENTITIES) == WRONG_CHANNEL)
    return [(NO_DATES_IN_REGION, dateless), (THOUSANDS, in_thousands & ~dateless)]


def _regions_without_dates(profile: Profile, seed: int) -> list[tuple[np.datetime64, int]]:
    """Days of which a region's repayments have no dates, and the region; only days after which the lender delivers on the next one."""
    every = business_days(profile)
    daily = every[1:-1][np.diff(every)[1:] == np.timedelta64(1, "D")]
    draws, number = Draws(seed, "mass"), daily.astype(np.int64)
    chosen = np.argsort(draws.uniform(number), kind="stable")[: profile.rates.mass_days]
    macro = draws.choice(number, np.bincount(MACRO, WEIGHT), lane=1)
    return [(daily[position], int(macro[position])) for position in chosen]
