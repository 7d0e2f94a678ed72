"""Months that a delivery cannot have changed are kept, and the tables are those of a whole build, row by row."""

import random
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import date
from itertools import accumulate

import pytest

from tests.conftest import STAGING, staging_tables
from tests.strategies import Calendar, ledger
from warehouse.build import build_curated
from warehouse.changes import first_changed_on
from warehouse.clock import end_of_day
from warehouse.curated.books import open_books
from warehouse.curated.staged import Staged
from warehouse.lake import Candidate, Lake
from warehouse.months import MONTHLY, build_months, days_of_books, month_days, stale_days
from warehouse.settings import Settings
from warehouse.terms import Terms

TERMS = Terms()
DATES = tuple(map(date.fromisoformat, ("2024-02-28", "2024-02-29", "2024-03-31", "2024-04-10", "2024-05-02", "2024-05-03")))
ORDER = tuple(DATES[number] for number in (0, 1, 3, 2, 4, 5))  # the third delivery comes after the fourth
START = date(2023, 10, 2)


def deliveries(seed: int, clients: int = 40) -> dict[str, list[dict]]:
    """Rows of staging of all business dates; region R2 becomes part of R1 with the last but one."""
    rng, when = random.Random(seed), Calendar(DATES)
    rows = dict(ledger(when, [rng.randrange(2**32) for _ in range(clients)]).rows)
    south = next(row for row in rows["regions"] if row["region_id"] == "R2")
    known_at = end_of_day(DATES[4], TERMS.time_zone)
    merged = south | {"successor_region_id": "R1", "business_date": DATES[4], "known_at": known_at, "is_opening": False}
    return rows | {"regions": [*rows["regions"], merged]}


def deliver(lake: Lake, rows: dict[str, list[dict]], days: Collection[date]) -> None:
    """Publish as an intake what some business dates brought."""
    intake = lake.candidate("intake", f"intake-{len(days)}-{max(days)}")
    for name, table in staging_tables({name: [row for row in held if row["business_date"] in days] for name, held in rows.items()}).items():
        intake.write(STAGING[name], lake.con.to_pyarrow(table))
        intake.audit(STAGING[name])
    intake.publish(max(days))


def months(candidate: Candidate, day: date, changed_on: date | None, terms: Terms = TERMS) -> list[date]:
    """Build the monthly tables; the days that were computed."""
    staged, asked = Staged.read(candidate.table), month_days(START, day)
    stale = stale_days(candidate, asked, changed_on, terms)
    build_months(candidate, open_books(candidate, staged, days_of_books(asked, stale), terms), asked, stale, terms)
    return stale


def rows_of(candidate: Candidate) -> dict[str, list[str]]:
    return {spec.name: sorted(map(repr, candidate.table(spec.name).to_pyarrow().to_pylist())) for spec in MONTHLY}


@pytest.fixture
def lake(tmp_path) -> Iterator[Lake]:
    with Lake(Settings(home=tmp_path, catalog_uri=f"sqlite:///{tmp_path}/catalog.db")) as opened:
        yield opened


def test_only_changed_months_are_computed_and_all_are_those_of_a_whole_build(lake: Lake) -> None:
    rows, computed = deliveries(1), []
    for place, delivered in enumerate(accumulate(({day} for day in ORDER), set.union)):
        deliver(lake, rows, delivered)
        candidate = lake.candidate("release", f"build-{place}")
        computed.append(months(candidate, max(delivered), first_changed_on(candidate, lake, TERMS)))
        candidate.publish(max(delivered))
        if place in (3, 5):  # after the late delivery, and after regions have merged
            whole = lake.candidate("release", f"whole-{place}")
            months(whole, max(delivered), date.min)
            assert rows_of(candidate) == rows_of(whole)
            whole.discard()
    march, april = DATES[2], date(2024, 4, 30)
    assert computed[0] == month_days(START, DATES[0])
    assert computed[1:] == [[DATES[1]], [march, DATES[3]], [march, DATES[3]], [april, DATES[4]], [DATES[5]]]


def test_a_book_of_other_terms_or_of_older_staging_is_computed_whole(lake: Lake) -> None:
    rows = deliveries(3, clients=4)
    deliver(lake, rows, DATES[:2])
    first = lake.candidate("release", "first")
    asked = months(first, DATES[1], date.min)
    first.publish(DATES[1])
    again = lake.candidate("release", "again")
    assert stale_days(again, asked, None, TERMS) == [DATES[1]]
    assert stale_days(again, asked, None, replace(TERMS, grace_days=3)) == asked
    assert stale_days(again, asked[:-1], None, TERMS) == asked[:-1]  # the release is of a later business date
    deliver(lake, rows, DATES[:3])
    other = lake.candidate("release", "other")  # publishes newer staging beside the older months
    other.write(MONTHLY[1], other.table(MONTHLY[1].name))
    other.audit(MONTHLY[1])
    other.publish(DATES[2])
    after = lake.candidate("release", "after")
    assert first_changed_on(after, lake, TERMS) is None
    days = month_days(START, DATES[2])
    assert stale_days(after, days, None, TERMS) == days


def test_a_run_that_ended_midway_begins_anew(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(lake, deliveries(4, clients=4), DATES[:2])
    monkeypatch.setattr("warehouse.months.parts", lambda days, staged, rows: ([day] for day in days))
    candidate, written = lake.candidate("release", "run"), []

    def end_in_third(*arguments, **named):
        written.append(named["replace"])
        if len(written) == 3:
            raise KeyboardInterrupt
        return Candidate.write(candidate, *arguments, **named)

    monkeypatch.setattr(candidate, "write", end_in_third)
    with pytest.raises(KeyboardInterrupt):
        months(candidate, DATES[1], date.min)
    monkeypatch.undo()
    again = lake.candidate("release", "run")
    assert stale_days(again, month_days(START, DATES[1]), date.min, TERMS) == month_days(START, DATES[1])


def test_a_build_of_all_tables_opens_books_for_the_days_it_computes(lake: Lake) -> None:
    rows = deliveries(5, clients=10)
    for place, delivered in enumerate((DATES[:4], DATES[:5])):
        deliver(lake, rows, delivered)
        candidate = lake.candidate("release", f"build-{place}")
        books = build_curated(candidate, delivered[-1], TERMS, first_changed_on(candidate, lake, TERMS), also=[DATES[0]])
        candidate.publish(delivered[-1])
    assert books.days == {DATES[0], DATES[2], date(2024, 4, 30), DATES[4]}  # March for the contracts that had ended by then
