"""As-of dates in parts: what bounds memory is installments times dates, and every computation has a cost of its own.

So all dates of a small book are one computation, and a large one is cut into as few as fit.
"""

from collections.abc import Iterable, Iterator
from datetime import date

import ibis.expr.types as ir

from warehouse.curated.staged import Staged

ROWS_AT_ONCE = 16_000_000  # installments x dates cut at a time; only contracts x dates of them are held in the engine

MONTH_ROWS_AT_ONCE = 40_000_000  # of month ends, which look at each installment for one month only

ROWS_OF_A_SHARE = 1_000_000  # installments whose lists are held in the engine at a time


def shares(staged: Staged, rows_at_once: int = ROWS_OF_A_SHARE) -> int:
    """Into how many shares the contracts of a book are cut where an engine must hold lists of their installments.

    Args:
        staged: the staging tables, of which the installments are counted.
        rows_at_once: installments of a share.
    """
    return 1 + staged.installments.count().to_pyarrow().as_py() // rows_at_once


def first_start(contracts: ir.Table, business_date: date) -> date:
    """The first start date by the business date, or that date if nothing has started: what as-of dates and months begin with.

    Args:
        contracts: any table with start_date.
        business_date: the last date there is.
    """
    started = contracts.filter(contracts.start_date <= business_date)
    return started.agg(first=started.start_date.min()).to_pyarrow()["first"][0].as_py() or business_date


def parts(days: Iterable[date], staged: Staged, rows_at_once: int = ROWS_AT_ONCE) -> Iterator[list[date]]:
    """Cut as-of dates into parts, oldest first, each date once; at least one date is in a part.

    Args:
        days: in any order.
        staged: the staging tables, of which the installments are counted.
        rows_at_once: installments x dates of a part.
    """
    asked = sorted(set(days))
    installments = staged.installments.count().to_pyarrow().as_py()
    at_once = max(1, rows_at_once // max(1, installments))
    for place in range(0, len(asked), at_once):
        yield asked[place : place + at_once]
