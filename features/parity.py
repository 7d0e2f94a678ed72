"""The parity gate: online values equal the offline values of the served release, cell by cell, or the online release does not count.

Online values are read in two ways, by Feast's get_online_features and by the reader that scoring uses. They are compared with what
get_historical_features says of the same keys as of the published instant, and with values worked out anew from the staging tables of the
release. The latter share no stored row with the snapshot of client_repayment, so they find a row that an incremental snapshot left stale;
those of client_region share the month ends that its definition looks at. A table that other code or terms computed is not worked out anew:
its values are right by those. What was found is kept with the served generation.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from features.online.backend import EQUAL, UNEQUAL, OnlineBackend, OnlineGeneration, microseconds
from features.online.entity_key import text_of
from features.online.reader import OnlineReader
from features.online_of_settings import online_backend
from features.parity_report import FEAST, KEYS, READER, STAGING, Mismatch, ParityReport, ViewParity, record
from features.publish import held_features
from warehouse.curated.staged import Staged
from warehouse.lake import Pinned
from warehouse.recipe import recipe
from warehouse.settings import Settings
from warehouse.sources import SOURCES

if TYPE_CHECKING:
    from feast import FeatureStore, FeatureView

    from features.parquet_source import ParquetSource
    from warehouse.lake import Lake

SAMPLE = 1000  # keys spread over all that are compared
CHANGED = 10_000  # at most so many of those that the last publish wrote are compared
RECOMPUTED = 500  # at most so many are worked out anew, those that changed first
_AT_ONCE = 1000
_ATTEMPTS = 3

Columns = dict[str, list]  # values by feature, in the order of the keys


class NothingPublished(LookupError):
    """There is no online generation to compare."""


class StillChanging(RuntimeError):
    """Other publishes went on while this one was compared."""


def check_parity(settings: Settings, lake: "Lake", sample: int = SAMPLE, run_id: str = "") -> ParityReport:
    """Compare the online store with the release that it says it serves; record what was found in ops and with the served generation.

    All keys of every published view are compared as a set. Values are compared of a sample spread evenly over the keys and of the rows
    that the last publish wrote; of the sample also through Feast, and of some also with values worked out anew.

    Args:
        settings: where the online store is.
        lake: holds the served release.
        sample: number of keys in the sample.
        run_id: the run that asks, for the record.

    Raises:
        OnlineStoreMissing, NothingPublished: publish first.
        StillChanging: run it again when nothing else publishes.
    """
    for _ in range(_ATTEMPTS):
        backend = online_backend(settings)
        try:
            served = backend.generation()
            if served is None:
                raise NothingPublished(f"{backend.where} holds no generation; run lending materialize")
            report = _compared(settings, lake, backend, served, sample)
            is_same = backend.generation() == served
        finally:
            backend.close()
        if is_same:
            record(lake, report, run_id)
            _judge(settings, served, report.is_equal)
            return report
    raise StillChanging(f"the online store was published to {_ATTEMPTS} times while it was compared; run lending materialize again")


def _judge(settings: Settings, served: OnlineGeneration, is_equal: bool) -> None:
    """Record with a generation whether it counts; scoring refuses one that does not."""
    backend = online_backend(settings, create=True)
    try:
        backend.judge(served, EQUAL if is_equal else UNEQUAL)
    finally:
        backend.close()


def _compared(settings: Settings, lake: "Lake", backend: OnlineBackend, served: OnlineGeneration, sample: int) -> ParityReport:
    """The report on one generation."""
    from features.store import feature_store
    from features.views import VIEWS

    pinned, store = lake.at(served.release_id), feature_store(settings, served.release_id, lake)
    views = [_Comparison(backend, pinned, store, view, served, settings, sample) for view in VIEWS if view.name in served.views]
    return ParityReport(served.release_id, served.business_date, tuple(view.run() for view in views))


@dataclass
class _Comparison:
    """The comparison of one view."""

    backend: OnlineBackend
    pinned: Pinned
    store: "FeatureStore"
    view: "FeatureView"
    served: OnlineGeneration
    settings: Settings
    sample: int
    cells: dict[str, int] = field(default_factory=dict)
    found: list[Mismatch] = field(default_factory=list)

    def run(self) -> ViewParity:
        """Compare keys, then values in each way."""
        online, changed = self._online_keys()
        offline = set(self._offline_keys())
        self.found += _only_one_side(online, offline)
        both = sorted(online & offline)
        sampled, written = _spread(both, self.sample), _spread(sorted(changed & offline), CHANGED)
        checked = sorted({*sampled, *written})
        expected = self._offline_values(checked)
        self._compare(READER, checked, self._read(checked), expected)
        self._compare(FEAST, sampled, self._feast_values(sampled), _at(expected, checked, sampled))
        anew = _spread(written, RECOMPUTED)
        anew += _spread([key for key in sampled if key not in changed], RECOMPUTED - len(anew))
        is_ours = self._is_of_our_recipe()
        if anew and is_ours and self._has_staging():
            self._compare(STAGING, anew, _at(expected, checked, anew), self._recomputed(anew))
        counts = len(online), len(offline), len(changed), len(checked)
        return ViewParity(self.view.name, *counts, self.cells, tuple(self.found), is_ours)

    @property
    def _table(self) -> str:
        return cast("ParquetSource", self.view.batch_source).table

    @cached_property
    def _names(self) -> list[str]:
        """The features that the release has, which are those that are published."""
        return held_features(self.pinned, self._table, [feature.name for feature in self.view.features])

    @property
    def _references(self) -> list[str]:
        return [f"{self.view.name}:{name}" for name in self._names]

    def _online_keys(self) -> tuple[set[str], set[str]]:
        """All online keys, and those whose row carries the time of the served generation, which its publish wrote."""
        at = (microseconds(self.served.as_of) + 2**63).to_bytes(8, "big")
        times = {text_of(key): times[:8] for key, times in self.backend.keys_with_times(self.view.name)}
        return set(times), {key for key, event in times.items() if event == at}

    def _snapshot(self) -> ir.Table:
        """The rows of the release as of its business date."""
        table = self.pinned.table(self._table)
        return table.filter(table.as_of_on == self.served.business_date)

    def _offline_keys(self) -> list[str]:
        """Keys of the release as of its business date; none if it does not have the table."""
        if self._table not in self.pinned.release.tables:
            return []
        return self._snapshot().select("client_id").to_pyarrow().column(0).to_pylist()

    def _read(self, keys: list[str]) -> Columns:
        """Values as scoring reads them; NaN is null there."""
        rows = OnlineReader(self.backend, features=self._references).read(keys)
        nulls = np.isnan(rows.values)
        return {
            name: [None if null else value for value, null in zip(rows.values[:, at].tolist(), nulls[:, at], strict=True)]
            for at, name in enumerate(self._names)
        }

    def _feast_values(self, keys: list[str]) -> Columns:
        """Values as Feast's users read them."""
        values: Columns = {name: [] for name in self._names}
        for start in range(0, len(keys), _AT_ONCE):
            rows = [{"client_id": key} for key in keys[start : start + _AT_ONCE]]
            answer = self.store.get_online_features(self._references, rows).to_dict()
            for name in self._names:
                values[name] += answer[name]
        return values

    def _offline_values(self, keys: list[str]) -> Columns:
        """Values of the release as of the published instant."""
        if not keys:
            return {name: [] for name in self._names}
        at = pa.array([self.served.as_of] * len(keys), pa.timestamp("us", "UTC"))
        asked = pa.table({"client_id": pa.array(keys, pa.string()), "event_timestamp": at})
        table = self.store.get_historical_features(asked, self._references).to_arrow()
        return {name: table[name].to_pylist() for name in self._names}

    def _is_of_our_recipe(self) -> bool:
        """Whether the code and terms of now computed the table, as far as is known; a release served after a rollback may be of others."""
        from features import build

        if self._table not in self.pinned.release.tables:
            return True
        spec = next(spec for spec in build.FEATURE_TABLES if spec.name == self._table)
        return self.pinned.recipe(self._table) in (None, recipe(spec, self.settings.terms, build.__name__))

    def _has_staging(self) -> bool:
        """Whether the release holds the tables that features are made of; one that was put together by hand may not."""
        return all(source.staging_spec().name in self.pinned.release.tables for source in SOURCES if source.mandatory)

    def _recomputed(self, keys: list[str]) -> Columns:
        """Values worked out anew from the staging tables of the release, for these keys only."""
        from_staging = cast("Callable[..., ir.Table]", _FROM_STAGING[self.view.name])
        clients = ibis.memtable(pa.table({"client_id": pa.array(keys, pa.string())}))
        rows = from_staging(self.pinned, self.served.business_date, self.settings, clients)
        table = rows.select("client_id", *self._names).to_pyarrow()
        held = {key: at for at, key in enumerate(table["client_id"].to_pylist())}
        columns = {name: table[name].to_pylist() for name in self._names}
        self.found += [Mismatch(key, "", STAGING, "row", "no row") for key in keys if key not in held]
        return {name: [column[held[key]] if key in held else None for key in keys] for name, column in columns.items()}

    def _compare(self, by: str, keys: list[str], values: Columns, expected: Columns) -> None:
        """Note the cells that are not the same value; null equals only null."""
        self.cells[by] = len(keys) * len(self._names)
        for name in self._names:
            for key, mine, theirs in zip(keys, values[name], expected[name], strict=True):
                if not _same(mine, theirs):
                    self.found.append(Mismatch(key, name, by, mine, theirs))


def _client_repayment(pinned: Pinned, day: date, settings: Settings, clients: ir.Table) -> ir.Table:
    """Rows of client_repayment from the staged rows of some clients."""
    from features.tables import client_repayment

    return client_repayment(Staged.read(pinned.table), [day], settings.terms, clients=clients)


def _client_region(pinned: Pinned, day: date, settings: Settings, clients: ir.Table) -> ir.Table:
    """Rows of client_region: sums over all clients of the month ends before, as the definition says, for some clients."""
    from features.region import client_region, month_ends_before
    from features.tables import CLIENT_REPAYMENT_SPEC

    snapshots = pinned.table(CLIENT_REPAYMENT_SPEC.name)
    needed = snapshots.filter(snapshots.as_of_on.isin([day, *month_ends_before(day)]))
    return client_region(needed, Staged.read(pinned.table), [day], settings.terms).semi_join(clients, "client_id")


_FROM_STAGING = {"client_repayment": _client_repayment, "client_region": _client_region}


def _only_one_side(online: set[str], offline: set[str]) -> Iterator[Mismatch]:
    """Keys that only one of the stores holds."""
    for entity in sorted(offline - online):
        yield Mismatch(entity, "", KEYS, "no row", "row")
    for entity in sorted(online - offline):
        yield Mismatch(entity, "", KEYS, "row", "no row")


def _spread(keys: Sequence[str], count: int) -> list[str]:
    """So many keys, evenly spread over all; the same ones each time, so that a mismatch can be looked at again."""
    if len(keys) <= count:
        return list(keys)
    return [keys[place] for place in np.linspace(0, len(keys) - 1, max(count, 0)).astype(int)]


def _at(values: Columns, keys: list[str], wanted: list[str]) -> Columns:
    """The values of some of the keys."""
    place = {key: at for at, key in enumerate(keys)}
    return {name: [column[place[key]] for key in wanted] for name, column in values.items()}


def _same(online: Any, offline: Any) -> bool:
    """Whether two cells hold the same value; a float that is not a number is null, as Feast stores it."""
    missing = [value is None or value != value for value in (online, offline)]
    return all(missing) if any(missing) else bool(online == offline)
