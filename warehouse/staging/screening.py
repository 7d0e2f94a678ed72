"""A delivery before the rules of warehouse.staging.batch: what its tables look like, what is usual, what an operator accepted.

What a file looks like costs one query over its spool; what is usual, one over the ledger.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import ibis.expr.types as ir
from ibis.backends import BaseBackend

from warehouse.raw.verify import VerifiedDelivery, VerifiedFile
from warehouse.staging.arrivals import Arrivals
from warehouse.staging.batch import (
    DATES_COMPARED,
    Look,
    Suspicion,
    days_since,
    delivered_suspicions,
    is_accepted,
    judged_suspicions,
    look,
    looks_by_date,
)
from warehouse.staging.ledger import INGESTED


@dataclass
class Screening:
    """The rules of deliveries, asked of one delivery.

    Attributes:
        profiles: what each new file looks like, by hash, for the ledger.
        accepted: rules that the operator set aside, as warehouse.staging.batch.accepted_rules gives them.
        overruled: what was set aside, by table.
    """

    profiles: Mapping[str, str | None]
    accepted: Collection[tuple[str, str | None]]
    _business_date: date
    _usual: Mapping[str, Mapping[date, Look]]
    overruled: dict[str, list[Suspicion]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        con: BaseBackend,
        arrivals: Arrivals,
        delivery: VerifiedDelivery,
        business_date: date,
        accepted: Collection[tuple[str, str | None]] = (),
    ) -> "Screening":
        """Look at the new files of a delivery, and at what is usual for their tables."""
        profiles = {file.sha256: column_profile(con, file) for file in delivery.new}
        tables = {file.file.source.name for file in delivery.new}
        return cls(profiles, accepted, business_date, usual_looks(arrivals.ledger, business_date, tables))

    def delivered(self, arrivals: Arrivals, delivery: VerifiedDelivery) -> list[Suspicion]:
        """What blocks the delivery before its rows are judged."""
        entries = [entry for entry in arrivals.of_delivery(delivery, self.profiles) if entry["source_sha256"] in self.profiles]
        found = []
        for table, files in _by_table(entries).items():
            taken = [entry for (name, _), entry in arrivals.taken.items() if name == table]
            usual = self._usual[table]
            of_date = look([*taken, *files], days_since(self._business_date, usual))
            found += delivered_suspicions(table, of_date, look(files), list(usual.values()))
        return self._blocking(found)

    def judged(self, entries: Collection[Mapping[str, Any]]) -> list[Suspicion]:
        """What blocks the delivery once its rows are judged.

        Args:
            entries: of the delivery's new files, with their counts.
        """
        found = []
        for table, files in _by_table([entry for entry in entries if entry["source_sha256"] in self.profiles]).items():
            found += judged_suspicions(table, look(files), list(self._usual[table].values()))
        return self._blocking(found)

    def remarks(self) -> dict[str, str]:
        """What the ledger says of the files of a table that was taken although it broke rules of deliveries."""
        return {
            table: "; ".join(f"taken with --accept {found.rule}: {found.figures}" for found in suspicions)
            for table, suspicions in self.overruled.items()
        }

    def _blocking(self, found: list[Suspicion]) -> list[Suspicion]:
        for suspicion in found:
            if is_accepted(suspicion, self.accepted):
                self.overruled.setdefault(suspicion.table, []).append(suspicion)
        return [suspicion for suspicion in found if not is_accepted(suspicion, self.accepted)]


def column_profile(con: BaseBackend, file: VerifiedFile) -> str | None:
    """What a file looks like, as the JSON text that the ledger keeps; one query over the spool.

    Returns:
        an object with `filled`, the values by column of the file, and `constant`, amounts with one value; None if it was not read.
    """
    if file.spooled is None:
        return None
    names = [name for name in file.spooled.header.names if name]
    amounts = [column.name for column in file.file.source.columns if column.kind == "money" and column.required and column.name in names]
    rows = con.read_parquet(str(file.spooled.path))
    filled = {f"filled_{name}": (rows[name] != "").sum() for name in names}
    most = {f"most_{name}": rows[name].max() for name in names}
    least = {f"least_{name}": rows[name].min() for name in amounts}
    (facts,) = rows.agg(**filled, **most, **least).to_pyarrow().to_pylist()
    blank = {
        name for name in names if not (facts[f"most_{name}"] or "").strip()
    }  # trimming each value would cost more than reading the file
    constant = [name for name in amounts if name not in blank and facts[f"least_{name}"] == facts[f"most_{name}"]]
    return json.dumps({"filled": {name: 0 if name in blank else int(facts[f"filled_{name}"]) for name in names}, "constant": constant})


def usual_looks(ledger: ir.Table, business_date: date, tables: Collection[str]) -> dict[str, dict[date, Look]]:
    """What some tables looked like on the business dates before one, by table.

    Args:
        ledger: ops.delivery_ledger.
        business_date: of the delivery.
        tables: names of source tables.

    Returns:
        by business date one Look, oldest first, of the newest DATES_COMPARED dates with any file.
    """
    taken = ledger.filter((ledger.status == INGESTED) & (ledger.business_date < business_date))
    dates = taken.select("business_date").distinct().order_by(taken.business_date.desc()).limit(DATES_COMPARED)
    near = taken.semi_join(dates, "business_date").filter(lambda rows: rows.table_name.isin(tuple(tables)))
    entries = near.select("table_name", "business_date", "rows_in", "quarantined", "column_profile").order_by("business_date").to_pyarrow()
    by_date: dict[str, dict[date, list[Mapping[str, Any]]]] = {table: {} for table in tables}
    for entry in entries.to_pylist():
        by_date[entry["table_name"]].setdefault(entry["business_date"], []).append(entry)
    return {table: looks_by_date(dates) for table, dates in by_date.items()}


def _by_table(entries: Collection[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    tables: dict[str, list[Mapping[str, Any]]] = {}
    for entry in entries:
        tables.setdefault(entry["table_name"], []).append(entry)
    return tables
