"""Tables of the release log, of the candidates and of the data files, in the catalog's database beside Iceberg's own."""

import sqlalchemy as sa
from sqlalchemy.engine import Engine

INTAKE, RELEASE = "intake", "release"

metadata = sa.MetaData()
release = sa.Table(
    "lending_release",
    metadata,
    sa.Column("channel", sa.String(16), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("business_date", sa.Date, nullable=False),
    sa.Column("created_at", sa.DateTime, nullable=False),
    sa.Column("run_id", sa.String(255), nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("intake", sa.Integer, nullable=False),
    sa.Column("tables", sa.JSON, nullable=False),
    sa.Column("is_main_moved", sa.Boolean, nullable=False),
    sa.Column("is_expired", sa.Boolean, nullable=False),
)
candidate = sa.Table(
    "lending_candidate",
    metadata,
    sa.Column("channel", sa.String(16), primary_key=True),
    sa.Column("run_id", sa.String(255), primary_key=True),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("base", sa.Integer, nullable=False),
    sa.Column("intake", sa.Integer, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("created_at", sa.DateTime, nullable=False),
)
staged = sa.Table(
    "lending_candidate_table",
    metadata,
    sa.Column("channel", sa.String(16), primary_key=True),
    sa.Column("run_id", sa.String(255), primary_key=True),
    sa.Column("table_name", sa.String(255), primary_key=True),
    sa.Column("branch", sa.String(255), nullable=False),
    sa.Column("snapshot_id", sa.BigInteger, nullable=False),
    sa.Column("base_snapshot_id", sa.BigInteger, nullable=True),
    sa.Column("audit", sa.JSON(none_as_null=True), nullable=True),
    sa.Column("is_audit_recorded", sa.Boolean, nullable=False),
)
file = sa.Table(
    "lending_file",
    metadata,
    sa.Column("path", sa.String(1024), primary_key=True),  # below the folder of the lake
    sa.Column("table_name", sa.String(255), nullable=False),
    sa.Column("schema_id", sa.Integer, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("modified_ns", sa.BigInteger, nullable=False),
    sa.Column("hashed_at", sa.DateTime, nullable=False),
)
audits = sa.Index("lending_candidate_table_snapshot", staged.c.table_name, staged.c.snapshot_id)


def create_tables(engine: Engine) -> None:
    """Create the tables that are missing, and the index that older ones lack."""
    metadata.create_all(engine)
    audits.create(engine, checkfirst=True)
