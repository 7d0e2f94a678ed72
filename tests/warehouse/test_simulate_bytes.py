"""The same profile and seed give the same bytes, whatever the size of a chunk and the number of workers."""

from dataclasses import replace
from datetime import date
from functools import partial
from operator import truediv
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.warehouse.simulated import hashes, lines_of
from warehouse.simulate import PROFILES, FileRates, Profile, Rates, simulate
from warehouse.simulate import files as simulated_files
from warehouse.simulate.pool import in_order

SEED = 7
MISHAPS = FileRates(0.2, 0.2, 0.2, 0.2, 0.3, 0.2, 30.0)
SMALL = Profile(
    "small history",
    clients=60,
    months=8,
    days=3,
    last=date(2025, 7, 3),
    opening=date(2025, 3, 31),
    rates=Rates(mass_days=1, files=MISHAPS),
)


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_bytes_depend_neither_on_chunks_nor_on_workers(file_format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups of few rows, so that a small book has many and their borders fall within chunks."""
    monkeypatch.setattr(simulated_files, "GROUP_ROWS", 100)
    profile = replace(SMALL, file_format=file_format)

    one, chunked, worked = (
        simulate(replace(profile, chunk_clients=size, workers=workers), SEED, tmp_path / f"{size}_{workers}")
        for size, workers in ((60, 1), (13, 1), (25, 2))
    )

    assert hashes(chunked) == hashes(one)
    assert hashes(worked) == hashes(one)
    assert len(hashes(one)) > 20


def test_parquet_holds_the_rows_of_the_csv(tmp_path: Path) -> None:
    as_csv, as_parquet = (
        simulate(replace(PROFILES["tiny"], clients=40, file_format=name), SEED, tmp_path / name) for name in ("csv", "parquet")
    )

    files = sorted(path for path in as_csv.delivery.rglob("*.csv") if path.parent != as_csv.delivery)
    for path in files:
        twin = as_parquet.delivery / path.relative_to(as_csv.delivery).with_suffix(".parquet")
        assert lines_of(twin) == lines_of(path)
        assert set(map(str, pq.read_schema(twin).types)) == {"string"}
    assert len(files) == len(list(as_parquet.delivery.rglob("*.parquet")))


def test_another_seed_is_another_lender(tmp_path: Path) -> None:
    one, other = (simulate(replace(SMALL, clients=20), seed, tmp_path / str(seed)) for seed in (SEED, SEED + 1))

    assert other.row_counts["repayments"] != one.row_counts["repayments"]


def test_results_come_in_the_order_of_the_jobs_and_an_error_ends_the_workers() -> None:
    found = in_order(partial(truediv, 1), [1, 2, 4, 5, 0, 8, 8, 8], workers=2)

    assert [next(found) for _ in range(4)] == [1.0, 0.5, 0.25, 0.2]
    with pytest.raises(ZeroDivisionError):
        next(found)
    assert not list(found)


def test_progress_is_told_as_chunks_finish(tmp_path: Path) -> None:
    said: list[str] = []

    simulate(replace(PROFILES["tiny"], clients=20, chunk_clients=8), SEED, tmp_path, said.append)

    assert [line.split(" clients")[0] for line in said] == ["8 of 20", "16 of 20", "20 of 20"]
