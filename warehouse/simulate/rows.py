"""Delivered rows before they are files: text columns as the lender writes them, with hidden columns that say when and how they arrive.

Hidden columns begin with an underscore and are never written. `_entity` numbers what the row is about and drives its random fate.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from warehouse.simulate.dates import Days
from warehouse.simulate.draws import Ints

LEDGER = ("_defect", "_column", "_original", "_rule", "_disposition")
HIDDEN = ("_day", "_entity", "_solid", *LEDGER)


def rows(columns: Mapping[str, pa.Array], delivered_on: Days, entity: Ints, solid: npt.NDArray[np.bool_] | None = None) -> pa.Table:
    """Clean rows.

    Args:
        columns: text of each column.
        delivered_on: business date of each row's delivery; NaT or a date after the history is never delivered.
        entity: number of what the row is about.
        solid: the row may be delivered broken first and in order a day later.
    """
    count = len(entity)
    hidden = {
        "_day": pa.array(delivered_on.astype("datetime64[D]")),
        "_entity": pa.array(entity),
        "_solid": pa.array(np.zeros(count, dtype=bool) if solid is None else solid),
    }
    empty = pa.array(np.full(count, ""), type=pa.string())
    return pa.table({**columns, **hidden, **dict.fromkeys(LEDGER, empty)})


def table_columns(table: pa.Table) -> list[str]:
    """Names of the columns that are written."""
    return [name for name in table.column_names if not name.startswith("_")]


def replaced(table: pa.Table, values: Mapping[str, pa.Array]) -> pa.Table:
    """The table with some columns replaced."""
    for name, value in values.items():
        table = table.set_column(table.column_names.index(name), name, value)
    return table


def constant(text: str, count: int) -> pa.Array:
    """A column of one text."""
    return pa.repeat(pa.scalar(text), count)


def whole(number: npt.NDArray) -> pa.Array:
    """Whole numbers as text."""
    return pa.array(number).cast(pa.string())


def padded(number: npt.NDArray, width: int) -> pa.Array:
    """Whole numbers as text with leading zeros."""
    return pc.utf8_lpad(whole(number), width, "0")


def iso(value: Days) -> pa.Array:
    """Dates as ISO text, empty where there is none."""
    return pc.fill_null(pa.array(value.astype("datetime64[D]")).cast(pa.string()), "")


def where(condition: npt.NDArray[np.bool_], yes: pa.Array, no: pa.Array | str) -> pa.Array:
    """Text of one column or another."""
    return pc.if_else(pa.array(condition), yes, pa.scalar(no) if isinstance(no, str) else no)


def together(*parts: pa.Array | str, separator: str = "") -> pa.Array:
    """Texts put side by side."""
    return pc.binary_join_element_wise(*(pa.scalar(part) if isinstance(part, str) else part for part in parts), separator)


def client_ids(number: Ints) -> pa.Array:
    """Client keys: eight digits with leading zeros."""
    return padded(number, 8)


def contract_numbers(number: Ints) -> pa.Array:
    """Contract keys: ten digits with leading zeros."""
    return padded(number, 10)


def installment_ids(contract: Ints, number: Ints) -> pa.Array:
    """Installment keys: contract key and position in the schedule."""
    return together(contract_numbers(contract), "-", padded(number, 2))


def repayment_ids(contract: Ints, number: Ints) -> pa.Array:
    """Repayment keys: R, contract key and the repayment's place within the contract."""
    return together("R", contract_numbers(contract), "-", padded(number, 3))
