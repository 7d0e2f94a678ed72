"""Feast feature views: one join key each, fields from the declarations."""

from collections.abc import Sequence
from datetime import timedelta

from feast import FeatureView, Field, PushSource
from feast.types import String

from features.declare import Feature, feast_field
from features.entities import client
from features.parquet_source import ParquetSource
from features.region import CLIENT_REGION, CLIENT_REGION_SPEC
from features.sources import client_region_source, client_repayment_source
from features.tables import CLIENT_REPAYMENT, CLIENT_REPAYMENT_SPEC
from warehouse.table import TableSpec

# Both ends count: a row exactly 35 days old is used. Snapshots are kept for business dates and for month ends, which are 31 days apart at
# most; an older row means that the client has none any more or that the platform stood still, and then null is right.
TTL = timedelta(days=35)


def client_view(spec: TableSpec, features: Sequence[Feature], source: ParquetSource, **tags: str) -> FeatureView:
    """The view of a table of client features."""
    return FeatureView(
        name=spec.table,
        entities=[client],
        ttl=TTL,
        schema=[Field(name="client_id", dtype=String), *(feast_field(feature) for feature in features)],
        source=PushSource(
            name=f"{spec.table}_push",
            batch_source=source,
            description=f"Rows pushed to {spec.name}; audited before they are published (features/offline_writer.py)",
            owner="credit-risk",
            tags={"layer": spec.layer},
        ),
        online=True,
        description=spec.description,
        owner="credit-risk",
        tags={"table": spec.name, "grain": ", ".join(spec.grain), **tags},
    )


client_repayment = client_view(CLIENT_REPAYMENT_SPEC, CLIENT_REPAYMENT, client_repayment_source)
# Where a client lives can stand in for who the client is: no model reads this view unless its service names it.
client_region = client_view(CLIENT_REGION_SPEC, CLIENT_REGION, client_region_source, region_proxy="true")

VIEWS = (client_repayment, client_region)  # all that are registered, published and compared
