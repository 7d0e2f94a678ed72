"""Feature rows of clients from the online store, in the form that the scorer takes.

The reader resolves the model's features once. A feature that the store does not have makes every client `missing_features`, so the lookup
reports it instead of filling it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from features.online_reader import OnlineFileMissing, OnlineReader, UnknownFeature
from serving.scorer import FeatureRows

PROJECT = "lending"


class LookupNotReady(RuntimeError):
    """The online store cannot answer."""


@dataclass(frozen=True)
class LookedUp:
    """Rows for the scorer, and the release that the online store serves."""

    rows: FeatureRows
    release_id: int | None


class Lookup:
    """Reads the features of one model for many clients at once."""

    def __init__(self, path: Path, features: Sequence[str]) -> None:
        """Resolve the features once.

        Args:
            path: file of the online store.
            features: feature names in the order of the model's matrix.

        Raises:
            LookupNotReady: nothing was ever published.
        """
        self._features = tuple(features)
        held, self._missing = self._resolve(path)
        self._held = np.array([name in held for name in self._features])
        self._reader = OnlineReader(path, PROJECT, features=held) if held else None

    def _resolve(self, path: Path) -> tuple[list[str], tuple[str, ...]]:
        held: list[str] = []
        for name in self._features:
            try:
                OnlineReader(path, PROJECT, features=[name]).close()
            except UnknownFeature:
                continue
            except OnlineFileMissing as error:
                raise LookupNotReady("no online features yet; run lending materialize") from error
            held.append(name)
        return held, tuple(name for name in self._features if name not in held)

    def read(self, client_ids: Sequence[str]) -> LookedUp:
        """The rows of some clients in their order; duplicates are kept.

        Raises:
            LookupNotReady: no generation was published.
        """
        values = np.full((len(client_ids), len(self._features)), np.nan)
        if self._reader is None:
            found, stamps = np.zeros(len(client_ids), bool), [None] * len(client_ids)
            return LookedUp(FeatureRows(tuple(client_ids), values, found, tuple(stamps), None, self._missing), None)
        answer = self._reader.read(client_ids)
        if answer.generation is None:
            raise LookupNotReady("no complete online generation yet; run lending materialize")
        values[:, self._held] = answer.values
        rows = FeatureRows(
            client_ids=tuple(client_ids),
            values=values,
            found=answer.found,
            timestamps=tuple(_instant(stamp) for stamp in answer.feature_timestamps),
            business_date=answer.generation.business_date,
            missing=self._missing,
            absent=_spread(answer.absent, self._held),
        )
        return LookedUp(rows, answer.generation.release_id)

    def outdated(self) -> bool:
        """Whether the store may have gained features that it lacked; a lookup that found all of them stays as it is."""
        return bool(self._missing)


def _spread(absent: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Absent flags over all features of the model; those that the store lacks are absent everywhere."""
    spread = np.ones((len(absent), len(held)), bool)
    spread[:, held] = absent
    return spread


def _instant(stamp: np.datetime64) -> datetime | None:
    return None if np.isnat(stamp) else stamp.astype("datetime64[us]").item().replace(tzinfo=UTC)
