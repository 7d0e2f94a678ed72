"""Assets after the model: batch scores, the prediction log and the drift report."""

import dagster as dg

from orchestration.assets.features import ONLINE
from orchestration.assets.training import BUNDLE
from orchestration.assets.warehouse import RELEASE
from orchestration.checks import key, table_asset
from orchestration.resources import Platform, candidate_id
from serving.monitoring.drift import DRIFT_METRIC, drift_report
from serving.prediction_log import PREDICTION_LOG, compact
from warehouse.marts import CLIENT_DEFAULT_RISK


@dg.asset(
    key=key(CLIENT_DEFAULT_RISK),
    deps=[RELEASE, ONLINE, BUNDLE],
    group_name="scores",
    description=CLIENT_DEFAULT_RISK.description,
)
def client_default_risk(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Score every client of the release and publish the scores as a release of their own."""
    from serving.batch import score_all

    published = score_all(platform.settings, platform.lake, candidate_id(context))
    context.log.info(f"release {published.release_id} holds the scores of {published.business_date}")
    return dg.MaterializeResult(metadata={"release_id": published.release_id, "business_date": published.business_date.isoformat()})


@dg.asset(key=key(PREDICTION_LOG), deps=[BUNDLE], group_name="monitoring", description=PREDICTION_LOG.description)
def prediction_log(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Move the endpoint's spool files into the table."""
    rows = compact(platform.lake, platform.settings.prediction_spool)
    context.log.info(f"prediction log: {rows} rows moved")
    return dg.MaterializeResult(metadata={"rows_moved": rows})


@dg.multi_asset(
    name="drift_metric",
    specs=[table_asset(DRIFT_METRIC, [key(CLIENT_DEFAULT_RISK), key(PREDICTION_LOG)], "monitoring")],
    check_specs=[
        dg.AssetCheckSpec(
            "stability",
            asset=key(DRIFT_METRIC),
            description="No feature, and not the probability, has a stability index of 0.25 or more against the reference sample.",
        )
    ],
)
def drift(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Write the drift page and its figures."""
    from warehouse.report.index import write_index

    report = drift_report(platform.settings, platform.lake)
    write_index(platform.settings.reports)
    context.log.info(f"drift report: {report.page}")
    worst = max(report.indexes, key=report.indexes.__getitem__)
    return dg.MaterializeResult(
        asset_key=key(DRIFT_METRIC),
        metadata={
            "page": dg.MetadataValue.path(str(report.page)),
            "greatest_index": report.indexes[worst],
            "greatest_index_of": worst,
            "evidently_drift_share": report.drift_share,
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="stability",
                passed=not report.drifted,
                severity=dg.AssetCheckSeverity.WARN,
                description=f"drifted: {', '.join(report.drifted)}" if report.drifted else "stable",
            )
        ],
    )
