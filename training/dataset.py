"""The training set: spine and label from the ledger, features through Feast; the only training module that imports feast.

Everything is read from one pinned release: outcomes up to its business date, features as they were known on each month end. Rows that are
not mature are not read at all.
"""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from features.tables import CLIENT_REPAYMENT, CLIENT_REPAYMENT_SPEC
from training.frame import KEY, FeatureMismatch, ModelFeature, canonical, check_features, content_hash
from training.labels import labels, mature_cohorts
from training.records import TrainingSet
from training.refusal import check_outcomes
from training.spine import KEY as SPINE_KEY
from training.spine import scope, spine
from warehouse.clock import as_of_dates
from warehouse.curated.positions import positions
from warehouse.curated.staged import Staged
from warehouse.lake import Lake, Pinned
from warehouse.settings import Settings
from warehouse.terms import Terms

if TYPE_CHECKING:
    from feast import FeatureStore

FEATURE_SERVICE = "default_risk_v2"  # of models trained from now on; a trained model names its own
ROWS_AT_ONCE = 2_000_000  # bounds memory: installments x cohorts are held while a part is computed


def load(
    settings: Settings,
    lake: Lake,
    release_id: int | None = None,
    indeterminate_as_good: bool | None = None,
    service: str = FEATURE_SERVICE,
) -> TrainingSet:
    """The training set of a release.

    Args:
        settings: of this process.
        lake: the lake.
        release_id: by default the current release.
        indeterminate_as_good: by default as the settings say.
        service: feature service that names the features.

    Raises:
        NoRelease: nothing was published yet.
        TrainingRefused: too few outcomes.
        FeatureMismatch: the feature store lacks rows or columns that the spine needs.
    """
    from features.store import feature_store

    pinned = lake.at(release_id)
    as_good = settings.train_indeterminate_as_good if indeterminate_as_good is None else indeterminate_as_good
    rows, cohorts = outcome_rows(lake, pinned, settings.terms, as_good)
    check_outcomes(pc.sum(rows.column("is_default")).as_py() or 0, cohorts)
    check_history(lake, pinned, cohorts)
    store = feature_store(settings, pinned.release.release_id, lake)
    features = declared_features(store, service)
    table = with_features(store, canonical(rows), features, service)
    return TrainingSet(
        table=table,
        features=features,
        feature_service=service,
        release_id=pinned.release.release_id,
        label_on=pinned.release.business_date,
        content_hash=content_hash(table),
        indeterminate_as_good=as_good,
    )


def outcome_rows(lake: Lake, pinned: Pinned, terms: Terms, indeterminate_as_good: bool) -> tuple[pa.Table, list[date]]:
    """Spine and label of every mature cohort, and the cohorts that have rows.

    Grain: one row per (as_of_on, client_id).
    """
    staged, label_on = Staged.read(pinned.table), pinned.release.business_date
    first = lake.con.to_pyarrow(staged.contracts.start_date.min()).as_py()
    cohorts = [] if first is None else mature_cohorts(first, label_on)
    if not cohorts:
        return OUTCOME_SCHEMA.empty_table(), []
    outcome = positions(staged, as_of_dates([label_on], terms.time_zone), terms)
    at_once = max(1, ROWS_AT_ONCE // max(1, lake.con.to_pyarrow(staged.installments.count()).as_py()))
    parts = []
    for place in range(0, len(cohorts), at_once):
        at = positions(staged, as_of_dates(cohorts[place : place + at_once], terms.time_zone), terms)
        clients = spine(at, terms.time_zone)
        labelled = labels(scope(at, clients), outcome, outcome.events, label_on, indeterminate_as_good)
        parts.append(lake.con.to_pyarrow(clients.inner_join(labelled, SPINE_KEY).select(*OUTCOME_COLUMNS)))
    rows = pa.concat_tables(parts).cast(OUTCOME_SCHEMA)
    return rows, sorted(set(rows.column("as_of_on").to_pylist()))


def check_history(lake: Lake, pinned: Pinned, cohorts: Sequence[date]) -> None:
    """Refuse cohorts without features of their own day: within its TTL, Feast would answer with those of an earlier day.

    Raises:
        FeatureMismatch: names the days.
    """
    stored = pinned.table(CLIENT_REPAYMENT_SPEC.name).select("as_of_on").distinct()
    held = set(lake.con.to_pyarrow(stored)["as_of_on"].to_pylist())
    if missing := [day.isoformat() for day in cohorts if day not in held]:
        raise FeatureMismatch(
            f"release {pinned.release.release_id} has no features as of {', '.join(missing)}; "
            f"run lending backfill --from {missing[0]} --to {missing[-1]}"
        )


OUTCOME_SCHEMA = pa.schema(
    [
        ("client_id", pa.string()),
        ("event_timestamp", pa.timestamp("us", "UTC")),
        ("as_of_on", pa.date32()),
        ("region_id", pa.string()),
        ("product_type_id", pa.string()),
        ("vintage_month", pa.date32()),
        ("is_default", pa.int8()),
        ("label_reason", pa.string()),
    ]
)
OUTCOME_COLUMNS = tuple(OUTCOME_SCHEMA.names)


def declared_features(store: "FeatureStore", name: str = FEATURE_SERVICE) -> tuple[ModelFeature, ...]:
    """The features of a service, in its order, with what their declarations say.

    Raises:
        FeatureMismatch: the service holds a feature that nobody declared.
    """
    declared = {feature.name: ModelFeature.of(feature) for feature in CLIENT_REPAYMENT}
    service = store.get_feature_service(name)
    names = [field.name for projection in service.feature_view_projections for field in projection.features]
    if unknown := [feature for feature in names if feature not in declared]:
        raise FeatureMismatch(f"{name} holds features without a declaration: {', '.join(unknown)}")
    return tuple(declared[feature] for feature in names)


def service_features(settings: Settings, name: str = FEATURE_SERVICE) -> tuple[ModelFeature, ...]:
    """The features that a service gives now."""
    from features.store import feature_store

    return declared_features(feature_store(settings), name)


def with_features(store: "FeatureStore", rows: pa.Table, features: Sequence[ModelFeature], service: str) -> pa.Table:
    """Rows in canonical order with the features that were known at each of them.

    Raises:
        FeatureMismatch: the store gave other rows than it was asked for, or values that the declarations do not allow.
    """
    asked = rows.select(list(KEY)).to_pandas()
    job = store.get_historical_features(entity_df=asked, features=store.get_feature_service(service), filter_by_created_timestamp=True)
    found = canonical(job.to_arrow())
    if not _keys(found).equals(_keys(rows)):
        raise FeatureMismatch(f"asked the feature store for {len(rows)} rows and got {len(found)}, or other keys; build the features again")
    table = rows
    for feature in features:
        table = table.append_column(feature.name, found.column(feature.name))
    check_features(table, features)
    return table


def _keys(table: pa.Table) -> pa.Table:
    return table.select(list(KEY)).cast(pa.schema([(name, OUTCOME_SCHEMA.field(name).type) for name in KEY])).combine_chunks()
