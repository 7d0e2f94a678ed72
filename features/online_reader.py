"""OnlineReader: features of many keys from the online file as arrays, for scoring.

It imports neither Feast nor Arrow. A service is resolved once, when the reader is made; a read is one transaction, so its rows and the
generation it names belong together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from features import online_file
from features.entity_key import keys_of
from features.online_file import OnlineFile, OnlineFileMissing, OnlineGeneration
from features.packed import FIXED, PackedSchema, null_bits, records_of, times_of

__all__ = ["OnlineFileMissing", "OnlineGeneration", "OnlineReader", "OnlineRows", "UnknownFeature"]


class UnknownFeature(KeyError):
    """A feature or service is not in the online file."""

    def __str__(self) -> str:
        """The message without the quotes that KeyError adds."""
        return str(self.args[0])


@dataclass(frozen=True)
class OnlineRows:
    """The answer to one read, in the order of the asked keys.

    Attributes:
        values: one row per key, one column per feature of the service, float64; NaN for null.
        found: whether the key has a row in every view of the service; the values of other rows are NaN.
        absent: per value, whether the row was written before the feature existed; such a NaN is no null.
        feature_timestamps: up to when the values are current, datetime64[us] UTC: the end of the published business date, or the row's
            own event time if that is later; not a time where nothing was found.
        generation: the published release that the rows belong to; None before the first publish.
    """

    values: np.ndarray
    found: np.ndarray
    absent: np.ndarray
    feature_timestamps: np.ndarray
    generation: OnlineGeneration | None


@dataclass(frozen=True)
class _Plan:
    """Where the wanted features are in rows of one schema: per block, the positions in the block and in the answer."""

    schema: PackedSchema
    wanted: tuple[str, ...]

    @cached_property
    def held(self) -> list[int]:
        """Columns of the answer that rows of this schema hold."""
        return [column for column, name in enumerate(self.wanted) if name in self.schema.place]

    @cached_property
    def lost(self) -> list[int]:
        """Columns of the answer that rows of this schema do not hold."""
        return [column for column, name in enumerate(self.wanted) if name not in self.schema.place]

    @cached_property
    def positions(self) -> np.ndarray:
        """Positions in the schema of the held columns."""
        return np.array([self.schema.names.index(self.wanted[column]) for column in self.held], int)

    @cached_property
    def blocks(self) -> list[tuple[str, np.ndarray, np.ndarray]]:
        """Block, positions in it, and the places among the held columns."""
        places = [self.schema.place[self.wanted[column]] for column in self.held]
        return [
            (
                block,
                np.array([place for of, place in places if of == block]),
                np.array([at for at, (of, _) in enumerate(places) if of == block]),
            )
            for block in dict.fromkeys(of for of, _ in places)
        ]

    def fill(self, values: np.ndarray, absent: np.ndarray, at: list[int], rows: list[bytes]) -> None:
        """Write packed rows into the answer at the named rows."""
        records = records_of(self.schema, rows)
        part = np.empty((len(rows), len(self.held)))
        for block, source, target in self.blocks:
            part[:, target] = records[block][:, source]
        part[null_bits(self.schema, records)[:, self.positions]] = np.nan
        if not self.lost and len(at) == len(values):
            values[:] = part
            return
        values[np.ix_(at, self.held)] = part
        absent[np.ix_(at, self.lost)] = True


class _ViewReader:
    """Reads the wanted features of one view."""

    def __init__(self, view: online_file.View, wanted: Sequence[tuple[int, str]]) -> None:
        if len(view.join_keys) != 1:
            raise ValueError(f"view {view.name}: has join keys {view.join_keys}; the reader needs exactly one")
        self.view = view
        self.columns = [column for column, _ in wanted]
        self._names = tuple(name for _, name in wanted)
        self._plans: dict[bytes, _Plan] = {}

    def plan(self, con: online_file.sqlite3.Connection, fingerprint: bytes) -> _Plan:
        """How to read rows of one schema; a schema that is new to this reader is looked up in the file."""
        if fingerprint not in self._plans:
            known = online_file.schemas(con, self.view.project, self.view.name)
            current = dict(self.view.schema.fields)
            for mark, schema in known.items():
                # A feature whose type changed is another feature: its old values are not to be read as the new one.
                usable = tuple(name if dict(schema.fields).get(name) == current[name] else "" for name in self._names)
                self._plans[mark] = _Plan(schema, usable)
        return self._plans[fingerprint]

    def read(self, con: online_file.sqlite3.Connection, entities: Sequence[str]) -> list[bytes | None]:
        """The packed row of each entity, None where there is none."""
        (name, kind), *_ = self.view.join_keys
        keys = keys_of(name, kind, entities)
        rows = online_file.fetch(con, self.view.table, keys)
        return [rows.get(key) for key in keys]


class OnlineReader:
    """Reads the features of one service for many keys at once."""

    def __init__(self, path: Path, project: str, *, service: str | None = None, features: Sequence[str] | None = None) -> None:
        """Open the file and resolve the features once.

        Args:
            path: the SQLite file of the online store.
            project: Feast project.
            service: feature service whose features are read, in its order.
            features: or the features themselves, as `view:feature` or as a plain name that only one view has.

        Raises:
            OnlineFileMissing: nothing was ever published.
            UnknownFeature: the service or a feature is not in the file, or is text.
            ValueError: both or neither of service and features are given.
        """
        if (service is None) == (features is None):
            raise ValueError("name either a service or its features")
        self._file = OnlineFile(path)
        self._project = project
        with self._file.reading() as con:
            online_file.check(con, path)
            self.features = self._resolved(con, service, features)
            views = {view.name: view for view in online_file.views(con, project)}
        wanted: dict[str, list[tuple[int, str]]] = {}
        for column, reference in enumerate(self.features):
            view, _, name = reference.partition(":")
            wanted.setdefault(view, []).append((column, name))
        self._views = [_ViewReader(views[view], names) for view, names in wanted.items()]

    def read(self, entities: Sequence[str]) -> OnlineRows:
        """The features of some keys.

        Args:
            entities: keys, in any order; duplicates are kept.

        Returns:
            Arrays in the order of the keys.
        """
        count = len(entities)
        values, absent = np.full((count, len(self.features)), np.nan), np.zeros((count, len(self.features)), bool)
        found, times = np.ones(count, bool), np.full(count, np.iinfo("i8").max)
        with self._file.reading() as con:
            generation = online_file.served_generation(con, self._project)
            for view in self._views if count else ():
                rows = view.read(con, entities)
                current = online_file.microseconds(generation.as_of) if generation and view.view.name in generation.views else None
                self._fill(con, view, rows, values, absent)
                found &= [row is not None for row in rows]
                times[:] = np.minimum(times, _times(rows, current))
        values[~found] = np.nan
        stamps = times.astype("datetime64[us]")
        stamps[~found] = np.datetime64("NaT")
        return OnlineRows(values, found, absent, stamps, generation)

    def generation(self) -> OnlineGeneration | None:
        """The generation served now."""
        return online_file.served_generation(self._file.con, self._project)

    def close(self) -> None:
        """Close the connection of this thread."""
        self._file.close()

    def _fill(
        self,
        con: online_file.sqlite3.Connection,
        view: _ViewReader,
        rows: list[bytes | None],
        values: np.ndarray,
        absent: np.ndarray,
    ) -> None:
        """Unpack the rows of one view, each by its own schema, into the columns of that view."""
        by_schema: dict[bytes, list[int]] = {}
        for at, row in enumerate(rows):
            if row is not None:
                by_schema.setdefault(row[:8], []).append(at)
        whole = len(self._views) == 1
        part, part_absent = (values, absent) if whole else (values[:, view.columns], absent[:, view.columns])
        for fingerprint, places in by_schema.items():
            view.plan(con, fingerprint).fill(part, part_absent, places, [row for row in rows if row and row[:8] == fingerprint])
        if not whole:
            values[:, view.columns], absent[:, view.columns] = part, part_absent

    def _resolved(self, con: online_file.sqlite3.Connection, service: str | None, features: Sequence[str] | None) -> tuple[str, ...]:
        """The features as `view:feature`, each of them known to the file and a number."""
        if service is not None:
            features = online_file.service_features(con, self._project, service)
            if features is None:
                raise UnknownFeature(f"service {service}: not in {self._file.path}; publish the features first")
        kinds = {f"{view.name}:{name}": kind for view in online_file.views(con, self._project) for name, kind in view.schema.fields}
        return tuple(self._reference(name, kinds) for name in features or ())

    def _reference(self, name: str, kinds: dict[str, str]) -> str:
        """One feature as `view:feature`."""
        matches = [known for known in kinds if name in (known, known.partition(":")[2])]
        if len(matches) != 1:
            raise UnknownFeature(
                f"feature {name}: {len(matches)} views of {self._file.path} have it; publish it, or name it as view:feature"
            )
        if kinds[matches[0]] not in FIXED:
            raise UnknownFeature(f"feature {name}: type {kinds[matches[0]]} is no number; arrays hold numbers only")
        return matches[0]


def _times(rows: list[bytes | None], current: int | None) -> np.ndarray:
    """Up to when each row is current; rows that do not exist limit nothing."""
    times = np.full(len(rows), np.iinfo("i8").max)
    held = [at for at, row in enumerate(rows) if row is not None]
    if held:
        events = times_of([row for row in rows if row is not None])[0]
        times[held] = events if current is None else np.maximum(events, current)
    return times
