"""The merge plan under its Feast interface: keys as numbers, the join over arrays, rows of files by their place."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.offline import key_codes, merge_join
from features.offline.key_codes import KeyCodes
from features.offline.merge_join import Asked, History, newest
from features.offline.parquet_rows import CannotMerge, ParquetRows, appended_folder, local_files

texts = st.one_of(st.none(), st.text(alphabet="ab\x00é", max_size=20), st.sampled_from(["a" * 8, "a" * 9, "a" * 16, "a" * 17]))
numbers = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.integers(0, 3))


def codes_of(asked: Sequence[Sequence], rows: Sequence[Sequence], kinds: Sequence[pa.DataType]) -> tuple[list, list]:
    """Codes of asked keys and of rows, each given as columns."""
    made = KeyCodes([pa.chunked_array([pa.array(column, kind)]) for column, kind in zip(asked, kinds, strict=True)])
    return made.asked.tolist(), made.of([pa.chunked_array([pa.array(c, k)]) for c, k in zip(rows, kinds, strict=True)]).tolist()


@given(
    st.lists(st.tuples(texts, numbers), max_size=15),
    st.lists(st.tuples(texts, numbers), max_size=15),
    st.sampled_from([(0,), (1,), (0, 1)]),
)
@settings(max_examples=150, deadline=None)
def test_two_keys_have_one_number_exactly_when_they_are_equal(asked: list, others: list, parts: tuple) -> None:
    kinds = [(pa.string(), pa.int64())[part] for part in parts]
    rows = [*others, *asked]
    columns = ([[row[part] for row in some] for part in parts] for some in (asked, rows))
    asked_codes, codes = codes_of(*columns, kinds)
    keys = [tuple(row[part] for part in parts) for row in asked]
    number = {key: code for key, code in zip(keys, asked_codes, strict=True) if None not in key}
    assert sorted(number.values()) == list(range(len(number)))
    assert codes == [number.get(tuple(row[part] for part in parts), -1) for row in rows]
    assert asked_codes == [number.get(key, -1) for key in keys]


def test_keys_whose_slots_are_taken_stand_on_further_levels() -> None:
    values = np.random.default_rng(1).integers(0, 2**62, 20_000)
    made = KeyCodes([pa.chunked_array([pa.array(values)])])
    assert len(made._levels) > 2
    assert (made.of([pa.chunked_array([pa.array(values)])]) == np.arange(20_000)).all()
    assert (made.of([pa.chunked_array([pa.array(values + 1)])])[~np.isin(values + 1, values)] == -1).all()


def test_two_keys_with_one_hash_are_left_to_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_codes, "_mixed", lambda numbers: np.zeros_like(numbers))
    with pytest.raises(CannotMerge, match="same hash"):
        KeyCodes([pa.chunked_array([pa.array(["a", "b"])])])


def test_dictionaries_and_other_text_types_are_the_same_keys() -> None:
    made = KeyCodes([pa.chunked_array([pa.array(["b", "a", None, "b"]).dictionary_encode()])])
    for rows in (pa.array(["a", None, "b", "c"]), pa.array(["a", None, "b", "c"]).dictionary_encode()):
        assert made.of([pa.chunked_array([rows])]).tolist() == [1, -1, 0, -1]
    with pytest.raises(CannotMerge):
        KeyCodes([pa.chunked_array([pa.array([0.5])])])


def oracle(rows: list[tuple], asked: list[tuple], ttl: int | None) -> list[int]:
    """By loops: the newest row by event, created and rank that had happened and was known."""
    found = []
    for key, at in asked:
        known = [row for row in rows if row[0] == key and max(row[1], row[2]) <= at]
        best = max(known, key=lambda row: row[1:], default=None)
        found.append(-1 if best is None or (ttl is not None and at - best[1] > ttl) else best[3])
    return found


moments = st.integers(0, 12)
shift = st.sampled_from([0, 0, 2**60])  # far apart, so that key and time are too long for one number


@given(
    st.lists(st.tuples(st.integers(0, 3), moments, st.one_of(st.none(), moments)), max_size=40),
    st.lists(st.tuples(st.integers(-1, 4), st.integers(-1, 14)), max_size=20),
    st.sampled_from([None, 0, 3]),
    st.booleans(),
    shift,
)
@settings(max_examples=300, deadline=None)
def test_the_join_over_arrays_equals_loops(rows: list, asked: list, ttl: int | None, is_sorted: bool, far: int) -> None:
    """Rows with a created time of None are known when they happen; places are ranks, so that equal rows have one answer."""
    full = [(key, event, event if created is None else created, place) for place, (key, event, created) in enumerate(rows)]
    full = sorted(full) if is_sorted else full
    key, event, created, place = (np.array([row[at] for row in full], kind) for at, kind in enumerate(("i4", "i8", "i8", "i8")))
    if far and len(full):
        full.append((4, -far, -far, len(full)))
        key, event, created, place = (
            np.append(array, value).astype(array.dtype) for array, value in zip((key, event, created, place), full[-1], strict=True)
        )
    history = History(key, event, event if (event == created).all() else created, place)
    question = Asked(np.array([key for key, _ in asked], "i4"), np.array([at for _, at in asked], "i8"))
    found = newest(history, question, 5, ttl, ranks=lambda places: places)
    assert found.tolist() == oracle(full, asked, ttl)


@pytest.mark.parametrize(("times", "is_swept"), [(40, True), (4000, False)])
def test_a_history_of_few_times_is_swept_and_any_other_searched(times: int, is_swept: bool) -> None:
    draw = np.random.default_rng(2)
    key, event = (part.ravel() for part in np.meshgrid(np.arange(50, dtype="i4"), draw.permutation(np.arange(times)), indexing="ij"))
    in_any_order = draw.permutation(len(key))
    history = History(key[in_any_order], event[in_any_order], event[in_any_order], in_any_order)
    asked = Asked(draw.integers(-1, 50, 3000).astype("i4"), draw.integers(-5, times + 5, 3000))
    found = newest(history, asked, 50, None, ranks=lambda places: places)
    assert (found == newest(History(key, event, event, np.arange(len(key))), asked, 50, None, ranks=lambda places: places)).all()
    answered = (asked.key >= 0) & (asked.at >= 0)
    assert ((found >= 0) == answered).all()
    assert (event[found[answered]] == np.minimum(asked.at, times - 1)[answered]).all()
    assert (key[found[answered]] == asked.key[answered]).all()
    assert (merge_join._swept(history, asked, 50) is not None) is is_swept


def test_rows_are_taken_by_place_from_files_of_all_types(tmp_path: Path) -> None:
    count = 60
    table = pa.table(
        {
            "number": pa.array([None if n % 7 == 0 else n for n in range(count)], pa.int64()),
            "small": pa.array(range(count), pa.int8()),
            "share": [n / 8 for n in range(count)],
            "text": [None if n % 5 == 0 else f"t{n}" for n in range(count)],
            "flag": [n % 3 == 0 for n in range(count)],
            "many": [[n, n + 1] for n in range(count)],
            "at": pa.array(range(count), pa.timestamp("us", "UTC")),
            "class": pa.array([f"c{n % 4}" for n in range(count)]).dictionary_encode(),
        }
    )
    for part, start in enumerate(range(0, count, 20)):
        pq.write_table(table.slice(start, 20), tmp_path / f"{part}.parquet", row_group_size=6)
    rows = ParquetRows(tuple(local_files(str(tmp_path)) or ()))
    places = np.array([59, -1, 0, 7, 7, 33, -1, 21, 20, 19], "i8")
    found = rows.take(places, table.column_names)
    expected = table.set_column(7, "class", table["class"].cast(pa.string())).take(pa.array(places, mask=places < 0))
    assert found.equals(expected.combine_chunks())
    assert rows.take(np.array([-1, -1]), ["share", "text"]).to_pylist() == [{"share": None, "text": None}] * 2
    assert rows.take(np.array([], "i8"), ["share", "many"]).num_rows == 0


def test_row_groups_outside_of_the_asked_times_are_not_read(tmp_path: Path) -> None:
    at = pa.array(np.arange(0, 100) * 1_000_000, pa.timestamp("us"))
    pq.write_table(pa.table({"at": at, "day": at.cast(pa.date32())}), tmp_path / "rows.parquet", row_group_size=10)
    rows = ParquetRows((str(tmp_path / "rows.parquet"),))
    assert [group.number for group in rows.between("at", 35_000_000, 50_000_000)] == [3, 4, 5]
    assert len(rows.between("at", None, None)) == len(rows.between("day", None, 0)) == len(rows.between("missing", 5, 6)) == 10


def test_files_that_are_no_one_table_are_left_to_the_engine(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "0.parquet")
    pq.write_table(pa.table({"a": [1.5]}), tmp_path / "1.parquet")
    rows = ParquetRows((str(tmp_path / "0.parquet"), str(tmp_path / "1.parquet")))
    with pytest.raises(CannotMerge, match=r"a is int64 in some files and double"):
        rows.types(["a"])
    with pytest.raises(CannotMerge, match="no column b"):
        rows.types(["b"])


def test_paths_of_local_files(tmp_path: Path) -> None:
    for name in ("one.parquet", "day=1/two.parquet", ".hidden.parquet", "_temporary/three.parquet"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    one = tmp_path / "one.parquet"
    assert local_files(str(tmp_path)) == [str(tmp_path / "day=1/two.parquet"), str(one)]
    assert local_files(f"file://{tmp_path}/o*.parquet") == [str(one)]
    assert local_files("s3://bucket/rows.parquet") is None
    appended_folder(one).mkdir()
    (appended_folder(one) / "more.parquet").touch()
    assert local_files(str(one)) == [str(one), str(appended_folder(one) / "more.parquet")]
