"""E42 to E60: what goes wrong around a run, with real processes on a real lake; what a run leaves, and what the next one makes of it."""

import ctypes
import os
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.faults import days
from tests.faults.book import OPENING, repayment, with_rows, write_csv
from tests.faults.homes import build, column, contents, ended, ingest, processes, rows, settings_of, started, torn_intake, torn_release
from tests.faults.killing import published
from tests.faults.sealed import can_mount, in_namespace
from warehouse.lake import Lake, Pinned
from warehouse.lake.candidate_log import CandidateLog
from warehouse.lake.catalog import Catalog
from warehouse.staging.ledger import DELIVERY_LEDGER, missing_tables
from warehouse.terms import Terms

LONG_AGO = timedelta(days=400)
MANY, LITTLE_MEMORY = 80_000, "44MB"
AFTERWARDS = "nothing was published; run the command again afterwards"


class Home:
    """A home that begins each test with the opening delivery and its release; the files that tests deliver are beside it."""

    def __init__(self, home: Path, files: Path) -> None:
        self.home, self.files = home, files

    def folder(self, number: int) -> Path:
        return days.write(self.files, number)

    def ingest(self, number: int, run_id: str = "", **more: Any) -> int | None:
        """Exit code of a process that takes a delivery."""
        return ended(self.ingesting(number, run_id, **more), 300)

    def ingesting(self, number: int, run_id: str = "", **more: Any):
        return started(ingest, self.home, self.folder(number), days.day_of(number), run_id or f"run-{number}", **more)

    def read(self, ask: Callable[[Pinned], Any], channel: str = "intake") -> Any:
        with Lake(settings_of(self.home)) as lake:
            pinned = lake.intake() if channel == "intake" else lake.at()
            assert pinned is not None
            return ask(pinned)

    def check(self, *numbers: int) -> None:
        """The intake is whole and holds exactly these deliveries."""
        assert self.read(torn_intake) == []
        assert self.read(payments) == days.expected_payments(numbers)
        assert self.read(lambda pinned: sum(column(pinned, "ops.delivery_ledger", "rows_in"))) == days.expected_rows_in(numbers)


def payments(pinned: Pinned) -> set[tuple[Any, ...]]:
    held = rows(pinned, "staging.repayments", "repayment_id", "business_date", "repayment_amount").to_pylist()
    assert len({tuple(row.values()) for row in held}) == len(held)
    return {tuple(row[name] for name in ("repayment_id", "business_date", "repayment_amount")) for row in held}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Path]:
    """The home, and a copy of it after the opening; metadata holds absolute paths, so it is only ever put back where it was."""
    home = Home(tmp_path_factory.mktemp("base") / "home", tmp_path_factory.mktemp("files"))
    assert home.ingest(0) == 0
    assert ended(started(build, home.home, "build-0"), 300) == 0
    saved = home.home.with_name("saved")
    shutil.copytree(home.home, saved)
    return home, saved


@pytest.fixture
def home(base: tuple[Home, Path]) -> Home:
    fresh, saved = base
    shutil.rmtree(fresh.home)
    shutil.copytree(saved, fresh.home)
    return fresh


def wait_until(is_true: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < until, "it never happened"
        time.sleep(0.02)


def test_e42_a_terminated_run_is_like_a_killed_one(home: Home) -> None:
    catalog = Catalog(settings_of(home.home))
    candidates = CandidateLog(catalog.engine)
    with catalog.lock("staging.repayments"):  # where the run waits in its middle
        run = started(ingest_terminably, home.home, home.folder(1), days.day_of(1), "run-1")
        wait_until(lambda: bool(candidates.staged("intake", "run-1")))
        os.kill(run.pid, signal.SIGTERM)
        assert ended(run) == -signal.SIGTERM
    catalog.close()
    home.check(0)
    assert home.ingest(1) == 0
    home.check(0, 1)


def ingest_terminably(home: Path, folder: Path, day: Any, run_id: str) -> None:
    # Dagster's import gives SIGTERM the handler of SIGINT, which a test run in the background ignores; processes inherit that.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ingest(home, folder, day, run_id)


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Any]]:
    """Tells a story of tests.faults.sealed, on a file system of its own."""
    folder = tmp_path_factory.mktemp("mounted")
    if not can_mount(folder):
        pytest.skip("this kernel lets no process mount a file system within a namespace of its own (unshare --user --mount)")
    return lambda what: in_namespace(what, folder / what, folder / f"files-{what}")


def test_e43_a_full_disk_keeps_what_was_published_and_says_what_to_do(mounted: Callable[[str], dict[str, Any]]) -> None:
    story = mounted("full")
    assert story["free"] == 0
    assert story["command"] == {
        "code": 1,
        "said": [f"lending ingest: the disk is full: free some space, or move LENDING_HOME; {AFTERWARDS}"],
        "has_trace": False,
    }
    assert story["full"] == {"number": 1, "torn": []}
    assert story["after"] == {"number": 2, "torn": []}


def test_e43_a_readonly_home_keeps_its_readers_and_says_what_to_do(mounted: Callable[[str], dict[str, Any]]) -> None:
    story = mounted("readonly")
    (said,) = story["command"].pop("said")
    assert story["command"] == {"code": 1, "has_trace": False}
    assert "Read-only file system: make it readable and writable" in said
    assert story["sealed"] == {"number": 1, "torn": []}
    assert story["after"] == {"number": 2, "torn": []}


def test_e43_a_file_that_may_not_grow_is_an_error_and_no_release(home: Home) -> None:
    """The limit of a process instead of a full disk: any write fails in its middle."""
    run = started(ingest_with_small_files, home.home, home.folder(1), days.day_of(1), 4096)
    assert ended(run) == 1
    home.check(0)
    assert home.ingest(1) == 0
    home.check(0, 1)


def ingest_with_small_files(home: Path, folder: Path, day: Any, most: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    ingest(home, folder, day, "run-1")


def test_e44_what_a_killed_writer_left_is_ignored_and_cleared(home: Home) -> None:
    """Half a Parquet file, metadata that ends in its middle, an empty manifest: nobody refers to them, and gc takes them once old."""
    folder = home.home / "lake" / "staging" / "repayments"
    part = next((folder / "data").rglob("*.parquet"))
    metadata = sorted((folder / "metadata").glob("*.metadata.json"))[-1]
    left = {
        folder / "data" / "0123abcd" / "part-0.parquet": part.read_bytes()[:-20],
        folder / "metadata" / "99999-ffffffff.metadata.json": metadata.read_bytes()[:100],
        folder / "metadata" / "snap-1-1-ffffffff.avro": b"",
    }
    for path, content in left.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (0, 0))
    home.check(0)
    assert home.ingest(1) == 0
    home.check(0, 1)
    with Lake(settings_of(home.home)) as lake:
        assert lake.gc().files_removed == len(left)
    assert not any(path.exists() for path in left)
    home.check(0, 1)


@pytest.mark.parametrize("runs", [("run-1", "again-1"), ("run-1", "run-1")], ids=["two runs", "one run twice"])
def test_e45_two_intakes_of_one_delivery_at_once_take_it_once(home: Home, runs: tuple[str, str]) -> None:
    both = [home.ingesting(1, run) for run in runs]
    codes = [ended(run, 300) for run in both]
    assert codes == [0, 0]  # the other one waits its turn, and finds nothing left to do
    home.check(0, 1)
    assert home.ingest(1, runs[1]) == 0
    home.check(0, 1)


def test_e45_a_lock_is_free_once_its_holder_is_killed(home: Home) -> None:
    receiver, sender = processes().Pipe(duplex=False)
    holder = started(hold, str(home.home), sender)
    assert receiver.recv() == "held"
    catalog = Catalog(settings_of(home.home))
    with pytest.raises(Exception, match=r"staging\.repayments"), catalog.lock("staging.repayments", wait=False):
        pass
    holder.kill()
    assert ended(holder) == -signal.SIGKILL
    with catalog.lock("staging.repayments", wait=False):
        catalog.close()
    assert home.ingest(1) == 0


def hold(home: str, sender: Any) -> None:
    with Catalog(settings_of(home)).lock("staging.repayments"):
        sender.send("held")
        time.sleep(600)


def test_e46_a_late_delivery_beside_the_daily_one(home: Home) -> None:
    """Yesterday's arrives while today's is taken; the tables are as if they had come one after the other."""
    both = [home.ingesting(number) for number in (1, 4)]
    assert [ended(run, 300) for run in both] == [0, 0]
    home.check(0, 1, 4)
    assert sorted(home.read(lambda pinned: column(pinned, "ops.delivery_ledger", "delivery_seq")))[-1] == 3


ORDERS = {  # arrivals, and the machine on which they are taken
    "in order": ([0, 4, 5, 6], {"TZ": "UTC"}, {}),
    "backwards": ([6, 5, 4, 0], {"TZ": "America/New_York"}, {"threads": 2}),
    "mixed and twice": ([5, 0, 6, 0, 4, 5], {}, {"memory_limit": "300MB"}),  # TZ unset
}


@pytest.fixture(scope="module")
def arrived(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Home]:
    """A home for each order, with a release of it all; two at a time."""
    homes = {name: Home(tmp_path_factory.mktemp("order"), tmp_path_factory.mktemp("files")) for name in ORDERS}
    for home in homes.values():
        for number in (0, 4, 5, 6):
            home.folder(number)
    for names in (list(ORDERS)[:2], list(ORDERS)[2:]):
        running = [started(take, homes[name].home, homes[name].files, *ORDERS[name]) for name in names]
        assert [ended(run, 300) for run in running] == [0] * len(running)
    return homes


def take(home: Path, files: Path, numbers: list[int], machine: dict[str, str], settings: dict[str, Any]) -> None:
    """Take deliveries in an order and build a release, on a machine in some time zone."""
    os.environ.pop("TZ", None)
    os.environ.update(machine)
    time.tzset()
    for place, number in enumerate(numbers):
        ingest(home, files / f"{number:04d}", days.day_of(number), f"run-{place}", **settings)
    build(home, "build", **settings)


def facts(home: Home) -> dict[str, str]:
    """Hashes of everything but what records arrival: the ledger, and raw with the names of its runs."""
    return {
        name: found for name, found in contents(home.home).items() if not name.startswith(("intake raw.", "intake ops.delivery_ledger"))
    }


def test_e47_any_order_of_arrival_gives_the_same_tables(arrived: dict[str, Home]) -> None:
    found = {name: facts(home) for name, home in arrived.items()}
    assert len(found["in order"]) > 30
    assert found["backwards"] == found["in order"]
    for home in arrived.values():
        home.check(0, 4, 5, 6)
        assert home.read(torn_release, "release") == []


def test_e47_a_delivery_that_comes_twice_changes_nothing(arrived: dict[str, Home]) -> None:
    assert facts(arrived["mixed and twice"]) == facts(arrived["in order"])
    assert max(published(arrived["mixed and twice"].home, "intake").values()) == 4


def test_e48_the_zone_of_the_machine_does_not_matter(arrived: dict[str, Home]) -> None:
    """New York, UTC and none at all: known_at is the end of the day in the lender's zone."""
    found = [home.read(lambda pinned: sorted(set(column(pinned, "staging.repayments", "known_at")))) for home in arrived.values()]
    assert found[0] == found[1] == found[2]
    assert datetime(2024, 7, 6, 16, 59, 59, 999999, tzinfo=UTC) in found[0]


def test_e48_a_clock_that_was_ahead_changes_no_order_and_removes_nothing(home: Home) -> None:
    """The clock stood a year and more ahead when the opening was taken, and is right again: numbers decide, not times."""
    catalog = Catalog(settings_of(home.home))
    ahead = datetime.now(UTC) + LONG_AGO
    with catalog.engine.begin() as connection:
        connection.execute(sa.text("update lending_release set created_at = :ahead"), {"ahead": ahead.replace(tzinfo=None).isoformat(" ")})
    catalog.close()
    for path in (home.home / "lake").rglob("*"):
        os.utime(path, (ahead.timestamp(), ahead.timestamp()))
    assert home.ingest(1) == 0
    home.check(0, 1)
    with Lake(settings_of(home.home)) as lake:
        report = lake.gc()
        assert (report.files_removed, report.releases_expired) == (0, [])
        assert [release.release_id for release in lake.releases()] == [1]
    home.check(0, 1)


def test_e49_what_does_not_fit_into_memory_is_spilled(tmp_path: Path) -> None:
    """Eighty thousand payments, a tenth of them twice, with much memory and with hardly any."""
    paid = [repayment(f"Y{number:09d}", repayment_amount=f"{number % 97 + 1}.50") for number in range(MANY)]
    folder = write_csv(tmp_path / "files", with_rows({"repayments": [*paid, *paid[: MANY // 10]]}))
    found, spilled = [], []
    for name, limit in (("much", "4GB"), ("little", LITTLE_MEMORY)):
        run = started(ingest, tmp_path / name, folder, OPENING, "run", memory_limit=limit)
        most = 0
        while run.is_alive():
            most = max(most, _size(tmp_path / name / "spill"))
            run.join(0.01)
        assert ended(run) == 0
        spilled.append(most > 0)
        with Lake(settings_of(tmp_path / name)) as lake:
            intake = lake.intake()
            assert intake is not None
            held = rows(intake, "staging.repayments").sort_by("repayment_id")
            found.append((torn_intake(intake), held))
    assert spilled == [False, True]
    assert found[0][0] == found[1][0] == []
    assert found[0][1].equals(found[1][1])
    assert found[0][1].num_rows == MANY


def _size(folder: Path) -> int:
    """Bytes in a folder from which files come and go."""
    total = 0
    for path in folder.glob("*"):
        with suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def test_e51_a_folder_that_may_not_be_written_is_an_error_and_no_release(home: Home) -> None:
    folder = home.home / "lake" / "staging" / "repayments" / "data"
    folder.chmod(0o555)
    run = started(ingest_as_anybody, home.home, home.folder(1), days.day_of(1))
    assert ended(run) == 1
    home.check(0)
    folder.chmod(0o755)
    assert home.ingest(1) == 0
    home.check(0, 1)


def ingest_as_anybody(home: Path, folder: Path, day: date) -> None:
    """Without the capabilities that let a superuser write where nobody may."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(header, sets) == 0
    sets[0] &= ~0b110  # of the effective ones: CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
    assert libc.capset(header, sets) == 0
    with pytest.raises(PermissionError):
        (home / "lake" / "staging" / "repayments" / "data" / "try").touch()
    ingest(home, folder, day, "run-1")


def test_e55_versions_of_the_schema_may_arrive_in_any_order(arrived: dict[str, Home]) -> None:
    """Delivery 5 has a new column and a renamed one; where it comes first, the older files fit in after it."""
    for home in arrived.values():
        versions = home.read(lambda pinned: rows(pinned, "ops.delivery_ledger", "table_name", "schema_version").to_pylist())
        assert {(row["table_name"], row["schema_version"]) for row in versions} >= {
            ("contracts", "v1"), ("contracts", "v2"), ("installments", "v1"), ("installments", "v2")
        }  # fmt: skip
        channels = home.read(lambda pinned: rows(pinned, "staging.contracts", "contract_number", "channel").to_pylist())
        assert {row["contract_number"]: row["channel"] for row in channels} == {"L1": None, "L5": "shop"}


def test_e56_tables_made_by_other_rules_are_a_release_of_their_own(home: Home) -> None:
    """Building the same deliveries again, with a grace of 500 days: the release before keeps every row as it was."""
    with Lake(settings_of(home.home)) as lake:
        before = late(lake.at(1))
    assert ended(started(build, home.home, "build-again", terms=Terms(grace_days=500)), 300) == 0
    with Lake(settings_of(home.home)) as lake:
        old, new = lake.at(1), lake.at(2)
        assert late(old) == before == {"I1": True, "I2": True}
        assert late(new) == {"I1": False, "I2": False}
        built = [name for name in new.tables() if name.startswith(("curated", "marts", "features")) and new.files(name)]
        assert len(built) > 10
        assert not any(old.release.tables[name] == new.release.tables[name] for name in built)
        assert torn_release(old) == torn_release(new) == []
        assert late(lake.at(lake.rollback(1).release_id)) == before


def late(pinned: Pinned) -> dict[str, bool]:
    held = rows(pinned, "curated.fact_installment", "installment_id", "is_late").to_pylist()
    return {row["installment_id"]: row["is_late"] for row in held}


def test_e58_a_file_that_is_missing_is_waited_for(tmp_path: Path) -> None:
    """Without installments the delivery is taken, no release is built, and the error names them; they may come by themselves."""
    home = Home(tmp_path / "home", tmp_path / "files")
    part = home.folder(0) / "installments.csv"
    kept = part.rename(tmp_path / "installments.csv")
    assert ended(started(ingest, home.home, part.parent, days.day_of(0), "run-0"), 300) == 0
    with Lake(settings_of(home.home)) as lake:
        assert missing_tables(lake.intake().table(DELIVERY_LEDGER.name)) == ["installments"]
    assert ended(started(ingest, home.home, kept, days.day_of(0), "run-late"), 300) == 0
    with Lake(settings_of(home.home)) as lake:
        assert missing_tables(lake.intake().table(DELIVERY_LEDGER.name)) == []
    home.check(0)
