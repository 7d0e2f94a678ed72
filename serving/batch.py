"""Batch scoring: every client of the release, with the same scorer as the endpoint, into marts.client_default_risk.

It reads the offline snapshot of the release that it writes to, so the scores and their features belong together whatever is online.
"""

from datetime import date

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from features.tables import CLIENT_REPAYMENT_SPEC
from serving.bundle import Bundle, current_folder, load_bundle
from serving.scorer import FeatureRows, Score, score_rows
from training.frame import matrix
from warehouse.lake import Lake, NoRelease, Release
from warehouse.marts import CLIENT_DEFAULT_RISK
from warehouse.settings import Settings
from warehouse.terms import UNKNOWN


def score_all(settings: Settings, lake: Lake, run_id: str) -> Release:
    """Score all clients as of the release's business date and publish them as a new release.

    Args:
        settings: where the promoted bundle is.
        lake: holds the release.
        run_id: names the candidate release; the same id goes on with what a failed attempt staged.

    Returns:
        The release that holds the scores.

    Raises:
        NoBundle: no model was promoted.
        NoRelease: nothing was built.
        FeatureMismatch: the feature table is not the one that the model was trained on.
    """
    release = lake.release()
    if release is None:
        raise NoRelease
    bundle = load_bundle(current_folder(settings.bundles))
    candidate = lake.candidate("release", run_id)
    day = release.business_date
    snapshot = feature_snapshot(candidate.table(CLIENT_REPAYMENT_SPEC.name), day)
    scores = score_rows(bundle, offline_rows(bundle, snapshot, day), today=day, max_age_days=0)
    rows = client_default_risk(
        ibis.memtable(_scores(scores, bundle, release, day)),
        candidate.table("curated.fact_contract"),
        candidate.table("curated.dim_client"),
        day,
    )
    candidate.write(CLIENT_DEFAULT_RISK, rows, replace=[day])
    candidate.audit(CLIENT_DEFAULT_RISK)
    return candidate.publish(day, note=f"scores of {bundle.model_name} {bundle.model_version}")


def feature_snapshot(features: ir.Table, day: date) -> pa.Table:
    """The feature rows as of one date, in the order of client ids."""
    return features.filter(features.as_of_on == day).order_by("client_id").to_pyarrow()


def offline_rows(bundle: Bundle, snapshot: pa.Table, day: date) -> FeatureRows:
    """Feature rows in the scorer's form.

    Raises:
        FeatureMismatch: a feature of the model is missing, has another type, or is null where it may not be.
    """
    return FeatureRows(
        client_ids=tuple(snapshot["client_id"].to_pylist()),
        values=matrix(snapshot, bundle.features),
        found=np.ones(len(snapshot), bool),
        timestamps=tuple(snapshot["event_timestamp"].to_pylist()),
        business_date=day,
    )


def client_default_risk(scores: ir.Table, fact_contract: ir.Table, dim_client: ir.Table, day: date) -> ir.Table:
    """Which clients are likely to default.

    Grain: one row per (client_id, business_date).

    Args:
        scores: client_id with the value columns of the table.
        fact_contract: curated.fact_contract as of the business date.
        dim_client: curated.dim_client.
        day: the business date.
    """
    exposure = client_exposure(fact_contract)
    region = dim_client.filter(dim_client.valid_from <= day, dim_client.valid_to.isnull() | (dim_client.valid_to > day)).select(
        "client_id", "region_id"
    )
    joined = scores.left_join(exposure, "client_id").drop("client_id_right").left_join(region, "client_id")
    return joined.mutate(
        region_id=joined.region_id.fill_null(UNKNOWN),
        product_type_id=joined.product_type_id.fill_null(UNKNOWN),
        outstanding_principal_amount=joined.outstanding_principal_amount.fill_null(0),
        overdue_amount=joined.overdue_amount.fill_null(0),
    ).select(CLIENT_DEFAULT_RISK.column_names)


def client_exposure(fact_contract: ir.Table) -> ir.Table:
    """What each client owes, and the product type with the largest share of it.

    Grain: one row per client_id. A tie goes to the product type that sorts first, so that the answer is the same every time.
    """
    by_type = fact_contract.group_by("client_id", "product_type_id").agg(
        outstanding=fact_contract.outstanding_principal_amount.sum(), overdue=fact_contract.overdue_amount.sum()
    )
    place = ibis.row_number().over(group_by=by_type.client_id, order_by=[by_type.outstanding.desc(), by_type.product_type_id])
    ranked = by_type.mutate(place=place)
    return ranked.group_by("client_id").agg(
        product_type_id=ranked.product_type_id.max(where=ranked.place == 0),
        outstanding_principal_amount=ranked.outstanding.sum(),
        overdue_amount=ranked.overdue.sum(),
    )


def _scores(scores: list[Score], bundle: Bundle, release: Release, day: date) -> pa.Table:
    own = (
        "client_id",
        "probability",
        "score",
        "grade",
        "status",
        "reason_codes",
        "model_name",
        "model_version",
        "release_id",
        "business_date",
    )
    schema = CLIENT_DEFAULT_RISK.ibis_schema()
    rows = [
        {
            "client_id": score.client_id,
            "probability": score.probability,
            "score": score.score,
            "grade": score.grade,
            "status": score.status,
            "reason_codes": ",".join(reason.code for reason in score.reasons),
            "model_name": bundle.model_name,
            "model_version": bundle.model_version,
            "release_id": release.release_id,
            "business_date": day,
        }
        for score in scores
    ]
    return pa.Table.from_pylist(rows, schema=ibis.schema({name: schema[name] for name in own}).to_pyarrow())
