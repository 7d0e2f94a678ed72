"""Assets of the warehouse: intake (raw and staging), curated tables, marts, and the release that publishes them."""

from collections.abc import Callable, Iterable, Iterator
from datetime import date

import dagster as dg
from pydantic import Field

from features.build import FEATURE_TABLES, stale_days
from orchestration.checks import contract_check, contract_result, key, reconciliation_check, reconciliation_result, table_asset
from orchestration.partitions import days_of
from orchestration.resources import DeliveryRefused, Platform, candidate_id
from warehouse.build import build_curated, build_marts
from warehouse.changes import first_changed_on
from warehouse.curated import CURATED
from warehouse.ingest import ingest_delivery
from warehouse.lake import Candidate
from warehouse.marts import BUILT_MARTS
from warehouse.sources import SOURCES
from warehouse.staging.ledger import DELIVERY_LEDGER, unbalanced
from warehouse.staging.quarantine import QUARANTINE
from warehouse.table import TableSpec

RAW = [source.raw_spec() for source in SOURCES]
STAGING = [source.staging_spec() for source in SOURCES]
OPS = [DELIVERY_LEDGER, QUARANTINE]
MARTS = list(BUILT_MARTS)
RELEASE = dg.AssetKey("release")


class IntakeConfig(dg.Config):
    """What to ingest: a folder or zip, by default the landing folder of the partition's business date.

    accept: rules of deliveries to set aside for this one, as RULE or RULE:TABLE, such as row_count_low:repayments.
    """

    path: str | None = None
    allow_partial: bool = False
    accept: list[str] = Field(default_factory=list)


class BuildConfig(dg.Config):
    """What to compute.

    whole: every date, though the release holds it as it would be computed.
    """

    whole: bool = False


def keys(specs: Iterable[TableSpec]) -> list[dg.AssetKey]:
    """Asset keys of some tables."""
    return [key(spec) for spec in specs]


def written(
    context: dg.AssetExecutionContext, candidate: Candidate, specs: Iterable[TableSpec], checks: Iterable[Callable] = (contract_result,)
) -> Iterator[dg.MaterializeResult]:
    """What a step staged, table by table, with the outcome of the audits as checks."""
    staged = candidate.staged()
    for spec in specs:
        table = staged[spec.name]
        rows = candidate.table(spec.name).count().to_pyarrow().as_py()
        context.log.info(f"{spec.name}: {rows} rows")
        yield dg.MaterializeResult(
            asset_key=key(spec),
            metadata={"dagster/row_count": rows, "snapshot": str(table.snapshot_id), "candidate": candidate.run_id},
            check_results=[check(spec, table.audit or []) for check in checks],
        )


def intake_asset(partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The intake of one delivery a business date: raw tables, and the staging tables and ledgers that follow from them."""
    specs = [table_asset(spec, [], "intake") for spec in RAW]
    specs += [table_asset(spec, keys(RAW), "intake") for spec in (*STAGING, *OPS)]

    @dg.multi_asset(
        name="intake",
        specs=specs,
        check_specs=[conservation_check()],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def intake(
        context: dg.AssetExecutionContext, config: IntakeConfig, platform: dg.ResourceParam[Platform]
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        days = days_of(context)
        if config.path is not None and len(days) > 1:
            raise dg.Failure(
                f"path is for one business date, not for {len(days)}; leave it out to take the landing folders", allow_retries=False
            )
        for day in days:
            path = config.path or str(platform.settings.landing / day.isoformat())
            run_id = f"{candidate_id(context)}-{day}"
            result = ingest_delivery(
                platform.lake, platform.settings, path, day, run_id, allow_partial=config.allow_partial, accept=config.accept
            )
            platform.ingested = result
            if result.error is not None:
                raise DeliveryRefused(result)
            context.log.info(result.message)
        for spec in (*RAW, *STAGING, *OPS):
            yield dg.MaterializeResult(asset_key=key(spec), metadata=result.metadata(spec.name))
        yield conservation_result(platform)

    return intake


def conservation_check() -> dg.AssetCheckSpec:
    """No row is lost: the five ways in which a row can end add up to the rows of each file."""
    return dg.AssetCheckSpec(
        "conservation",
        asset=key(DELIVERY_LEDGER),
        blocking=True,
        description="rows_in = accepted + duplicate + quarantined + parked + rejected, for every file ever delivered.",
    )


def conservation_result(platform: Platform) -> dg.AssetCheckResult:
    """Add the ledger up."""
    intake = platform.lake.intake()
    if intake is None:
        return dg.AssetCheckResult(check_name="conservation", asset_key=key(DELIVERY_LEDGER), passed=True, description="no file yet")
    ledger = intake.table(DELIVERY_LEDGER.name)
    wrong = unbalanced(ledger).count().to_pyarrow().as_py()
    files = ledger.count().to_pyarrow().as_py()
    return dg.AssetCheckResult(
        check_name="conservation",
        asset_key=key(DELIVERY_LEDGER),
        passed=wrong == 0,
        description=f"{wrong} of {files} files do not add up",
        metadata={"files": files, "files_that_do_not_add_up": wrong},
    )


@dg.multi_asset(
    name="curated",
    specs=[table_asset(spec, keys(STAGING), "curated") for spec in CURATED],
    check_specs=[contract_check(spec) for spec in CURATED],
)
def curated(context: dg.AssetExecutionContext, config: BuildConfig, platform: dg.ResourceParam[Platform]) -> Iterator[dg.MaterializeResult]:
    """The star schema as of the last business date, from one intake; month ends that nothing has changed stay as they are."""
    candidate, day, terms = platform.candidate(context), platform.business_date(), platform.settings.terms
    changed = changed_on(candidate, platform, config)
    context.log.info("nothing was delivered since the release" if changed is None else f"as-of dates from {changed} on may have changed")
    is_asked = context.job_def.asset_layer.selected_asset_keys >= set(keys(FEATURE_TABLES))
    also = stale_days(candidate, day, changed, terms) if is_asked else []  # one set of books serves both steps
    platform.opened = build_curated(candidate, day, terms, changed, also)
    yield from written(context, candidate, CURATED)


def changed_on(candidate: Candidate, platform: Platform, config: BuildConfig) -> date | None:
    """The first as-of date to compute again; of `warehouse.changes.first_changed_on`."""
    return date.min if config.whole else first_changed_on(candidate, platform.lake, platform.settings.terms)


@dg.multi_asset(
    name="marts",
    specs=[table_asset(spec, keys(CURATED), "marts") for spec in MARTS],
    check_specs=[check(spec) for spec in MARTS for check in (contract_check, reconciliation_check)],
)
def marts(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> Iterator[dg.MaterializeResult]:
    """The regional marts, from the curated tables of the same candidate."""
    candidate = platform.candidate(context)
    build_marts(candidate, platform.business_date(), platform.settings.terms)
    yield from written(context, candidate, MARTS, (contract_result, reconciliation_result))


@dg.asset(
    key=RELEASE,
    deps=[*keys(CURATED), *keys(MARTS), *keys(FEATURE_TABLES)],
    group_name="release",
    description="The published release: which snapshots of all tables belong together. Readers see the one before, or this one.",
)
def release(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Publish what the run staged."""
    published = platform.candidate(context).publish(platform.business_date(), note=f"run {context.run.run_id}")
    context.log.info(f"release {published.release_id} of business date {published.business_date}")
    return dg.MaterializeResult(
        metadata={
            "release_id": published.release_id,
            "business_date": published.business_date.isoformat(),
            "tables": len(published.tables),
        }
    )
