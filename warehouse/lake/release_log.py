"""The release log: which table snapshots belong together, in the catalog's database.

A row of `lending_release` IS the publish, and the only one. Its key is (channel, number), so inserting the number after the base is a
compare-and-swap: of two runs that started from the same release, one insert fails. Iceberg's own `main` branches only follow.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine, RowMapping

from warehouse.lake.candidate_log import close_candidate
from warehouse.lake.records import RELEASE
from warehouse.lake.records import release as _release


@dataclass(frozen=True)
class Release:
    """One published set of table snapshots.

    Attributes:
        release_id: number of the release in its channel, from 1.
        business_date: as of which business date its tables are.
        created_at: when it was published, UTC.
        run_id: run that published it.
        tables: table name to Iceberg snapshot id.
        note: free text, such as why it was rolled back.
        channel: `release`, or `intake` for the head of raw and staging.
        intake: number of the intake that it was built from; 0 when there was none.
    """

    release_id: int
    business_date: date
    created_at: datetime
    run_id: str
    tables: dict[str, int]
    note: str = ""
    channel: str = RELEASE
    intake: int = 0


class ReleaseLog:
    """Reads and writes of the release log; every method is one short transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def head(self, channel: str) -> Release | None:
        """The current release of a channel."""
        query = sa.select(_release).where(_release.c.channel == channel).order_by(_release.c.number.desc()).limit(1)
        rows = self._rows(query)
        return _to_release(rows[0]) if rows else None

    def get(self, channel: str, number: int) -> Release | None:
        """One release, unless `gc` expired it."""
        query = sa.select(_release).where(_release.c.channel == channel, _release.c.number == number, ~_release.c.is_expired)
        rows = self._rows(query)
        return _to_release(rows[0]) if rows else None

    def releases(self, channel: str) -> list[Release]:
        """All releases of a channel that are still readable, oldest first."""
        query = sa.select(_release).where(_release.c.channel == channel, ~_release.c.is_expired).order_by(_release.c.number)
        return [_to_release(row) for row in self._rows(query)]

    def add(self, release: Release, candidate_run_id: str | None = None) -> bool:
        """Publish: insert the row and close the candidate in one transaction.

        Returns:
            False if the number is taken, that is, another run published first.

        Raises:
            CandidateClosed: the candidate is not open any more.
        """
        row = {
            "channel": release.channel,
            "number": release.release_id,
            "business_date": release.business_date,
            "created_at": release.created_at.astimezone(UTC).replace(tzinfo=None),
            "run_id": release.run_id,
            "note": release.note,
            "intake": release.intake,
            "tables": release.tables,
            "is_main_moved": False,
            "is_expired": False,
        }
        try:
            with self._engine.begin() as connection:
                connection.execute(sa.insert(_release).values(row))
                if candidate_run_id is not None:
                    close_candidate(connection, release.channel, candidate_run_id, release.release_id)
        except sa.exc.IntegrityError:
            return False
        return True

    def unmoved(self, channel: str) -> tuple[Release | None, dict[str, int]]:
        """The head if foreign readers' `main` does not follow it yet, and the tables of the last release that main did follow."""
        query = sa.select(_release).where(_release.c.channel == channel).order_by(_release.c.number.desc())
        rows = self._rows(query.where(_release.c.is_main_moved).limit(1))
        head = self.head(channel)
        if head is None or (rows and rows[0]["number"] == head.release_id):
            return None, {}
        return head, _to_release(rows[0]).tables if rows else {}

    def mark_main_moved(self, channel: str, number: int) -> None:
        """Record that `main` of every table follows this release."""
        update = sa.update(_release).where(_release.c.channel == channel, _release.c.number <= number)
        self._execute(update.values(is_main_moved=True))

    def expire(self, channel: str, numbers: Iterable[int]) -> None:
        """Mark releases whose snapshots are no longer kept."""
        update = sa.update(_release).where(_release.c.channel == channel, _release.c.number.in_(list(numbers)))
        self._execute(update.values(is_expired=True))

    def _rows(self, query: sa.Select) -> list[RowMapping]:
        with self._engine.connect() as connection:
            return list(connection.execute(query).mappings())

    def _execute(self, statement: sa.Update) -> None:
        with self._engine.begin() as connection:
            connection.execute(statement)


def _to_release(row: RowMapping) -> Release:
    return Release(
        release_id=row["number"],
        business_date=row["business_date"],
        created_at=row["created_at"].replace(tzinfo=UTC),
        run_id=row["run_id"],
        tables=dict(row["tables"]),
        note=row["note"],
        channel=row["channel"],
        intake=row["intake"],
    )
