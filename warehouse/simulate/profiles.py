"""Profiles: how large a generated lender is, over which dates, and how dirty its deliveries are.

The calendar is fixed and has nothing to do with the clock, so the same profile and seed give the same bytes on every day.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta

from warehouse.clock import add_months

LAST = date(2025, 6, 30)


@dataclass(frozen=True)
class Rates:
    """Shares of rows or contracts that the delivery layer treats specially.

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
    late_parent=0.0,
)


@dataclass(frozen=True)
class Profile:
    """Size and calendar of a generated lender.

    Attributes:
        name: name in PROFILES, or any other.
        clients: clients who take at least one loan within the history.
        months: calendar months of history, the last one included.
        days: daily deliveries after the opening delivery.
        last: last business date.
        rates: how dirty the deliveries are.
        chunk_clients: clients computed at a time; bounds the memory and changes no byte of the result.
    """

    name: str
    clients: int
    months: int = 36
    days: int = 7
    last: date = LAST
    rates: Rates = field(default_factory=Rates)
    chunk_clients: int = 20_000

    def __post_init__(self) -> None:
        for name, least in (("clients", 1), ("months", 2), ("days", 0), ("chunk_clients", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"profile {self.name}: {name} is {getattr(self, name)}, must be {least} or more")
        if self.opening_date < self.first:
            raise ValueError(f"profile {self.name}: {self.days} daily deliveries do not fit into {self.months} months of history")

    @property
    def first(self) -> date:
        """First day of the history."""
        return add_months(self.last.replace(day=1), 1 - self.months)

    @property
    def opening_date(self) -> date:
        """Business date of the opening delivery, which holds everything booked up to then."""
        return self.last - timedelta(days=self.days)

    @property
    def business_dates(self) -> tuple[date, ...]:
        """Business dates of all deliveries, the opening one first."""
        return tuple(self.opening_date + timedelta(days=number) for number in range(self.days + 1))


PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("tiny", clients=200),
        Profile("demo", clients=2_000, days=4),
        Profile("small", clients=20_000),
    )
}


def profile_named(profile: "str | Profile") -> Profile:
    """The profile itself, or the one of that name.

    Raises:
        ValueError: no profile has the name.
    """
    if isinstance(profile, Profile):
        return profile
    if profile not in PROFILES:
        raise ValueError(f"profile {profile!r} does not exist; there are {', '.join(PROFILES)}")
    return PROFILES[profile]
