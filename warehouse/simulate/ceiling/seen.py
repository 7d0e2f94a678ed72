"""What is known of each loan on a day: which installments were seen paid, in which month and how, and whose end was told.

Money that is made but not yet booked is not seen. Each receipt belongs to the month on whose due date, or after it, it was made; only
an installment paid before its own due date belongs to that one.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from warehouse.simulate.ceiling.loans import Loans
from warehouse.simulate.dates import NEVER, Days
from warehouse.simulate.draws import Ints

Flags = npt.NDArray[np.bool_]
UNSEEN = -1


@dataclass
class Seen:
    """What is known on a day.

    Attributes:
        month: loans x installments: month in which the installment was paid, UNSEEN where that is not known.
        offset: loans x installments: days after the due date of that month (late, 1 or more) or before it (0 or less).
        settled_on: loans x installments: day on which it was paid in full, NaT where that is not known.
        on_time: loans x months: something was seen paid on time or early.
        late: loans x months: something was seen paid late.
        part: loans x months: a part was seen.
        is_settled: loans: money that settles the whole loan early was seen.
    """

    month: Ints
    offset: Ints
    settled_on: Days
    on_time: Flags
    late: Flags
    part: Flags
    is_settled: Flags

    @cached_property
    def anything(self) -> Flags:
        """Loans x months: money of the month's event was seen."""
        return self.on_time | self.late | self.part


def seen_on(loans: Loans, when: np.datetime64) -> Seen:
    """What is known at the end of a day."""
    receipts, (count, months) = loans.receipt_of, loans.due.shape
    longest = int(loans.tenor.max(initial=1))
    visible = np.flatnonzero((receipts.paid_on <= when) & (receipts.booked_on <= when))
    loan, number, paid_on = receipts.loan[visible], receipts.number[visible], receipts.paid_on[visible]
    month, offset = event_of(loans, loan, number, paid_on)
    rest = receipts.is_rest[visible]
    shape = (count, longest + 1)
    seen_month, seen_offset, settled_on = np.full(shape, UNSEEN), np.zeros(shape, dtype=np.int64), np.full(shape, NEVER)
    place = (loan[rest], number[rest])
    seen_month[place], seen_offset[place], settled_on[place] = month[rest], offset[rest], paid_on[rest]
    on_time, late, part = (_flags((count, months), loan[kind], month[kind]) for kind in (rest & (offset <= 0), rest & (offset > 0), ~rest))
    return Seen(seen_month, seen_offset, settled_on, on_time, late, part, loans.settlement_told_on <= when)


def _flags(shape: tuple[int, int], loan: Ints, month: Ints) -> Flags:
    flags = np.zeros(shape, dtype=bool)
    flags[loan, month] = True
    return flags


def event_of(loans: Loans, loan: Ints, number: Ints, paid_on: Days) -> tuple[Ints, Ints]:
    """Month that each receipt belongs to, and its day relative to the due date there."""
    own = loans.start_month[loan] + number
    calendar = paid_on.astype("datetime64[M]").astype(np.int64) - loans.due[loan, own].astype("datetime64[M]").astype(np.int64) + own
    calendar -= loans.due[loan, calendar] > paid_on  # before that month's due date it belongs to the month before
    month = np.maximum(calendar, own)
    return month, (paid_on - loans.due[loan, month]).astype(np.int64)
