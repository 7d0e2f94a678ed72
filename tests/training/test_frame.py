"""The model matrix refuses what does not fit; the content hash sees values and nothing else."""

import numpy as np
import pyarrow as pa
import pytest

from tests.training.book import FEATURES, book
from training.frame import ARROW_TYPES, FeatureMismatch, ModelFeature, canonical, content_hash, matrix

TWO = (ModelFeature("count", "int64", False, 0, "C", "c"), ModelFeature("ratio", "float64", True, 1, "R", "r"))


def table(**columns: pa.Array) -> pa.Table:
    return pa.table({"count": pa.array([1, 2], pa.int64()), "ratio": pa.array([0.5, None], pa.float64())} | columns)


def test_null_becomes_nan_and_columns_come_in_declared_order():
    found = matrix(table().select(["ratio", "count"]), TWO)
    assert found[:, 0].tolist() == [1.0, 2.0]
    assert np.isnan(found[1, 1])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (table().drop_columns("ratio"), "ratio is missing"),
        (table(count=pa.array([1.0, 2.0])), "count is double, declared int64"),
        (table(count=pa.array([1, None], pa.int64())), "count is null in 1 of 2 rows, declared never null"),
        (table(ratio=pa.array([1, 2], pa.int64())), "ratio is int64, declared float64"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(changed, message):
    with pytest.raises(FeatureMismatch, match=message):
        matrix(changed, TWO)


def test_the_hash_is_the_same_for_the_same_values():
    rows = book(20)
    shuffled = rows.take(np.random.default_rng(0).permutation(len(rows)))
    chunked = pa.concat_tables([shuffled.slice(0, 70), shuffled.slice(70)])
    assert content_hash(canonical(chunked)) == content_hash(canonical(rows))
    sliced = pa.concat_tables([rows, rows]).slice(len(rows))
    assert content_hash(sliced) == content_hash(rows)


def test_the_hash_ignores_what_lies_under_a_null():
    one = pa.Array.from_buffers(pa.int64(), 2, [pa.py_buffer(b"\x01"), pa.py_buffer(np.array([5, 7]).tobytes())])
    two = pa.Array.from_buffers(pa.int64(), 2, [pa.py_buffer(b"\x01"), pa.py_buffer(np.array([5, 9]).tobytes())])
    assert content_hash(pa.table({"x": one})) == content_hash(pa.table({"x": two})) == content_hash(pa.table({"x": [5, None]}))


@pytest.mark.parametrize("name", [feature.name for feature in FEATURES] + ["client_id", "is_default", "as_of_on", "event_timestamp"])
def test_the_hash_sees_a_change_in_any_column(name):
    rows = book(20)
    column = rows.column(name).combine_chunks()
    swapped = pa.concat_arrays([column.slice(1), column.slice(0, 1)])
    if swapped.equals(column):
        pytest.fail("the change must change something")
    assert content_hash(rows.set_column(rows.column_names.index(name), name, swapped)) != content_hash(rows)


def test_the_hash_tells_null_from_zero_and_empty_and_text_borders():
    assert content_hash(pa.table({"x": pa.array([0], pa.int64())})) != content_hash(pa.table({"x": pa.array([None], pa.int64())}))
    assert content_hash(pa.table({"x": [""]})) != content_hash(pa.table({"x": pa.array([None], pa.string())}))
    assert content_hash(pa.table({"x": ["ab", "c"]})) != content_hash(pa.table({"x": ["a", "bc"]}))
    assert content_hash(pa.table({"x": [0.0]})) == content_hash(pa.table({"x": [-0.0]}))
    assert set(ARROW_TYPES) == {"int64", "float64"}
