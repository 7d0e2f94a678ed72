"""Keys of online rows in the byte form that Feast defines (entity key serialization version 3), without importing Feast.

A key is the names of its join keys, then their values, each with type and length; with one join key of type text or integer everything
before the value is constant, which makes keys of many rows cheap.
"""

import struct
from collections.abc import Iterable

_STRING, _INT32, _INT64 = 2, 3, 4  # feast.ValueType numbers
_INTEGERS = {"int32": (_INT32, "<i"), "int64": (_INT64, "<q")}


def keys_of(join_key: str, kind: str, values: Iterable) -> list[bytes]:
    """The serialized keys of entities with one join key.

    Args:
        join_key: name of the join key.
        kind: string, int32 or int64.
        values: texts or whole numbers.

    Raises:
        ValueError: the kind is another one.
    """
    name = join_key.encode()
    head = struct.pack("<III", 1, _STRING, len(name)) + name
    if kind == "string":
        texts = [value.encode() for value in values]
        heads = {length: head + struct.pack("<II", _STRING, length) for length in {len(text) for text in texts}}
        return [heads[len(text)] + text for text in texts]
    if kind not in _INTEGERS:
        raise ValueError(f"join key {join_key}: type {kind!r} must be string, int32 or int64")
    number, form = _INTEGERS[kind]
    head += struct.pack("<II", number, struct.calcsize(form))
    return [head + struct.pack(form, value) for value in values]


def text_of(key: bytes) -> str:
    """The value of a serialized key with one join key, as text; for reports and errors."""
    name_length = struct.unpack_from("<I", key, 8)[0]
    start = 12 + name_length
    kind, value = struct.unpack_from("<I", key, start)[0], key[start + 8 :]
    if kind == _STRING:
        return value.decode()
    form = "<i" if kind == _INT32 else "<q"
    return str(struct.unpack(form, value)[0])
