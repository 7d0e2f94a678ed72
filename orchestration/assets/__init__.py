"""Dagster assets, named as the tables they write."""

import dagster as dg


def all_assets(partitions: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """Every asset of the platform, in the order of the data flow."""
    from orchestration.assets import alerting, features, monitoring, report, training, warehouse

    return [
        warehouse.intake_asset(partitions),
        warehouse.curated,
        warehouse.marts,
        features.features_asset(partitions),
        warehouse.release,
        features.online,
        training.model,
        training.bundle,
        monitoring.client_default_risk,
        monitoring.prediction_log,
        monitoring.drift,
        report.portfolio_report,
        alerting.alert,
    ]
