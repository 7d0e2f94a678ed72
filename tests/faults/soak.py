"""The crash loop for hours: deliveries late, repeated, corrected and out of order, releases, rollbacks and gc, killed at random.

python -m tests.faults.soak --hours 1 [--seed N] [--home DIR]    (or make soak HOURS=1)

Prints a line a minute. Stops at the first broken promise with exit code 1; the seed and the home are named, and the home is kept.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.faults import days
from tests.faults.book import repayment, write_csv
from tests.faults.homes import Reader, build, column, ingest, lake_of, rows, settings_of, started, torn_intake, torn_release
from tests.warehouse.lake_book import ended
from warehouse.lake import Lake
from warehouse.lake.crash import EXIT_CODE, POINTS
from warehouse.replay import replay

KILLED_SHARE, POINT_SHARE = 0.7, 0.2  # of runs; of the killed ones, those killed at a named point
TYPICAL_SECONDS = {"ingest": 4.0, "build": 14.0, "rollback": 1.5, "collect": 3.0, "replay": 3.0}
RETAINED = 3  # releases that gc leaves
CHECK_SECONDS = 60
KILLED = (-9, EXIT_CODE)


class Broken(AssertionError):
    """A promise that did not hold."""


def rollback(home: str, to: int, run_id: str, **more: Any) -> None:
    """Publish an older release again; it names its run itself."""
    lake_of(home, **more).rollback(to)


def collect(home: str, run_id: str, **more: Any) -> None:
    """Remove everything that nothing needs, however young, since nobody else writes now."""
    lake_of(home, **more).gc(grace=timedelta(0), retain=RETAINED)


def replay_quarantine(home: str, run_id: str, **more: Any) -> None:
    """Judge the rows of the quarantine again; no rule has changed, so nothing else may."""
    lake = lake_of(home, **more)
    result = replay(lake, lake.settings, run_id)
    assert result.released == {}


@dataclass
class Book:
    """What must be held: payments by key and business date, and the rows of all files ever taken."""

    payments: dict[tuple[str, date], Decimal] = field(default_factory=dict)
    rows_in: int = 0
    taken: set[int] = field(default_factory=set)
    corrections: dict[int, int] = field(default_factory=dict)

    def take(self, number: int) -> None:
        """A delivery, unless it was taken before."""
        if number not in self.taken:
            self.taken.add(number)
            self.payments |= {(key, day): amount for key, day, amount in days.expected_payments([number])}
            self.rows_in += days.expected_rows_in([number])

    def correct(self, number: int) -> Decimal:
        """A second delivery of a business date that changes its payment; the amount to deliver."""
        self.corrections[number] = self.corrections.get(number, 0) + 1
        amount = Decimal(number + 1) + Decimal("0.10") * self.corrections[number]
        self.payments[f"Y{number}", days.day_of(number)] = amount
        self.rows_in += 1
        return amount


class Soak:
    """One home under attack."""

    def __init__(self, home: Path, files: Path, seed: int) -> None:
        self.home, self.files, self.chance = home, files, random.Random(seed)
        self.book, self.counts = Book(), Counter[str]()
        self._next, self._skipped, self._runs = 1, list[int](), 0

    def begin(self) -> None:
        """The opening delivery and the first release, and a reader."""
        self.book.take(0)
        self._run("ingest", ingest, self.home, days.write(self.files, 0), days.day_of(0), may_kill=False)
        self._run("build", build, self.home, may_kill=False)
        self.reader = Reader(self.home)

    def step(self) -> None:
        """Do one thing, as often as it takes to end."""
        options: dict[Callable[[], None], int] = {
            self._take_next: 50, self._take_late: 15, self._repeat: 8, self._correct: 8, self._two_at_once: 8,
            self._build: 6, self._roll_back: 2, self._collect: 3, self._replay: 4,
        }  # fmt: skip
        (doing,) = self.chance.choices(list(options), list(options.values()))
        doing()

    def check(self) -> str:
        """Compare what is held with the book and with what the reader saw; a line for people.

        Raises:
            Broken: a promise did not hold.
        """
        looks, torn, _ = self.reader.finish()
        with Lake(settings_of(self.home)) as lake:
            intake, release = lake.intake(), lake.at()
            assert intake is not None
            torn += torn_intake(intake) + torn_release(release)
            held = rows(intake, "staging.repayments", "repayment_id", "business_date", "repayment_amount").to_pylist()
            rows_in = sum(column(intake, "ops.delivery_ledger", "rows_in"))
        found = {(row["repayment_id"], row["business_date"]): row["repayment_amount"] for row in held}
        lost = {key: amount for key, amount in self.book.payments.items() if found.get(key) != amount}
        more = found.keys() - self.book.payments.keys()
        if torn or lost or more or len(held) != len(found) or rows_in != self.book.rows_in:
            raise Broken(f"torn: {torn}; lost: {lost}; not delivered: {more}; rows in {rows_in}, delivered {self.book.rows_in}")
        self.counts["looks"] += looks
        self.reader = Reader(self.home)
        named = ("runs", "kills", "kills at points", "ingest", "build", "rollback", "collect", "replay", "looks")
        return ", ".join(f"{self.counts[name]} {name}" for name in named) + ", torn 0, lost 0"

    def _take_next(self) -> None:
        number, self._next = self._next, self._next + 1
        if self.chance.random() < 0.2:
            self._skipped.append(number)  # comes later
        else:
            self._take(number)

    def _take_late(self) -> None:
        if self._skipped:
            self._take(self._skipped.pop(self.chance.randrange(len(self._skipped))))

    def _repeat(self) -> None:
        self._take(self.chance.choice(sorted(self.book.taken)))

    def _take(self, number: int) -> None:
        self.book.take(number)
        self._run("ingest", ingest, self.home, days.write(self.files, number), days.day_of(number))

    def _correct(self) -> None:
        number = self.chance.choice(sorted(self.book.taken - {0}) or [0])
        if number:
            amount = self.book.correct(number)
            name = f"{number:04d}-{self.book.corrections[number]}"
            rows = [repayment(f"Y{number}", repayment_date=days.day_of(number).isoformat(), repayment_amount=str(amount))]
            folder = write_csv(self.files / name, {"repayments": rows})
            self._run("ingest", ingest, self.home, folder, days.day_of(number))

    def _two_at_once(self) -> None:
        """The daily delivery beside a late one, or beside the daily one again; nobody is killed."""
        numbers = [self._next, self._skipped.pop() if self._skipped else self._next]
        self._next += 1
        both = []
        for number in numbers:
            self.book.take(number)
            both.append(started(ingest, self.home, days.write(self.files, number), days.day_of(number), self._run_id()))
        self.counts.update({"ingest": 2, "runs": 2})
        if codes := [code for code in (ended(run, 300) for run in both) if code != 0]:
            raise Broken(f"two intakes at once ended with {codes}")

    def _build(self) -> None:
        self._run("build", build, self.home)

    def _roll_back(self) -> None:
        with Lake(settings_of(self.home)) as lake:
            to = self.chance.choice(lake.releases()).release_id
        self._run("rollback", rollback, str(self.home), to)

    def _collect(self) -> None:
        self._run("collect", collect, str(self.home))

    def _replay(self) -> None:
        self._run("replay", replay_quarantine, str(self.home))

    def _run_id(self) -> str:
        self._runs += 1
        return f"soak-{self._runs}"

    def _run(self, what: str, run: Callable[..., Any], *arguments: Any, may_kill: bool = True) -> None:
        """Run until it ends well; each attempt may be killed, and the next one has the same run id or a new one."""
        run_id, code = self._run_id(), None
        while code != 0:
            self.counts["runs"] += 1
            code = self._attempt(what, run, *arguments, run_id) if may_kill else ended(started(run, *arguments, run_id), 300)
            if code not in (0, *KILLED):
                raise Broken(f"{what} {run_id} ended with exit code {code}")
            if self.chance.random() < 0.5:
                run_id = self._run_id()
        self.counts[what] += 1

    def _attempt(self, what: str, run: Callable[..., Any], *arguments: Any) -> int | None:
        if self.chance.random() > KILLED_SHARE:
            return ended(started(run, *arguments), 300)
        if self.chance.random() < POINT_SHARE:
            code = ended(started(run, *arguments, crash_at=self.chance.choice(POINTS)), 300)
            self.counts.update({"kills": code == EXIT_CODE, "kills at points": code == EXIT_CODE})
            return code
        process = started(run, *arguments)
        process.join(self.chance.uniform(0, TYPICAL_SECONDS[what]))
        process.kill()
        code = ended(process)
        self.counts["kills"] += code == -9
        return code


def main() -> int:
    """Run the loop; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--home", type=Path, default=None)
    arguments = parser.parse_args()
    place = arguments.home or Path(tempfile.mkdtemp(prefix="soak-"))
    soak = Soak(place / "home", place / "files", arguments.seed)
    say(f"seed {arguments.seed}, home {place}")
    began = said = time.monotonic()
    try:
        soak.begin()
        while (now := time.monotonic()) - began < arguments.hours * 3600:
            soak.step()
            if now - said >= CHECK_SECONDS:
                said = now
                say(f"minute {(now - began) / 60:.0f}: {soak.check()}")
        say(f"done: {soak.check()}")
        soak.reader.finish()
    except Broken as error:
        say(f"BROKEN with seed {arguments.seed}, home {place} is kept: {error}")
        return 1
    shutil.rmtree(place)
    return 0


def say(line: str) -> None:
    """A line for whoever watches."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
