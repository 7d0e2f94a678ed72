"""What a new intake can change: from which business date on as-of results differ from those of an earlier intake.

A result as of T depends only on staged rows that were known by the end of T. So the earliest known_at among rows that were added to or
removed from the staging tables says which as-of dates have to be computed again; all earlier ones are the same, byte for byte.
"""

from collections.abc import Callable
from datetime import date, datetime
from functools import reduce

import ibis.expr.types as ir

from warehouse.clock import business_date
from warehouse.lake import Candidate, Lake
from warehouse.sources import SOURCES
from warehouse.terms import Terms

Read = Callable[[str], ir.Table]


def first_changed_on(candidate: Candidate, lake: Lake, terms: Terms) -> date | None:
    """The first as-of date whose results may differ from those of the release that a candidate is based on.

    Returns:
        None when the staging tables are equal; the earliest date there is when nothing was released yet.
    """
    if candidate.base is None:
        return date.min
    pinned = lake.at(candidate.base.release_id)
    names = [source.staging_spec().name for source in SOURCES]
    if any(name not in pinned.tables() for name in names):
        return date.min
    earliest = earliest_known(pinned.table, candidate.table, names)
    return None if earliest is None else business_date(earliest, terms.time_zone)


def earliest_known(old: Read, new: Read, names: list[str]) -> datetime | None:
    """The earliest known_at of rows that only one of two states of some tables holds; None when they are equal."""
    changed = [part for name in names for part in _difference(old(name), new(name))]
    earliest = reduce(lambda one, other: one.union(other), (part.select("known_at") for part in changed))
    return earliest.agg(at=earliest.known_at.min()).to_pyarrow()["at"][0].as_py()


def _difference(old: ir.Table, new: ir.Table) -> tuple[ir.Table, ir.Table]:
    # A column that a later version added is no change of the rows that were there before it.
    shared = [name for name in new.columns if name in old.columns]
    old, new = old.select(shared), new.select(shared)
    return old.difference(new), new.difference(old)
