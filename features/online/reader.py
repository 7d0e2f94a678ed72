"""OnlineReader: features of many keys from the online store as arrays, for scoring.

It imports neither Feast nor Arrow. A service is resolved once, when the reader is made; a read is of one moment, so its rows and the
generation it names belong together.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from features.online.backend import OnlineBackend, OnlineGeneration, OnlineStoreMissing, View, microseconds
from features.online.entity_key import keys_of
from features.online.packed import FIXED, PackedSchema, null_bits, records_alike, records_of, times_in

_FOREVER = np.iinfo("i8").max


class UnknownFeature(KeyError):
    """A feature or service is not in the online store."""

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
    def blocks(self) -> list[tuple[str, np.ndarray | slice, np.ndarray | slice]]:
        """Block, positions in it, and the places among the held columns."""
        places = [self.schema.place[self.wanted[column]] for column in self.held]
        return [
            (
                block,
                _plain([place for of, place in places if of == block]),
                _plain([at for at, (of, _) in enumerate(places) if of == block]),
            )
            for block in dict.fromkeys(of for of, _ in places)
        ]

    def values(self, records: np.ndarray) -> np.ndarray:
        """The held columns of some rows."""
        part = np.empty((len(records), len(self.held)))
        for block, source, target in self.blocks:
            part[:, target] = records[block][:, source]
        if records["nulls"].any():
            part[null_bits(self.schema, records)[:, self.positions]] = np.nan
        return part


class _ViewReader:
    """Reads the wanted features of one view."""

    def __init__(self, backend: OnlineBackend, view: View, wanted: Sequence[tuple[int, str]]) -> None:
        if len(view.join_keys) != 1:
            raise ValueError(f"view {view.name}: has join keys {view.join_keys}; the reader needs exactly one")
        self.name = view.name
        self.columns = [column for column, _ in wanted]
        self._backend, self._view = backend, view
        self._names = tuple(name for _, name in wanted)
        self._plans: dict[bytes, _Plan] = {}

    def keys(self, entities: Sequence[str]) -> list[bytes]:
        """The serialized keys of entities."""
        (name, kind), *_ = self._view.join_keys
        return keys_of(name, kind, entities)

    def unpack(self, rows: list[bytes]) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
        """Values, which of them are absent (None: none is), and event times of some rows, each by its own schema."""
        plan = self._plan(rows[0][:8])
        records = None if plan.lost else records_alike(plan.schema, rows)
        if records is not None:
            return plan.values(records), None, times_in(records["event"])
        values, absent = np.full((len(rows), len(self._names)), np.nan), np.zeros((len(rows), len(self._names)), bool)
        times = np.empty(len(rows), "i8")
        for mark in {row[:8] for row in rows}:
            plan, at = self._plan(mark), [place for place, row in enumerate(rows) if row[:8] == mark]
            records = records_of(plan.schema, [rows[place] for place in at])
            values[np.ix_(at, plan.held)] = plan.values(records)
            absent[np.ix_(at, plan.lost)] = True
            times[at] = times_in(records["event"])
        return values, absent, times

    def _plan(self, fingerprint: bytes) -> _Plan:
        """How to read rows of one schema; a schema that is new to this reader is looked up in the store."""
        if fingerprint not in self._plans:
            current = dict(self._view.schema.fields)
            for mark, schema in self._backend.schemas(self.name).items():
                # A feature whose type changed is another feature: its old values are not to be read as the new one.
                usable = tuple(name if dict(schema.fields).get(name) == current[name] else "" for name in self._names)
                self._plans[mark] = _Plan(schema, usable)
        if fingerprint not in self._plans:
            raise OnlineStoreMissing(
                f"{self._backend.where}: a row of view {self.name} has a schema that the store no longer knows; publish again"
            )
        return self._plans[fingerprint]


class OnlineReader:
    """Reads the features of one service for many keys at once."""

    def __init__(self, backend: OnlineBackend, *, service: str | None = None, features: Sequence[str] | None = None) -> None:
        """Resolve the features once.

        Args:
            backend: the online store of a project.
            service: feature service whose features are read, in its order.
            features: or the features themselves, as `view:feature` or as a plain name that only one view has.

        Raises:
            OnlineStoreMissing: nothing was ever published.
            UnknownFeature: the service or a feature is not in the store, or is text.
            ValueError: both or neither of service and features are given.
        """
        if (service is None) == (features is None):
            raise ValueError("name either a service or its features")
        self._backend = backend
        views = {view.name: view for view in _views_of(backend)}
        self.features = self._resolved(list(views.values()), service, features)
        wanted: dict[str, list[tuple[int, str]]] = {}
        for column, reference in enumerate(self.features):
            view, _, name = reference.partition(":")
            wanted.setdefault(view, []).append((column, name))
        self._views = [_ViewReader(backend, views[view], names) for view, names in wanted.items()]

    def read(self, entities: Sequence[str]) -> OnlineRows:
        """The features of some keys.

        Args:
            entities: keys, in any order; duplicates are kept.

        Returns:
            Arrays in the order of the keys.

        Raises:
            OnlineStoreMissing: the store was removed or flushed after this reader was made.
            OnlineStoreUnavailable: the store is down, slow or damaged.
        """
        asked = [(view.name, view.keys(entities)) for view in self._views] if entities else []
        generation, answers = self._backend.read(asked)
        if len(answers) == 1 and None not in answers[0]:
            return self._whole(self._views[0], answers[0], generation)
        return self._joined(answers, len(entities), generation)

    def generation(self) -> OnlineGeneration | None:
        """The generation served now."""
        return self._backend.generation()

    def close(self) -> None:
        """Close the connection of this thread."""
        self._backend.close()

    def _whole(self, view: _ViewReader, rows: list, generation: OnlineGeneration | None) -> OnlineRows:
        """The answer if one view holds all features and every key was found, which is the common case."""
        values, absent, times = view.unpack(rows)
        if absent is None:
            absent = np.zeros(values.shape, bool)
        stamps = _current(times, view.name, generation).view("M8[us]")
        return OnlineRows(values, np.ones(len(rows), bool), absent, stamps, generation)

    def _joined(self, answers: list[list[bytes | None]], count: int, generation: OnlineGeneration | None) -> OnlineRows:
        """The answer from several views, or with keys that were not found."""
        values, absent = np.full((count, len(self.features)), np.nan), np.zeros((count, len(self.features)), bool)
        found, times = np.ones(count, bool), np.full(count, _FOREVER)
        for view, rows in zip(self._views, answers, strict=False):
            held = np.array([row is not None for row in rows], bool)
            found &= held
            if not held.any():
                continue
            part, part_absent, part_times = view.unpack([row for row in rows if row is not None])
            cells = np.ix_(np.flatnonzero(held), np.array(view.columns))
            values[cells] = part
            if part_absent is not None:
                absent[cells] = part_absent
            times[held] = np.minimum(times[held], _current(part_times, view.name, generation))
        values[~found] = np.nan
        stamps = times.astype("datetime64[us]")
        stamps[~found] = np.datetime64("NaT")
        return OnlineRows(values, found, absent, stamps, generation)

    def _resolved(self, views: list[View], service: str | None, features: Sequence[str] | None) -> tuple[str, ...]:
        """The features as `view:feature`, each of them known to the store and a number."""
        if service is not None:
            features = self._backend.service(service)
            if features is None:
                raise UnknownFeature(f"service {service}: not in {self._backend.where}; publish the features first")
        kinds = _kinds(views)
        return tuple(_reference(name, kinds, self._backend.where) for name in features or ())


def readable(backend: OnlineBackend, features: Sequence[str]) -> list[str]:
    """Those of some features that a reader can be made for.

    Raises:
        OnlineStoreMissing: nothing was ever published.
    """
    kinds, held = _kinds(_views_of(backend)), []
    for name in features:
        with suppress(UnknownFeature):
            _reference(name, kinds, backend.where)
            held.append(name)
    return held


def _views_of(backend: OnlineBackend) -> list[View]:
    """The views of a store that has some."""
    views = backend.views()
    if not views:
        raise OnlineStoreMissing(f"{backend.where}: holds no feature view of project {backend.project}; publish the features first")
    return views


def _kinds(views: list[View]) -> dict[str, str]:
    """Packed types of all features, by `view:feature`."""
    return {f"{view.name}:{name}": kind for view in views for name, kind in view.schema.fields}


def _reference(name: str, kinds: dict[str, str], where: str) -> str:
    """One feature as `view:feature`."""
    matches = [known for known in kinds if name in (known, known.partition(":")[2])]
    if len(matches) != 1:
        raise UnknownFeature(f"feature {name}: {len(matches)} views of {where} have it; publish it, or name it as view:feature")
    if kinds[matches[0]] not in FIXED:
        raise UnknownFeature(f"feature {name}: type {kinds[matches[0]]} is no number; arrays hold numbers only")
    return matches[0]


def _plain(places: list[int]) -> np.ndarray | slice:
    """Positions in a form that numpy takes quickly: neighbors as a slice."""
    if places == list(range(places[0], places[0] + len(places))):
        return slice(places[0], places[0] + len(places))
    return np.array(places)


def _current(times: np.ndarray, view: str, generation: OnlineGeneration | None) -> np.ndarray:
    """Up to when rows of a view are current: their own event time, or the time of the generation if that is later."""
    if generation is None or view not in generation.views:
        return times
    return np.maximum(times, microseconds(generation.as_of))
