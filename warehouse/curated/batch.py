"""The walk for many contracts at once: payments that fit are read off a running sum, the walk goes on from the first that does not.

A payment fits if all that names its installment so far, itself included, is no more than the installment's amount due. While every payment
fits, the walk does nothing but add it to what it names, whatever the order and the tolerance: nothing is left for a penalty, for another
installment or for an overpayment. So both give the same parts; tests hold them together.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from warehouse.curated.walk import OVERPAYMENT, Charge, Due, Part, Payment, walk


class Lists(NamedTuple):
    """A column of lists of structs: the structs of all rows as one array a field, and where each row begins (and the last ends)."""

    fields: list[np.ndarray]
    offsets: np.ndarray

    @classmethod
    def of(cls, values: pa.ChunkedArray) -> "Lists":
        """Take an Arrow column apart without a conversion per row."""
        lists = values.combine_chunks()
        offsets = lists.offsets.to_numpy().astype(np.int64)
        return cls([field.to_numpy() for field in lists.flatten().flatten()], offsets - offsets[0])

    def records(self, record: type, row: int, skip: int = 0) -> list:
        """The structs of one row from a place on."""
        part = slice(self.offsets[row] + skip, self.offsets[row + 1])
        return list(map(record, *(field[part].tolist() for field in self.fields)))


def walk_all(dues: Lists, payments: Lists, charges: Lists) -> pa.ListArray:
    """The parts of `warehouse.curated.walk.walk` for every row, as a column of lists of structs.

    Args:
        dues: fields of Due.
        payments: fields of Payment.
        charges: fields of Charge.
    """
    due_amounts, settled_at = dues.fields[Due._fields.index("amount")], dues.fields[Due._fields.index("settled_at")]
    amounts, _days, named = payments.fields
    places = np.arange(len(amounts))
    row = np.repeat(np.arange(len(payments.offsets) - 1), np.diff(payments.offsets))
    nothing = len(due_amounts)  # stands for no installment; no payment fits there
    slot = np.where(named == OVERPAYMENT, nothing, dues.offsets[row] + named)
    after = _running_sums(amounts, slot)
    fits = (amounts > 0) & (after <= np.append(due_amounts, -1)[slot])
    misfits = np.flatnonzero(~fits)
    stopped, first = np.unique(row[misfits], return_index=True)
    stops = payments.offsets[1:].copy()
    stops[stopped] = misfits[first]
    early = places < stops[row]
    paid = np.zeros(nothing + 1, np.int64)
    np.add.at(paid, slot[early], amounts[early])
    before = after - amounts
    settles = (before < np.append(settled_at, 0)[slot]) & (np.append(settled_at, 0)[slot] <= after)
    ones, zeros = np.ones_like(places), np.zeros_like(places)
    fitting = (places - payments.offsets[row], ones, named, amounts, zeros, before, settles.astype(np.int64))
    rest = list(_walked(dues, payments, charges, stopped.tolist(), stops, paid))
    walked = np.array([part for _row, part in rest], np.int64).reshape(-1, len(Part._fields)).T
    rows = np.concatenate([row[early], np.array([at for at, _part in rest], np.int64)])
    return _lists(rows, [np.concatenate([one[early], other]) for one, other in zip(fitting, walked, strict=True)], len(stops))


def _running_sums(amounts: np.ndarray, slot: np.ndarray) -> np.ndarray:
    """The sum of the amounts of each slot up to and including each payment."""
    order = np.argsort(slot, kind="stable")
    sums = np.cumsum(amounts[order])
    starts = np.flatnonzero(np.diff(slot[order], prepend=-1))
    bases = np.repeat((sums - amounts[order])[starts], np.diff(np.append(starts, len(order))))
    after = np.empty_like(sums)
    after[order] = sums - bases
    return after


def _walked(
    dues: Lists, payments: Lists, charges: Lists, rows: list[int], stops: np.ndarray, paid: np.ndarray
) -> Iterator[tuple[int, Part]]:
    """Parts from the first payment of each row that does not fit."""
    for row in rows:
        skip = int(stops[row] - payments.offsets[row])
        so_far = paid[dues.offsets[row] : dues.offsets[row + 1]].tolist()
        walking = walk(dues.records(Due, row), payments.records(Payment, row, skip), charges.records(Charge, row), paid=so_far, first=skip)
        for part in walking:
            yield row, part


def _lists(rows: np.ndarray, fields: list[np.ndarray], count: int) -> pa.ListArray:
    """Parts by row, in their order within the row, as one list column of structs."""
    order = np.argsort(rows, kind="stable")
    structs = pa.StructArray.from_arrays([pa.array(field[order], pa.int64()) for field in fields], names=list(Part._fields))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=count))])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), structs)
