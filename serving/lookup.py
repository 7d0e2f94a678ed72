"""Feature rows of clients from the online store, in the form that the scorer takes.

The reader resolves the model's features once. A feature that the store does not have makes every client `missing_features`, so the lookup
reports it instead of filling it.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from features.online.backend import UNEQUAL, OnlineBackend, OnlineGeneration, OnlineStoreError, OnlineStoreMissing
from features.online.reader import OnlineReader, OnlineRows, readable
from serving.scorer import FeatureRows

_REBUILT_AFTER = 1.0  # seconds; a lookup that lacks a feature is made anew at most so often


class LookupNotReady(RuntimeError):
    """The online store cannot answer."""


@dataclass(frozen=True)
class LookedUp:
    """Rows for the scorer, and the release that the online store serves."""

    rows: FeatureRows
    release_id: int | None


class Lookup:
    """Reads the features of one model for many clients at once."""

    def __init__(self, backend: OnlineBackend, features: Sequence[str]) -> None:
        """Resolve the features once.

        Args:
            backend: the online store.
            features: feature names in the order of the model's matrix.

        Raises:
            LookupNotReady: nothing was ever published, or the store does not answer.
        """
        self._features = tuple(features)
        self._made_at, self._is_stale = time.monotonic(), False
        with _ready():
            held = readable(backend, self._features)  # one that the store lacks is no error, its clients are not scored
            self._reader = OnlineReader(backend, features=held) if held else None
        self._missing = tuple(name for name in self._features if name not in held)
        self._held = np.array([name in held for name in self._features])
        references = self._reader.features if self._reader else ()
        self._views = tuple(dict.fromkeys(reference.partition(":")[0] for reference in references))

    def read(self, client_ids: Sequence[str]) -> LookedUp:
        """The rows of some clients in their order; duplicates are kept.

        Raises:
            LookupNotReady: no generation was published, the parity gate refused it, it lacks a view, or the store does not answer.
        """
        values = np.full((len(client_ids), len(self._features)), np.nan)
        if self._reader is None:
            found, stamps = np.zeros(len(client_ids), bool), [None] * len(client_ids)
            return LookedUp(FeatureRows(tuple(client_ids), values, found, tuple(stamps), None, self._missing), None)
        with _ready():
            answer = self._reader.read(client_ids)
        generation = self._served(answer)
        # A feature that no row has is gone, or is of another type than when this lookup was made.
        absent = answer.absent[answer.found]
        self._is_stale |= bool(len(absent) and absent.all(axis=0).any())
        values[:, self._held] = answer.values
        rows = FeatureRows(
            client_ids=tuple(client_ids),
            values=values,
            found=answer.found,
            timestamps=tuple(_instant(stamp) for stamp in answer.feature_timestamps),
            business_date=generation.business_date,
            missing=self._missing,
            absent=_spread(answer.absent, self._held),
        )
        return LookedUp(rows, generation.release_id)

    def _served(self, answer: OnlineRows) -> OnlineGeneration:
        """The generation of an answer, if it may be scored from."""
        served = answer.generation
        if served is None:
            raise LookupNotReady("no complete online generation yet; run lending materialize")
        if served.parity == UNEQUAL:
            raise LookupNotReady(
                f"the online features of release {served.release_id} differ from the release (ops.parity_report says where); "
                "run lending materialize, or lending rollback"
            )
        for view in self._views:
            if view not in served.views:  # its rows are those of an earlier publish, and stay so
                raise LookupNotReady(f"feature view {view} is no longer published; promote a model that does not read it")
        return served

    def outdated(self) -> bool:
        """Whether the store may have gained features that it lacked; a lookup that found all of them stays as it is.

        False in the first second, so that a store that goes on lacking one is not asked what it has with every request.
        """
        return (bool(self._missing) or self._is_stale) and time.monotonic() - self._made_at >= _REBUILT_AFTER


@contextmanager
def _ready() -> Iterator[None]:
    """Say that the service is not ready when the online store cannot answer."""
    try:
        yield
    except OnlineStoreMissing as error:
        raise LookupNotReady("no online features yet; run lending materialize") from error
    except OnlineStoreError as error:
        raise LookupNotReady(str(error)) from error


def _spread(absent: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Absent flags over all features of the model; those that the store lacks are absent everywhere."""
    spread = np.ones((len(absent), len(held)), bool)
    spread[:, held] = absent
    return spread


def _instant(stamp: np.datetime64) -> datetime | None:
    return None if np.isnat(stamp) else stamp.astype("datetime64[us]").item().replace(tzinfo=UTC)
