"""Quotients of exact sums, as every ratio and mean of the features is made.

Sums of whole numbers and decimals are exact, so the only rounding is that of the one division at the end: the same value whatever the
order of the rows and the number of threads.
"""

import ibis.expr.types as ir


def share(part: ir.NumericValue, whole: ir.NumericValue) -> ir.FloatingValue:
    """One sum divided by another; null where the second is 0 or null."""
    return part.cast("float64") / whole.cast("float64").nullif(0)
