"""The platform as a Dagster resource: the settings of the process and its lake, opened on first use.

Every asset takes it as `platform`. A candidate release is named after the root run, so that a run that is restarted from where it
failed goes on with what the first attempt staged.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from functools import cached_property

import dagster as dg

from warehouse.curated.books import OpenBooks
from warehouse.ingest import IngestResult
from warehouse.lake import Candidate, Lake, Release
from warehouse.replay import ReplayResult
from warehouse.settings import Settings
from warehouse.sources import SOURCES
from warehouse.staging.ledger import DELIVERY_LEDGER, missing_tables

MANDATORY = sum(source.mandatory for source in SOURCES)


class Platform:
    """Settings and lake of one process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.ingested: IngestResult | None = None  # what the last intake step of this process did, for the command that ran it
        self.replayed: ReplayResult | None = None  # what the last replay step of this process did
        self.opened: OpenBooks | None = None  # books that the curated step of this process made, for the features step after it

    @cached_property
    def lake(self) -> Lake:
        """The lake; opening it creates the catalog when there is none."""
        return Lake(self.settings)

    @contextmanager
    def apart(self) -> Iterator["Platform"]:
        """The same platform with a lake of its own: sensors run in threads of one process, and a connection serves one at a time."""
        own = Platform(self.settings)
        try:
            yield own
        finally:
            own.close()

    def close(self) -> None:
        """Close the lake, if it was opened; it is opened again when it is asked for."""
        if "lake" in vars(self):
            self.lake.close()
            del self.lake

    def candidate(self, context: dg.AssetExecutionContext) -> Candidate:
        """The candidate release of the run, shared by all its steps and by restarts of it."""
        return self.lake.candidate("release", candidate_id(context))

    def current_release(self) -> Release | None:
        """The release, if it was built from the staging tables of now; None when there is something to build."""
        release, intake = self.lake.release(), self.lake.intake()
        if release is None or intake is None:
            return None
        staged = {name: snapshot for name, snapshot in intake.release.tables.items() if name.startswith("staging.")}
        return release if staged.items() <= release.tables.items() else None

    def business_date(self) -> date:
        """The last business date that was delivered.

        Raises:
            NoDelivery: nothing was ever delivered, or a table without which nothing can be built was not.
        """
        intake = self.lake.intake()
        if intake is None:
            raise NoDelivery("no delivery yet")
        missing = missing_tables(intake.table(DELIVERY_LEDGER.name))
        if len(missing) == MANDATORY:
            raise NoDelivery("no delivery yet")
        if missing:
            raise NoDelivery(f"never delivered: {', '.join(missing)}")
        return intake.release.business_date


class NoDelivery(RuntimeError):
    """There is nothing to build from."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}; run lending ingest PATH --business-date D")


class DeliveryRefused(dg.Failure):
    """A delivery was not taken; trying again would not change that."""

    def __init__(self, result: IngestResult) -> None:
        kind = "delivery_blocked" if result.is_blocked else "delivery_refused"
        facts = {"kind": kind, "business_date": result.business_date.isoformat()}  # of the alert
        super().__init__(description=result.error, metadata=facts, allow_retries=False)


def candidate_id(context: dg.AssetExecutionContext) -> str:
    """Name of the candidate that a run and its restarts share."""
    return context.run.root_run_id or context.run.run_id
