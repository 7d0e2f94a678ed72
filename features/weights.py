"""Weights of installments by age, as whole numbers.

A sum of floating-point numbers depends on the order of its parts, and an engine with several threads has none. So weights are whole
numbers: their sums are exact, and a snapshot that is computed again, or cut into other parts, is the same to the last bit.
"""

import ibis
import ibis.expr.types as ir

DECAY_DAYS = 90  # an installment this old weighs 1/e of one due today
ONE = 2**40  # the weight of an installment due today; one of a year ago is still exact to 11 digits
MAX_AGE_DAYS = 370  # no window that is weighted is longer, and the exponential of every older installment would be worked out in vain


def decayed(age_days: ir.IntegerValue) -> ir.IntegerValue:
    """exp(-age / DECAY_DAYS) as a whole number of parts of ONE; 0 before the due date and beyond MAX_AGE_DAYS."""
    weight = ((age_days / -DECAY_DAYS).exp() * ONE).round().cast("int64")
    return ibis.ifelse(age_days.between(0, MAX_AGE_DAYS), weight, 0)
