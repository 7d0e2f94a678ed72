"""A delivery before the rules of warehouse.staging.batch: what its tables look like, what is usual, what an operator accepted."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from ibis.backends import BaseBackend

from warehouse.raw.verify import VerifiedDelivery
from warehouse.staging.arrivals import Arrivals
from warehouse.staging.batch import (
    Look,
    Suspicion,
    column_profile,
    days_since,
    delivered_suspicions,
    is_accepted,
    judged_suspicions,
    look,
    usual_looks,
)


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


def _by_table(entries: Collection[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    tables: dict[str, list[Mapping[str, Any]]] = {}
    for entry in entries:
        tables.setdefault(entry["table_name"], []).append(entry)
    return tables
