"""Assets of the model: training with its evidence in MLflow, and the promoted bundle that serving reads."""

import dagster as dg

from orchestration.assets.warehouse import RELEASE
from orchestration.resources import Platform

MODEL = dg.AssetKey(["training", "default_risk"])
BUNDLE = dg.AssetKey(["serving", "bundle"])


class TrainConfig(dg.Config):
    """The feature service to train on, by default the one of new models."""

    service: str | None = None


class PromoteConfig(dg.Config):
    """Which run to promote, by default the newest, and whether to override a gate that refuses."""

    run_id: str | None = None
    force: bool = False


@dg.asset(key=MODEL, deps=[RELEASE], group_name="training", description="A trained, evaluated and registered default-risk model.")
def model(context: dg.AssetExecutionContext, config: TrainConfig, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Train on the pinned release and record everything in MLflow."""
    from training.train import train

    result = train(platform.settings, platform.lake, service=config.service)
    context.log.info(result.summary)
    test = result.evaluation["test"]
    return dg.MaterializeResult(
        metadata={
            "run_id": result.run_id,
            "model_version": result.model_version,
            "release_id": result.release_id,
            "training_set_sha256": result.training_set_sha256,
            "rows": result.rows,
            "defaults": result.defaults,
            "test_auc": test["auc"],
            "test_gini": test["gini"],
            "unmet_rules": "; ".join(result.unmet) or "none",
        }
    )


@dg.asset(key=BUNDLE, deps=[MODEL], group_name="serving", description="The verified model bundle that serving reads.")
def bundle(context: dg.AssetExecutionContext, config: PromoteConfig, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Check the gates and make the model the champion."""
    from training.promote import promote

    folder = promote(platform.settings, config.run_id, force=config.force)
    context.log.info(f"bundle {folder.name} is served now")
    return dg.MaterializeResult(metadata={"bundle": folder.name})
