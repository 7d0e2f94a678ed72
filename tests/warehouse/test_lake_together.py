"""Several processes that stage and publish at once, beside readers that never wait."""

from pathlib import Path

from tests.warehouse.lake_book import (
    ACCOUNTS,
    ALERT,
    build,
    ended,
    processes,
    publish_counter,
    publish_own_table,
    rows,
    settings_of,
    stage,
    values_of,
)
from warehouse.lake import Lake
from warehouse.lake.tiers import FAN

WORKERS, ROUNDS = 3, 4


def run_together(target, home: Path, watch) -> None:
    """Start one process per worker and look at the lake while they run."""
    workers = [processes().Process(target=target, args=(str(home), worker, ROUNDS)) for worker in range(WORKERS)]
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers):
        watch()
        workers[0].join(0.05)
    assert [ended(worker) for worker in workers] == [0] * WORKERS


def test_no_publish_is_lost_among_runs_of_different_tables(tmp_path: Path) -> None:
    build(tmp_path, "first", 1)
    with Lake(settings_of(tmp_path)) as lake:
        seen = []

        def watch() -> None:
            pinned = lake.at()
            seen.append(pinned.release.release_id)
            assert values_of(pinned) == {1}
            for name in pinned.tables():
                assert pinned.table(name).count().to_pyarrow().as_py() > 0

        run_together(publish_own_table, tmp_path, watch)
        runs = [release.run_id for release in lake.releases()]
        assert sorted(runs) == sorted(["first", *(f"worker-{worker}-{number}" for worker in range(WORKERS) for number in range(ROUNDS))])
        for worker in range(WORKERS):
            assert set(lake.at().table(f"marts.worker_{worker}").value.to_pyarrow().to_pylist()) == {ROUNDS - 1}
        assert seen == sorted(seen)


def test_no_update_is_lost_among_runs_of_one_table(tmp_path: Path) -> None:
    build(tmp_path, "first", 0)
    with Lake(settings_of(tmp_path)) as lake:
        run_together(publish_counter, tmp_path, lambda: lake.at().table(ACCOUNTS.name).value.max().to_pyarrow())
        assert set(lake.at().table(ACCOUNTS.name).value.to_pyarrow().to_pylist()) == {WORKERS * ROUNDS}


def append_alerts(home: str, worker: int, rounds: int) -> None:
    """Append alerts one by one, so that small files become one every few rounds."""
    with Lake(settings_of(home)) as lake:
        for number in range(rounds * FAN):
            lake.append(ALERT, rows(ALERT, [{"alert_id": f"{worker}-{number}", "at": None}]))


def test_no_row_is_lost_or_doubled_where_appended_files_become_one(tmp_path: Path) -> None:
    with Lake(settings_of(tmp_path)) as lake:
        seen = []
        run_together(append_alerts, tmp_path, lambda: seen.append(lake.ops(ALERT).count().to_pyarrow().as_py()))
        keys = lake.ops(ALERT).alert_id.to_pyarrow().to_pylist()
        assert sorted(keys) == sorted(f"{worker}-{number}" for worker in range(WORKERS) for number in range(ROUNDS * FAN))
        assert seen == sorted(seen)


def test_processes_may_open_an_empty_lake_at_once(tmp_path: Path) -> None:
    workers = [processes().Process(target=build, args=(tmp_path, f"run-{worker}", worker)) for worker in range(WORKERS)]
    for worker in workers:
        worker.start()
    codes = [ended(worker) for worker in workers]
    with Lake(settings_of(tmp_path)) as lake:
        assert len(lake.releases()) == codes.count(0) >= 1  # who staged the same tables on the same base got a conflict
        assert len(values_of(lake.at())) == 1


def test_readers_do_not_wait_for_a_commit(tmp_path: Path) -> None:
    build(tmp_path, "first", 1)
    with Lake(settings_of(tmp_path)) as lake, lake.catalog.lock(ACCOUNTS.name), Lake(settings_of(tmp_path)) as reader:
        assert values_of(reader.at()) == {1}
        candidate = stage(reader, "second", 2, [])
        assert set(candidate.table(ACCOUNTS.name).value.to_pyarrow().to_pylist()) == {1}
