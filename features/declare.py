"""The Feature record and its projections to Feast, pandera, the table specification and the documentation.

A feature is declared once, as data; everything that other tools need to know about it is a plain function of the record. Feast and
pandera are imported inside the functions, because scoring reads declarations and must start without either.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ibis

from warehouse.table import TIMESTAMP, Column

if TYPE_CHECKING:
    import feast
    import pandera.ibis

VALUES = "values"  # the ledger of features that are worked out from other features of the same row
REQUEST = "request"  # the ledger of features that are worked out when they are asked for
DTYPES = ("int64", "float64")  # what Feast, the packed online rows and the model matrix carry without a conversion


@dataclass(frozen=True)
class Months:
    """A window of whole months that ends on the as-of date; None means the whole history."""

    count: int | None

    @property
    def suffix(self) -> str:
        """Last part of the names of features over this window."""
        return "_lifetime" if self.count is None else f"_{self.count}m"


LIFETIME = Months(None)


@dataclass(frozen=True)
class Feature:
    """One feature of a client as of a date.

    Attributes:
        name: column name; it ends in the window's suffix.
        expr: reduces the rows of one client and as-of date to a value; its docstring is the feature's description.
        ledger: which rows expr receives, a key of features.asof.LEDGERS, already cut to the as-of date and the window; VALUES if it
            receives the table of all features with another ledger and gives a column of it; REQUEST if it receives plain values of a
            request and of the client, which its parameters name.
        window: the window, or None for a state on the as-of date.
        dtype: int64 or float64; money is float64 here, since Feast would turn decimals into text.
        unit: count, ratio, days, months or money.
        bounds: least and greatest allowed value, None where there is no limit.
        monotone: +1 when a greater value can only raise the risk, -1 when it can only lower it, 0 when it may do either.
        null_means: what a missing value says; None means that the value is never missing, and 0 when there is nothing to count.
        code: reason code; features that tell a client the same thing share one.
        reason: the sentence that tells a client why the feature raised the risk.
        owner: who answers for the definition.
        pii: whether the value identifies a person.
    """

    name: str
    expr: Callable[..., Any]
    ledger: str
    window: Months | None
    dtype: str
    unit: str
    bounds: tuple[float | None, float | None]
    monotone: int
    null_means: str | None
    code: str
    reason: str
    owner: str = "credit-risk"
    pii: bool = False

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f"{self.name}: dtype {self.dtype!r} must be one of {', '.join(DTYPES)}")
        if self.monotone not in (-1, 0, 1):
            raise ValueError(f"{self.name}: monotone {self.monotone!r} must be -1, 0 or 1")
        if self.null_means and self.dtype == "int64":
            raise ValueError(f"{self.name}: an int64 is never null, since a null would turn the column into floats; use 0 or float64")
        if self.window and not self.name.endswith(self.window.suffix):
            raise ValueError(f"{self.name}: the name of a feature over this window must end in {self.window.suffix}")

    @property
    def description(self) -> str:
        """What the value is, from the docstring of the expression."""
        return " ".join((self.expr.__doc__ or "").split())

    @property
    def window_text(self) -> str:
        """The window in words."""
        if self.window is None:
            return "at the request" if self.ledger == REQUEST else "as of the date"
        return "lifetime" if self.window.count is None else f"last {self.window.count} months"

    @property
    def bounds_text(self) -> str:
        """The least and the greatest value allowed, as `0..1`; nothing where there is no limit."""
        return "..".join("" if limit is None else str(limit) for limit in self.bounds)

    @property
    def null_text(self) -> str:
        """What a missing value says; a count or an amount that is never missing is 0 where there is nothing to count."""
        return self.null_means or ("never" if self.unit == "ratio" else "never (0)")

    @property
    def subject(self) -> str:
        """What the feature is about: the module that declares it."""
        return self.expr.__module__.rpartition(".")[2].replace("_", " ")


def window_months(features: Iterable[Feature]) -> tuple[int, ...]:
    """The windows of some features in months, the shortest first; the whole history is none of them."""
    return tuple(sorted({feature.window.count for feature in features if feature.window and feature.window.count}))


# What a row of a feature table has beside its features.
ROW_COLUMNS = (
    Column("client_id", "string", "Client key, the join key of the Feast entity."),
    Column("event_timestamp", TIMESTAMP, "End of the as-of date in the lender's time zone."),
    Column("created_timestamp", TIMESTAMP, "The same instant: the knowledge cut of the row, not the time of the computation."),
    Column("computed_at", TIMESTAMP, "When the platform computed the row; no key and no part of any join."),
)
AS_OF_ON = Column("as_of_on", "date", "The as-of date, by which the table is written, replaced and pruned.")


def table_column(feature: Feature) -> Column:
    """The column of the stored feature table."""
    text = f"{feature.description.rstrip('.')}, {feature.window_text}."
    return Column(feature.name, feature.dtype, text, nullable=feature.null_means is not None, bounds=feature.bounds)


def feast_field(feature: Feature) -> "feast.Field":
    """The field of the Feast feature view."""
    from feast import Field
    from feast.types import Float64, Int64

    return Field(
        name=feature.name,
        dtype={"int64": Int64, "float64": Float64}[feature.dtype],
        description=feature.description,
        tags=feast_tags(feature),
    )


def feast_tags(feature: Feature) -> dict[str, str]:
    """What Feast has no field of its own for, as text."""
    return {
        "unit": feature.unit,
        "owner": feature.owner,
        "window": feature.window_text,
        "bounds": feature.bounds_text,
        "null_means": feature.null_text,
        "monotone": str(feature.monotone),
        "reason_code": feature.code,
        "pii": str(feature.pii).lower(),
    }


def pandera_column(feature: Feature) -> "pandera.ibis.Column":
    """The check of the stored column: type, bounds, and null only where a null has a declared meaning."""
    import pandera.ibis as pa

    least, greatest = feature.bounds
    checks = [] if least is None else [pa.Check.ge(least)]
    checks += [] if greatest is None else [pa.Check.le(greatest)]
    return pa.Column(ibis.dtype(feature.dtype), checks, nullable=feature.null_means is not None, name=feature.name)


def docs_row(feature: Feature) -> str:
    """One row of the Markdown table in docs/features.md; DOCS_HEADER names its cells."""
    cells = (
        f"`{feature.name}`",
        feature.dtype,
        feature.unit,
        feature.window_text,
        feature.description,
        feature.null_text,
        feature.bounds_text,
        {1: "+", -1: "-", 0: "0"}[feature.monotone],
        f"`{feature.code}`",
        feature.owner,
    )
    return f"| {' | '.join(cells)} |"


DOCS_HEADER = (
    "| Name | Type | Unit | Window | Meaning | Null means | Bounds | Sign | Reason code | Owner |",
    "|---|---|---|---|---|---|---|---|---|---|",
)
