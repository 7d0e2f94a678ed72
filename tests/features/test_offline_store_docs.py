"""The offline store belongs to no project: what its page says works for a stranger, and its modules know nothing of ours."""

import re
from pathlib import Path

import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import FeatureStore

from tests.features.stores import drivers, hours

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "offline-store.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)


def test_the_configuration_of_the_page_works_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "feature_store.yaml").write_text(blocks("yaml")[0])
    pq.write_table(drivers([("a", 1, 1, 1, 0.1, "x"), ("a", 2, 9, 2, 0.2, "y")]), tmp_path / "trips.parquet")
    names: dict = {}
    exec(blocks("python")[0], names)
    store = FeatureStore(repo_path=str(tmp_path))
    store.apply([names["driver"], names["trips"]])
    asked = pd.DataFrame({"driver": ["a", "b", "a"], "event_timestamp": [hours(10), hours(10), hours(5)]})
    table = store.get_historical_features(asked, ["driver_trips:trips"]).to_arrow()
    assert table["trips"].to_pylist() == [2, None, 1]


def test_the_resolver_of_the_page_works_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    con = ibis.duckdb.connect("lake.duckdb")
    con.create_table("trips", pa.table({"trips": [1]}))
    con.disconnect()
    names: dict = {}
    exec(blocks("python")[1], names)
    try:
        assert names["tables"](type("Source", (), {"table": "trips"})()).to_pyarrow()["trips"].to_pylist() == [1]
        assert names["tables"](object()) is None
    finally:
        names["lake"].disconnect()
