"""Publish the newest snapshot of a release to the online store: the rows whose features changed, and the generation they make up.

Everything is one transaction of the online file. So a killed publish leaves the last generation as it was and the next one does all the
work, serving never stops, and no reader sees rows of two releases. What is compared is the online rows themselves, not a record of what
was written once, which also mends rows that something else changed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING

import ibis.expr.types as ir
import pyarrow as pa

from features import online_file
from features.entity_key import keys_of
from features.online_file import OnlineFile, OnlineGeneration, View
from features.packed_arrow import encode_arrow
from warehouse.clock import end_of_day
from warehouse.lake import Pinned, Release
from warehouse.lake.crash import crash_point
from warehouse.settings import Settings

if TYPE_CHECKING:
    import sqlite3

    from warehouse.lake import Lake

ROWS_AT_ONCE = 50_000


class NoSnapshot(LookupError):
    """The release holds no feature rows as of its business date."""


class OnlineStoreAhead(RuntimeError):
    """The online store holds a release that the lake does not have."""


@dataclass(frozen=True)
class Snapshot:
    """The rows of one feature view to publish.

    Attributes:
        view: how they are kept online.
        rows: one row per key.
        event: event time column.
        created: created time column.
    """

    view: View
    rows: ir.Table
    event: str
    created: str


def publish_online(settings: Settings, lake: "Lake") -> OnlineGeneration:
    """Make the online store equal to the current release.

    Args:
        settings: where the online store is.
        lake: the published releases.

    Returns:
        What was published; rows_written counts rows that were new or had another value. If a newer release was published meanwhile,
        that generation, untouched.

    Raises:
        NoRelease: nothing was published to the lake yet.
        NoSnapshot: the features of the business date were not computed.
        OnlineStoreAhead: the online store was filled from another lake.
    """
    pinned = lake.at()
    snapshots = snapshots_of(pinned)
    file = OnlineFile(settings.online_store, create=True)
    try:
        with file.writing() as con:
            served = online_file.served_generation(con, snapshots[0].view.project)
            if served and served.release_id > pinned.release.release_id:
                return _newer(served, lake)
            made = _write(con, snapshots, pinned.release, settings, served)
            crash_point(settings.crash_at, "before_online_commit")
        return made
    finally:
        file.close()


def snapshots_of(pinned: Pinned) -> list[Snapshot]:
    """The rows of each feature view as of the business date of a release.

    Raises:
        NoSnapshot: a view has rows, but none of that date.
    """
    from features.entities import PROJECT
    from features.online_store import view_of
    from features.sources import client_repayment_source
    from features.views import client_repayment

    snapshots = []
    for feature_view, source in ((client_repayment, client_repayment_source),):
        table = pinned.table(source.table)
        rows = table.filter(table.as_of_on == pinned.release.business_date)
        if not rows.count().to_pyarrow().as_py() and table.count().to_pyarrow().as_py():
            raise NoSnapshot(
                f"release {pinned.release.release_id} has no rows of {source.table} as of {pinned.release.business_date}; run lending build"
            )
        snapshots.append(Snapshot(view_of(PROJECT, feature_view), rows, source.timestamp_field, source.created_timestamp_column))
    return snapshots


def _write(
    con: "sqlite3.Connection", snapshots: list[Snapshot], release: Release, settings: Settings, served: OnlineGeneration | None
) -> OnlineGeneration:
    """Bring all views to the release and record the generation, inside the caller's transaction."""
    written = deleted = count = 0
    for snapshot in snapshots:
        online_file.declare(con, snapshot.view)
        rows = 0
        for batch in _batches(snapshot):
            rows += batch.num_rows
            packed = encode_arrow(snapshot.view.schema, batch, snapshot.event, snapshot.created)
            written += online_file.replace_changed(con, snapshot.view, zip(_keys(snapshot.view, batch), packed, strict=True))
        deleted += _delete_others(con, snapshot, rows)
        count += rows
    crash_point(settings.crash_at, "after_online_rows")
    _record_services(con)
    views = tuple(snapshot.view.name for snapshot in snapshots)
    as_of = end_of_day(release.business_date, settings.terms.time_zone)
    made = OnlineGeneration(
        release.release_id,
        release.business_date,
        as_of,
        views,
        datetime.now(UTC),
        rows_written=written,
        rows_deleted=deleted,
        row_count=count,
    )
    if served and served.release_id == release.release_id and not written and not deleted and served.views == views:
        return replace(served, rows_written=0, rows_deleted=0)
    online_file.record_generation(con, snapshots[0].view.project, made)
    return made


def _batches(snapshot: Snapshot) -> Iterator[pa.RecordBatch]:
    """The rows to publish in the order of their keys, which keeps the pages of the file in order too."""
    key = snapshot.view.join_keys[0][0]
    columns = dict.fromkeys((key, snapshot.event, snapshot.created, *snapshot.view.schema.names))
    yield from snapshot.rows.select(*columns).order_by(key).to_pyarrow_batches(chunk_size=ROWS_AT_ONCE)


def _keys(view: View, batch: pa.RecordBatch) -> list[bytes]:
    """Serialized keys of the rows."""
    name, kind = view.join_keys[0]
    return keys_of(name, kind, batch.column(name).to_pylist())


def _delete_others(con: "sqlite3.Connection", snapshot: Snapshot, rows: int) -> int:
    """Remove the rows of keys that the release does not hold; the number removed.

    All keys of the release are in the table by now, so equal counts mean that there is nothing to look for.
    """
    view = snapshot.view
    if con.execute(f"SELECT count(*) FROM {view.table}").fetchone()[0] == rows:
        return 0
    con.execute("CREATE TEMP TABLE IF NOT EXISTS published (entity_key BLOB PRIMARY KEY) WITHOUT ROWID")
    con.execute("DELETE FROM temp.published")
    keys = chain.from_iterable(_keys(view, batch) for batch in _batches(snapshot))
    con.executemany("INSERT INTO temp.published VALUES (?)", ((key,) for key in keys))
    removed = con.execute(f"DELETE FROM {view.table} WHERE entity_key NOT IN (SELECT entity_key FROM temp.published)").rowcount
    con.execute("DELETE FROM temp.published")
    return removed


def _record_services(con: "sqlite3.Connection") -> None:
    """Put the services beside the rows, so that readers resolve them without Feast."""
    from features.entities import PROJECT
    from features.services import default_risk_v1

    for service in (default_risk_v1,):
        names = [f"{view.name}:{field.name}" for view in service.feature_view_projections for field in view.features]
        online_file.record_service(con, PROJECT, service.name, names)


def _newer(served: OnlineGeneration, lake: "Lake") -> OnlineGeneration:
    """The served generation, if it is one that this lake published meanwhile."""
    newest = lake.release()
    if newest is None or newest.release_id < served.release_id:
        raise OnlineStoreAhead(
            f"the online store serves release {served.release_id}, the lake has none after {newest.release_id if newest else 0}: "
            "it was filled from another lake; remove the online store and publish again"
        )
    return served
