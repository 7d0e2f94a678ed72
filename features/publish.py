"""Publish the newest snapshot of a release to the online store: the rows whose features changed, and the generation they make up.

A publish shows readers nothing before its last step, which shows all of it. So a killed publish leaves the last generation as it was and
the next one does all the work, serving never stops, and no reader sees rows of two releases. What is compared is the online rows
themselves, not a record of what was written once, which also mends rows that something else changed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, cast

import ibis.expr.types as ir
import pyarrow as pa

from features.online.backend import OnlineGeneration, Publication, View
from features.online.entity_key import keys_of
from features.online.packed import PackedSchema
from features.online.packed_arrow import encode_arrow
from features.online_of_settings import online_backend
from warehouse.clock import end_of_day
from warehouse.lake import Pinned, Release
from warehouse.lake.crash import crash_point
from warehouse.settings import Settings

if TYPE_CHECKING:
    from features.parquet_source import ParquetSource
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
        view: how they are kept online, with the features that the release has.
        rows: one row per key; None if the release was made before the view existed, so that nothing of it stays online.
        event: event time column.
        created: created time column.
    """

    view: View
    rows: ir.Table | None
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
        OnlineStoreUnavailable: the online store is down, slow or full; readers still see what they saw.
    """
    pinned = lake.at()
    snapshots = snapshots_of(pinned)
    backend = online_backend(settings, create=True)
    try:
        with backend.publishing([snapshot.view for snapshot in snapshots]) as publication:
            served = publication.served
            if served and served.release_id > pinned.release.release_id:
                return _newer(served, lake)
            return write_snapshots(publication, snapshots, pinned.release, settings)
    finally:
        backend.close()


def snapshots_of(pinned: Pinned) -> list[Snapshot]:
    """The rows of each feature view as of the business date of a release.

    Raises:
        NoSnapshot: a view has rows, but none of that date.
    """
    from features.entities import PROJECT
    from features.online.values import view_of
    from features.views import VIEWS

    return [_snapshot(pinned, view_of(PROJECT, view), cast("ParquetSource", view.batch_source)) for view in VIEWS]


def _snapshot(pinned: Pinned, view: View, source: "ParquetSource") -> Snapshot:
    """The rows of one feature view."""
    event, created, release = source.timestamp_field, source.created_timestamp_column, pinned.release
    if source.table not in release.tables:
        return Snapshot(view, None, event, created)
    held = held_features(pinned, source.table, view.schema.names)
    view = replace(view, schema=PackedSchema(tuple(field for field in view.schema.fields if field[0] in held)))
    table = pinned.table(source.table)
    rows = table.filter(table.as_of_on == release.business_date)
    if not rows.count().to_pyarrow().as_py() and table.count().to_pyarrow().as_py():
        raise NoSnapshot(f"release {release.release_id} has no rows of {source.table} as of {release.business_date}; run lending build")
    return Snapshot(view, rows, event, created)


def held_features(pinned: Pinned, table: str, names: Sequence[str]) -> list[str]:
    """Those of the features of a table that a release has; one made before a feature was declared, as after a rollback, lacks it.

    Such a feature is not online either: a null there would be taken for a value.
    """
    if table not in pinned.release.tables:
        return list(names)
    columns = set(pinned.table(table).columns)
    return [name for name in names if name in columns]


def write_snapshots(publication: Publication, snapshots: list[Snapshot], release: Release, settings: Settings) -> OnlineGeneration:
    """Bring all views to the release, and make that visible; returns what is served then."""
    written = deleted = count = 0
    for snapshot in snapshots:
        rows = 0
        for batch in _batches(snapshot):
            rows += batch.num_rows
            packed = encode_arrow(snapshot.view.schema, batch, snapshot.event, snapshot.created)
            written += publication.replace_changed(snapshot.view, _keys(snapshot.view, batch), packed)
            crash_point(settings.crash_at, "after_some_online_rows")
        deleted += publication.keep_only(snapshot.view, rows, partial(_all_keys, snapshot))
        count += rows
    crash_point(settings.crash_at, "after_online_rows")
    made = OnlineGeneration(
        release.release_id,
        release.business_date,
        end_of_day(release.business_date, settings.terms.time_zone),
        tuple(snapshot.view.name for snapshot in snapshots),
        datetime.now(UTC),
        rows_written=written,
        rows_deleted=deleted,
        row_count=count,
    )
    served = publication.served
    is_served = served and served.release_id == made.release_id and served.views == made.views and not written and not deleted
    crash_point(settings.crash_at, "before_online_commit")
    publication.commit(None if is_served else made, _services())
    crash_point(settings.crash_at, "after_online_commit")
    return replace(served, rows_written=0, rows_deleted=0) if served and is_served else made


def _batches(snapshot: Snapshot) -> Iterator[pa.RecordBatch]:
    """The rows to publish in the order of their keys, which keeps the pages of the file in order too."""
    if snapshot.rows is None:
        return
    key = snapshot.view.join_keys[0][0]
    columns = dict.fromkeys((key, snapshot.event, snapshot.created, *snapshot.view.schema.names))
    yield from snapshot.rows.select(*columns).order_by(key).to_pyarrow_batches(chunk_size=ROWS_AT_ONCE)


def _keys(view: View, batch: pa.RecordBatch) -> list[bytes]:
    """Serialized keys of the rows."""
    name, kind = view.join_keys[0]
    return keys_of(name, kind, batch.column(name).to_pylist())


def _all_keys(snapshot: Snapshot) -> Iterable[list[bytes]]:
    """Serialized keys of all rows, in parts."""
    return (_keys(snapshot.view, batch) for batch in _batches(snapshot))


def _services() -> dict[str, list[str]]:
    """The features of each service, so that readers resolve them without Feast; those computed on demand are nowhere online."""
    from features.services import SERVICES
    from features.views import VIEWS

    kept = {view.name for view in VIEWS}
    return {
        service.name: [
            f"{view.name}:{field.name}" for view in service.feature_view_projections if view.name in kept for field in view.features
        ]
        for service in SERVICES
    }


def _newer(served: OnlineGeneration, lake: "Lake") -> OnlineGeneration:
    """The served generation, if it is one that this lake published meanwhile."""
    newest = lake.release()
    if newest is None or newest.release_id < served.release_id:
        raise OnlineStoreAhead(
            f"the online store serves release {served.release_id}, the lake has none after {newest.release_id if newest else 0}: "
            "it was filled from another lake; empty the online store (remove the file; Redis: make feast ARGS=teardown) and publish again"
        )
    return served
