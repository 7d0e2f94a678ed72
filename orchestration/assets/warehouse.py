"""Assets of the warehouse: intake (raw and staging), curated tables, marts, and the release that publishes them."""

from collections.abc import Iterator

import dagster as dg

from orchestration.checks import contract_check, contract_result, key, table_asset
from orchestration.partitions import days_of
from orchestration.resources import Platform, candidate_id
from warehouse.build import build_curated, build_marts, publish
from warehouse.curated import CURATED
from warehouse.ingest import ingest_delivery
from warehouse.marts import MARTS
from warehouse.sources import SOURCES
from warehouse.staging.ledger import DELIVERY_LEDGER
from warehouse.staging.quarantine import QUARANTINE

RAW = [source.raw_spec() for source in SOURCES]
STAGING = [source.staging_spec() for source in SOURCES]
OPS = [DELIVERY_LEDGER, QUARANTINE]
RELEASE = dg.AssetKey("release")


class IntakeConfig(dg.Config):
    """What to ingest: a folder or zip, by default the landing folder of the partition's business date."""

    path: str | None = None
    allow_partial: bool = False


def intake_specs() -> list[dg.AssetSpec]:
    """raw tables, then the staging tables and the ledgers that follow from them."""
    raw_keys = [key(spec) for spec in RAW]
    return [
        *(table_asset(spec, [], "intake") for spec in RAW),
        *(table_asset(spec, raw_keys, "intake") for spec in (*STAGING, *OPS)),
    ]


def intake_asset(partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The intake of one delivery a business date."""

    @dg.multi_asset(
        name="intake",
        specs=intake_specs(),
        check_specs=[dg.AssetCheckSpec("conservation", asset=key(DELIVERY_LEDGER), blocking=True)],
        partitions_def=partitions,
    )
    def intake(
        context: dg.AssetExecutionContext, config: IntakeConfig, platform: dg.ResourceParam[Platform]
    ) -> Iterator[dg.MaterializeResult]:
        (day,) = days_of(context)
        path = config.path or str(platform.settings.landing / day.isoformat())
        result = ingest_delivery(platform.lake, platform.settings, path, day, candidate_id(context), allow_partial=config.allow_partial)
        context.log.info(result.summary)
        for spec in (*RAW, *STAGING, *OPS):
            yield dg.MaterializeResult(asset_key=key(spec), metadata=result.metadata(spec.name))

    return intake
