"""The parity gate: online values equal the offline values of the served release, cell by cell, or the online release does not count.

Two ways lead to online values, Feast's get_online_features and the reader that scoring uses; both are compared with what
get_historical_features says of the same keys as of the published instant.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from features.entity_key import text_of
from features.online import online_backend
from features.online_backend import OnlineGeneration, microseconds
from features.online_reader import OnlineReader
from warehouse.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureService, FeatureStore

    from warehouse.lake import Lake

_AT_ONCE = 1000


@dataclass(frozen=True)
class Mismatch:
    """One cell that differs.

    Attributes:
        entity: the key.
        feature: the feature; empty if the row itself is missing or too many.
        by: how the online value was read: feast, reader, or keys for a row that only one side has.
        online: the online value.
        offline: the offline value.
    """

    entity: str
    feature: str
    by: str
    online: object
    offline: object


@dataclass(frozen=True)
class ParityReport:
    """What was compared.

    Attributes:
        release_id: the served release.
        business_date: its business date.
        rows_online: rows in the online store.
        rows_offline: rows of the release as of its business date.
        checked_keys: keys whose values were compared.
        checked_cells: values that were compared, each way of reading counted.
        mismatches: every difference; empty means equal.
    """

    release_id: int
    business_date: date
    rows_online: int
    rows_offline: int
    checked_keys: int
    checked_cells: int
    mismatches: tuple[Mismatch, ...]

    @property
    def is_equal(self) -> bool:
        """Whether the online release counts."""
        return not self.mismatches


class NothingPublished(LookupError):
    """There is no online generation to compare."""


def check_parity(settings: Settings, lake: "Lake", sample: int = 1000) -> ParityReport:
    """Compare the online store with the release that it says it serves.

    All keys are compared as a set. Values are compared of a sample spread evenly over the keys, and of the rows that the last publish
    wrote, at most ten times the sample; the sample also through Feast.

    Args:
        settings: where the online store is.
        lake: holds the served release.
        sample: number of keys in the sample.

    Raises:
        NothingPublished: publish first.
    """
    from features.services import default_risk_v1
    from features.store import feature_store

    backend = online_backend(settings)
    reader = OnlineReader(backend, service=default_risk_v1.name)
    served = reader.generation()
    if served is None:
        raise NothingPublished(f"{backend.where} holds no generation; run lending materialize")
    store = feature_store(settings, served.release_id, lake)
    online, changed = _online_keys(settings, served)
    offline = _offline_keys(store, served)
    differing = [*_only_one_side(online, offline)]
    both = sorted(set(online) & set(offline))
    sampled = _spread(both, sample)
    written = _spread(sorted(set(changed) & set(both)), 10 * sample)
    checked = sorted({*sampled, *written})
    expected = _offline_values(store, default_risk_v1, checked, served)
    names = [name.partition(":")[2] for name in reader.features]
    differing += _compare("reader", checked, names, _read(reader, checked), expected)
    by_feast = _feast_values(store, default_risk_v1, sampled, names)
    differing += _compare("feast", sampled, names, by_feast, _at(expected, checked, sampled))
    cells = (len(checked) + len(sampled)) * len(names)
    return ParityReport(served.release_id, served.business_date, len(online), len(offline), len(checked), cells, tuple(differing))


def _online_keys(settings: Settings, served: OnlineGeneration) -> tuple[list[str], list[str]]:
    """All online keys, and those whose row carries the time of the served generation, which its publish wrote."""
    backend = online_backend(settings)
    keys, changed = [], []
    at = (microseconds(served.as_of) + 2**63).to_bytes(8, "big")
    for view in backend.views():
        for key, times in backend.keys_with_times(view.name):
            keys.append(text_of(key))
            if times[:8] == at:
                changed.append(keys[-1])
    backend.close()
    return keys, changed


def _offline_keys(store: "FeatureStore", served: OnlineGeneration) -> list[str]:
    """Keys of the release as of its business date."""
    from features.offline_store import source_table
    from features.sources import client_repayment_source

    table = source_table(store.config, client_repayment_source)
    rows = table.filter(table.as_of_on == served.business_date)
    return rows.select("client_id").to_pyarrow().column(0).to_pylist()


def _only_one_side(online: Sequence[str], offline: Sequence[str]) -> Iterator[Mismatch]:
    """Keys that only one of the stores holds."""
    for entity in sorted(set(offline) - set(online)):
        yield Mismatch(entity, "", "keys", "no row", "row")
    for entity in sorted(set(online) - set(offline)):
        yield Mismatch(entity, "", "keys", "row", "no row")


def _spread(keys: Sequence[str], count: int) -> list[str]:
    """So many keys, evenly spread over all; the same ones each time, so that a mismatch can be looked at again."""
    if len(keys) <= count:
        return list(keys)
    return [keys[place] for place in np.linspace(0, len(keys) - 1, count).astype(int)]


def _offline_values(store: "FeatureStore", service: "FeatureService", keys: list[str], served: OnlineGeneration) -> dict[str, list]:
    """Values of the release, by feature, in the order of the keys."""
    asked = pa.table(
        {
            "client_id": pa.array(keys, pa.string()),
            "event_timestamp": pa.array([served.as_of] * len(keys), pa.timestamp("us", "UTC")),
        }
    )
    table = store.get_historical_features(asked, service).to_arrow()
    return {name: table[name].to_pylist() for name in table.column_names}


def _feast_values(store: "FeatureStore", service: "FeatureService", keys: list[str], names: list[str]) -> dict[str, list]:
    """Values as Feast's users read them."""
    values: dict[str, list] = {name: [] for name in names}
    for start in range(0, len(keys), _AT_ONCE):
        rows = [{"client_id": key} for key in keys[start : start + _AT_ONCE]]
        answer = store.get_online_features(service, rows).to_dict()
        for name in names:
            values[name] += answer[name]
    return values


def _read(reader: OnlineReader, keys: list[str]) -> dict[str, list]:
    """Values as scoring reads them; NaN is null there."""
    rows = reader.read(keys)
    nulls = np.isnan(rows.values)
    return {
        name.partition(":")[2]: [None if null else value for value, null in zip(rows.values[:, at].tolist(), nulls[:, at], strict=True)]
        for at, name in enumerate(reader.features)
    }


def _at(values: dict[str, list], keys: list[str], wanted: list[str]) -> dict[str, list]:
    """The values of some of the keys."""
    place = {key: at for at, key in enumerate(keys)}
    return {name: [column[place[key]] for key in wanted] for name, column in values.items() if name not in ("client_id", "event_timestamp")}


def _compare(by: str, keys: list[str], names: list[str], online: dict[str, list], offline: dict[str, list]) -> Iterator[Mismatch]:
    """Cells that are not the same value; null equals only null."""
    for name in names:
        for key, mine, theirs in zip(keys, online[name], offline[name], strict=True):
            if not _same(mine, theirs):
                yield Mismatch(key, name, by, mine, theirs)


def _same(online: Any, offline: Any) -> bool:
    """Whether two cells hold the same value; a float that is not a number is null, as Feast stores it."""
    missing = [value is None or value != value for value in (online, offline)]
    return all(missing) if any(missing) else bool(online == offline)
