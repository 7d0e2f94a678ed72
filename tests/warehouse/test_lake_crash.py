"""Real processes killed at the worst moments: readers see the old release or the new one, and running again is as if nothing happened."""

import random
from pathlib import Path

import pytest

from tests.warehouse.lake_book import BOOK, DAYS, build, build_until_killed, ended, processes, settings_of, values_of
from warehouse.lake import Lake
from warehouse.lake.crash import EXIT_CODE, POINTS

KILLS = 12
PUBLISHED_AFTER = {"after_release_row", "before_main_moved"}
# alone a point is met at the first table; named with a table, in the middle of the run
PLACES = [*POINTS, "after_data_files:marts.balances", "after_add_files:features.scores", "before_main_moved:features.scores"]


def contents(lake: Lake) -> dict[str, list[dict]]:
    """All rows of the current release."""
    pinned = lake.at()
    return {spec.name: pinned.table(spec.name).order_by(list(spec.grain)).to_pyarrow().to_pylist() for spec in BOOK}


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict]]:
    """What two runs publish that nobody kills."""
    home = tmp_path_factory.mktemp("calm")
    for value, run in ((1, "first"), (2, "second")):
        build(home, run, value)
    with Lake(settings_of(home)) as lake:
        return contents(lake)


@pytest.mark.parametrize("place", PLACES)
def test_e41_killed_run_is_finished_by_running_it_again(tmp_path: Path, place: str, calm: dict[str, list[dict]]) -> None:
    build(tmp_path, "first", 1)
    process = processes().Process(target=build, args=(tmp_path, "second", 2, place))
    process.start()
    assert ended(process) == EXIT_CODE

    is_published = place.split(":")[0] in PUBLISHED_AFTER
    with Lake(settings_of(tmp_path)) as lake:
        assert values_of(lake.at()) == ({2} if is_published else {1})
        assert values_of(lake.at(1)) == {1}
    build(tmp_path, "second", 2)

    with Lake(settings_of(tmp_path)) as killed:
        assert contents(killed) == calm
        described = [(release.release_id, release.run_id, release.business_date) for release in killed.releases()]
        assert described == [(1, "first", DAYS[-1]), (2, "second", DAYS[-1])]
        for spec in BOOK:
            table = killed.catalog.reload(spec.name)
            assert table.current_snapshot().snapshot_id == killed.release().tables[spec.name]


def test_e50_kills_at_any_moment_tear_nothing_and_lose_nothing(tmp_path: Path) -> None:
    moments = random.Random(20250131)
    home, value, acknowledged = str(tmp_path), 1, {}
    published: dict[int, set[int]] = {}
    for _ in range(KILLS):
        receiver, sender = processes().Pipe(duplex=False)
        process = processes().Process(target=build_until_killed, args=(home, value, sender))
        process.start()
        sender.close()
        if receiver.poll(60):  # let it publish at least once, then kill at some moment of the next runs
            acknowledged.update([receiver.recv()])
        process.join(moments.uniform(0, 1.0))
        process.kill()
        ended(process)
        while True:
            try:
                acknowledged.update([receiver.recv()])
            except (EOFError, OSError):  # the end, or killed in the middle of a message
                break
        receiver.close()
        with Lake(settings_of(home)) as lake:
            numbers = [release.release_id for release in lake.releases()]
            published |= {number: values_of(lake.at(number)) for number in numbers if number not in published}
        assert {len(values) for values in published.values()} == {1}, "a release mixes two runs"
        assert {number: {seen} for number, seen in acknowledged.items()}.items() <= published.items(), "an acknowledged release is lost"
        value = max(*(max(values) for values in published.values()), value) + 1
    with Lake(settings_of(home)) as lake:
        assert {release.release_id: values_of(lake.at(release.release_id)) for release in lake.releases()} == published
    assert len(acknowledged) >= KILLS
