"""What a platform must hold after all deliveries of a generated lender: figures of marts, and what its quarantine keeps.

Figures are counted from what truly happened and from the clean rows, before any of them is made dirty, and never by asking the platform.
Only figures are here that no late booking can blur: stock by status on the last business date, and contracts begun and lost by month.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from warehouse.simulate import book, products
from warehouse.simulate.catalog import NO_REGION
from warehouse.simulate.dates import Days, day, days, shift
from warehouse.simulate.draws import Ints
from warehouse.simulate.money import Ledger
from warehouse.simulate.profiles import Profile
from warehouse.simulate.statuses import SOLD, WRITTEN_OFF, Events
from warehouse.terms import UNKNOWN

STOCK = ("month_on", "region_id", "product_type_id", "status", "contract_count", "principal_amount")
FLOW = ("month_on", "product_type_id", "new_contract_count", "new_principal_amount", "written_off_count", "sold_count")
KEPT = ("quarantined", "parked")
CLIENT_DIGITS = 8


def expected_rows(profile: Profile, ledger: Ledger, events: Events, clients: pa.Table, contracts: pa.Table) -> dict[str, pa.Table]:
    """Parts of the expected figures of one chunk; those of all chunks are added up by `summed`.

    Args:
        profile: calendar.
        ledger: what happened.
        events: status events and when they are told.
        clients: clean delivered rows, in the order of clients and deliveries, regions as the platform should hold them.
        contracts: clean delivered rows, in the order of contracts and deliveries.
    """
    return {"loan_distribution": _stock(profile, clients, contracts), "contract_flow": _flow(profile, ledger, events)}


def summed(parts: list[pa.Table]) -> pa.Table:
    """Rows of the same keys added up, in the order of their keys."""
    whole = pa.concat_tables(parts)
    keys = [name for name in whole.column_names if not name.endswith(("_count", "_amount"))]
    values = [name for name in whole.column_names if name not in keys]
    result = whole.group_by(keys).aggregate([(name, "sum") for name in values])
    return result.rename_columns([*keys, *values]).sort_by([(name, "ascending") for name in keys])


def quarantine(ledger: pa.Table) -> pa.Table:
    """Rows that quarantine must hold or has held: the dirty rows that are kept out, by place and rule."""
    kept = pc.is_in(ledger["expected_disposition"], pa.array(KEPT))
    names = ("business_date", "folder", "file", "line", "table", "key", "expected_rule", "expected_disposition")
    return ledger.filter(kept).select(list(names))


def _stock(profile: Profile, clients: pa.Table, contracts: pa.Table) -> pa.Table:
    """Contracts started by the last business date, by the status and the region that the lender told last."""
    last = day(profile.last)
    contract, client = _last_told(contracts, "contract_number", last), _last_told(clients, "client_id", last)
    begun = contract.filter(pa.array(days(pc.strptime(contract["start_date"], "%Y-%m-%d", "s").to_numpy()) <= last))
    plain_id = pc.utf8_slice_codeunits(client["client_id"], -CLIENT_DIGITS)  # later deliveries spell it with a prefix
    region = client["region_id"].take(pc.index_in(begun["client_id"], plain_id))
    region = pc.if_else(pc.is_in(region, pa.array(["", NO_REGION])), UNKNOWN, region)
    code = pa.array([product.product_code for product in products.PRODUCTS])
    type_of = pa.array([products.TYPE_IDS[product.type_position] for product in products.PRODUCTS])
    rows = {
        "month_on": pa.array(_month_end(np.full(len(begun), last))),
        "region_id": region,
        "product_type_id": type_of.take(pc.index_in(begun["product_code"], code)),
        "status": begun["status"],
        "contract_count": pa.array(np.ones(len(begun), dtype=np.int64)),
        "principal_amount": begun["principal_amount"].cast(pa.int64()),
    }
    return summed([pa.table(rows)])


def _last_told(rows: pa.Table, key: str, last: np.datetime64) -> pa.Table:
    """The last row of each key up to a day; rows are in the order of keys and days."""
    told = rows.filter(pa.array(days(rows["_day"].to_numpy()) <= last))
    names = told[key].to_numpy(zero_copy_only=False)
    is_last = np.append(names[1:] != names[:-1], True)[: len(names)]
    return told.filter(pa.array(is_last))


def _flow(profile: Profile, ledger: Ledger, events: Events) -> pa.Table:
    """Contracts begun and lost in each month, as known on the last business date."""
    contracts, last = ledger.run.contracts, day(profile.last)
    type_of = np.array([product.type_position for product in products.PRODUCTS])[contracts.product]
    told = np.zeros(len(contracts), dtype=bool)
    told[events.contract] = True
    begun = np.flatnonzero(told & (contracts.start <= last))
    parts = [_counted(contracts.start[begun], type_of[begun], "new_contract_count", contracts.principal[begun])]
    for status, ended, name in ((WRITTEN_OFF, book.WRITTEN_OFF, "written_off_count"), (SOLD, book.SOLD, "sold_count")):
        lost = (events.status == status) & (contracts.ended[events.contract] == ended)
        parts.append(_counted(events.happened_on[lost], type_of[events.contract[lost]], name))
    return summed(parts)


def _counted(when: Days, type_position: Ints, name: str, principal: Ints | None = None) -> pa.Table:
    columns = {column: np.zeros(len(when), dtype=np.int64) for column in FLOW[2:]}
    columns[name] = np.ones(len(when), dtype=np.int64)
    if principal is not None:
        columns["new_principal_amount"] = principal
    keys = {"month_on": pa.array(_month_end(when)), "product_type_id": pa.array(products.TYPE_IDS).take(pa.array(type_position))}
    return pa.table({**keys, **columns})


def _month_end(when: Days) -> Days:
    following: Days = (when.astype("datetime64[M]") + 1).astype("datetime64[D]")
    return shift(following, np.array(-1))
