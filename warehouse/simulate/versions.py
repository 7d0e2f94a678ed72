"""How the lender writes its tables: four schema versions, each used from a date on.

Rows are made with the columns of all versions; here their values are brought to the spelling of the version of their business date, and
a file gets the columns of its version under their names of that time.
"""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from warehouse.simulate.dates import Days, day, days
from warehouse.simulate.rows import replaced, together, where


class Version(NamedTuple):
    """A schema version of the lender: name, first business date that uses it, what is new, for people."""

    name: str
    since: date
    change: str


VERSIONS = (
    Version("v1", date(1900, 1, 1), "The columns of the source contract."),
    Version("v2", date(2023, 3, 1), "contracts: `channel` is new. installments: `penalty_amount` is called `late_fee`."),
    Version(
        "v3",
        date(2024, 6, 1),
        "clients: `family_name` and `given_name` instead of `client_name`. Every `client_id` is `KH-` and the eight digits. "
        "Amounts have two decimals (`974871.00`).",
    ),
    Version("v4", date(2025, 7, 1), "clients: `commune_code` instead of `district_code`. regions: the map of 34 provinces."),
)
V2, V3, V4 = (day(version.since) for version in VERSIONS[1:])

PREFIX, DECIMALS = "KH-", ".00"
AMOUNTS = {
    "contracts": ("principal_amount", "interest_amount", "fee_amount"),
    "installments": ("inst_amt_principal", "inst_amt_interest", "inst_amt_fee", "penalty_amount"),
    "repayments": ("repayment_amount",),
    "penalties": ("penalty_amount",),
}
NOT_YET = {("contracts", "channel"): V2, ("clients", "family_name"): V3, ("clients", "given_name"): V3, ("clients", "commune_code"): V4}
NO_LONGER = {("clients", "client_name"): V3, ("clients", "district_code"): V4}
RENAMED = {("installments", "penalty_amount"): (V2, "late_fee")}


def version_on(business_date: date) -> Version:
    """The version that the lender uses on a day."""
    return next(version for version in reversed(VERSIONS) if version.since <= business_date)


def spelled(table: str, rows: pa.Table) -> pa.Table:
    """Rows with their ids and amounts as the version of their business date spells them; before any of them is broken."""
    is_v3 = days(rows["_day"].to_numpy()) >= V3
    values = {name: _ended(rows[name], is_v3, DECIMALS) for name in AMOUNTS.get(table, ())}
    if "client_id" in rows.column_names:
        values["client_id"] = _begun(rows["client_id"], is_v3, PREFIX)
    return replaced(rows, values)


def _ended(text: pa.ChunkedArray, chosen: npt.NDArray[np.bool_], end: str) -> pa.Array:
    return together(text, _only(chosen, end)) if chosen.any() else text


def _begun(text: pa.ChunkedArray, chosen: npt.NDArray[np.bool_], begin: str) -> pa.Array:
    return together(_only(chosen, begin), text) if chosen.any() else text


def _only(chosen: npt.NDArray[np.bool_], text: str) -> pa.Array | str:
    """The text where chosen, else nothing; one text if that is everywhere."""
    return text if chosen.all() else where(chosen, pa.repeat(pa.scalar(text), len(chosen)), "")


def is_written(table: str, column: str, when: Days) -> npt.NDArray[np.bool_]:
    """Whether the files of each day have a column."""
    begins, ends = NOT_YET.get((table, column)), NO_LONGER.get((table, column))
    found = np.ones(len(when), dtype=bool)
    if begins is not None:
        found &= when >= begins
    if ends is not None:
        found &= when < ends
    return found


def written_name(table: str, column: str, business_date: date) -> str:
    """Name of a column in the files of a day."""
    since, name = RENAMED.get((table, column), (None, ""))
    return name if since is not None and day(business_date) >= since else column


def written(table: str, columns: Sequence[str], business_date: date) -> dict[str, str]:
    """Columns of the files of a day, in their order: name in the rows -> name in the file."""
    names = [name for name in columns if is_written(table, name, np.array([day(business_date)]))[0]]
    return {name: written_name(table, name, business_date) for name in names}
