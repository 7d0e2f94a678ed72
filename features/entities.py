"""Feast entities: what features describe. Keys are surrogate ids, never a name, document number or phone."""

from feast import Entity, Project, ValueType

from features.online_of_settings import PROJECT

lending = Project(name=PROJECT, description="Repayment features of consumer-loan clients, offline and online", owner="credit-risk")

client = Entity(
    name="client",
    join_keys=["client_id"],
    value_type=ValueType.STRING,  # leading zeros survive
    description="A person or company with at least one contract, by the lender's client id",
    owner="credit-risk",
    tags={"key": "client_id", "pii": "none: a surrogate id"},
)
