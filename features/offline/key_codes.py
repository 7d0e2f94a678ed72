"""Keys as numbers: which of the asked keys each of many rows has, exactly and without a Python object a row.

A key is cut into 64-bit words, a hash of the words finds the one asked key that it may be, and comparing the words makes it certain.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.offline.parquet_rows import CannotMerge

_PRIME = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)
_FIRST_BYTES = np.array([(1 << 8 * count) - 1 for count in range(9)], "u8")


class KeyCodes:
    """Numbers of the asked keys.

    Attributes:
        count: number of different keys.
        asked: the number of each asked row's key; -1 where a part of it is null.
    """

    def __init__(self, columns: Sequence[pa.ChunkedArray]) -> None:
        """Number the keys.

        Args:
            columns: the parts of the key of each asked row, without dictionaries.

        Raises:
            CannotMerge: a part has a type that is not numbered here.
        """
        whole = [_array(column) for column in columns]
        self._widths = [_width(column) for column in whole]
        words, valid = _words(whole, self._widths)
        words = [word[valid] for word in words]
        # A word that is the same in all asked keys need not be looked up.
        self._same = [bool(len(word)) and bool((word == word[0]).all()) for word in words]
        codes, uniques = pd.factorize(self._hash(words, int(valid.sum())))
        first = np.full(len(uniques), 0, "i8")
        first[codes[::-1]] = np.arange(len(codes))[::-1]
        held = [word[first] for word in words]
        if any((whose[codes] != word).any() for whose, word in zip(held, words, strict=True)):
            raise CannotMerge("two asked keys have the same hash")
        self.count = len(uniques)
        self.asked = np.full(len(valid), -1, "i4")
        self.asked[valid] = codes
        self._constants = [int(word[0]) for word, same in zip(held, self._same, strict=True) if same]
        differing = [word for word, same in zip(held, self._same, strict=True) if not same]
        # The words of a key side by side: finding them costs one access to memory.
        self._held = np.stack(differing, axis=1) if differing else np.empty((self.count, 0), "u8")
        self._levels = _levels(uniques)

    def of(self, columns: Sequence[pa.ChunkedArray]) -> np.ndarray:
        """The number of each row's key, -1 if it was not asked for.

        Args:
            columns: the parts of the key, of the types that were asked.
        """
        if len(columns) == 1 and pa.types.is_dictionary(columns[0].type):
            return np.concatenate([np.empty(0, "i4"), *(self._of_dictionary(chunk) for chunk in columns[0].chunks)])
        whole = [_array(column) for column in columns]
        words, valid = _words(whole, self._widths)
        return self._found(words, valid)

    def _of_dictionary(self, chunk: pa.DictionaryArray) -> np.ndarray:
        """The numbers of one encoded chunk, whose different keys are looked up once."""
        words, valid = _words([_array(pa.chunked_array([chunk.dictionary]))], self._widths)
        codes = np.append(self._found(words, valid), np.int32(-1))
        places = chunk.indices if not chunk.indices.null_count else pc.fill_null(chunk.indices.cast(pa.int64()), len(chunk.dictionary))
        return codes[places.to_numpy(zero_copy_only=False)]

    def _found(self, words: list[np.ndarray], valid: np.ndarray) -> np.ndarray:
        """Asked keys with these words."""
        found = np.full(len(valid), -1, "i4")
        if not self.count:
            return found
        possible = valid.copy()
        constants = (word for word, same in zip(words, self._same, strict=True) if same)
        for word, value in zip(constants, self._constants, strict=True):
            possible &= word == np.uint64(value)
        hashes = self._hash(words, len(valid))
        differing = [word for word, same in zip(words, self._same, strict=True) if not same]
        rows = None  # all
        for shift, table in self._levels:
            codes = table[(hashes >> shift).view("i8")]
            equal, occupied = possible.copy(), codes >= 0
            held = self._held.take(codes, axis=0, mode="wrap")
            for place, word in enumerate(differing):
                equal &= held[:, place] == word
            equal &= occupied
            if rows is None:
                np.copyto(found, codes, where=equal)
            else:
                found[rows[equal]] = codes[equal]
            # The slot of another key: the key may stand on the next level, where few are left.
            again = np.flatnonzero(possible & occupied & ~equal)
            if not len(again):
                break
            rows = again if rows is None else rows[again]
            possible, hashes, differing = possible[again], _mixed(hashes[again]), [word[again] for word in differing]
        return found

    def _hash(self, words: list[np.ndarray], count: int) -> np.ndarray:
        """One number for the words that differ."""
        mixed = np.zeros(count, "u8")
        for word, same in zip(words, self._same, strict=True):
            if not same:
                mixed = _mixed(mixed ^ word)
        return mixed


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """Numbers with their bits spread, different ones staying different."""
    mixed = numbers ^ (numbers >> _HALF)
    mixed *= _PRIME
    return mixed


def _levels(hashes: np.ndarray) -> list[tuple[np.uint64, np.ndarray]]:
    """Tables from the first bits of a hash to the number of its key. A key whose slot is taken stands on the next level."""
    levels: list[tuple[np.uint64, np.ndarray]] = []
    numbers = np.arange(len(hashes), dtype="i4")
    while len(numbers):
        bits = len(numbers).bit_length() + 2
        shift = np.uint64(64 - bits)
        table = np.full(1 << bits, -1, "i4")
        slots = (hashes >> shift).view("i8")
        table[slots] = numbers
        levels.append((shift, table))
        lost = table[slots] != numbers
        hashes, numbers = _mixed(hashes[lost]), numbers[lost]
    return levels


def _array(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece, in a type whose bytes can be compared."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        wanted = pa.binary()
    elif pa.types.is_large_string(kind) or pa.types.is_large_binary(kind) or pa.types.is_string_view(kind):
        wanted = pa.large_binary()
    elif (pa.types.is_integer(kind) and kind != pa.uint64()) or pa.types.is_boolean(kind) or pa.types.is_null(kind):
        wanted = pa.int64()
    else:
        raise CannotMerge(f"keys of type {column.type} are compared by the engine")
    if column.type != wanted:
        column = column.cast(kind).cast(pa.int8()).cast(wanted) if pa.types.is_boolean(kind) else column.cast(kind).cast(wanted)
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _width(column: pa.Array) -> int:
    """Words of the longest value; 0 for numbers."""
    if pa.types.is_integer(column.type):
        return 0
    _, sizes = _bounds(column)
    return max(1, -(-int(sizes.max(initial=0)) // 8))


def _words(columns: Sequence[pa.Array], widths: Sequence[int]) -> tuple[list[np.ndarray], np.ndarray]:
    """All words of the keys, and which keys have no null. The length of a text is a word, so that a longer text is another key."""
    words: list[np.ndarray] = []
    valid = np.ones(len(columns[0]), bool)
    for column, width in zip(columns, widths, strict=True):
        if column.null_count:
            valid &= column.is_valid().to_numpy(zero_copy_only=False)
        if width:
            words += _text_words(column, width)
        else:
            numbers = column if not column.null_count else pc.fill_null(column, 0)
            words.append(numbers.to_numpy(zero_copy_only=False).view("u8"))
    return words, valid


def _text_words(column: pa.Array, width: int) -> list[np.ndarray]:
    """The length of each text and its first bytes, eight to a word, zeros behind its end."""
    starts, sizes = _bounds(column)
    data = column.buffers()[2]
    end = int(starts[-1] + sizes[-1]) if len(column) else 0
    raw = np.frombuffer(data, "u1") if data is not None and data.size else np.empty(0, "u1")
    raw = np.concatenate([raw[:end], np.zeros(8, "u1")])
    size = int(sizes[0]) if len(column) and (sizes == sizes[0]).all() else None
    words = [sizes.astype("u8")]
    if size is not None:
        for place in range(0, 8 * width, 8):
            first = np.ndarray((len(column),), "<u8", raw, offset=int(starts[0]) + min(place, size), strides=(size,))
            words.append(first & _FIRST_BYTES[min(8, max(0, size - place))])
        return words
    every = np.ndarray((len(raw) - 7,), "<u8", raw, strides=(1,))  # the eight bytes from each byte on
    for place in range(0, 8 * width, 8):
        left = np.clip(sizes - place, 0, 8)
        words.append(every[np.minimum(starts + place, len(every) - 1)] & _FIRST_BYTES[left])
    return words


def _bounds(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Where each text begins in the data, and its length in bytes."""
    kind = "i8" if pa.types.is_large_binary(column.type) else "i4"
    if not len(column):
        return np.empty(0, kind), np.empty(0, kind)
    offsets = np.frombuffer(column.buffers()[1], kind)[column.offset : column.offset + len(column) + 1]
    return offsets[:-1], offsets[1:] - offsets[:-1]
