"""Beside Feast's stock DuckDB store, wherever that one is right: its cut switched on, no null key, no tie in both times, order restored."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import FeatureService, FeatureStore, FeatureView, Field, FileSource, RepoConfig
from feast.types import Int64, String

from features.offline_store import IbisOfflineStoreConfig
from tests.features.stores import CAR, CAR_SCHEMA, DRIVER, drivers, hours

TTL = timedelta(hours=10)
FIELDS = [Field(name="trips", dtype=Int64), Field(name="note", dtype=String)]


def views(home: Path) -> list[FeatureView]:
    """One source with a TTL and without, and another entity."""
    driver, car = (
        FileSource(path=str(home / f"{name}.parquet"), name=name, timestamp_field="at", created_timestamp_column="seen_at")
        for name in ("driver", "car")
    )
    return [
        FeatureView(name="recent", entities=[DRIVER], ttl=TTL, schema=FIELDS, source=driver),
        FeatureView(name="ever", entities=[DRIVER], ttl=timedelta(0), schema=FIELDS, source=driver),
        FeatureView(name="again", entities=[DRIVER], ttl=TTL, schema=FIELDS, source=driver),
        FeatureView(name="cars", entities=[CAR], ttl=TTL, schema=[Field(name="age", dtype=Int64)], source=car),
    ]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, FeatureStore]]:
    """The same definitions over the same files, in the stock store and in ours on two plans."""
    home = tmp_path_factory.mktemp("both")
    made = {}
    offline = {"stock": {"type": "duckdb"}} | {plan: IbisOfflineStoreConfig(plan=plan) for plan in ("merge", "asof")}
    for name, config in offline.items():
        registry = str(home / f"{name}.db")
        store = FeatureStore(config=RepoConfig(project="taxi", registry=registry, offline_store=config, online_store=None))
        recent, ever, again, cars = views(home)
        other = again.with_name("other_driver").with_join_key_map({"driver": "other"})
        store.apply([DRIVER, CAR, recent, ever, again, cars, FeatureService(name="rides", features=[recent, ever, cars, other])])
        made[name] = store
    return home, made


@pytest.mark.parametrize("seed", range(4))
def test_equals_the_stock_store_where_that_is_right(both: Any, seed: int) -> None:
    """Most rows are of one driver, as of a skewed key; times are whole hours, so that both ends of the TTL and equal times are met."""
    home, made = both
    draw = np.random.default_rng(seed)
    keys = np.array(["a", "b", "c", "d"])[np.minimum(draw.geometric(0.6, 400) - 1, 3)]
    values = [None if draw.random() < 0.1 else int(draw.integers(-5, 5)) for _ in keys]
    rows = zip(keys, draw.integers(0, 60, 400), draw.integers(0, 60, 400), values, strict=True)
    history = {(str(key), int(at), int(seen)): value for key, at, seen, value in rows}
    full = [(*row, value, 0.5, None if value is None else str(value)) for row, value in history.items()]
    pq.write_table(drivers(full), home / "driver.parquet", row_group_size=70)
    cars = [[1, 2, 1], [hours(at) for at in (3, 20, 31)], [hours(at) for at in (3, 20, 31)], [1, 2, 3]]
    pq.write_table(pa.table(cars, schema=CAR_SCHEMA), home / "car.parquet")
    places = np.arange(300)
    frame = pd.DataFrame(
        {
            "driver": draw.choice(["a", "a", "b", "c", "e"], 300),
            "other": draw.choice(["a", "b", "d"], 300),
            "car": draw.integers(1, 4, 300),
            "event_timestamp": [hours(int(at)) for at in draw.integers(-2, 80, 300)],
            "place": draw.permutation(places),
        }
    )
    answers = {name: answer(store, frame) for name, store in made.items()}
    assert answers["stock"].notna().any().all()
    for plan in ("merge", "asof"):
        pd.testing.assert_frame_equal(answers["stock"], answers[plan], check_dtype=False)


def answer(store: FeatureStore, frame: pd.DataFrame) -> pd.DataFrame:
    """The features of the service by place, one kind of missing value."""
    job = store.get_historical_features(
        frame, store.get_feature_service("rides"), full_feature_names=True, filter_by_created_timestamp=True
    )
    found = job.to_df().sort_values("place", ignore_index=True)
    names = sorted(name for name in found.columns if "__" in name)
    assert names == ["cars__age", "ever__note", "ever__trips", "other_driver__note", "other_driver__trips", "recent__note", "recent__trips"]
    return found[names].astype(object).where(found[names].notna(), None)
