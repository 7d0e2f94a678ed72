"""Packed rows: one binary value holds all features of one key, typed, with a schema fingerprint and its two times.

    fingerprint 8 | event time 8 | created time 8 | null bits | fixed-width blocks, one per type | ends of texts 4 each | texts

The two times are big-endian with the sign bit turned, so that comparing bytes 8 to 24 compares (event, created): a store that knows only
bytes can refuse a value older than the one it holds. Nothing here knows Feast or a database, and reading needs numpy alone.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

# Widest first, so that every block starts aligned to its own width after an 8-byte header.
FIXED = {"float64": "<f8", "int64": "<i8", "timestamp": "<i8", "float32": "<f4", "int32": "<i4", "bool": "u1"}
VARIABLE = ("string", "bytes", "proto")
TIMES = slice(8, 24)  # event and created time, in the order in which values are newer than each other
BODY = slice(24, None)  # what a change of feature values changes
NEVER = -(2**63)  # the created time of a row that has none
_SIGN = np.uint64(1 << 63)
_FORMAT = 1

Column = tuple[Sequence, Sequence[bool]]  # the values, and which of them are null


@dataclass(frozen=True)
class PackedSchema:
    """Names and types of the features in a packed row, in the order of their declaration.

    Attributes:
        fields: (name, type); a type is a key of FIXED or in VARIABLE. A timestamp is whole seconds since 1970, as in Feast.
    """

    fields: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        for name, kind in self.fields:
            if kind not in FIXED and kind not in VARIABLE:
                raise ValueError(f"feature {name}: type {kind!r} must be one of {', '.join((*FIXED, *VARIABLE))}")
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"a feature is named twice: {', '.join(self.names)}")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Feature names in the order of their declaration."""
        return tuple(name for name, _ in self.fields)

    @cached_property
    def fingerprint(self) -> bytes:
        """Eight bytes that tell one layout from every other."""
        return hashlib.sha256(json.dumps([_FORMAT, self.fields]).encode()).digest()[:8]

    @cached_property
    def position(self) -> dict[str, int]:
        """The position of each feature among all."""
        return {name: at for at, name in enumerate(self.names)}

    @cached_property
    def mark(self) -> int:
        """The fingerprint as a number."""
        return int.from_bytes(self.fingerprint, "little", signed=True)

    @cached_property
    def place(self) -> dict[str, tuple[str, int]]:
        """Where a feature is: its block, and its position in the block."""
        places: dict[str, tuple[str, int]] = {}
        for kind in (*FIXED, "ends"):
            members = [name for name, of in self.fields if of == kind or (kind == "ends" and of in VARIABLE)]
            places.update({name: (kind, position) for position, name in enumerate(members)})
        return places

    @cached_property
    def is_fixed(self) -> bool:
        """Whether all rows have the same length: no feature is a text."""
        return not any(kind in VARIABLE for _, kind in self.fields)

    @cached_property
    def record(self) -> np.dtype:
        """The part of fixed width as a numpy record."""
        blocks = [block for block, _ in self.place.values()]
        parts: list[tuple] = [("fingerprint", "V8"), ("event", ">u8"), ("created", ">u8"), ("nulls", "u1", (-(-len(self.fields) // 8),))]
        parts += [(kind, FIXED[kind], (blocks.count(kind),)) for kind in FIXED if kind in blocks]
        parts += [("ends", "<u4", (blocks.count("ends"),))] if "ends" in blocks else []
        return np.dtype(parts)


def encode(schema: PackedSchema, columns: Sequence[Column], events: np.ndarray, created: np.ndarray) -> list[bytes]:
    """Pack rows.

    Args:
        schema: the layout.
        columns: one per field of the schema, in its order; texts are bytes. A float that is not a number counts as null, as in Feast.
        events: event times, int64 microseconds since 1970, UTC.
        created: created times, the same; NEVER where there is none.

    Returns:
        One value per row.
    """
    records = np.zeros(len(events), schema.record)
    records["fingerprint"] = np.void(schema.fingerprint)
    records["event"], records["created"] = _ordered(events), _ordered(created)
    nulls = np.zeros((len(events), len(schema.fields)), bool)
    tails: list[list[bytes]] = []
    for position, ((name, kind), (values, is_null)) in enumerate(zip(schema.fields, columns, strict=True)):
        block, place = schema.place[name]
        nulls[:, position] = is_null
        if kind in FIXED:
            filled = np.where(nulls[:, position], 0, np.asarray(values, FIXED[kind]))
            if kind.startswith("float"):
                nulls[:, position] |= np.isnan(filled)
                filled = np.nan_to_num(filled, nan=0.0, posinf=np.inf, neginf=-np.inf)
            records[block][:, place] = filled
        else:
            tails.append([b"" if null else value for value, null in zip(values, is_null, strict=True)])
    records["nulls"] = np.packbits(nulls, axis=1, bitorder="little")
    if tails:
        records["ends"] = np.cumsum([[len(text) for text in tail] for tail in tails], axis=0).T
    size, data = records.itemsize, records.tobytes()
    rows = [data[start : start + size] for start in range(0, len(data), size)]
    return [row + b"".join(texts) for row, texts in zip(rows, zip(*tails, strict=True), strict=True)] if tails else rows


def decode(schema: PackedSchema, values: Sequence[bytes], names: Sequence[str]) -> list[list]:
    """Unpack features as Python values, one list per name, None for null; texts are bytes."""
    records = records_of(schema, values)
    is_null = null_bits(schema, records)
    columns = []
    for name in names:
        block, place = schema.place[name]
        if block == "ends":
            column = _texts(schema, values, records, place)
        else:
            column = (records[block][:, place] != 0 if block == "bool" else records[block][:, place]).tolist()
        nulls = is_null[:, schema.position[name]]
        columns.append([None if null else value for value, null in zip(column, nulls.tolist(), strict=True)] if nulls.any() else column)
    return columns


def records_of(schema: PackedSchema, values: Sequence[bytes]) -> np.ndarray:
    """The fixed-width part of packed rows of one schema."""
    size = schema.record.itemsize
    whole = b"".join(values) if schema.is_fixed else b"".join([value[:size] for value in values])
    return np.frombuffer(whole, schema.record)


def records_alike(schema: PackedSchema, values: Sequence[bytes]) -> np.ndarray | None:
    """The same, or None if a row is of another schema."""
    if schema.is_fixed:
        data = b"".join(values)
        if len(data) != len(values) * schema.record.itemsize:
            return None
        records = np.frombuffer(data, schema.record)
        return records if (records["fingerprint"].view("<i8") == schema.mark).all() else None
    return records_of(schema, values) if all(value.startswith(schema.fingerprint) for value in values) else None


def null_bits(schema: PackedSchema, records: np.ndarray) -> np.ndarray:
    """Which features of each row are null, by position in the schema."""
    return np.unpackbits(records["nulls"], axis=1, count=len(schema.fields), bitorder="little").view(bool)


def times_of(values: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Event and created times of packed rows of any schema, int64 microseconds since 1970, UTC."""
    pairs = np.frombuffer(b"".join([value[TIMES] for value in values]), ">u8").reshape(-1, 2)
    return times_in(pairs[:, 0]), times_in(pairs[:, 1])


def times_in(stored: np.ndarray) -> np.ndarray:
    """Times as they are stored, as int64 microseconds since 1970, UTC."""
    return (stored.astype("u8") ^ _SIGN).view("i8")


def _ordered(times: np.ndarray) -> np.ndarray:
    """Times as unsigned numbers whose big-endian bytes sort as the times do."""
    return np.ascontiguousarray(times, "i8").view("u8") ^ _SIGN


def _texts(schema: PackedSchema, values: Sequence[bytes], records: np.ndarray, place: int) -> list[bytes]:
    """The texts at one place behind the fixed-width part."""
    size = schema.record.itemsize
    ends = records["ends"][:, place].tolist()
    starts = records["ends"][:, place - 1].tolist() if place else [0] * len(ends)
    return [value[size + start : size + end] for value, start, end in zip(values, starts, ends, strict=True)]
