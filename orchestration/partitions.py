"""Daily partitions by business date: a partition is a calendar day in the lender's time zone."""

from datetime import date

import dagster as dg

from warehouse.settings import Settings


def business_dates(settings: Settings) -> dg.DailyPartitionsDefinition:
    """All business dates from the first one in the settings up to today."""
    return dg.DailyPartitionsDefinition(
        start_date=settings.first_business_date.isoformat(), timezone=settings.terms.time_zone, end_offset=1
    )


def days_of(context: dg.AssetExecutionContext) -> list[date]:
    """The business dates that a run was asked for, oldest first."""
    return sorted(date.fromisoformat(key) for key in context.partition_keys)
