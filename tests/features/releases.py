"""Releases of features.client_repayment with literal values, for the tests of publishing, parity and the store."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from features.tables import CLIENT_REPAYMENT, CLIENT_REPAYMENT_SPEC
from warehouse.clock import end_of_day
from warehouse.lake import Lake, Release
from warehouse.settings import Settings

DAY, NEXT_DAY, THIRD_DAY = date(2025, 6, 29), date(2025, 6, 30), date(2025, 7, 1)
COMPUTED = datetime(2025, 7, 2, tzinfo=UTC)
Book = Mapping[str, Mapping[str, Any]]  # client to its features that are not ordinary


def settings_of(home: Path, **options: Any) -> Settings:
    return Settings(home=home, catalog_uri=f"sqlite:///{home}/catalog.db", **options)


def feature_rows(day: date, clients: Book, zone: str = "Asia/Ho_Chi_Minh") -> pa.Table:
    """One row per client; a feature that is not named is 1, or null where null has a meaning."""
    at = end_of_day(day, zone)
    rows = [
        {
            "client_id": client,
            "event_timestamp": at,
            "created_timestamp": at,
            "computed_at": COMPUTED,
            "as_of_on": day,
            **{feature.name: None if feature.null_means else 1 for feature in CLIENT_REPAYMENT},
            **values,
        }
        for client, values in clients.items()
    ]
    schema = CLIENT_REPAYMENT_SPEC.ibis_schema().to_pyarrow()
    return pa.Table.from_pylist(rows, schema=schema)


def release(lake: Lake, books: Mapping[date, Book], business_date: date | None = None) -> Release:
    """Publish these days, each replacing that day's rows; the business date is the last of them."""
    run = f"run-{len(lake.releases())}"
    candidate = lake.candidate("release", run)
    rows = pa.concat_tables([feature_rows(day, clients) for day, clients in books.items()])
    candidate.write(CLIENT_REPAYMENT_SPEC, rows, replace=sorted(books))
    candidate.audit(CLIENT_REPAYMENT_SPEC)
    return candidate.publish(business_date or max(books))
