"""The Dagster definitions load, hold every table as an asset with its check, and the sensor and schedule ask for what is new."""

import os
import time
from dataclasses import replace
from datetime import UTC, date, datetime

import dagster as dg
import pytest

from orchestration.assets import all_assets
from orchestration.checks import key
from orchestration.definitions import build_definitions
from orchestration.instance import open_instance
from orchestration.partitions import business_dates
from orchestration.resources import NoDelivery, Platform
from orchestration.sensors import SETTLE_SECONDS, build_schedules, build_sensor, requests
from tests.generate_docs import declared_specs
from warehouse.settings import Settings

NOT_BUILT_HERE = {"ops.audit_result", "ops.parity_report"}  # the lake and the parity gate write them beside what they judge


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(home=tmp_path, catalog_uri=f"sqlite:///{tmp_path}/catalog.db")


@pytest.fixture
def definitions(settings) -> dg.Definitions:
    return build_definitions(settings)


def test_definitions_are_loadable(definitions):
    dg.Definitions.validate_loadable(definitions)


def test_every_declared_table_is_an_asset(definitions):
    assets = {spec.key for spec in definitions.resolve_all_asset_specs()}
    missing = {spec.name for spec in declared_specs() if key(spec) not in assets}
    assert missing == NOT_BUILT_HERE


def test_every_built_table_has_a_blocking_contract_check(settings):
    checked = {
        check.asset_key
        for asset in all_assets(business_dates(settings))
        for check in asset.check_specs
        if check.name == "contract" and check.blocking
    }
    built = {key(spec) for spec in declared_specs() if spec.layer in {"curated", "features"}}
    assert built <= checked


def test_each_command_has_its_job(definitions):
    names = {job.name for job in definitions.resolve_all_job_defs() if not job.name.startswith("__")}
    assert names == {"ingest", "build", "backfill", "materialize", "train", "promote", "score", "drift", "report", "daily", "replay"}


def test_raw_leads_to_the_scores_and_the_report(definitions):
    graph = definitions.resolve_asset_graph()
    ancestors = graph.get_ancestor_asset_keys(dg.AssetKey(["ops", "drift_metric"]))
    for layer, table in (
        ("raw", "repayments"),
        ("staging", "repayments"),
        ("curated", "fact_installment"),
        ("features", "client_repayment"),
    ):
        assert dg.AssetKey([layer, table]) in ancestors


def test_a_partition_is_a_business_date_in_the_lenders_zone(settings):
    # 18:00 UTC is already the next day in Ho Chi Minh City
    evening = datetime(2025, 6, 30, 18, tzinfo=UTC)
    keys = business_dates(settings).get_partition_keys(current_time=evening)
    assert (keys[0], keys[-1]) == ("1990-01-01", "2025-07-01")
    assert business_dates(replace(settings, first_business_date=date(1993, 1, 1))).get_first_partition_key() == "1993-01-01"


def land(settings: Settings, day: str, age_seconds: float) -> None:
    """Put a file into the landing folder of a day, last changed so long ago."""
    folder = settings.landing / day
    folder.mkdir(parents=True)
    file = folder / "regions.csv"
    file.write_text("region_id,region_name\nN,North\n")
    os.utime(file, (time.time() - age_seconds,) * 2)


def test_the_sensor_asks_for_a_landed_day_once_its_files_have_settled(settings):
    platform = Platform(settings)
    now = datetime.now(UTC)
    land(settings, "2025-06-29", age_seconds=SETTLE_SECONDS + 60)
    land(settings, "2025-06-30", age_seconds=0)
    (settings.landing / "upload").mkdir()
    (settings.landing / "2025-06-28").mkdir()
    asked = list(requests(platform, now))
    assert [request.partition_key for request in asked] == ["2025-06-29"]
    again = list(requests(platform, now))
    assert [request.run_key for request in again] == [request.run_key for request in asked], "the same files start one run"


def test_the_sensor_says_why_it_does_nothing(settings):
    with dg.build_sensor_context(resources={"platform": Platform(settings)}) as context:
        (skipped,) = build_sensor()(context)
    assert isinstance(skipped, dg.SkipReason)
    assert "no new files" in skipped.skip_message


def test_the_daily_schedule_asks_for_the_day_before_in_the_lenders_zone(settings):
    daily = build_schedules(settings.terms.time_zone)[0]
    land(settings, "2025-06-29", age_seconds=60)
    at = datetime(2025, 6, 29, 23, tzinfo=UTC)  # 06:00 on the 30th in Ho Chi Minh City
    context = dg.build_schedule_context(scheduled_execution_time=at, resources={"platform": Platform(settings)})
    assert daily(context).partition_key == "2025-06-29"
    later = dg.build_schedule_context(scheduled_execution_time=at.replace(month=7), resources={"platform": Platform(settings)})
    assert isinstance(daily(later), dg.SkipReason)


def test_without_a_delivery_there_is_nothing_to_build(settings):
    with pytest.raises(NoDelivery, match="no delivery yet; run lending ingest PATH --business-date D"):
        Platform(settings).business_date()


def test_the_instance_sends_no_telemetry_and_shows_no_advertisement(settings):
    with open_instance(settings) as instance:
        assert instance.telemetry_enabled is False
        assert instance.nux_enabled is False
