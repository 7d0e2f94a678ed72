"""What a new intake can change: from which business date on as-of results differ from those of an earlier intake.

A result as of T depends only on staged rows that were known by the end of T. So the earliest known_at among rows that were added to or
removed from the staging tables says which as-of dates have to be computed again; all earlier ones are the same, byte for byte.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime

import ibis
import ibis.expr.types as ir

from warehouse.clock import business_date
from warehouse.lake import Candidate, Lake
from warehouse.sources import SOURCES
from warehouse.terms import Terms


def first_changed_on(candidate: Candidate, lake: Lake, terms: Terms) -> date | None:
    """The first as-of date whose results may differ from those of the release that a candidate is based on.

    Returns:
        None when the staging tables are equal; the earliest date there is when nothing was released yet.
    """
    if candidate.base is None:
        return date.min
    old, new = candidate.base.tables, candidate.snapshots()
    names = [source.staging_spec().name for source in SOURCES]
    if any(name not in old for name in names):
        return date.min
    earliest = earliest_known(lake, {name: (old[name], new[name]) for name in names})
    return None if earliest is None else business_date(earliest, terms.time_zone)


def earliest_known(lake: Lake, states: Mapping[str, tuple[int, int]]) -> datetime | None:
    """The earliest known_at of rows that only one of two states of some tables holds; None when they are equal.

    Args:
        lake: that holds the tables.
        states: old and new snapshot by table.
    """
    changed = [part.select("known_at") for part in _changed_rows(lake, states)]
    if not changed:
        return None
    earliest = ibis.union(changed[0], *changed[1:])
    return earliest.agg(at=earliest.known_at.min()).to_pyarrow()["at"][0].as_py()


def _changed_rows(lake: Lake, states: Mapping[str, tuple[int, int]]) -> Iterator[ir.Table]:
    for name, (old, new) in states.items():
        if old != new:
            yield from lake.changed_rows(name, old, new)
