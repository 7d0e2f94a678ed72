"""Feast feature views: one join key each, fields from the declarations."""

from datetime import timedelta

from feast import FeatureView, Field
from feast.types import String

from features.declare import feast_field
from features.entities import client
from features.sources import client_repayment_source
from features.tables import CLIENT_REPAYMENT, CLIENT_REPAYMENT_SPEC

client_repayment = FeatureView(
    name="client_repayment",
    entities=[client],
    # Both ends count: a row exactly 35 days old is used. Snapshots are kept for each of the last 35 days and for month ends, which are 31
    # days apart at most; an older row means that the client has none any more or that the platform stood still, and then null is right.
    ttl=timedelta(days=35),
    schema=[Field(name="client_id", dtype=String), *(feast_field(feature) for feature in CLIENT_REPAYMENT)],
    source=client_repayment_source,
    online=True,
    description=CLIENT_REPAYMENT_SPEC.description,
    owner="credit-risk",
    tags={"table": CLIENT_REPAYMENT_SPEC.name, "grain": ", ".join(CLIENT_REPAYMENT_SPEC.grain)},
)

VIEWS = (client_repayment,)  # all that are registered, published and compared
