"""What a source table's data contract is made of, and the staging table that follows from it.

One module per source table holds its SourceTable with its version history. `required` does not mean "never empty": it means
that the column must be in the file; `filled` means that a row with an empty value is quarantined.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from warehouse.table import MONEY, TIMESTAMP, Column, TableSpec

KINDS = {  # kind of a delivered value -> ibis type of the staged column
    "text": "string",
    "money": MONEY,
    "ratio": "decimal(9, 6)",
    "integer": "int32",
    "date": "date",
    "timestamp": TIMESTAMP,
    "flag": "boolean",
}


@dataclass(frozen=True)
class SourceColumn:
    """One delivered column.

    Attributes:
        name: staged name.
        kind: one of KINDS.
        description: meaning, with its unit.
        required: the file must have the column.
        filled: a row without a value is quarantined (rule required_value_missing).
        aliases: other names under which a lender delivers it.
        values: allowed values, matched without regard to case, spaces, hyphens and underscores.
        negative: whether a number may be below zero.
        personal: the value names a person; it never leaves raw and staging.
        rewrite: pattern of a later spelling of the same value, and what the value is then; every other text is the value as delivered.
    """

    name: str
    kind: str
    description: str
    required: bool = False
    filled: bool = False
    aliases: tuple[str, ...] = ()
    values: tuple[str, ...] | None = None
    negative: bool = False
    personal: bool = False
    rewrite: tuple[str, str] | None = None

    @property
    def identifies(self) -> bool:
        """Whether the value is an id or a code, in which an invisible character would make another key."""
        return self.kind == "text" and self.name.endswith(("_id", "_code", "contract_number"))


@dataclass(frozen=True)
class SchemaVersion:
    """One version of a source table: what it changed and whether older files still load.

    Nothing is read by a file's version: a file of any version loads by the names of its columns and the text of its values.

    Attributes:
        version: its name.
        change: one sentence for people.
        adds: columns that the version added; a file that has one of them is of this version or a newer one.
        renames: (old, new) names of columns; a file that has a new name is of this version or a newer one.
        drops: columns that files of this version do not have any more.
        backward_compatible: a reader of the version before can read files of this one.
    """

    version: str
    change: str
    adds: tuple[str, ...] = ()
    renames: tuple[tuple[str, str], ...] = ()
    drops: tuple[str, ...] = ()
    backward_compatible: bool = True

    @property
    def shown_by(self) -> set[str]:
        """Column names that tell a file of this version from older ones, spelled plainly."""
        return {plain_name(name) for name in (*self.adds, *(new for _, new in self.renames))}


FIRST = SchemaVersion("v1", "First version.")
TWO_DECIMALS = SchemaVersion(
    "v3", "Amounts have two decimals, which older files may have too; the columns are those of the version before."
)


def plain_name(name: str) -> str:
    """A column name without what people write differently."""
    return re.sub(r"[\s_\-]", "", name).lower()


@dataclass(frozen=True)
class SourceTable:
    """The data contract of one source table.

    Attributes:
        name: stem of its files and name of its raw and staging tables.
        description: one sentence, what a row is.
        key: columns that identify a row.
        columns: all declared columns; others are kept in raw as extra values and reported.
        versions: oldest first.
        aliases: other stems.
        mandatory: the first build needs the table to have been delivered.
        one_of: columns of which a file must have at least one, and a row must fill at least one.
    """

    name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[SourceColumn, ...]
    versions: tuple[SchemaVersion, ...]
    aliases: tuple[str, ...] = ()
    mandatory: bool = True
    one_of: tuple[str, ...] = ()

    @property
    def all_columns(self) -> tuple[SourceColumn, ...]:
        """The two columns that every table may have, and the declared ones."""
        return COMMON + self.columns

    def version_of(self, delivered: Collection[str]) -> str:
        """The newest version that the column names of a file show; a version that changed values only is not seen in them."""
        names = {plain_name(name) for name in delivered}
        return next((v.version for v in reversed(self.versions) if v.shown_by & names), self.versions[0].version)

    def raw_spec(self) -> TableSpec:
        """raw.<name>: every value as delivered, as text, with where it came from."""
        delivered = tuple(Column(column.name, "string", column.description, nullable=True) for column in self.all_columns)
        return TableSpec(
            name=f"raw.{self.name}",
            description=f"{self.description} As delivered, every value as text.",
            grain=("business_date", "source_sha256", "source_row_number"),
            columns=(*RAW_PLACE, *delivered, RAW_DIALECT),
            partition_by="business_date",
        )

    def staging_spec(self) -> TableSpec:
        """staging.<name>: typed and deduplicated, one row per key and version."""
        typed = tuple(
            Column(column.name, KINDS[column.kind], column.description, nullable=column.name not in self.key) for column in self.columns
        )
        return TableSpec(
            name=f"staging.{self.name}",
            description=f"{self.description} Typed, one row per key and version.",
            grain=(*self.key, "business_date"),
            columns=STAGED + typed,
        )


# In both projections the fixed columns come first: a column that a later version adds to a contract goes to the end of the table.
COMMON = (
    SourceColumn("op", "text", "U for a new or changed row, D for a deleted one.", values=("U", "D")),
    SourceColumn("updated_at", "timestamp", "When the source system last changed the row."),
)

RAW_PLACE = (
    Column("business_date", "date", "Business date of the delivery."),
    Column("source_file", "string", "Name of the file inside the delivery."),
    Column("source_row_number", "int64", "Line of the file on which the row begins; the header is line 1."),
    Column("source_sha256", "string", "SHA-256 of the file, in hex."),
    Column("schema_version", "string", "Version of the data contract that the file's header matches."),
    Column("ingested_at", TIMESTAMP, "When the platform stored the row."),
    Column("run_id", "string", "Run that stored the row."),
    Column("extra_values", "string", "JSON object of delivered columns that no contract declares.", nullable=True),
    Column("read_fault", "string", "Rule that a row broke whose fields could not be told apart; they are in extra_values.", nullable=True),
)

# Behind the delivered columns, as tables that were written before it was recorded have none.
RAW_DIALECT = Column("dialect", "string", "How numbers and dates of the row are written, as JSON; null for the plain form.", nullable=True)

STAGED = (
    Column("updated_at", TIMESTAMP, "When the source system last changed the row.", nullable=True),
    Column("is_deleted", "boolean", "The delivery deleted the key (op = D)."),
    Column("is_opening", "boolean", "The version came with the table's opening delivery."),
    Column("business_date", "date", "Business date of the delivery that brought the version."),
    Column("known_at", TIMESTAMP, "From when the platform may use the version."),
    Column("source_file", "string", "File that brought the version."),
    Column("source_sha256", "string", "SHA-256 of that file."),
    Column("source_row_number", "int64", "Line of that file."),
)
