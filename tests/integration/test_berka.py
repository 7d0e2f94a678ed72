"""Real loans through the real pipeline: the PKDD'99 Berka data from .asc files to marts and features.

Every expected figure is derived here from the .asc files with dicts and loops; nothing of the adapter or the platform is used for it.
"""

import csv
import os
from collections import Counter, defaultdict
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from features.build import build_features
from warehouse.adapters.berka import LAST_LOAN_YEAR_END, LAST_PAYMENT, berka_delivery
from warehouse.build import build_curated, build_marts
from warehouse.clock import as_of_dates
from warehouse.curated.positions import Positions, positions
from warehouse.curated.staged import Staged
from warehouse.ingest import ingest_delivery
from warehouse.lake import Lake
from warehouse.settings import Settings
from warehouse.terms import Terms

pytestmark = pytest.mark.integration

SPRING, YEAR_END = date(1994, 3, 31), date(1998, 12, 31)
TABLES = ("regions", "product_types", "products", "clients", "contracts", "installments", "repayments")


# ---- the .asc files, read independently -----------------------------------------------------------------------------------------


class Loan(NamedTuple):
    loan_id: str
    account_id: str
    owner: str
    district: str
    region: str
    granted_on: date
    amount: Decimal
    duration: int
    payment: Decimal
    letter: str

    def due_on(self, number: int) -> date:
        year, month = divmod(self.granted_on.year * 12 + self.granted_on.month - 1 + number, 12)
        following = date(year + (month + 1) // 12, (month + 1) % 12 + 1, 1)
        return min(date(year, month + 1, 1) + timedelta(days=self.granted_on.day - 1), following - timedelta(days=1))


class Book(NamedTuple):
    loans: dict[str, Loan]
    payments: dict[str, list[tuple[date, Decimal]]]  # by loan, oldest first
    district_names: dict[str, tuple[str, str]]  # id -> district, region

    def by_region(self, letters: str = "ABCD") -> Counter[str]:
        return Counter(loan.region for loan in self.loans.values() if loan.letter in letters)


def asc(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.asc").open(encoding="ascii", newline="") as text:
        return list(csv.DictReader(text, delimiter=";"))


def yymmdd(text: str) -> date:
    return date(1900 + int(text[0:2]), int(text[2:4]), int(text[4:6]))


@pytest.fixture(scope="module")
def source() -> Path:
    folder = os.environ.get("LENDING_BERKA_DIR", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip(f"LENDING_BERKA_DIR={folder!r} is no folder; set it to the folder of the PKDD'99 .asc files to run this test")
    return Path(folder)


@pytest.fixture(scope="module")
def book(source: Path) -> Book:
    districts = {row["A1"]: (row["A2"], row["A3"]) for row in asc(source, "district")}
    home = {row["client_id"]: row["district_id"] for row in asc(source, "client")}
    owner = {row["account_id"]: row["client_id"] for row in asc(source, "disp") if row["type"] == "OWNER"}
    loans = {}
    for row in asc(source, "loan"):
        client = owner[row["account_id"]]
        loans[row["loan_id"]] = Loan(
            row["loan_id"],
            row["account_id"],
            client,
            home[client],
            districts[home[client]][1],
            yymmdd(row["date"]),
            Decimal(row["amount"]),
            int(row["duration"]),
            Decimal(row["payments"]),
            row["status"],
        )
    of_account = {loan.account_id: loan.loan_id for loan in loans.values()}
    payments = defaultdict(list)
    for row in asc(source, "trans_part"):
        if row["k_symbol"] == "UVER":
            payments[of_account[row["account_id"]]].append((yymmdd(row["date"]), Decimal(row["amount"])))
    return Book(loans, {loan: sorted(paid) for loan, paid in payments.items()}, districts)


# ---- the pipeline ---------------------------------------------------------------------------------------------------------------


class Built:
    """The release built from the delivery of the end of 1998, read as rows."""

    def __init__(self, lake: Lake, terms: Terms) -> None:
        self.lake, self.terms, self._pinned = lake, terms, lake.at()

    def rows(self, table: str) -> list[dict[str, Any]]:
        return self._pinned.table(table).to_pyarrow().to_pylist()

    def positions_in_spring(self) -> Positions:
        return positions(Staged.read(self._pinned.table), as_of_dates([SPRING], self.terms.time_zone), self.terms)


@pytest.fixture(scope="module")
def built(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    home = tmp_path_factory.mktemp("berka")
    settings = Settings.from_env({"LENDING_HOME": str(home), "LENDING_TIME_ZONE": "Europe/Prague", "LENDING_CURRENCY": "CZK"})
    lake = Lake(settings)
    ingest_delivery(lake, settings, berka_delivery(source, home / "delivery"), YEAR_END, "berka-ingest")
    candidate = lake.candidate("release", "berka-build")
    build_curated(candidate, YEAR_END, settings.terms)
    build_marts(candidate, YEAR_END, settings.terms)
    build_features(candidate, [SPRING], settings.terms)
    candidate.publish(YEAR_END, "Berka")
    return Built(lake, settings.terms)


def test_the_dates_are_those_of_the_data() -> None:
    assert (LAST_PAYMENT, LAST_LOAN_YEAR_END) == (SPRING, YEAR_END)


def test_every_row_is_accepted(built: Built) -> None:
    files = {row["table_name"]: row for row in built.lake.intake().table("ops.delivery_ledger").to_pyarrow().to_pylist()}

    rows_in = {table: files[table]["rows_in"] for table in TABLES}

    assert rows_in["contracts"] == rows_in["clients"] == 682
    assert rows_in["repayments"] == 123
    assert rows_in["regions"] == 77 + 8
    assert {table: files[table]["accepted"] for table in TABLES} == rows_in


# ---- the whole book, by region --------------------------------------------------------------------------------------------------


def distribution(built: Built, book: Book, value: str) -> dict[str, Counter[str]]:
    """A measure of the last month's distribution mart: status -> region of A3 -> sum."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for row in built.rows("marts.loan_distribution_by_region"):
        if row["month_on"] == YEAR_END:
            found[row["status"]][book.district_names[row["region_id"]][1]] += row[value]
    return found


def test_loans_by_region(built: Built, book: Book) -> None:
    found = sum(distribution(built, book, "contract_count").values(), Counter())

    assert found == book.by_region()
    assert found.total() == 682


def test_loans_by_region_and_outcome(built: Built, book: Book) -> None:
    found = distribution(built, book, "contract_count")

    assert found["Written Off"] == book.by_region("B")
    assert found["Paid-off"] == book.by_region("A")
    assert found["Active"] == book.by_region("CD")
    assert set(found) == {"Written Off", "Paid-off", "Active"}


def test_principal_by_region(built: Built, book: Book) -> None:
    found = sum(distribution(built, book, "principal_amount").values(), Counter())
    expected: Counter[str] = Counter()
    for loan in book.loans.values():
        expected[loan.region] += loan.amount

    assert found == expected


def test_bad_loans_by_region_of_origination(built: Built, book: Book) -> None:
    """B and D together: the data's own letters, counted in the regions that the platform gives their contracts."""
    found: Counter[str] = Counter()
    for row in built.rows("curated.fact_contract"):
        if book.loans[row["contract_number"]].letter in "BD":
            found[book.district_names[row["region_at_origination_id"]][1]] += 1

    assert found == book.by_region("BD")
    assert found.total() == 76


def test_losses_fall_into_the_month_in_which_the_loan_ran_out(built: Built, book: Book) -> None:
    expected: Counter[tuple[int, int, str]] = Counter()
    for loan in book.loans.values():
        if loan.letter == "B":
            end = loan.due_on(loan.duration)
            expected[(end.year, end.month, loan.region)] += 1
    found: Counter[tuple[int, int, str]] = Counter()
    for row in built.rows("marts.portfolio_by_region_month"):
        if row["written_off_count"]:
            found[(row["month_on"].year, row["month_on"].month, book.district_names[row["region_id"]][1])] += row["written_off_count"]

    assert found == expected


def months_between(later: date, earlier: date) -> int:
    return (later.year - earlier.year) * 12 + later.month - earlier.month


def test_cohorts_are_the_loans_granted_in_a_month(built: Built, book: Book) -> None:
    expected: Counter[tuple[date, str]] = Counter((loan.granted_on.replace(day=1), loan.region) for loan in book.loans.values())
    found: Counter[tuple[date, str]] = Counter()
    for row in built.rows("marts.vintage_by_region"):
        if row["mob"] == 0:
            found[row["vintage_month"], book.district_names[row["region_id"]][1]] += row["contract_count"]

    assert found == expected


def test_loans_without_a_payment_are_30_days_past_due_30_days_after_their_first_due_date(built: Built, book: Book) -> None:
    """Payments are given up to March 1994 only, so all of a later loan's installments are unpaid."""
    expected: Counter[tuple[date, int]] = Counter()
    for loan in book.loans.values():
        reached = loan.due_on(1) + timedelta(days=30)
        if loan.granted_on > SPRING and reached <= YEAR_END:
            expected[loan.granted_on.replace(day=1), months_between(reached, loan.granted_on)] += 1
    ever: Counter[tuple[date, int]] = Counter()
    for row in built.rows("marts.vintage_by_region"):
        if row["vintage_month"] > SPRING:
            ever[row["vintage_month"], row["mob"]] += row["ever30_count"]
    found = Counter({(month, mob): count - ever[month, mob - 1] for (month, mob), count in ever.items()})

    assert +found == expected


def test_districts_hang_below_their_region(built: Built, book: Book) -> None:
    paths = {row["region_id"]: row["region_path"] for row in built.rows("curated.dim_region") if row["is_current"]}

    for district, (name, region) in book.district_names.items():
        assert paths[district] == f"{region} > {name}"


# ---- payments up to March 1994 --------------------------------------------------------------------------------------------------


class Fact(NamedTuple):
    """What is true of one installment on 1994-03-31."""

    due_on: date
    next_due_on: date
    settled_on: date | None

    @property
    def is_due(self) -> bool:
        return self.due_on <= SPRING

    @property
    def is_late(self) -> bool:
        return self.is_due and (self.settled_on or SPRING) > self.due_on

    @property
    def is_skipped(self) -> bool:
        """Nothing to speak of was paid until the next one fell due."""
        return self.next_due_on <= SPRING and (self.settled_on is None or self.settled_on > self.next_due_on)

    @property
    def state(self) -> str:
        if self.is_skipped:
            return "SKIPPED_RECOVERED" if self.settled_on else "SKIPPED_OPEN"
        if self.settled_on:
            return "PAID_EARLY" if self.settled_on < self.due_on else "PAID_ON_TIME"
        return "DUE_OPEN" if self.is_due else "NOT_DUE"


def facts(loan: Loan, book: Book) -> list[Fact]:
    """Each payment is one installment within a percent, so the n-th payment settles the n-th installment."""
    paid = book.payments.get(loan.loan_id, [])
    assert all(abs(amount - loan.payment) <= loan.payment / 100 for _, amount in paid)
    days = [day for day, _ in paid] + [None] * (loan.duration - len(paid))
    return [Fact(loan.due_on(number), loan.due_on(number + 1), day) for number, day in enumerate(days, start=1)]


def granted_by_spring(book: Book) -> list[Loan]:
    return [loan for loan in book.loans.values() if loan.granted_on <= SPRING]


def test_a_delivery_of_spring_says_what_was_known_then(source: Path, book: Book, tmp_path: Path) -> None:
    folder = berka_delivery(source, tmp_path, as_of=SPRING)
    with (folder / "contracts.csv").open(encoding="utf-8", newline="") as text:
        contracts = list(csv.DictReader(text))
    with (folder / "clients.csv").open(encoding="utf-8", newline="") as text:
        clients = list(csv.DictReader(text))

    assert {row["contract_number"] for row in contracts} == {loan.loan_id for loan in granted_by_spring(book)}
    assert {row["status"] for row in contracts} == {"Active"}
    assert len(contracts) == len(clients) == 38
    assert set(clients[0]) == {"client_id", "region_id", "join_date"}


def test_a_folder_without_the_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"account\.asc, client\.asc.* missing"):
        berka_delivery(tmp_path, tmp_path / "out")


def test_later_loans_are_unseen_in_spring(built: Built, book: Book) -> None:
    open_then = built.positions_in_spring().contracts.filter(lambda contract: contract.is_open).to_pyarrow().to_pylist()

    assert {row["contract_number"] for row in open_then} == {loan.loan_id for loan in granted_by_spring(book)}
    assert len(book.payments) == 34


def test_installments_of_march_1994(built: Built, book: Book) -> None:
    rows = built.positions_in_spring().installments.to_pyarrow().to_pylist()
    found = {(row["contract_number"], row["installment_number"]): row for row in rows}
    compared = Counter()
    for loan in granted_by_spring(book):
        for number, fact in enumerate(facts(loan, book), start=1):
            row = found.pop((loan.loan_id, number))
            assert (row["due_date"], row["settled_on"]) == (fact.due_on, fact.settled_on)
            assert (row["is_late"], row["is_skipped"], row["state"]) == (fact.is_late, fact.is_skipped, fact.state)
            if fact.settled_on:
                assert row["days_late"] == (fact.settled_on - fact.due_on).days
            compared["late" if fact.is_late else "paid" if fact.settled_on else "open"] += 1

    assert all(book.loans[contract].granted_on > SPRING for contract, _ in found)
    assert compared == {"paid": 122, "late": 8, "open": 1046}  # loan 5314 paid once, 219 days late, and owes the next seven


def test_money_is_conserved(built: Built, book: Book) -> None:
    found: Counter[str] = Counter()
    for row in built.rows("curated.fact_repayment"):
        found[row["contract_number"]] += row["allocated_amount"]

    assert found == {loan: sum(amount for _, amount in paid) for loan, paid in book.payments.items()}


def test_outstanding_principal_by_region(built: Built, book: Book) -> None:
    expected: Counter[str] = Counter()
    for loan in granted_by_spring(book):
        expected[loan.region] += loan.amount - sum(amount for _, amount in book.payments.get(loan.loan_id, []))
    found: Counter[str] = Counter()
    for row in built.rows("marts.portfolio_by_region_month"):
        if row["month_on"] == SPRING:
            found[book.district_names[row["region_id"]][1]] += row["outstanding_principal_amount"]

    assert found == expected


def test_features_of_march_1994(built: Built, book: Book) -> None:
    found = {row["client_id"]: row for row in built.rows("features.client_repayment")}

    assert set(found) == {loan.owner for loan in granted_by_spring(book)}
    for loan in granted_by_spring(book):
        row, due = found[loan.owner], [fact for fact in facts(loan, book) if fact.is_due]
        unpaid = [fact.due_on for fact in due if fact.settled_on is None and fact.due_on < SPRING]
        late = sum(fact.is_late for fact in due)
        assert row["installments_due_count_lifetime"] == len(due)
        assert row["late_count_lifetime"] == late
        assert row["late_pay_ratio_lifetime"] == (late / len(due) if due else None)
        assert row["dpd"] == ((SPRING - min(unpaid)).days if unpaid else 0)
        assert row["skipped_count_12m"] == sum(fact.is_skipped for fact in due)
        assert row["open_contract_count"] == 1
        assert row["outstanding_principal_amount"] == pytest.approx(
            float(loan.amount - sum(amount for _, amount in book.payments.get(loan.loan_id, [])))
        )
