"""Judge rows again that are in raw already: after a rule, a contract or a dialect was corrected.

Staging follows from raw, so rows that now pass are merged exactly once, and running it again changes nothing.
"""

from collections.abc import Collection
from dataclasses import dataclass

import ibis.expr.types as ir
from ibis import _

from warehouse.lake import Candidate, Lake, PublishConflict
from warehouse.settings import Settings
from warehouse.sources import SOURCES
from warehouse.staging.ledger import DELIVERY_LEDGER
from warehouse.staging.quarantine import QUARANTINE
from warehouse.staging.restage import INTAKE_LOCK, Asked, held_or_empty, restage
from warehouse.staging.scope import RAW_PLACE

ATTEMPTS = 8  # of publishing, when other machines publish deliveries at the same time


@dataclass(frozen=True)
class ReplayResult:
    """What judging rows again changed.

    Attributes:
        released: rows that left the quarantine, by table.
        still_quarantined: rows that are rejected still, of all tables.
        still_parked: rows that wait still, of all tables.
        changed: whether anything was published.
    """

    released: dict[str, int]
    still_quarantined: int
    still_parked: int
    changed: bool


def replay(lake: Lake, settings: Settings, run_id: str, tables: Collection[str] | None = None, everything: bool = False) -> ReplayResult:
    """Judge rows of the quarantine again, by the rules of now.

    Args:
        lake: where raw, staging and ops are.
        settings: of the process.
        run_id: names the run; a run that was killed may be started again under its id.
        tables: source tables whose rows are judged again; None for all. Rows that refer to them follow.
        everything: judge all rows again, accepted ones too, as for rules that became stricter.

    Raises:
        ValueError: a name is no source table.
        PublishConflict: other machines published deliveries at the same time, again and again.
    """
    names = _checked(tables)
    asked = Asked(everything=names) if everything else Asked(again=names)
    for attempt in range(1, ATTEMPTS + 1):
        with lake.catalog.lock(INTAKE_LOCK):
            candidate = lake.candidate("intake", run_id, fresh=True)
            try:
                return _replayed(lake, settings, candidate, asked)
            except PublishConflict:
                candidate.discard()
                if attempt == ATTEMPTS:
                    raise
    raise AssertionError("the last attempt returns or raises")


def _checked(tables: Collection[str] | None) -> list[str]:
    known = [source.name for source in SOURCES]
    unknown = sorted(set(tables or ()) - set(known))
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: no such source table; there are {', '.join(known)}")
    return known if tables is None else sorted(tables)


def _replayed(lake: Lake, settings: Settings, candidate: Candidate, asked: Asked) -> ReplayResult:
    before = _refused(lake, candidate).to_pyarrow().to_pylist()
    if candidate.has(DELIVERY_LEDGER.name):
        restage(lake, candidate, candidate.table(DELIVERY_LEDGER.name), asked, settings.terms)
    changed = bool(candidate.staged().keys() - {DELIVERY_LEDGER.name})
    after = _refused(lake, candidate).to_pyarrow().to_pylist()
    if changed and candidate.base is not None:
        candidate.publish(candidate.base.business_date, "rows judged again")
    else:
        candidate.discard()
    kept = {_place(row) for row in after}
    released: dict[str, int] = {}
    for row in before:
        if _place(row) not in kept:
            released[row["table_name"]] = released.get(row["table_name"], 0) + 1
    quarantined, parked = (sum(row["disposition"] == name for row in after) for name in ("quarantined", "parked"))
    return ReplayResult(released, quarantined, parked, changed)


def _refused(lake: Lake, candidate: Candidate) -> ir.Table:
    """Rows of raw that are not in staging because of a rule."""
    entries = held_or_empty(lake, candidate, QUARANTINE)
    return entries.filter(_.disposition.isin(("quarantined", "parked"))).select("table_name", *RAW_PLACE, "disposition").distinct()


def _place(row: dict[str, object]) -> tuple[object, ...]:
    return tuple(row[name] for name in ("table_name", *RAW_PLACE))
