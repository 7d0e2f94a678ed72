"""Hypothesis strategies of small ledgers: rows of the staging tables with everything that goes wrong at a lender.

A ledger is built from a calendar of business dates and one seed a client, so any of its clients can be built again alone.
Rows are plain dicts with the columns of staging; what the platform adds (known_at, is_opening, ...) follows the written rules.
"""

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from tests.oracles.days import add_months, last_day, month_ends
from tests.oracles.ledger import BEGINNING, KEYS, Ledger, Row, known_at

ZONE = "Asia/Ho_Chi_Minh"
CENT = Decimal("0.01")
HISTORY_PATHS = (  # what follows New or Active
    (),
    (),
    (),
    ("Paid-off",),
    ("Paid-off", "Close"),
    ("Written Off",),
    ("Written Off", "Close"),
    ("Written Off", "Sold"),
    ("Sold",),
    ("Sold", "Close"),
    ("Cancel",),
    ("Cancel", "Close"),
    ("Close",),
)
ROW_PATHS = (  # contract rows may skip steps and may take a status back
    *HISTORY_PATHS,
    ("Paid-off", "Active"),
    ("Written Off", "Active"),
    ("Paid-off", "Active", "Written Off"),
    ("Sold", "Active", "Paid-off"),
)
LATENESS = (-70, -40, -16, -5, -1, 0, 0, 0, 0, 1, 1, 2, 5, 10, 15, 28, 29, 30, 31, 32, 45, 60, 61, 89, 90, 91, 120)
SHARES = ("1", "1", "1", "1", "0.5", "0.1", "0.0999", "0.99", "0.9899", "1.5", "3", "0")


def examples(count: int) -> settings:
    """Settings of a comparison of whole books; a failure names the differing client, so shrinking would buy little."""
    phases = (Phase.explicit, Phase.reuse, Phase.generate)
    return settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=phases)


@dataclass(frozen=True)
class Calendar:
    """Business dates of the deliveries; the first is the opening."""

    dates: tuple[date, ...]
    late_tables: tuple[str, ...] = ()  # optional tables whose opening is the second delivery

    @property
    def opening(self) -> date:
        return self.dates[0]

    @property
    def last(self) -> date:
        return self.dates[-1]

    def opening_of(self, table: str) -> date:
        return self.dates[1] if table in self.late_tables else self.opening

    def after(self, day: date, table: str = "") -> list[date]:
        """Deliveries that can hold what happened on a day."""
        return [delivery for delivery in self.dates if delivery >= max(day, self.opening_of(table))]


@dataclass(frozen=True)
class Case:
    """A ledger and the dates on which to ask about it."""

    ledger: Ledger
    calendar: Calendar
    as_ofs: tuple[date, ...]


def calendar(seed: int) -> Calendar:
    rng = random.Random(seed)
    opening = rng.choice([date(2023, 12, 31), date(2024, 2, 28), date(2024, 2, 29), date(2024, 5, 15)])
    dates, day = [opening], opening
    for _ in range(rng.randint(3, 7)):
        day += timedelta(days=rng.choice([1, 1, 2, 7, 15, 30, 31, 45, 90]))
        dates.append(rng.choice([day, day, last_day(day)]))
        day = dates[-1]
    late = tuple(table for table in ("contract_status_history", "penalties") if rng.random() < 0.3)
    return Calendar(tuple(dates), late)


def as_of_days(when: Calendar, seed: int, count: int) -> tuple[date, ...]:
    """Dates before, on, between and at the end of the deliveries, month ends among them."""
    rng = random.Random(seed)
    ends = [day for day in month_ends(when.opening - timedelta(days=240), when.last) if day <= when.last]
    any_day = [when.opening + timedelta(days=rng.randint(-200, (when.last - when.opening).days)) for _ in range(count)]
    pool = [rng.choice(ends), when.last, *any_day, rng.choice(ends), rng.choice(when.dates)]
    return tuple(sorted(dict.fromkeys(pool[: count + 1])))[:count]


@st.composite
def cases(draw: st.DrawFn, clients: int = 100, as_ofs: int = 3) -> Case:
    """Ledgers of so many clients with dates to ask about."""
    when = calendar(draw(st.integers(0, 2**32 - 1)))
    # One seed for all: the first example that hypothesis draws is all zeros, and would be one client many times.
    seeds = random.Random(draw(st.integers(0, 2**32 - 1))).sample(range(2**32), clients)
    days = as_of_days(when, draw(st.integers(0, 2**32 - 1)), as_ofs)
    return Case(ledger(when, seeds), when, days)


def ledger(when: Calendar, seeds: list[int]) -> Ledger:
    """The ledger of one client a seed."""
    rows: dict[str, list[Row]] = {table: [] for table in KEYS}
    for table, found in reference_rows(when).items():
        rows[table] += found
    for place, seed in enumerate(seeds):
        for table, found in ClientBook(random.Random(seed), when, f"C{place:03d}").rows().items():
            rows[table] += found
    start_dates = {row["contract_number"]: row["start_date"] for row in rows["contracts"]}
    return Ledger({table: [staged(table, row, when, start_dates) for row in found] for table, found in rows.items()})


def reference_rows(when: Calendar) -> dict[str, list[Row]]:
    later = when.dates[2]

    def region(region_id: str, name: str, business_date: date = when.opening, **more: Any) -> Row:
        row = {
            "region_id": region_id,
            "region_name": name,
            "parent_region_id": None,
            "region_level": "province",
            "successor_region_id": None,
        }
        return row | {"business_date": business_date} | more

    return {
        "regions": [
            region("R1", "North"),
            region("R2", "South"),
            region("R3", "Coast", successor_region_id="R1"),
            region("R4", "Delta", later),
        ],
        "product_types": [
            {"product_type_id": "T1", "product_type_name": "Cash loan", "business_date": when.opening},
            {"product_type_id": "T2", "product_type_name": "Two-Wheeler loan", "business_date": when.opening},
            {"product_type_id": "T3", "product_type_name": "CONSUMER durable-loan", "business_date": when.opening},
        ],
        "products": [
            {"product_code": code, "product_name": f"Product {code}", "product_type_id": kind, "business_date": when.opening}
            for code, kind in (("A1", "T1"), ("B2", "T2"), ("C3", "T9"), ("D4", "T3"))
        ],
    }


def staged(table: str, row: Row, when: Calendar, start_dates: dict[str, date]) -> Row:
    """Add what staging adds."""
    event_date = {
        "contracts": lambda: row["start_date"],
        "contract_status_history": lambda: row["status_date"],
        "installments": lambda: start_dates[row["contract_number"]],
        "repayments": lambda: row["repayment_date"],
        "penalties": lambda: row["penalty_date"],
    }.get(table, lambda: BEGINNING)()
    opening = when.opening_of(table)
    return {
        "updated_at": None,
        "is_deleted": False,
        **row,
        "is_opening": row["business_date"] == opening,
        "known_at": known_at(row, event_date, opening, ZONE),
    }


class ClientBook:
    """The rows of one client: where it lives, its contracts, what fell due and what was paid."""

    def __init__(self, rng: random.Random, when: Calendar, client_id: str) -> None:
        self.rng, self.when, self.client_id = rng, when, client_id
        self.found: dict[str, list[Row]] = {table: [] for table in KEYS}
        self.first_delivery = when.opening if rng.random() < 0.85 else rng.choice(when.dates)

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def rows(self) -> dict[str, list[Row]]:
        self.add_client()
        settled: list[date] = []
        for place in range(self.rng.choice([1, 1, 2, 2, 3])):
            self.add_contract(f"{self.client_id}-{place + 1}", settled)
        return self.found

    # --- versions

    def add(self, table: str, row: Row) -> None:
        self.found[table].append(row)

    def later(self, row: Row) -> list[date]:
        return [day for day in self.when.dates if day > row["business_date"]]

    def change(self, table: str, row: Row, **new: Any) -> Row | None:
        """A later version of a row, if a later delivery exists and something changes; returns it."""
        days = self.later(row)
        if not days or (not new.get("is_deleted") and all(row.get(name) == value for name, value in new.items())):
            return None
        version = {**row, "business_date": self.rng.choice(days[:3]), "updated_at": None, **new}
        self.add(table, version)
        return version

    def delivery(self, day: date, table: str, not_before: date) -> date | None:
        """The business date that brings what happened on a day: mostly the next, at times a later one."""
        days = self.when.after(max(day, not_before), table)
        if not days:
            return None
        return days[0] if self.chance(0.8) else self.rng.choice(days)

    # --- client

    def add_client(self) -> None:
        row = {
            "client_id": self.client_id,
            "region_id": self.rng.choice(["R1", "R1", "R2", "R2", "R3", "R4", "R9", None]),
            "client_name": None,
            "join_date": None,
            "credit_score": None,
            "business_date": self.first_delivery,
        }
        self.add("clients", row)
        for _ in range(self.rng.choice([0, 0, 1, 2])):
            region = self.rng.choice(["R1", "R2", "R3", None])
            version = self.change("clients", row, region_id=region) if row else None
            if version and self.chance(0.3):
                moved = version["business_date"] - timedelta(days=self.rng.randint(0, 40))
                version["updated_at"] = max(
                    datetime(moved.year, moved.month, moved.day, 20, tzinfo=UTC), self._instant(row["business_date"])
                )
            row = version

    @staticmethod
    def _instant(day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=UTC)

    # --- contracts

    def add_contract(self, number: str, settled: list[date]) -> None:
        rng, when = self.rng, self.when
        if settled and self.chance(0.5):  # a refinance
            start = rng.choice(settled) + timedelta(days=rng.choice([-8, -7, -3, 0, 3, 7, 8]))
        else:
            start = when.opening + timedelta(days=rng.randint(-420, (when.last - when.opening).days + 5))
            start = rng.choice([start, start, last_day(start), date(2024, 2, 29)])
        brought = self.delivery(start, "contracts", self.first_delivery)
        if brought is None or self.chance(0.03):
            brought = self.first_delivery  # delivered before it starts
        tenor = rng.choice([1, 2, 3, 3, 4, 6, 6, 12])
        schedule = self.schedule(number, start, tenor, brought)
        principal = sum((row["inst_amt_principal"] for row in schedule), Decimal(0))
        contract = {
            "contract_number": number,
            "client_id": self.client_id,
            "product_code": rng.choice(["A1", "A1", "A1", "B2", "C3", "X9"]),
            "principal_amount": principal if self.chance(0.8) else principal + rng.choice([Decimal(-50), Decimal(500)]),
            "tenor": tenor,
            "start_date": start,
            "status": None,
            "interest_amount": None,
            "fee_amount": None,
            "last_status_change_date": None,
            "channel": None,
            "business_date": brought,
        }
        contract["principal_amount"] = max(contract["principal_amount"], Decimal(0))
        own = random.Random(f"{number} {start} {principal}")  # leaves the draws of everything else as they were
        contract["interest_amount"] = own.choice([None, Decimal(0), Decimal("120.50"), (principal * Decimal("0.13")).quantize(CENT)])
        contract["product_code"] = "D4" if own.random() < 0.2 else contract["product_code"]
        paid_off_on = self.pay(number, start, schedule, brought, settled)
        self.add_statuses(contract, start, paid_off_on)
        self.change_schedule(schedule, paid_off_on)
        self.add_penalties(schedule, start)
        if self.chance(0.02) and (last := self.found["contracts"][-1])["contract_number"] == number:
            self.change("contracts", last, is_deleted=True)

    def schedule(self, number: str, start: date, tenor: int, brought: date) -> list[Row]:
        rng = self.rng
        first = rng.choice([add_months(start, 1), start + timedelta(days=rng.randint(5, 45)), last_day(add_months(start, 1))])
        principal = rng.choice([Decimal(1000), Decimal("333.33"), Decimal(1_000_000)])
        interest = rng.choice([None, Decimal(0), Decimal(100), Decimal("33.34")])
        fee = rng.choice([None, None, Decimal(20)])
        business_date = brought if self.chance(0.95) else rng.choice(self.when.after(brought))
        rows = []
        for position in range(tenor if self.chance(0.93) else max(1, tenor - 2)):
            due = add_months(first, position)
            if position and self.chance(0.02):
                due = rows[-1]["due_date"]  # two on one day
            empty = self.chance(0.01)
            rows.append(
                {
                    "installment_id": f"{number}-i{position + 1}",
                    "contract_number": number,
                    "installment_number": position + 1,
                    "due_date": due,
                    "inst_amt_principal": Decimal(0) if empty else principal,
                    "inst_amt_interest": None if empty else interest,
                    "inst_amt_fee": None if empty else fee,
                    "status": None,
                    "penalty_amount": rng.choice([None, None, None, None, Decimal(0), Decimal(50)]),
                    "business_date": business_date,
                }
            )
        for row in rows:
            self.add("installments", row)
        return rows

    # --- money

    def pay(self, number: str, start: date, schedule: list[Row], brought: date, settled: list[date]) -> date | None:
        """Payments by a temper; returns the day on which everything was paid at once, if it was."""
        rng = self.rng
        temper = rng.choice(["good", "good", "mixed", "mixed", "mixed", "stops", "settles", "settles", "never"])
        stop = rng.randrange(len(schedule) + 1)
        by_contract = rng.choice([0.0, 0.3, 1.0])
        for position, row in enumerate(schedule):
            amount = sum((row[f"inst_amt_{part}"] or Decimal(0) for part in ("principal", "interest", "fee")), Decimal(0))
            if temper == "never" or (temper in ("stops", "settles") and position >= stop):
                break
            days = rng.choice(LATENESS) if temper == "mixed" else rng.choice([-5, -1, 0, 0, 0, 1])
            following = schedule[position + 1]["due_date"] if position + 1 < len(schedule) else add_months(row["due_date"], 1)
            day = rng.choice([row["due_date"] + timedelta(days=days)] * 6 + [following])
            share = Decimal(rng.choice(SHARES)) if temper == "mixed" else Decimal(1)
            self.repay(number, start, day, amount * share, None if self.chance(by_contract) else row, brought)
            if share < 1 and self.chance(0.7):
                rest = amount - amount * share + rng.choice([Decimal(0), Decimal(0), -CENT, Decimal(50)])
                named = None if self.chance(by_contract) else row
                self.repay(number, start, day + timedelta(days=rng.choice([0, 0, 1, 10, 31])), rest, named, brought)
        if temper != "settles" or stop >= len(schedule):
            return None
        day = max(start, schedule[max(stop - 1, 0)]["due_date"] + timedelta(days=rng.randint(0, 20)))
        remaining = schedule[stop:]
        total = sum((row[f"inst_amt_{part}"] or Decimal(0) for row in remaining for part in ("principal", "interest", "fee")), Decimal(0))
        self.repay(number, start, day, total, None, brought)
        settled.append(day)
        return day

    def repay(self, number: str, start: date, day: date, amount: Decimal, named: Row | None, brought: date) -> None:
        rng = self.rng
        day = max(day, start)
        business_date = self.delivery(day, "repayments", brought)
        if business_date is None or amount < 0:
            return
        installment_id = named["installment_id"] if named else None
        if self.chance(0.02):
            installment_id = f"{number}-missing"
        repayment_id = f"{number}-p{len(self.found['repayments']) + 1:02d}"
        row = {
            "repayment_id": f"{rng.choice('ab')}{repayment_id}",  # so that ids do not follow the dates
            "repayment_date": day,
            "repayment_amount": amount.quantize(CENT),
            "installment_id": installment_id,
            "contract_number": number,
            "booked_at": self.booking(day, business_date),
            "reverses_repayment_id": None,
            "business_date": business_date,
        }
        self.add("repayments", row)
        if self.chance(0.05):
            self.reverse(row)
        elif self.chance(0.05):
            self.correct(row, start)

    def booking(self, day: date, business_date: date) -> datetime | None:
        if self.chance(0.5):
            return None
        late = min(self.rng.choice([0, 0, 0, 1, 3, 20]), (business_date - day).days)
        return self._instant(day) + timedelta(days=late, hours=self.rng.choice([1, 1, 3, 9, 16]))

    def reverse(self, row: Row) -> None:
        rng = self.rng
        day = row["repayment_date"] + timedelta(days=rng.choice([0, 1, 5, 30]))
        business_date = self.delivery(day, "repayments", row["business_date"])
        if business_date is not None:
            amount = rng.choice([-row["repayment_amount"], -row["repayment_amount"], Decimal("-1.00")])
            reversal = {
                **row,
                "repayment_id": f"{row['repayment_id']}r",
                "repayment_date": day,
                "repayment_amount": amount,
                "installment_id": rng.choice([row["installment_id"], None]),
                "booked_at": self.booking(day, business_date),
                "reverses_repayment_id": row["repayment_id"],
                "business_date": business_date,
            }
            self.add("repayments", reversal)

    def correct(self, row: Row, start: date) -> None:
        rng = self.rng
        what = rng.choice(["amount", "date", "contract", "delete"])
        new: dict[str, Any] = {
            "amount": {"repayment_amount": row["repayment_amount"] + 7},
            "date": {"repayment_date": max(start, row["repayment_date"] - timedelta(days=9))},
            "contract": {"installment_id": None},
            "delete": {"is_deleted": True},
        }[what]
        self.change("repayments", row, **new)

    # --- statuses

    def add_statuses(self, contract: Row, start: date, paid_off_on: date | None) -> None:
        """Contract rows, with the status as text, as events, both or not at all."""
        rng = self.rng
        how = rng.choice(["rows", "rows", "rows_undated", "rows_undated", "history", "history", "both", "none", "none"])
        path = self.path(start, paid_off_on, HISTORY_PATHS if how in ("history", "both") else ROW_PATHS)
        self.add("contracts", contract)
        if how == "none":
            self.touch(contract)
            return
        if how in ("history", "both"):
            for day, status in path:
                self.tell(contract, day, status)
        lag = {"history": 0.1, "both": 0.9}.get(how, 1.0)
        now = [event for event in path if event[0] <= contract["business_date"]]
        contract["status"] = now[-1][1] if now else rng.choice(["New", "Active"])
        contract["last_status_change_date"] = now[-1][0] if now and how != "rows_undated" and self.chance(0.8) else None
        row = contract
        for day, status in path[len(now) :]:
            business_date = self.delivery(day, "contracts", row["business_date"] + timedelta(days=1))
            if business_date is None or not self.chance(lag):
                break
            dated = day if how != "rows_undated" and self.chance(0.8) else None
            version = {**row, "status": status, "last_status_change_date": dated, "business_date": business_date}
            if (version["status"], dated) != (row["status"], row["last_status_change_date"]):
                row = version
                self.add("contracts", row)
        self.touch(row)

    def path(self, start: date, paid_off_on: date | None, paths: tuple[tuple[str, ...], ...]) -> list[tuple[date, str]]:
        rng = self.rng
        begun = [(start - timedelta(days=rng.choice([0, 0, 3])), "New")] if self.chance(0.2) else []
        begun += [] if begun and self.chance(0.15) else [(start, "Active")]
        steps = (
            rng.choice([step for step in paths if step and step[0] == "Paid-off"])
            if paid_off_on and self.chance(0.8)
            else rng.choice(paths)
        )
        day = paid_off_on if paid_off_on and steps[:1] == ("Paid-off",) else start + timedelta(days=rng.randint(0, 300))
        for place, status in enumerate(steps):
            day += timedelta(days=rng.choice([0, 1, 20, 60])) if place else timedelta(0)
            if place == 0 and status == "Cancel":
                day = start + timedelta(days=rng.randint(0, 14))
            begun.append((day, status))
        return begun

    def tell(self, contract: Row, day: date, status: str) -> None:
        business_date = self.delivery(day, "contract_status_history", contract["business_date"])
        if business_date is None:
            return
        row = {"contract_number": contract["contract_number"], "status": status, "status_date": day, "business_date": business_date}
        if row not in self.found["contract_status_history"]:
            self.add("contract_status_history", row)
            if self.chance(0.02):
                self.change("contract_status_history", row, is_deleted=True)

    def touch(self, row: Row) -> None:
        """A later version that leaves the status as it is."""
        if self.chance(0.1):
            self.change("contracts", row, channel="shop")

    # --- what else comes later

    def change_schedule(self, schedule: list[Row], paid_off_on: date | None) -> None:
        rng = self.rng
        if paid_off_on and self.chance(0.15):  # the rest of the schedule is taken away at settlement
            for row in schedule:
                if row["due_date"] > paid_off_on:
                    self.change("installments", row, is_deleted=True)
            return
        for row in schedule:
            if self.chance(0.06):
                new = rng.choice(
                    [
                        {"penalty_amount": Decimal(70)},
                        {"penalty_amount": Decimal(70)},
                        {"due_date": row["due_date"] + timedelta(days=rng.choice([-2, 3, 30]))},
                        {"inst_amt_interest": Decimal(5)},
                        {"is_deleted": True},
                    ]
                )
                version = self.change("installments", row, **new)
                if version and self.chance(0.3) and not version.get("is_deleted"):
                    self.change("installments", version, penalty_amount=rng.choice([Decimal(70), Decimal(90)]), status="late")

    def add_penalties(self, schedule: list[Row], start: date) -> None:
        rng = self.rng
        for row in schedule:
            if not self.chance(0.12):
                continue
            day = row["due_date"] + timedelta(days=rng.choice([1, 5, 30, 45]))
            business_date = self.delivery(day, "penalties", row["business_date"])
            if business_date is None or day < start:
                continue
            penalty = {
                "penalty_id": f"{row['installment_id']}-f",
                "installment_id": row["installment_id"],
                "penalty_date": day,
                "penalty_amount": rng.choice([Decimal(15), Decimal(50), Decimal("7.77")]),
                "business_date": business_date,
            }
            self.add("penalties", penalty)
            if self.chance(0.1):
                self.change("penalties", penalty, **rng.choice([{"penalty_amount": Decimal(11)}, {"is_deleted": True}]))
