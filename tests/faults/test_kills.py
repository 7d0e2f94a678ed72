"""E41, E50: ingest and build in processes that are killed, at every named point and at any moment, beside a reader that never rests.

Two homes are worked on at once, one for each of two cores: in one deliveries are taken, in the other releases are built. A third is
never killed and tells what the tables must be.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults import days
from tests.faults.homes import Reader, build, column, contents, ingest, rows, settings_of
from tests.faults.killing import Killed, check_kept, finish, kill_after, kill_at, moments, published
from warehouse.lake import Lake
from warehouse.lake.crash import POINTS

pytestmark = pytest.mark.timeout(1800)  # a machine that does other things as well may need long

INGEST_KILLS, BUILD_KILLS = 45, 4  # at any moment; 12 named ones come on top
INGEST_PLACES = {  # one table of the run for each point that is met table by table
    "before_write": "raw.repayments",
    "after_data_files": "staging.repayments",
    "after_add_files": "ops.delivery_ledger",
    "before_main_moved": "staging.repayments",
}
BUILD_PLACES = {
    "before_write": "curated.dim_region",
    "after_data_files": "curated.dim_client",
    "after_add_files": "curated.dim_date",
    "before_main_moved": "curated.dim_client",
}
VISIBLE_AFTER = ("after_release_row", "before_main_moved")


@dataclass
class Lane:
    """A home, the files delivered to it, and what happened there."""

    home: Path
    files: Path
    channel: str
    record: Killed = field(default_factory=Killed)
    looks: int = 0
    torn: list[str] = field(default_factory=list)
    last: int = 0
    found: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def ingest(self, number: int, run_id: str) -> None:
        finish(self.record, ingest, self.home, days.write(self.files, number), days.day_of(number), run_id=run_id)

    def look(self) -> int:
        """Number of the newest publish."""
        return max(published(self.home, self.channel).values(), default=0)


def places(named: dict[str, str]) -> list[str]:
    return [f"{point}:{named[point]}" if point in named else point for point in POINTS]


def take_deliveries(lane: Lane) -> None:
    """Delivery 1 is killed at every point under one run id, the next ones at any moment under the same id or a new one."""
    lane.ingest(0, "run-0")
    reader = Reader(lane.home)
    folder = days.write(lane.files, 1)
    for place in places(INGEST_PLACES):
        kill_at(lane.record, place, ingest, lane.home, folder, days.day_of(1), "run-1")
        is_visible = lane.look() == 2
        if is_visible != (place.partition(":")[0] in VISIBLE_AFTER):
            lane.record.failures.append(f"delivery 1 killed at {place}: visible is {is_visible}")
    finish(lane.record, ingest, lane.home, folder, days.day_of(1), run_id="run-1")
    lane.record.acknowledged.pop()  # it was published before; the run says that nothing changed
    began = time.monotonic()
    lane.ingest(2, "run-2")
    lane.last = kill_deliveries(lane, first=3, took=time.monotonic() - began)
    lane.looks, lane.torn, _ = reader.finish()


def kill_deliveries(lane: Lane, first: int, took: float) -> int:
    """Kill intakes at any moment until it is enough, then let the last one end; returns the number of the last delivery."""
    moment, number, attempt, enough = moments(seed=41, most=took), first, 0, lane.record.kills + INGEST_KILLS
    while lane.record.kills < enough:
        attempt += 1
        run_id = f"run-{number}" if attempt % 2 else f"run-{number}-{attempt}"
        if kill_after(lane.record, moment(), ingest, lane.home, days.write(lane.files, number), days.day_of(number), run_id=run_id):
            number += 1
    if not any(run.startswith(f"run-{number}") for run in published(lane.home, "intake")):
        lane.ingest(number, f"run-{number}-last")
    return number


def build_releases(lane: Lane) -> None:
    """The second release is killed at every point under one run id, the next ones at any moment under ids of their own."""
    for number in (0, 1):
        finish(lane.record, ingest, lane.home, days.write(lane.files, number), days.day_of(number), run_id=f"run-{number}")
    lane.record.acknowledged.clear()
    began = time.monotonic()
    finish(lane.record, build, lane.home, run_id="build-1")
    moment = moments(seed=50, most=0.7 * (time.monotonic() - began))
    reader = Reader(lane.home)
    for place in places(BUILD_PLACES):
        kill_at(lane.record, place, build, lane.home, "build-2")
        is_visible = lane.look() == 2
        if is_visible != (place.partition(":")[0] in VISIBLE_AFTER):
            lane.record.failures.append(f"build killed at {place}: visible is {is_visible}")
    finish(lane.record, build, lane.home, run_id="build-2")
    lane.found = contents(lane.home)
    attempt, enough = 2, lane.record.kills + BUILD_KILLS
    while lane.record.kills < enough:
        attempt += 1
        kill_after(lane.record, moment(), build, lane.home, run_id=f"build-{attempt}")
    finish(lane.record, build, lane.home, run_id=f"build-{attempt}")  # goes on with what the killed one staged
    lane.looks, lane.torn, _ = reader.finish()


def live_in_peace(lane: Lane) -> None:
    """The first two deliveries and a build, and nobody kills anything."""
    for number in (0, 1):
        lane.ingest(number, f"calm-{number}")
    finish(lane.record, build, lane.home, run_id="calm")
    lane.found = contents(lane.home)


def timed(work: Callable[[Lane], None], lane: Lane) -> Lane:
    began = time.monotonic()
    work(lane)
    lane.seconds = time.monotonic() - began
    return lane


@pytest.fixture(scope="module")
def lanes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Lane]:
    """The homes after all their kills, and the calm one."""
    works = {"release": build_releases, "intake": take_deliveries, "calm": live_in_peace}
    made = {name: Lane(tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("files"), name) for name in works}
    with ThreadPoolExecutor(2) as pool:  # as many as there are cores
        done = {name: pool.submit(timed, work, made[name]) for name, work in works.items()}
        return {name: one.result() for name, one in done.items()}


@pytest.fixture(scope="module")
def intakes(lanes: dict[str, Lane]) -> Lane:
    return lanes["intake"]


@pytest.fixture(scope="module")
def releases(lanes: dict[str, Lane]) -> Lane:
    return lanes["release"]


def test_e41_every_point_is_met_in_ingest_and_in_build(intakes: Lane, releases: Lane) -> None:
    assert intakes.record.by_point == dict.fromkeys(places(INGEST_PLACES), 1)
    assert releases.record.by_point == dict.fromkeys(places(BUILD_PLACES), 1)


def test_e41_a_killed_intake_is_finished_by_running_it_again(intakes: Lane) -> None:
    """Every row of every delivery is there once, and is what a reader of the files would work out by hand."""
    assert intakes.record.failures == []
    numbers = range(intakes.last + 1)
    with Lake(settings_of(intakes.home)) as lake:
        head = lake.intake()
        assert head is not None
        held = rows(head, "staging.repayments", "repayment_id", "business_date", "repayment_amount").to_pylist()
        files = rows(head, "ops.delivery_ledger", "rows_in", "status").to_pylist()
        raw = sum(len(column(head, name, "source_row_number")) for name in head.tables() if name.startswith("raw."))
    assert {(row["repayment_id"], row["business_date"], row["repayment_amount"]) for row in held} == days.expected_payments(numbers)
    assert len(held) == len(days.expected_payments(numbers))
    assert {row["status"] for row in files} == {"ingested"}
    assert sum(row["rows_in"] for row in files) == raw == days.expected_rows_in(numbers)


def test_e41_a_killed_build_is_finished_by_running_it_again(lanes: dict[str, Lane]) -> None:
    """All tables, raw to features, equal those of a home in which nobody killed anything."""
    assert [lane.record.failures for lane in lanes.values()] == [[], [], []]
    assert lanes["release"].found == lanes["calm"].found


def test_e50_kills_at_any_moment_lose_nothing_that_was_acknowledged(intakes: Lane, releases: Lane) -> None:
    """A child that the kernel kills for its memory is killed just so."""
    assert intakes.record.kills + releases.record.kills >= 60
    check_kept(releases.record, releases.home, "release")
    check_kept(intakes.record, intakes.home, "intake", promise=lambda run_id: run_id.split("-")[1])  # the number of the delivery
    for lane in (intakes, releases):
        assert lane.record.lost == []
        assert lane.record.failures == []
        assert len(lane.record.acknowledged) >= 3


def test_e50_readers_see_one_release_never_a_mix(intakes: Lane, releases: Lane) -> None:
    for lane in (intakes, releases):
        assert lane.torn == []
        assert lane.looks > 100
