"""Weights of installments by age, as whole numbers.

A sum of floating-point numbers depends on the order of its parts, and an engine with several threads has none. So weights are whole
numbers: their sums are exact, and a snapshot that is computed again, or cut into other parts, is the same to the last bit. Ages are counted
to the end of the as-of date's month, which scales all weights alike: so a mean does not change from day to day by their rounding alone.
"""

import ibis
import ibis.expr.types as ir

from warehouse.clock import days_between, month_end_on

DECAY_DAYS = 90  # an installment this much older than another weighs 1/e of it
ONE = 2**40  # the weight of an installment due on the month's last day; one of a year ago is still exact to 10 digits
MAX_AGE_DAYS = 370  # no window that is weighted is longer, and the exponential of every older installment would be worked out in vain


def decayed(due_date: ir.DateValue, as_of_on: ir.DateValue) -> ir.IntegerValue:
    """exp(-age / DECAY_DAYS) as a whole number of parts of ONE; 0 before the due date and where it is MAX_AGE_DAYS ago."""
    age_days = days_between(month_end_on(as_of_on), due_date)
    weight = ((age_days / -DECAY_DAYS).exp() * ONE).round().cast("int64")
    return ibis.ifelse(days_between(as_of_on, due_date).between(0, MAX_AGE_DAYS), weight, 0)
