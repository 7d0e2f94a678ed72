"""Allocation of repayments to installments, per contract and era, and the days on which installments were settled.

Within an installment money pays fee, then interest, then principal, so each part follows from how much of the installment was paid
before it. The order between installments is `warehouse.curated.walk`, run inside the engine by batches of one row per contract and era.
"""

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from ibis import _

from warehouse.clock import BEGINNING, days_between
from warehouse.curated.batch import Lists, walk_all
from warehouse.curated.ledger import ERA, Ledger
from warehouse.curated.values import ZERO, filled, from_cents, lookup, to_cents
from warehouse.curated.walk import OVERPAYMENT, Charge, Part, Payment
from warehouse.table import MONEY
from warehouse.terms import Terms

DUES = dt.Array(dt.Struct({"amount": dt.int64, "day": dt.int64, "penalty": dt.int64}))
PAYMENTS = dt.Array(dt.Struct(dict.fromkeys(Payment._fields, dt.int64)))
CHARGES = dt.Array(dt.Struct(dict.fromkeys(Charge._fields, dt.int64)))
PARTS = dt.Array(dt.Struct(dict.fromkeys(Part._fields, dt.int64)))


@ibis.udf.scalar.pyarrow(signature=((DUES, PAYMENTS, CHARGES, dt.int64, dt.int64, dt.int64), PARTS))
def allocate(
    dues: pa.ChunkedArray,
    payments: pa.ChunkedArray,
    charges: pa.ChunkedArray,
    tolerance_amount: pa.ChunkedArray,
    tolerance_ratio: pa.ChunkedArray,
    scale: pa.ChunkedArray,
) -> pa.Array:
    """Run the walk for every row; the tolerance is in cents and as a share, both multiplied by scale."""
    owed = Lists.of(dues)
    settled_at = _settled_at(owed.fields[0], tolerance_amount[0].as_py(), tolerance_ratio[0].as_py(), scale[0].as_py())
    return walk_all(owed._replace(fields=[*owed.fields, settled_at]), Lists.of(payments), Lists.of(charges))


def allocations(ledger: Ledger, terms: Terms) -> ir.Table:
    """Say what each repayment that counts pays of each installment.

    Grain: one row per (contract_number, era_on, repayment_id, allocation_number).

    Returns:
        the grain, installment_id (null for an overpayment), repayment_date, booked_at, known_at, allocated_amount, of it fee_amount,
        interest_amount, principal_amount and penalty_amount (all 0 for an overpayment), paid_after_amount (of the installment's amount
        due, after the row), is_settling (the row brings the installment to its settled amount), payment (order of payment).
    """
    parts = _collected(ledger, terms).unnest("part").unpack("part").rename(part_amount="amount")
    place = ledger.schedule.select(*ERA, "position", "installment_id", "fee_due_amount", "interest_due_amount")
    is_overpayment = _.position == OVERPAYMENT
    return (
        parts.join(ledger.payments.drop("named", "amount"), (*ERA, "payment"))
        .left_join(place, (*ERA, "position"))
        .mutate(
            before=ibis.ifelse(is_overpayment, ZERO, from_cents(_.paid_before)),
            after=ibis.ifelse(is_overpayment, ZERO, from_cents(_.paid_before + _.part_amount)),
            fee_due_amount=filled(_.fee_due_amount),
            charges_due_amount=filled(_.fee_due_amount + _.interest_due_amount),
        )
        .mutate(
            fee_amount=_overlap(_.before, _.after, _.fee_due_amount),
            charges_amount=_overlap(_.before, _.after, _.charges_due_amount),
        )
        .select(
            *ERA,
            "repayment_id",
            "installment_id",
            "payment",
            "repayment_date",
            "booked_at",
            "known_at",
            "fee_amount",
            allocation_number=_.number.cast("int32"),
            allocated_amount=from_cents(_.part_amount + _.penalty),
            interest_amount=(_.charges_amount - _.fee_amount).cast(MONEY),
            principal_amount=(_.after - _.before - _.charges_amount).cast(MONEY),
            penalty_amount=from_cents(_.penalty),
            paid_after_amount=_.after,
            is_settling=_.settles == 1,
        )
    )


def settled_installments(ledger: Ledger, allocated: ir.Table, terms: Terms) -> ir.Table:
    """The schedule with the day on which each installment was settled, as known at the era's last date.

    Grain: one row per (contract_number, era_on, installment_id).

    Returns:
        the schedule's columns, settled_on (null while unsettled), is_trivial (the tolerance covers the whole amount due, so that it is
        settled on its due date without any payment), paid_by_next_due_amount.
    """
    settled = allocated.filter(_.is_settling).group_by(*ERA, "installment_id").agg(paid_off_on=_.repayment_date.min())
    key = (*ERA, "installment_id")
    paid = lookup(lookup(ledger.schedule, settled, key), _paid_by_next_due(ledger.schedule, allocated), key)
    return (
        paid.mutate(is_trivial=_is_trivial(_.due_amount, terms), paid_by_next_due_amount=filled(_.paid_by_next_due_amount))
        .mutate(settled_on=ibis.ifelse(_.is_trivial, _.due_date, _.paid_off_on))
        .drop("paid_off_on")
    )


def _paid_by_next_due(schedule: ir.Table, allocated: ir.Table) -> ir.Table:
    """What was paid of the amount due up to and including the next due date."""
    return (
        allocated.join(schedule.select(*ERA, "installment_id", "next_due_on"), (*ERA, "installment_id"))
        .filter(_.repayment_date <= _.next_due_on)
        .group_by(*ERA, "installment_id")
        .agg(paid_by_next_due_amount=_.paid_after_amount.max())
    )


def _is_trivial(due_amount: ir.DecimalValue, terms: Terms) -> ir.BooleanValue:
    return (due_amount <= terms.settlement_tolerance_amount) | (due_amount <= due_amount * terms.settlement_tolerance_ratio)


def _overlap(before: ir.DecimalValue, after: ir.DecimalValue, limit: ir.DecimalValue) -> ir.DecimalValue:
    """How much of what was paid between two sums lies below a limit."""
    return (ibis.least(after, limit) - ibis.least(before, limit)).cast(MONEY)


def _collected(ledger: Ledger, terms: Terms) -> ir.Table:
    """One row per contract and era that received money, with the walk's result: contract_number, era_on, part."""
    due = ibis.struct({"amount": to_cents(_.due_amount), "day": _day(_.due_date), "penalty": to_cents(_.charged_amount)})
    paid = ibis.struct({"amount": to_cents(_.amount), "day": _day(_.repayment_date), "named": _.named.cast("int64")})
    charge = ibis.struct({"position": _.position.cast("int64"), "day": _day(_.penalty_date), "amount": to_cents(_.amount)})
    dues = ledger.schedule.group_by(ERA).agg(dues=due.collect(order_by=_.position))
    payments = ledger.payments.group_by(ERA).agg(payments=paid.collect(order_by=_.payment))
    charges = ledger.charges.group_by(ERA).agg(charges=charge.collect(order_by=(_.penalty_date, _.penalty_id)))
    return lookup(lookup(payments, dues, ERA), charges, ERA).select(
        *ERA,
        part=lambda row: allocate(
            row.dues.fill_null(ibis.literal([], DUES)),
            row.payments,
            row.charges.fill_null(ibis.literal([], CHARGES)),
            *_tolerance(terms),
        ),
    )


def _day(day: ir.DateValue) -> ir.IntegerValue:
    return days_between(day, ibis.literal(BEGINNING))


def _tolerance(terms: Terms) -> tuple[ir.IntegerScalar, ...]:
    """Tolerance amount (cents) and ratio as whole numbers of 1 / scale, so that neither is ever rounded."""
    parts = (terms.settlement_tolerance_amount * 100, terms.settlement_tolerance_ratio)
    scale = 10 ** max(0, *(-int(part.as_tuple().exponent) for part in parts))
    return tuple(ibis.literal(int(value), "int64") for value in (*(part * scale for part in parts), scale))


def _settled_at(amounts: np.ndarray, tolerance_amount: int, tolerance_ratio: int, scale: int) -> np.ndarray:
    """The smallest number of cents that settles each installment; the share is taken of quotient and rest, which cannot overflow."""
    wholes, rests = np.divmod(amounts, scale)
    return amounts - np.maximum(tolerance_amount // scale, tolerance_ratio * wholes + tolerance_ratio * rests // scale)
