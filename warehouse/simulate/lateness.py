"""Parents that arrive after their children: a client a day after the contract, a contract a day after its schedule.

The children are parked by the platform and accepted when the parent comes; they are marked as defect D10.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from warehouse.simulate.book import PLACES
from warehouse.simulate.business_days import is_followed, next_delivery
from warehouse.simulate.catalog import LATE_PARENT
from warehouse.simulate.dates import Days, day
from warehouse.simulate.draws import Draws, Ints
from warehouse.simulate.ledger import NUMBERS
from warehouse.simulate.loans import VERSIONS
from warehouse.simulate.profiles import Profile
from warehouse.simulate.rows import LEDGER, replaced

CONTRACT_OF = {"contracts": VERSIONS, "contract_status_history": VERSIONS, "installments": NUMBERS * 4}  # entities a contract has
A_DAY = np.timedelta64(1, "D")


def delay_parents(profile: Profile, seed: int, tables: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """The tables with some clients and contracts a day later, and the rows that must wait for them marked."""
    draws = Draws(seed, "late parent")
    tables = {**tables, "clients": _delayed(profile, tables["clients"], 1, draws)}
    tables["contracts"] = _delayed(profile, tables["contracts"], VERSIONS, draws, "Active")
    client, client_on = _arrivals(tables["clients"], 1)
    contract, contract_on = _arrivals(tables["contracts"], VERSIONS)
    tables["contract_status_history"] = _not_before(tables["contract_status_history"], contract, contract_on)
    ready_on = np.maximum(contract_on, _arrival(client, client_on, contract // PLACES))
    for name, factor in CONTRACT_OF.items():
        number = _numbers(tables[name]) // factor
        parent_on = _arrival(client, client_on, number // PLACES) if name == "contracts" else _arrival(contract, ready_on, number)
        tables[name] = _orphaned(tables[name], parent_on > _days(tables[name]))
    return tables


def _days(table: pa.Table) -> Days:
    return table["_day"].to_numpy().astype("datetime64[D]")


def _numbers(table: pa.Table) -> Ints:
    return table["_entity"].to_numpy()


def _delayed(profile: Profile, table: pa.Table, factor: int, draws: Draws, status: str = "") -> pa.Table:
    """New keys of daily deliveries, some a day later, unless another row of the key comes on that day."""
    number, when = _numbers(table) // factor, _days(table)
    is_first = np.ones(len(number), dtype=bool)
    is_first[1:] = number[1:] != number[:-1]
    follows = next_delivery(profile, when)
    followed = is_followed(number, when, follows)
    in_days = (when > day(profile.opening_date)) & (follows - when <= A_DAY)  # false for the last one, which has no next
    late = is_first & in_days & ~followed & (draws.uniform(number, at=factor) < profile.rates.late_parent)
    if status:
        late &= np.asarray(table["status"]) == status
    return replaced(table, {"_day": pa.array(np.where(late, follows, when))})


def _arrivals(table: pa.Table, factor: int) -> tuple[Ints, Days]:
    """First delivery of each key of a table that is ordered by key and day."""
    number, position = np.unique(_numbers(table) // factor, return_index=True)
    return number, _days(table)[position]


def _arrival(number: Ints, arrived_on: Days, wanted: Ints) -> Days:
    return arrived_on[np.searchsorted(number, wanted)]


def _not_before(table: pa.Table, contract: Ints, contract_on: Days) -> pa.Table:
    arrived = _arrival(contract, contract_on, _numbers(table) // VERSIONS)
    return replaced(table, {"_day": pa.array(np.maximum(_days(table), arrived))})


def _orphaned(table: pa.Table, waits: npt.NDArray[np.bool_]) -> pa.Table:
    texts = dict(zip(LEDGER, (LATE_PARENT.id, "", "", LATE_PARENT.rule, LATE_PARENT.disposition), strict=True))
    return replaced(table, {name: pc.if_else(pa.array(waits), text, table[name]) for name, text in texts.items()})
