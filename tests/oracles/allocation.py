"""Which installment each repayment pays: the waterfall of one contract, one repayment after the other."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from tests.oracles.days import add_months
from tests.oracles.ledger import Row

NOTHING = Decimal("0.00")
PARTS = ("fee", "interest", "principal")  # the order in which an installment's parts are paid
NEVER = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass
class Charge:
    """A penalty on an installment."""

    key: tuple[str, str]
    day: date
    amount: Decimal


@dataclass
class Installment:
    """One installment, what it owes and what it was paid so far."""

    row: Row
    original_due_date: date
    tolerance: Decimal
    own_penalty: Decimal  # penalty_amount of the installment's row
    own_penalty_on: date  # business date of the delivery that brought it
    charges: list[Charge] = field(default_factory=list)  # rows of the penalties file
    paid: dict[str, Decimal] = field(default_factory=lambda: dict.fromkeys(PARTS, NOTHING))
    paid_penalty: Decimal = NOTHING
    payments: list[tuple[date, Decimal]] = field(default_factory=list)
    settled_on: date | None = None
    next_due_on: date = date.max

    @property
    def installment_id(self) -> str:
        return self.row["installment_id"]

    @property
    def number(self) -> int:
        return self.row["installment_number"]

    @property
    def due_date(self) -> date:
        return self.row["due_date"]

    @property
    def owed(self) -> dict[str, Decimal]:
        return {part: self.row[f"inst_amt_{part}"] or NOTHING for part in PARTS}

    @property
    def due_amount(self) -> Decimal:
        return sum(self.owed.values(), NOTHING)

    @property
    def paid_amount(self) -> Decimal:
        return sum(self.paid.values(), NOTHING)

    @property
    def is_covered(self) -> bool:
        """Nothing that matters is missing."""
        return self.paid_amount >= self.due_amount - self.tolerance

    @property
    def owes_nothing(self) -> bool:
        """Even unpaid it is within the tolerance; it is settled by falling due."""
        return self.due_amount <= self.tolerance

    def all_charges(self) -> list[Charge]:
        """Penalties of both sources, dated; the row's own on the settlement day, or on the delivery's date."""
        own = Charge(("installments", self.installment_id), self.settled_on or self.own_penalty_on, self.own_penalty)
        return [*self.charges, own] if self.own_penalty else list(self.charges)

    def pay(self, money: Decimal, day: date) -> dict[str, Decimal]:
        """Take as much of the money as is owed, part by part."""
        taken = {}
        for part in PARTS:
            taken[part] = min(money, self.owed[part] - self.paid[part])
            self.paid[part] += taken[part]
            money -= taken[part]
        self.payments.append((day, sum(taken.values(), NOTHING)))
        if self.settled_on is None and self.is_covered and not self.owes_nothing:
            self.settled_on = day
        return taken

    def pay_penalty(self, money: Decimal, day: date) -> Decimal:
        """Take as much of the money as penalties dated up to the day still ask for."""
        charged = sum((charge.amount for charge in self.all_charges() if charge.day <= day), NOTHING)
        taken = min(money, charged - self.paid_penalty)
        self.paid_penalty += taken
        return taken

    def paid_until(self, day: date) -> Decimal:
        """Money that it had received by the end of a day, without penalties."""
        return sum((amount for paid_on, amount in self.payments if paid_on <= day), NOTHING)


def payment_order(repayment: Row) -> tuple:
    return (repayment["repayment_date"], repayment["booked_at"] or NEVER, repayment["repayment_id"])


def allocate(installments: list[Installment], repayments: list[Row], as_of: date) -> list[dict[str, Any]]:
    """Pay the installments of one contract and return the rows of fact_repayment.

    Args:
        installments: of the contract; they are paid in place.
        repayments: held rows of the contract dated up to the as-of date, reversals included.
        as_of: the as-of date.
    """
    reversed_ids = {row["reverses_repayment_id"] for row in repayments} - {None}
    by_id = {installment.installment_id: installment for installment in installments}
    oldest_first = sorted(installments, key=lambda installment: (installment.due_date, installment.number))
    for installment in installments:
        if installment.owes_nothing and installment.due_date <= as_of:
            installment.settled_on = installment.due_date
    rows: list[dict[str, Any]] = []
    for repayment in sorted(repayments, key=payment_order):
        is_reversed = repayment["repayment_id"] in reversed_ids
        paid: list[dict[str, Any]] = []
        money = repayment["repayment_amount"]
        if not is_reversed and repayment["reverses_repayment_id"] is None:
            named = by_id.get(repayment["installment_id"])
            for installment in [named, *(other for other in oldest_first if other is not named)]:
                if installment is None or (installment is not named and (installment.is_covered or installment.owes_nothing)):
                    continue
                parts = installment.pay(money, repayment["repayment_date"])
                parts["penalty"] = NOTHING
                if installment is named:
                    parts["penalty"] = installment.pay_penalty(money - sum(parts.values()), repayment["repayment_date"])
                taken = sum(parts.values(), NOTHING)
                if taken:
                    paid.append({"installment_id": installment.installment_id, "allocated_amount": taken, **parts})
                money -= taken
        if money or not paid:
            rest = dict.fromkeys((*PARTS, "penalty"), NOTHING)
            paid.append({"installment_id": None, "allocated_amount": money, **rest})
        rows += [fact(repayment, number, part, is_reversed) for number, part in enumerate(paid, 1)]
    return rows


def fact(repayment: Row, number: int, paid: dict[str, Any], is_reversed: bool) -> dict[str, Any]:
    return {
        "repayment_id": repayment["repayment_id"],
        "allocation_number": number,
        "installment_id": paid["installment_id"],
        "contract_number": repayment["contract_number"],
        "repayment_date": repayment["repayment_date"],
        "allocated_amount": paid["allocated_amount"],
        "principal_amount": paid["principal"],
        "interest_amount": paid["interest"],
        "fee_amount": paid["fee"],
        "penalty_amount": paid["penalty"],
        "is_reversed": is_reversed,
        "booked_at": repayment["booked_at"],
    }


def set_next_due(installments: list[Installment]) -> None:
    """Each installment's next due date: that of the next number, or a month on for the last."""
    ordered = sorted(installments, key=lambda installment: installment.number)
    for installment, following in zip(ordered, [*ordered[1:], None], strict=False):
        installment.next_due_on = following.due_date if following else add_months(installment.due_date, 1)
