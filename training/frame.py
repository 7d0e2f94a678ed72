"""The model matrix: which features a model takes, in which order and type, and the content hash of a training table.

A model never sees a table, only the matrix made here. Names and types are checked one by one, because a missing or reordered column would
score without an error.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.declare import Feature

ARROW_TYPES = {"int64": pa.int64(), "float64": pa.float64()}
KEY = ("event_timestamp", "client_id")  # the deterministic order of every training table


class FeatureMismatch(ValueError):
    """A table does not hold the features that a model takes."""


@dataclass(frozen=True)
class ModelFeature:
    """One feature as a model knows it, and as the bundle's manifest stores it.

    Attributes:
        name: column name.
        dtype: int64 or float64.
        nullable: whether a missing value has a declared meaning.
        monotone: +1, -1 or 0, the sign that the model may not break.
        code: reason code.
        reason: the sentence that tells a client why the feature raised the risk.
    """

    name: str
    dtype: str
    nullable: bool
    monotone: int
    code: str
    reason: str

    @classmethod
    def of(cls, feature: Feature) -> "ModelFeature":
        """What a model needs of a declaration."""
        return cls(feature.name, feature.dtype, feature.null_means is not None, feature.monotone, feature.code, feature.reason)

    def as_dict(self) -> dict:
        """The manifest's form."""
        return asdict(self)


def check_features(table: pa.Table, features: Sequence[ModelFeature]) -> None:
    """Refuse a table that lacks a feature, holds it in another type, or is null where the declaration says never.

    Raises:
        FeatureMismatch: names every feature that is wrong and how.
    """
    wrong = []
    for feature in features:
        if feature.name not in table.column_names:
            wrong.append(f"{feature.name} is missing")
            continue
        column = table.column(feature.name)
        if column.type != ARROW_TYPES[feature.dtype]:
            wrong.append(f"{feature.name} is {column.type}, declared {feature.dtype}")
        elif column.null_count and not feature.nullable:
            wrong.append(f"{feature.name} is null in {column.null_count} of {len(table)} rows, declared never null")
    if wrong:
        raise FeatureMismatch(f"the table does not fit the model's features: {'; '.join(wrong)}")


def matrix(table: pa.Table, features: Sequence[ModelFeature]) -> np.ndarray:
    """The model matrix: float64, one column per feature in declared order, NaN for null.

    Raises:
        FeatureMismatch: the table does not hold the features.
    """
    check_features(table, features)
    columns = [table.column(feature.name).cast(pa.float64()).to_numpy(zero_copy_only=False) for feature in features]
    return np.column_stack(columns) if columns else np.empty((len(table), 0))


def canonical(table: pa.Table) -> pa.Table:
    """The rows in the order of KEY, in one chunk, so that the order of arrival cannot change a model."""
    return table.sort_by([(name, "ascending") for name in KEY]).combine_chunks()


def labels(table: pa.Table) -> np.ndarray:
    """is_default as float64, NaN where there is no label."""
    return table.column("is_default").cast(pa.float64()).to_numpy(zero_copy_only=False)


def text(table: pa.Table, name: str) -> np.ndarray:
    """A text column as an array of objects."""
    return table.column(name).to_numpy(zero_copy_only=False)


def content_hash(table: pa.Table) -> str:
    """SHA-256 over names, types and values, independent of chunks, of offsets and of what lies under a null."""
    digest = hashlib.sha256()
    for name in table.column_names:
        column = table.column(name)
        digest.update(f"{name}:{column.type}:{len(column)}\n".encode())
        digest.update(np.packbits(column.is_valid().to_numpy(zero_copy_only=False)).tobytes())
        digest.update(_values(column))
    return digest.hexdigest()


def _values(column: pa.ChunkedArray) -> bytes:
    if pa.types.is_floating(column.type):
        values = column.cast(pa.float64()).fill_null(0.0).to_numpy() + 0.0  # the sum turns -0.0 into 0.0
        return np.where(np.isnan(values), np.nan, values).astype("<f8").tobytes()
    if pa.types.is_integer(column.type) or pa.types.is_boolean(column.type):
        return column.cast(pa.int64()).fill_null(0).to_numpy().astype("<i8").tobytes()
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64()).fill_null(0).to_numpy().astype("<i8").tobytes()
    if pa.types.is_date(column.type):
        return column.cast(pa.date32()).cast(pa.int32()).fill_null(0).to_numpy().astype("<i4").tobytes()
    words = column.cast(pa.string()).fill_null("")
    lengths = pc.binary_length(words).to_numpy().astype("<i4").tobytes()
    return lengths + "".join(words.to_pylist()).encode()
