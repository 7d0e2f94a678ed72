"""What happens to the whole market or to a part of it, each with its dates: the ground truth for monitors.

S7 (the lunar new year) and S8 (the merger of provinces) are always there: see dates.py and provinces.py. They must raise no alarm.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np

from warehouse.simulate.dates import day
from warehouse.simulate.draws import Floats
from warehouse.simulate.geography import MACRO
from warehouse.simulate.provinces import MACROS


@dataclass(frozen=True)
class Shock:
    """A change of the world or of the lender's policy, from one date until another."""

    id: str
    begins: date
    ends: date
    what: str

    def holds(self, when: np.datetime64) -> bool:
        """Whether it is in force on a day."""
        return bool(day(self.begins) <= when < day(self.ends))


FOREVER = date(2100, 1, 1)
SHOCKS = {
    shock.id: shock
    for shock in (
        Shock("S1", date(2021, 7, 1), date(2021, 11, 1), "Hard times: pressure +0.8, in the South East +1.3."),
        Shock("S2", date(2025, 1, 1), FOREVER, "Other mix: cash loans are 45 instead of 30 percent of new contracts. Behaviour stays."),
        Shock("S3", date(2025, 1, 1), FOREVER, "Other behaviour: hidden risk counts half for clients of consumer durables."),
        Shock("S4", date(2024, 9, 1), date(2024, 12, 1), "Flood on the North Central and Central Coast: pressure +1.2 there."),
        Shock("S5", date(2024, 1, 1), FOREVER, "Policy: the first penalty comes after 10 days instead of 5. Behaviour stays."),
        Shock("S6", date(2025, 6, 25), date(2025, 6, 28), "One channel delivers amounts in thousand dong. Only the delivery is wrong."),
    )
}
S1_PRESSURE, S1_SOUTH_EAST, S4_PRESSURE = 0.8, 0.5, 1.2
_REGION_NAMES = np.array([macro.region_name for macro in MACROS])[MACRO]
SOUTH_EAST, CENTRAL_COAST = _REGION_NAMES == "South East", _REGION_NAMES == "North Central and Central Coast"


def in_force(names: tuple[str, ...], name: str, when: np.datetime64) -> bool:
    """Whether a shock is part of a profile and holds on a day."""
    return name in names and SHOCKS[name].holds(when)


def pressure(names: tuple[str, ...], when: np.datetime64) -> Floats:
    """Pressure of the times on each province in the month that begins on a day."""
    found = np.zeros(len(MACRO))
    if in_force(names, "S1", when):
        found += S1_PRESSURE + S1_SOUTH_EAST * SOUTH_EAST
    if in_force(names, "S4", when):
        found += S4_PRESSURE * CENTRAL_COAST
    return found
