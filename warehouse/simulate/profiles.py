"""Profiles: how large a generated lender is, over which dates, and how dirty its deliveries are.

The calendar is fixed and has nothing to do with the clock, so the same profile and seed give the same bytes on every day.
"""

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Literal

from warehouse.clock import add_months, month_ends

LAST = date(2025, 6, 30)


@dataclass(frozen=True)
class FileRates:
    """Shares of files and folders after the opening delivery to which something happens; by default what a year of a lender has.

    Attributes:
        repeated: files that come again, byte by byte, with the next delivery.
        byte_order_mark: csv files that begin with one.
        carriage_return: csv files whose lines end as on Windows.
        truncated: files that end in the middle; the whole delivery comes again.
        other_encoding: clients files in the Windows encoding of Vietnamese; the whole delivery comes again.
        swapped: folders that arrive after the next one.
        missing_days: business dates within a year whose folder arrives some deliveries late.
    """

    repeated: float = 0.01
    byte_order_mark: float = 0.02
    carriage_return: float = 0.02
    truncated: float = 0.005
    other_encoding: float = 0.005
    swapped: float = 0.02
    missing_days: float = 3.0


NO_MISHAPS = FileRates(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
FREQUENT_MISHAPS = FileRates(0.04, 0.06, 0.06, 0.02, 0.15, 0.08, 15.0)  # to be seen in the few deliveries of a small history


class ProfileError(ValueError):
    """A profile that does not exist or cannot be; the message says why."""


@dataclass(frozen=True)
class Rates:
    """Shares of rows or contracts that the delivery layer treats specially; docs/simulator.md says what each means for a platform.

    Attributes:
        duplicate: rows delivered twice.
        key_conflict: rows of which two versions with other values arrive under one key.
        missing: rows without a value that must be filled.
        garbage: rows with text where a number belongs.
        bad_date: rows with a date that does not exist or is not ISO.
        negative: repayments below zero that reverse nothing.
        before_start: repayments dated before their contract began.
        orphan: rows that name a parent which never comes.
        unknown_region: clients whose region is not on the list, and as many without one.
        optional_missing: clients without a district or commune.
        unit_error: new applications with a principal a thousand times too large; daily deliveries only.
        transition: full payments followed by a loss, which is impossible.
        decomposed: client rows whose name is spelled in Unicode's decomposed form.
        injection: names and channels with text that attacks a careless reader.
        extreme: numbers and ids as spreadsheets and overflows write them.
        false_penalty: installments paid in time that are charged nevertheless.
        schedule_sum: first schedules whose principal differs from the loan.
        mass_days: daily deliveries in which the repayments of one region have no date.
        files: what happens to whole files and folders.
        late_parent: new contracts, and new clients, delivered one day after the rows that name them.
        daily_factor: dirt of daily files in relation to the opening delivery, which is much longer.
        correction: repayments first delivered with a wrong amount (only daily deliveries can show both).
        reversal: repayments that bounce and are paid again.
        split: repayments made in two parts.
        rounded: repayments rounded down to a thousand.
        by_contract: contracts whose repayments never name an installment.
        without_history: contracts of which no status history is delivered.
        move: clients who move to another region within a year.
    """

    duplicate: float = 0.005
    key_conflict: float = 0.0005
    missing: float = 0.001
    garbage: float = 0.001
    bad_date: float = 0.0005
    negative: float = 0.0005
    before_start: float = 0.0002
    orphan: float = 0.0001
    unknown_region: float = 0.003
    optional_missing: float = 0.03
    unit_error: float = 0.0002
    transition: float = 0.0002
    decomposed: float = 0.001
    injection: float = 0.0001
    extreme: float = 0.0002
    false_penalty: float = 0.0002
    schedule_sum: float = 0.0001
    mass_days: int = 0
    files: FileRates = NO_MISHAPS
    late_parent: float = 0.4
    daily_factor: float = 10.0
    correction: float = 0.01
    reversal: float = 0.002
    split: float = 0.04
    rounded: float = 0.03
    by_contract: float = 0.08
    without_history: float = 0.15
    move: float = 0.10


CLEAN = Rates(
    duplicate=0.0,
    key_conflict=0.0,
    missing=0.0,
    garbage=0.0,
    bad_date=0.0,
    negative=0.0,
    before_start=0.0,
    orphan=0.0,
    unknown_region=0.0,
    optional_missing=0.0,
    unit_error=0.0,
    transition=0.0,
    decomposed=0.0,
    injection=0.0,
    extreme=0.0,
    false_penalty=0.0,
    schedule_sum=0.0,
    late_parent=0.0,
)


# No dirt, and money that is never split, bounced, rounded, corrected or paid without naming its installment.
PLAIN = replace(CLEAN, correction=0.0, reversal=0.0, split=0.0, rounded=0.0, by_contract=0.0, move=0.0)


@dataclass(frozen=True)
class Profile:
    """Size and calendar of a generated lender.

    Attributes:
        name: name in PROFILES, or any other.
        clients: clients who take at least one loan within the history.
        months: calendar months of history, the last one included.
        days: daily deliveries at the end of the history.
        last: last business date.
        opening: business date of the opening delivery; None: the day before the daily ones. If it is earlier, the
            lender delivers at month ends until the daily deliveries begin.
        months_apart: months between those month ends.
        rates: how dirty the deliveries are.
        shocks: ids of what happens to the market or to the lender, see shocks.py; each has its own dates.
        single_contract: every client has one contract and pays it plainly, so that the ceiling can be computed exactly.
        file_format: of the delivered files.
        chunk_clients: clients computed at a time; bounds the memory and changes no byte of the result.
        workers: processes that compute chunks; they change no byte either.
    """

    name: str
    clients: int
    months: int = 36
    days: int = 7
    last: date = LAST
    opening: date | None = None
    months_apart: int = 1
    rates: Rates = field(default_factory=Rates)
    shocks: tuple[str, ...] = ("S1", "S4", "S5")
    single_contract: bool = False
    file_format: Literal["csv", "parquet"] = "csv"
    chunk_clients: int = 20_000
    workers: int = 1

    def __post_init__(self) -> None:
        for name, least in (("clients", 1), ("months", 2), ("days", 0), ("chunk_clients", 1), ("workers", 1), ("months_apart", 1)):
            if getattr(self, name) < least:
                raise ProfileError(f"profile {self.name}: {name} is {getattr(self, name)}, must be {least} or more")
        if not self.first <= self.opening_date <= self.last - timedelta(days=self.days):
            raise ProfileError(f"profile {self.name}: {self.days} daily deliveries do not fit into {self.months} months of history")

    @property
    def first(self) -> date:
        """First day of the history."""
        return add_months(self.last.replace(day=1), 1 - self.months)

    @property
    def opening_date(self) -> date:
        """Business date of the opening delivery, which holds everything booked up to then."""
        return self.opening or self.last - timedelta(days=self.days)

    @property
    def business_dates(self) -> tuple[date, ...]:
        """Business dates of all deliveries: the opening one, month ends up to the daily ones, then every day."""
        daily = [self.last - timedelta(days=number) for number in reversed(range(self.days))]
        begins = self.last - timedelta(days=self.days)
        monthly = [end for end in month_ends(self.opening_date, begins) if end > self.opening_date][
            self.months_apart - 1 :: self.months_apart
        ]
        return tuple(dict.fromkeys([self.opening_date, *monthly, begins, *daily]))


PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("tiny", clients=200),
        Profile("demo", clients=2_000, months=37, days=4, last=date(2025, 7, 2)),  # ends after the merger of provinces
        Profile("small", clients=20_000),
        Profile("mid", clients=200_000, days=1, months=48, file_format="parquet", chunk_clients=10_000, workers=2),
        Profile("bench", clients=1_000_000, days=1, months=48, file_format="parquet", chunk_clients=10_000, workers=2),
        Profile(  # all schema versions, and all that can happen to files
            "history",
            clients=2_000,
            days=7,
            last=date(2025, 7, 7),
            opening=date(2023, 1, 31),
            rates=Rates(mass_days=1, daily_factor=2.0, files=FREQUENT_MISHAPS),
        ),
        Profile("shifted", clients=2_000, shocks=("S1", "S2", "S3", "S4", "S5", "S6")),  # what monitors must and must not notice
        Profile("ceiling", clients=60_000, days=0, single_contract=True, rates=PLAIN, file_format="parquet", workers=2),
    )
}


def profile_named(profile: "str | Profile") -> Profile:
    """The profile itself, or the one of that name.

    Raises:
        ProfileError: no profile has the name.
    """
    if isinstance(profile, Profile):
        return profile
    if profile not in PROFILES:
        raise ProfileError(f"profile {profile!r} does not exist; there are {', '.join(PROFILES)}")
    return PROFILES[profile]
