"""Assets of the feature store: the snapshots in the lake, and the online store with its parity gate."""

from collections.abc import Iterator

import dagster as dg

from features.build import FEATURE_TABLES, build_features, stale_days
from orchestration.assets.warehouse import RELEASE, STAGING, BuildConfig, changed_on, keys, written
from orchestration.checks import contract_check, table_asset
from orchestration.partitions import days_of
from orchestration.resources import Platform

ONLINE = dg.AssetKey(["online", "client_repayment"])


def features_asset(partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The feature snapshots, a partition a business date; a range of them is one run and one release."""

    @dg.multi_asset(
        name="features",
        specs=[table_asset(spec, keys(STAGING), "features") for spec in FEATURE_TABLES],
        check_specs=[contract_check(spec) for spec in FEATURE_TABLES],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def features(
        context: dg.AssetExecutionContext, config: BuildConfig, platform: dg.ResourceParam[Platform]
    ) -> Iterator[dg.MaterializeResult]:
        candidate, terms = platform.candidate(context), platform.settings.terms
        changed = changed_on(candidate, platform, config)
        days = sorted({*days_of(context), *stale_days(candidate, platform.business_date(), changed, terms)})
        context.log.info(f"features: {len(days)} as-of dates from {days[0]} to {days[-1]}")
        opened, platform.opened = platform.opened, None  # used once, then the engine may forget them
        build_features(candidate, days, terms, opened=opened, changed_on=changed)
        yield from written(context, candidate, FEATURE_TABLES)
        if RELEASE not in context.job_def.asset_layer.selected_asset_keys:  # a backfill started from the asset page
            published = candidate.publish(platform.business_date(), note=f"features of {days[0]} to {days[-1]}")
            context.log.info(f"release {published.release_id}")

    return features


@dg.asset(
    key=ONLINE,
    deps=[RELEASE],
    group_name="online",
    check_specs=[
        dg.AssetCheckSpec(
            "parity",
            asset=ONLINE,
            blocking=True,
            description="Changed and sampled clients have the same values online, through Feast and through the reader, as in the release, "
            "and the release has the values that its staging tables give.",
        )
    ],
    description="Feature rows of the release in the online store; only rows that changed are written.",
)
def online(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Publish online, then compare with the release cell by cell."""
    from features.parity import check_parity
    from features.parity_report import page
    from features.publish import publish_online

    generation = publish_online(platform.settings, platform.lake)
    context.log.info(f"online: {generation.rows_written} rows written of {generation.row_count}, release {generation.release_id}")
    report = check_parity(platform.settings, platform.lake, run_id=context.run.run_id)
    context.log.info(f"parity: {report.checked_cells} values compared, {len(report.mismatches)} mismatches")
    return dg.MaterializeResult(
        metadata={
            "release_id": generation.release_id,
            "business_date": generation.business_date.isoformat(),
            "rows_written": generation.rows_written,
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="parity",
                passed=report.is_equal,
                description="; ".join(str(mismatch) for mismatch in report.mismatches[:5]) or "online = offline",
                metadata={
                    "values": report.checked_cells,
                    "mismatches": len(report.mismatches),
                    "report": dg.MetadataValue.md(page(report)),
                },
            )
        ],
    )
