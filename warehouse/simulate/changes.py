"""How a delivered value is broken: functions from the original texts of a column, and a draw for each, to the texts put in their place."""

import unicodedata
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from warehouse.simulate.draws import Floats
from warehouse.simulate.rows import together, where, whole

Change = Callable[[pa.Array, Floats], pa.Array]


def one_of(*texts: str) -> Change:
    """Another text, whatever the value was."""
    return lambda original, draw: pa.array(texts).take(pa.array(np.floor(draw * len(texts)).astype(np.int64)))


def behind(text: str) -> Change:
    """The value behind a text."""
    return lambda original, draw: together(text, original)


def times_thousand(original: pa.Array, draw: Floats) -> pa.Array:
    """An amount in another unit: three zeros more before the decimal point."""
    return pc.replace_substring_regex(original, r"^([0-9]+)", r"\1000")


def in_thousands(original: pa.Array, draw: Floats) -> pa.Array:
    """An amount in thousands, rounded, with its decimals as before."""
    amount = np.round(original.cast(pa.float64()).to_numpy() / 1000).astype(np.int64)
    has_decimals = pc.match_substring(original, ".").to_numpy(zero_copy_only=False)
    return together(whole(amount), where(has_decimals, pa.repeat(pa.scalar(".00"), len(original)), ""))


def decomposed(original: pa.Array, draw: Floats) -> pa.Array:
    """Letters and their marks apart (Unicode NFD)."""
    return pa.array([unicodedata.normalize("NFD", text) for text in original.to_pylist()], pa.string())
