"""Jobs: which assets run together. Each command of `lending` runs one of these, so the Dagster UI shows what it did."""

from typing import TYPE_CHECKING

import dagster as dg

from orchestration.assets.replay import replay_job

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

# Two runs never stage the same tables at once; the queue holds the second one back.
WRITES = {"lending/writes": "lake"}
GROUPS = ("intake", "curated", "marts", "features", "release", "online", "training", "serving", "scores", "monitoring", "report")


def build_jobs() -> "list[UnresolvedAssetJobDefinition | dg.JobDefinition]":
    """All jobs, by the name of the command that runs them."""

    def job(name: str, description: str, *groups: str) -> "UnresolvedAssetJobDefinition":
        unknown = set(groups) - set(GROUPS)
        if unknown:
            raise ValueError(f"job {name}: no asset group named {', '.join(sorted(unknown))}")
        return dg.define_asset_job(
            name,
            selection=dg.AssetSelection.groups(*groups),
            description=description,
            tags=WRITES,
        )

    return [
        job("ingest", "One delivery: verified, stored as raw, typed, bad rows in quarantine.", "intake"),
        job("build", "Curated tables, marts and features, then one release.", "curated", "marts", "features", "release"),
        job("backfill", "Feature snapshots of past business dates, then one release.", "features", "release"),
        job("materialize", "Changed feature rows of the release into the online store, checked against offline.", "online"),
        job("train", "Train, evaluate and register a model.", "training"),
        job("promote", "Make the registered model the one that serving reads.", "serving"),
        job("score", "Score every client into marts.client_default_risk, with reasons.", "scores"),
        job("drift", "Compact the prediction log and write the drift report.", "monitoring"),
        job("report", "Write the pages of the portfolio report.", "report"),
        job(
            "daily",
            "A landed delivery, all the way to online features, scores, drift and the portfolio report.",
            "intake",
            "curated",
            "marts",
            "features",
            "release",
            "online",
            "scores",
            "monitoring",
            "report",
        ),
        replay_job(WRITES),
    ]
