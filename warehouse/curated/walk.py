"""The allocation of one contract's money, in plain integers: what each repayment pays of each installment, in order.

This is inherently sequential (a tolerance can end an installment early, a named payment overflows, a penalty is paid only once it is
dated), so it is one loop. `warehouse.curated.batch` runs it for the contracts of a batch that need it.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

OVERPAYMENT = -1  # position of no installment


class Due(NamedTuple):
    """An installment, in order of payment: cents due, day due, cents of its penalty, and how many cents paid settle it."""

    amount: int
    day: int
    penalty: int
    settled_at: int


class Payment(NamedTuple):
    """Money received: cents, day, and the position of the installment that it names, or -1."""

    amount: int
    day: int
    named: int


class Charge(NamedTuple):
    """A row of the penalties file: position of its installment, day and cents."""

    position: int
    day: int
    amount: int


class Part(NamedTuple):
    """What one payment pays of one installment (or keeps as overpayment), in cents.

    Attributes:
        payment: index of the payment.
        number: from 1 within the payment.
        position: of the installment, -1 for the overpayment.
        amount: paid of the amount due, or overpaid.
        penalty: paid of the installment's penalties.
        paid_before: paid of the amount due before this part.
        settles: 1 if the part brings the installment to its settled amount, else 0.
    """

    payment: int
    number: int
    position: int
    amount: int
    penalty: int
    paid_before: int
    settles: int


def walk(
    dues: Sequence[Due], payments: Sequence[Payment], charges: Sequence[Charge], paid: Sequence[int] = (), first: int = 0
) -> Iterator[Part]:
    """Allocate payments, given in order, to installments, given in order.

    Args:
        dues: installments.
        payments: money received.
        charges: rows of the penalties file.
        paid: cents that earlier payments have paid of each installment; nothing if left out.
        first: index of the first payment, when there were earlier ones.
    """
    book = _Book(dues, charges, paid)
    for index, payment in enumerate(payments, first):
        rest, number = payment.amount, 0
        for position, amount, penalty, before in book.pay(payment):
            rest -= amount + penalty
            number += 1
            settles = before < dues[position].settled_at <= before + amount
            yield Part(index, number, position, amount, penalty, before, int(settles))
        if rest or not number:
            yield Part(index, number + 1, OVERPAYMENT, rest, 0, 0, 0)


class _Book:
    """What is paid of a contract so far."""

    def __init__(self, dues: Sequence[Due], charges: Sequence[Charge], paid: Sequence[int]) -> None:
        self.dues, self.charges = dues, charges
        self.paid = list(paid) or [0] * len(dues)
        self.penalties_paid = [0] * len(dues)
        self.oldest = 0  # every installment before this position is settled

    def pay(self, payment: Payment) -> Iterator[tuple[int, int, int, int]]:
        """Yield (position, amount, penalty, paid before) until the payment is used up: the named installment, then the oldest."""
        rest = payment.amount
        if payment.named != OVERPAYMENT:
            before = self.paid[payment.named]
            amount = self._fill(payment.named, rest)
            penalty = self._fine(payment.named, rest - amount, payment.day)
            rest -= amount + penalty
            if amount or penalty:
                yield payment.named, amount, penalty, before
        while self.oldest < len(self.dues) and self._is_settled(self.oldest, payment.day):
            self.oldest += 1
        position = self.oldest
        while rest and position < len(self.dues):
            if position != payment.named and not self._is_settled(position, payment.day):
                before = self.paid[position]
                amount = self._fill(position, rest)
                rest -= amount
                if amount:
                    yield position, amount, 0, before
            position += 1

    def _fill(self, position: int, rest: int) -> int:
        amount = min(rest, self.dues[position].amount - self.paid[position])
        self.paid[position] += amount
        return amount

    def _fine(self, position: int, rest: int, day: int) -> int:
        if not rest:
            return 0
        charged = sum(charge.amount for charge in self.charges if charge.position == position and charge.day <= day)
        if self._is_settled(position, day):  # a penalty on the installment row is dated the day of settlement
            charged += self.dues[position].penalty
        penalty = min(rest, charged - self.penalties_paid[position])
        self.penalties_paid[position] += penalty
        return penalty

    def _is_settled(self, position: int, day: int) -> bool:
        due = self.dues[position]
        return self.paid[position] >= due.settled_at if due.settled_at > 0 else due.day <= day
