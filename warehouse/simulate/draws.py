"""Random numbers that depend only on (seed, stream, entity, occasion), never on how many were drawn before.

Philox 4x32-10 (Salmon et al., SC 2011) turns a counter and a key into random words. Because the counter is the entity's own number, a
client's fate is the same in whatever chunk, order or process it is computed.
"""

import hashlib

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_ROUNDS = 10
_MULTIPLY = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_BLOCK = 16_384


def philox(counter: tuple[npt.NDArray[np.uint64], ...], key: tuple[int, int]) -> tuple[npt.NDArray[np.uint64], ...]:
    """Four random 32-bit words (held in uint64) for each counter of four 32-bit words."""
    words = tuple(word.copy() for word in counter)
    for first in range(0, len(words[0]), _BLOCK):  # the rounds of a block stay in the processor's cache, which halves the time
        _rounds(tuple(word[first : first + _BLOCK] for word in words), key)
    return words


def _rounds(words: tuple[npt.NDArray[np.uint64], ...], key: tuple[int, int]) -> None:
    """All rounds of Philox, in place."""
    c0, c1, c2, c3 = words
    k0, k1 = key
    p0, p1 = np.empty_like(c0), np.empty_like(c2)
    for _ in range(_ROUNDS):
        np.multiply(c0, _MULTIPLY[0], out=p0)
        np.multiply(c2, _MULTIPLY[1], out=p1)
        np.right_shift(p1, _HALF, out=c0)
        np.right_shift(p0, _HALF, out=c2)
        c0 ^= c1
        c0 ^= np.uint64(k0)
        c2 ^= c3
        c2 ^= np.uint64(k1)
        np.bitwise_and(p1, _LOW, out=c1)
        np.bitwise_and(p0, _LOW, out=c3)
        k0, k1 = (k0 + _WEYL[0]) & 0xFFFFFFFF, (k1 + _WEYL[1]) & 0xFFFFFFFF


class Draws:
    """One stream of random numbers of one seed; what it is for is its name."""

    def __init__(self, seed: int, stream: str) -> None:
        digest = hashlib.sha256(f"{seed}/{stream}".encode()).digest()
        self._key = (int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:8], "little"))

    def uniform(self, entity: npt.NDArray, at: npt.ArrayLike = 0, lane: int = 0) -> Floats:
        """Numbers in [0, 1).

        Args:
            entity: number of the entity of each draw, 0 or more.
            at: occasion within the entity, such as the month; one number or one for each entity.
            lane: which of several draws of the same occasion.
        """
        number = np.asarray(entity).astype(np.uint64)
        occasion = np.broadcast_to(np.asarray(at, dtype=np.uint64), number.shape)
        block = np.full(number.shape, lane // 2, dtype=np.uint64)
        words = philox((number & _LOW, number >> _HALF, occasion, block), self._key)
        high, low = words[:2] if lane % 2 == 0 else words[2:]
        return ((high >> np.uint64(5)) * np.float64(2**26) + (low >> np.uint64(6))) / np.float64(2**53)

    def normal(self, entity: npt.NDArray, at: npt.ArrayLike = 0, lane: int = 0) -> Floats:
        """Standard normal numbers; each uses the lanes 2 * lane and 2 * lane + 1."""
        radius = np.sqrt(-2.0 * np.log1p(-self.uniform(entity, at, 2 * lane)))
        return radius * np.cos(2.0 * np.pi * self.uniform(entity, at, 2 * lane + 1))

    def between(self, entity: npt.NDArray, low: int, high: int, at: npt.ArrayLike = 0, lane: int = 0) -> Ints:
        """Whole numbers from low to high, both included."""
        return low + np.floor(self.uniform(entity, at, lane) * (high - low + 1)).astype(np.int64)

    def choice(self, entity: npt.NDArray, weights: npt.ArrayLike, at: npt.ArrayLike = 0, lane: int = 0) -> Ints:
        """Positions drawn with the given weights; one row of weights for all, or one row for each entity."""
        edges = np.cumsum(np.asarray(weights, dtype=np.float64), axis=-1)
        edges = edges / edges[..., -1:]
        drawn = self.uniform(entity, at, lane)
        if edges.ndim == 1:
            return np.searchsorted(edges[:-1], drawn, side="right").astype(np.int64)
        return (drawn[:, None] >= edges[..., :-1]).sum(axis=1).astype(np.int64)
