"""Assets of the feature store: the snapshots in the lake, and the online store with its parity gate."""

from collections.abc import Iterator
from datetime import date

import dagster as dg

from features.build import build_features, history_days
from features.tables import CLIENT_REPAYMENT_SPEC
from orchestration.assets.warehouse import RELEASE, STAGING, keys, written
from orchestration.checks import contract_check, key, table_asset
from orchestration.partitions import days_of
from orchestration.resources import Platform
from warehouse.changes import first_changed_on
from warehouse.lake import Candidate

FEATURES = key(CLIENT_REPAYMENT_SPEC)
ONLINE = dg.AssetKey(["online", "client_repayment"])


def features_asset(partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The feature snapshots, a partition a business date; a range of them is one run and one release."""

    @dg.multi_asset(
        name="features",
        specs=[table_asset(CLIENT_REPAYMENT_SPEC, keys(STAGING), "features")],
        check_specs=[contract_check(CLIENT_REPAYMENT_SPEC)],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def features(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> Iterator[dg.MaterializeResult]:
        candidate = platform.candidate(context)
        days = sorted({*days_of(context), *_missing_days(candidate, platform)})
        context.log.info(f"features.client_repayment: {len(days)} as-of dates from {days[0]} to {days[-1]}")
        opened, platform.opened = platform.opened, None  # used once, then the engine may forget them
        build_features(candidate, days, platform.settings.terms, opened=opened)
        yield from written(context, candidate, [CLIENT_REPAYMENT_SPEC])
        if RELEASE not in context.job_def.asset_layer.selected_asset_keys:  # a backfill started from the asset page
            published = candidate.publish(platform.business_date(), note=f"features of {days[0]} to {days[-1]}")
            context.log.info(f"release {published.release_id}")

    return features


def _missing_days(candidate: Candidate, platform: Platform) -> list[date]:
    """Month ends and business dates whose snapshot the base release lacks, or holds as computed from fewer rows."""
    business_date = platform.business_date()
    contracts = candidate.table("staging.contracts")
    first = contracts.agg(first=contracts.start_date.min()).to_pyarrow()["first"][0].as_py()
    wanted = history_days(min(first or business_date, business_date), business_date)
    if not candidate.has(CLIENT_REPAYMENT_SPEC.name):
        return wanted
    changed = first_changed_on(candidate, platform.lake, platform.settings.terms)
    held = candidate.table(CLIENT_REPAYMENT_SPEC.name).select("as_of_on").distinct().to_pyarrow()["as_of_on"].to_pylist()
    lacking = set(wanted) - set(held)
    stale = {day for day in held if changed is not None and day >= changed}
    return sorted(lacking | stale)


@dg.asset(
    key=ONLINE,
    deps=[RELEASE],
    group_name="online",
    check_specs=[
        dg.AssetCheckSpec(
            "parity",
            asset=ONLINE,
            blocking=True,
            description="Changed and sampled clients have the same values online, through Feast and through the reader, as in the release.",
        )
    ],
    description="Feature rows of the release in the online store; only rows that changed are written.",
)
def online(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Publish online, then compare with the release cell by cell."""
    from features.parity import check_parity
    from features.publish import publish_online

    generation = publish_online(platform.settings, platform.lake)
    context.log.info(f"online: {generation.rows_written} rows written of {generation.row_count}, release {generation.release_id}")
    report = check_parity(platform.settings, platform.lake)
    context.log.info(f"parity: {report.checked_cells} values of {report.checked_keys} clients, {len(report.mismatches)} mismatches")
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
                metadata={"clients": report.checked_keys, "values": report.checked_cells, "mismatches": len(report.mismatches)},
            )
        ],
    )
