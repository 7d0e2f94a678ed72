"""Everything that Dagster shows and runs, assembled once from the settings; the only place that builds resources."""

import dagster as dg

from warehouse.settings import Settings


def build_definitions(settings: Settings) -> dg.Definitions:
    """Assets, checks, jobs, the landing sensor and the schedules of one platform."""
    from orchestration.assets import all_assets
    from orchestration.instance import progress_logger
    from orchestration.jobs import build_jobs
    from orchestration.partitions import business_dates
    from orchestration.resources import Platform
    from orchestration.sensors import build_alert_sensors, build_schedules, build_sensor

    return dg.Definitions(
        assets=all_assets(business_dates(settings)),
        jobs=build_jobs(),
        sensors=[build_sensor(), *build_alert_sensors()],
        schedules=build_schedules(settings.terms.time_zone),
        resources={"platform": Platform(settings)},
        loggers={"progress": progress_logger},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The entry point of the Dagster processes."""
    return build_definitions(Settings.from_env())
