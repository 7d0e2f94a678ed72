"""What is known about contracts as of a date: the definitions of CONTRACT C, one contract after the other."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tests.oracles.allocation import NOTHING, Charge, Installment, allocate, set_next_due
from tests.oracles.days import DAY, add_months, end_of_day
from tests.oracles.ledger import BEGINNING, Ledger, Row
from tests.oracles.statuses import Event, Standing, close_reason, events, standing

UNKNOWN = "Unknown"
LOST = ("Written Off", "Sold")


@dataclass
class Contract:
    """One contract as known at a date."""

    row: Row
    as_of: date
    events: list[Event]
    now: Standing
    installments: list[Installment]
    repayments: list[dict[str, Any]]
    original: list[Row]
    grace_days: int
    region_at_origination_id: str = UNKNOWN
    product_code: str = UNKNOWN
    product_type_id: str = UNKNOWN
    refinanced: bool = False

    # --- state on a day up to the as-of date, by what is known at the as-of date

    def standing(self, day: date) -> Standing:
        return self.now if day == self.as_of else standing(self.events, self.row["start_date"], day)

    def dpd(self, day: date) -> int:
        """Days past due at the end of a day."""
        there = self.standing(day)
        if there.status in LOST or (there.status == "Close" and there.status_before_close in LOST):
            day = there.ended_on
        elif there.status != "Active":
            return 0
        overdue = [i.due_date for i in self.installments if i.due_date < day and (i.settled_on is None or i.settled_on > day)]
        return (day - min(overdue)).days if overdue else 0

    def max_dpd(self, after: date, until: date) -> int:
        """Greatest dpd of the days after one date up to another, day by day."""
        first = min((i.due_date for i in self.installments), default=until)
        day, greatest = max(after, first) + DAY, 0
        while day <= until:
            greatest = max(greatest, self.dpd(day))
            day += DAY
        return greatest

    # --- as of the date

    @property
    def is_open(self) -> bool:
        return self.now.status == "Active"

    @property
    def is_disbursed(self) -> bool:
        return self.row["start_date"] <= self.as_of and self.now.status not in ("New", "Cancel")

    @property
    def all_settled_on(self) -> date | None:
        return settlement_day(self.installments, self.as_of)

    @property
    def close_reason(self) -> str | None:
        return close_reason(self.now, self.all_settled_on is not None)

    @property
    def last_due_date(self) -> date | None:
        """Original: of the rows of the first business date that delivered any."""
        if not self.original:
            return None
        due = [row["due_date"] for row in self.original]
        return max(due) if len(due) >= self.row["tenor"] else add_months(min(due), self.row["tenor"] - 1)

    @property
    def early_settled_on(self) -> date | None:
        if "Cancel" in (self.now.status, self.now.end_status) or self.now.end_status in LOST or self.last_due_date is None:
            return None
        days = [event.day for event in self.now.events_since_active if event.status == "Paid-off"]
        if self.close_reason == "paid":
            days += [event.day for event in self.now.events_since_active if event.status == "Close"]
        if self.all_settled_on is not None:
            days.append(self.all_settled_on)
        return min(days) if days and min(days) + timedelta(days=15) < self.last_due_date else None

    @property
    def overdue_amount(self) -> Decimal:
        if not self.is_open:
            return NOTHING
        return sum((i.due_amount - i.paid_amount for i in self.installments if i.due_date < self.as_of), NOTHING)

    def unpaid_principal(self, day: date) -> Decimal:
        ids = {i.installment_id for i in self.installments}
        repaid = [r for r in self.repayments if r["repayment_date"] <= day and r["installment_id"] in ids]
        return max(self.row["principal_amount"] - sum((r["principal_amount"] for r in repaid), NOTHING), NOTHING)

    @property
    def outstanding_principal_amount(self) -> Decimal:
        return self.unpaid_principal(self.as_of) if self.is_open else NOTHING

    def lost_principal(self, status: str) -> Decimal:
        return self.unpaid_principal(self.now.ended_on) if self.now.end_status == status else NOTHING

    @property
    def is_fpd30(self) -> bool | None:
        first = min(self.installments, key=lambda i: i.number, default=None)
        if first is None or self.now.status in ("New", "Cancel") or self.as_of < first.due_date + timedelta(days=30):
            return None
        day, end = first.due_date + timedelta(days=30), self.now.ended_on
        was_unsettled = first.settled_on is None or first.settled_on > day
        was_running = end is None or end > day or (end == day and self.now.end_status in LOST)
        return was_unsettled and was_running

    # --- installments

    def is_due(self, i: Installment) -> bool:
        return (
            self.is_disbursed
            and i.due_date <= self.as_of
            and (i.settled_on is not None or self.now.ended_on is None or i.due_date <= self.now.ended_on)
        )

    def days_late(self, i: Installment) -> int:
        if i.settled_on is not None:
            return (i.settled_on - i.due_date).days
        if self.is_due(i):
            return (min(self.as_of, self.now.ended_on or self.as_of) - i.due_date).days
        return 0

    def is_late(self, i: Installment) -> bool:
        return self.is_due(i) and self.days_late(i) > self.grace_days

    def is_skip_eligible(self, i: Installment) -> bool:
        return self.is_due(i) and i.next_due_on <= self.as_of

    def is_skipped(self, i: Installment) -> bool:
        return self.is_skip_eligible(i) and i.paid_until(i.next_due_on) * 10 < i.due_amount

    def is_paid_early(self, i: Installment) -> bool:
        return i.settled_on is not None and i.settled_on < i.due_date

    def state(self, i: Installment) -> str:
        settled, end = i.settled_on is not None, self.now.ended_on
        if not settled and end is not None and (self.now.end_status not in LOST or end < i.due_date):
            return "CLOSED"
        if self.is_skipped(i):
            return "SKIPPED_RECOVERED" if settled else "SKIPPED_OPEN"
        if settled:
            return "PAID_EARLY" if self.is_paid_early(i) else "PAID_LATE" if self.days_late(i) > self.grace_days else "PAID_ON_TIME"
        if not self.is_due(i):
            return "NOT_DUE"
        return "PARTIAL_OPEN" if i.paid_amount * 10 >= i.due_amount else "DUE_OPEN"

    def penalties(self) -> list[tuple[Installment, tuple[str, str], date, Decimal]]:
        """Penalties dated up to the as-of date: installment, key, day, amount."""
        return [(i, c.key, c.day, c.amount) for i in self.installments for c in i.all_charges() if c.day <= self.as_of]


def settlement_day(installments: list[Installment], as_of: date) -> date | None:
    """The day on which the last unsettled installment was settled, if there are any installments and all are settled.

    One that the tolerance covers was never unsettled: remaining rows that a source sets to 0 do not hide an early settlement.
    """
    days = [i.settled_on for i in installments if not i.owes_nothing]
    if None in days or not installments:
        return None
    last = max(days) if days else max(i.due_date for i in installments)
    return last if last <= as_of else None


class Book:
    """All contracts of a ledger, as of one date.

    Args:
        ledger: staging rows.
        as_of: facts dated up to this day count.
        terms: settlement tolerances, grace days and time zone.
        known_on: facts known by the end of this day count; the as-of date unless told.
    """

    def __init__(self, ledger: Ledger, as_of: date, terms: Any, known_on: date | None = None) -> None:
        self.ledger, self.as_of, self.terms = ledger, as_of, terms
        self.until = end_of_day(known_on or as_of, terms.time_zone)
        self.region_rows = {row["region_id"]: row for row in ledger.held("regions", self.until)}
        self.type_rows = {row["product_type_id"]: row for row in ledger.held("product_types", self.until)}
        self.product_rows = {row["product_code"]: row for row in ledger.held("products", self.until)}
        self.client_versions = {chain[-1]["client_id"]: chain for chain in ledger.known_versions("clients", self.until)}
        self.contracts = self._contracts()
        self._mark_refinanced()

    def region(self, client_id: str, day: date) -> str:
        """Region of a client on a day: what was told last among what was true by then, else the first value there is."""
        chain = self.client_versions.get(client_id, [])
        holds = [(valid_from(row, self.terms.time_zone), row) for row in chain]
        told = [row for start, row in holds if start <= day] or [row for start, row in holds if start == min(start for start, _ in holds)]
        if not told or told[-1]["is_deleted"] or told[-1]["region_id"] not in self.region_rows:
            return UNKNOWN
        return told[-1]["region_id"]

    def of_client(self, client_id: str) -> list[Contract]:
        return [contract for contract in self.contracts.values() if contract.row["client_id"] == client_id]

    def clients(self) -> list[str]:
        return sorted({contract.row["client_id"] for contract in self.contracts.values()})

    def _contracts(self) -> dict[str, Contract]:
        history, repayments = defaultdict(list), defaultdict(list)
        for row in self.ledger.held("contract_status_history", self.until):
            history[row["contract_number"]].append(row)
        for row in self.ledger.held("repayments", self.until):
            if row["repayment_date"] <= self.as_of:
                repayments[row["contract_number"]].append(row)
        installments, original = self._installments()
        found = {}
        for versions in self.ledger.known_versions("contracts", self.until):
            row = versions[-1]
            number = row["contract_number"]
            if not row["is_deleted"]:
                live = [version for version in versions if not version["is_deleted"]]
                found[number] = self._contract(live, history[number], installments[number], repayments[number], original[number])
        return found

    def _contract(
        self, versions: list[Row], history: list[Row], installments: list[Installment], repayments: list[Row], original: list[Row]
    ) -> Contract:
        row = versions[-1]
        paid = allocate(installments, repayments, self.as_of)
        set_next_due(installments)
        told = events(versions, history, settlement_day(installments, self.as_of), self.as_of)
        now = standing(told, row["start_date"], self.as_of)
        contract = Contract(row, self.as_of, told, now, installments, paid, original, self.terms.grace_days)
        contract.region_at_origination_id = self.region(row["client_id"], row["start_date"])
        product = self.product_rows.get(row["product_code"])
        if product is not None:
            contract.product_code = product["product_code"]
            if product["product_type_id"] in self.type_rows:
                contract.product_type_id = product["product_type_id"]
        return contract

    def _installments(self) -> tuple[dict[str, list[Installment]], dict[str, list[Row]]]:
        """Installments by contract, and the rows of the first business date that delivered any."""
        charges = defaultdict(list)
        for row in self.ledger.held("penalties", self.until):
            charges[row["installment_id"]].append(row)
        by_contract: dict[str, list[Installment]] = defaultdict(list)
        delivered: dict[str, list[Row]] = defaultdict(list)
        for versions in self.ledger.known_versions("installments", self.until):
            for version in versions:
                if not version["is_deleted"]:
                    delivered[version["contract_number"]].append(version)
            if not versions[-1]["is_deleted"]:
                by_contract[versions[-1]["contract_number"]].append(self._installment(versions, charges[versions[-1]["installment_id"]]))
        original = defaultdict(list)
        for number, rows in delivered.items():
            first = min(row["business_date"] for row in rows)
            original[number] = [row for row in rows if row["business_date"] == first]
        return by_contract, original

    def _installment(self, versions: list[Row], charges: list[Row]) -> Installment:
        row = versions[-1]
        due = sum((row[f"inst_amt_{part}"] or NOTHING for part in ("principal", "interest", "fee")), NOTHING)
        penalty, brought = row["penalty_amount"] or NOTHING, row["business_date"]
        for version in reversed(versions):  # back to the delivery that brought the amount
            if (version["penalty_amount"] or NOTHING) != penalty:
                break
            brought = version["business_date"]
        installment = Installment(
            row=row,
            original_due_date=versions[0]["due_date"],
            tolerance=max(self.terms.settlement_tolerance_amount, self.terms.settlement_tolerance_ratio * due),
            own_penalty=penalty,
            own_penalty_on=brought,
        )
        for charge in charges:
            if charge["penalty_date"] <= self.as_of:
                key = ("penalties", charge["penalty_id"])
                installment.charges.append(Charge(key, charge["penalty_date"], charge["penalty_amount"]))
        return installment

    def _mark_refinanced(self) -> None:
        for contract in self.contracts.values():
            settled = contract.early_settled_on
            if settled is None:
                continue
            for other in self.of_client(contract.row["client_id"]):
                if other is not contract and other.is_disbursed and abs((other.row["start_date"] - settled).days) <= 7:
                    contract.refinanced = True


def valid_from(version: Row, zone: str) -> date:
    """From when a version of a client holds: an opening one always, a later one from its change or its delivery."""
    if version["is_opening"]:
        return BEGINNING
    updated = version["updated_at"]
    if updated is None:
        return version["business_date"]
    return min(updated.astimezone(ZoneInfo(zone)).date(), version["business_date"])
