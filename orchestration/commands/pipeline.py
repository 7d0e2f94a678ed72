"""Commands of the data pipeline: ingest, build, backfill, materialize, rollback and gc."""

import argparse
import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from orchestration.cli import DONE, FAILED, WRONG_USAGE
from warehouse.settings import Settings

if TYPE_CHECKING:
    from warehouse.lake import Lake


def ingest(arguments: argparse.Namespace, settings: Settings) -> int:
    """Take a delivery and print what became of the rows of each file."""
    from orchestration.commands.runs import Runner
    from orchestration.resources import DeliveryRefused
    from warehouse.staging.batch import UnknownRule, accepted_rules

    day, today = arguments.business_date, datetime.now(ZoneInfo(settings.terms.time_zone)).date()
    if not settings.first_business_date <= day <= today:
        rule = f"must be from {settings.first_business_date} (LENDING_FIRST_BUSINESS_DATE) to today, {today}"
        print(f"lending ingest: --business-date {day}: {rule}", file=sys.stderr)
        return WRONG_USAGE
    try:
        accepted_rules(arguments.accept)
    except UnknownRule as error:
        print(f"lending ingest: --accept {error}", file=sys.stderr)
        return WRONG_USAGE
    with Runner(settings) as runner:
        config = {"path": str(arguments.path.absolute()), "allow_partial": arguments.allow_partial, "accept": arguments.accept}
        with suppress(DeliveryRefused):  # the result says why
            runner.run("ingest", [day], {"intake": config})
        result = runner.platform.ingested
        if result is None:
            raise RuntimeError("the intake ended without a result")
        if arguments.json:
            print(json.dumps(result.as_json()))
        else:
            print("\n".join([*(file.line() for file in result.files), "" if result.error else result.message]).rstrip())
            if result.error:
                print(f"lending ingest: {result.error}", file=sys.stderr)
        return result.exit_code


def build(arguments: argparse.Namespace, settings: Settings) -> int:
    """Build and publish one release of the last business date; by force every date of it."""
    from orchestration.commands.runs import Runner

    with Runner(settings) as runner:
        platform = runner.platform
        day = platform.business_date()
        current = platform.current_release()
        if current is not None and not arguments.force:
            _say(arguments, {"release_id": current.release_id, "changed": False}, f"release {current.release_id} is current")
            return DONE
        runner.run("build", [day], {step: {"whole": arguments.force} for step in ("curated", "features")})
        release = platform.lake.at().release
        line = f"release {release.release_id} published: business date {release.business_date}, {len(release.tables)} tables"
        _say(arguments, {"release_id": release.release_id, "changed": True, "business_date": day.isoformat()}, line)
        return DONE


def backfill(arguments: argparse.Namespace, settings: Settings) -> int:
    """Compute the feature snapshots of a range of business dates again and publish them as one release."""
    from orchestration.commands.runs import Runner

    with Runner(settings) as runner:
        last = runner.platform.business_date()
        if arguments.first > arguments.last or arguments.last > last:
            print(
                f"lending backfill: {arguments.first} to {arguments.last}: must be a range that ends by {last}, the last business date",
                file=sys.stderr,
            )
            return WRONG_USAGE
        runner.platform.lake.at()
        runner.run("backfill", [arguments.first, arguments.last])
        release = runner.platform.lake.at().release
        print(f"release {release.release_id} published: features of {arguments.first} to {arguments.last}")
        return DONE


def materialize(arguments: argparse.Namespace, settings: Settings) -> int:
    """Bring the online store to the current release and compare both."""
    from dagster import DagsterError

    from orchestration.commands.runs import Runner

    with Runner(settings) as runner:
        release = runner.platform.lake.at().release
        try:
            runner.run("materialize")
        except DagsterError as error:
            if type(error).__name__ != "DagsterAssetCheckFailedError":
                raise
            for line in _parity_mismatches(runner.platform.lake):
                print(f"lending materialize: parity: {line}", file=sys.stderr)
            print("lending materialize: the online release does not count and is not scored from; docs/operations.md", file=sys.stderr)
            return FAILED
        print(f"online features are those of release {release.release_id}")
        return DONE


def _parity_mismatches(lake: "Lake") -> list[str]:
    """What the last parity gate found, as far as it was written down."""
    from features.parity_report import PARITY_REPORT

    reports = lake.ops(PARITY_REPORT)
    last = reports.filter(reports.checked_at == reports.checked_at.max()).order_by("view_name")
    return [line for text in last.mismatches.to_pyarrow().to_pylist() for line in text.splitlines()]


def rollback(arguments: argparse.Namespace, settings: Settings) -> int:
    """Publish an older release again, online too."""
    from orchestration.commands.runs import Runner

    with Runner(settings) as runner:
        release = runner.platform.lake.rollback(arguments.to)
        print(f"release {release.release_id} has the tables of release {arguments.to}")
        is_online = settings.online_address or settings.online_store.exists()
        return materialize(arguments, settings) if is_online else DONE


def gc(arguments: argparse.Namespace, settings: Settings) -> int:
    """Remove what no release needs."""
    from warehouse.lake import Lake

    with Lake(settings) as lake:
        print(lake.gc(grace=timedelta(hours=arguments.older_than_hours)))
    return DONE


def _say(arguments: argparse.Namespace, facts: Mapping[str, Any], line: str) -> None:
    print(json.dumps(facts) if arguments.json else line)
