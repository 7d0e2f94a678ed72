"""The job that judges quarantined rows again, after a rule or a contract was corrected.

A job of its own rather than the intake: it takes no delivery and has no business date, but writes the same tables.
"""

from collections.abc import Mapping

import dagster as dg

from orchestration.checks import key
from orchestration.resources import Platform
from warehouse.sources import SOURCES
from warehouse.staging.ledger import DELIVERY_LEDGER
from warehouse.staging.quarantine import QUARANTINE


class ReplayConfig(dg.Config):
    """Which tables to judge again: those named, by default all with rows in quarantine; everything judges every row ever delivered."""

    tables: list[str] | None = None
    everything: bool = False


def replay_job(tags: Mapping[str, str]) -> dg.JobDefinition:
    """The job `replay`."""

    @dg.op(description="Judges quarantined rows again and merges those that pass, each exactly once.")
    def replay_quarantine(context: dg.OpExecutionContext, config: ReplayConfig, platform: dg.ResourceParam[Platform]) -> None:
        from warehouse.replay import replay

        root = context.run.root_run_id or context.run.run_id
        result = replay(platform.lake, platform.settings, f"{root}-replay", config.tables, config.everything)
        platform.replayed = result
        released = sum(result.released.values())
        context.log.info(f"{released} rows accepted, {result.still_parked} wait, {result.still_quarantined} are rejected")
        for name in sorted(result.released) if result.changed else ():
            source = next(source for source in SOURCES if source.name == name)
            context.log_event(dg.AssetMaterialization(key(source.staging_spec()), metadata={"rows_released": result.released[name]}))
        for spec in (DELIVERY_LEDGER, QUARANTINE) if result.changed else ():
            context.log_event(dg.AssetMaterialization(key(spec), metadata={"rows_released": released}))

    @dg.job(name="replay", tags=dict(tags), description="Quarantined rows judged again, after a rule or a contract was corrected.")
    def job() -> None:
        replay_quarantine()

    return job
