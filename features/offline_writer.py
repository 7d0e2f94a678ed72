"""The writer of the feature tables: pushed rows go the way of every other row, through a candidate of the lake and its audit.

A push corrects or adds rows of snapshots that the release holds, and becomes a release of its own, or nothing. The date that is served
online takes none: its rows have to be what staging gives, or the parity gate would stop scoring. The next build computes all held snapshots
anew, since pushed rows were not computed; so a push is for research on past dates, and what the sources should say is delivered.
"""

import uuid
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
from feast.data_source import DataSource

from features.build import FEATURE_TABLES
from features.parquet_source import ParquetSource
from warehouse.clock import end_of_day
from warehouse.lake import Lake, Release
from warehouse.settings import Settings
from warehouse.table import TableSpec

_SPECS: Mapping[str, TableSpec] = {spec.name: spec for spec in FEATURE_TABLES}


class CannotPush(ValueError):
    """These rows are no part of a snapshot that the release holds."""


class ReleaseWriter:
    """Adds rows to the feature tables of an environment."""

    def __init__(self, settings: Settings, lake: Lake | None = None) -> None:
        """Name the environment.

        Args:
            settings: where the lake is.
            lake: an open lake to share; None opens one for each write.
        """
        self._settings = settings
        self._lake = lake

    def __call__(self, source: DataSource, rows: pa.Table) -> None:
        """Publish a release in which these rows stand in the place of those with their keys; see `push`."""
        with nullcontext(self._lake) if self._lake else Lake(self._settings) as lake:
            push(lake, source, rows)


def push(lake: Lake, source: DataSource, rows: pa.Table) -> Release | None:
    """Merge rows into a feature table and publish the release.

    Args:
        lake: to write to.
        source: of a feature table.
        rows: whole rows; one with the key of a held row takes its place.

    Returns:
        The new release; None if there are no rows.

    Raises:
        CannotPush: the source is no feature table, an as-of date has no snapshot in the release or is the one that is served online, or a
            row has other times than the end of its as-of date, which would make it known too early or not at all.
        AuditFailed: the table would break a rule; nothing is published, and the message says which.
        PublishConflict: another run has published the table meanwhile; push again.
    """
    spec = _SPECS.get(source.table) if isinstance(source, ParquetSource) else None
    if spec is None:
        raise CannotPush(f"data source {source.name} is no feature table; rows can be pushed to {', '.join(_SPECS)}")
    if not rows.num_rows:
        return None
    candidate = lake.candidate("release", f"push-{uuid.uuid4().hex}")
    try:
        base = candidate.base
        if base is None:
            raise CannotPush(f"{spec.name} has no release yet; run lending build first")
        _check_days(spec, rows, candidate.partitions(spec.name), lake.settings.terms.time_zone)
        if base.business_date in pc.unique(rows[spec.partition_by]).to_pylist():
            raise CannotPush(
                f"{spec.name}: {base.business_date} is the date that is served online, whose rows have to be what staging gives; "
                "deliver the correction with the next business date"
            )
        candidate.merge(spec, rows, removed=rows.select(list(spec.grain)))
        candidate.audit(spec)
        return candidate.publish(base.business_date, note=f"rows pushed to {spec.name}: {rows.num_rows}")
    except Exception:
        candidate.discard()
        raise


def push_to_environment(source: DataSource, rows: pa.Table) -> None:
    """The writer of the `feast` command, which names it in feature_store.yaml: the environment's lake."""
    ReleaseWriter(Settings.from_env())(source, rows)


def _check_days(spec: TableSpec, rows: pa.Table, held: set[date], time_zone: str) -> None:
    """Refuse dates without a snapshot, since a few pushed rows would pass for the snapshot of all, and rows with times of their own.

    Raises:
        CannotPush: there is such a row.
    """
    days = set(pc.unique(rows[spec.partition_by]).to_pylist())
    if strange := sorted(str(day) for day in days - held):
        raise CannotPush(
            f"{spec.name} has no snapshot of {', '.join(strange)}; rows are pushed to snapshots that were computed, "
            "so compute it first with lending backfill"
        )
    columns = [spec.partition_by, "event_timestamp", "created_timestamp"]
    for row in rows.select(columns).group_by(columns).aggregate([]).to_pylist():
        day, *times = row.values()
        ended = end_of_day(day, time_zone)
        if any(time != ended for time in times):
            raise CannotPush(f"{spec.name}: rows of {day} have event_timestamp and created_timestamp {ended.isoformat()}, not {times}")
