"""Exact arithmetic for the features: fractions all the way, one float at the end."""

from collections.abc import Sequence
from decimal import Decimal, localcontext
from fractions import Fraction

Number = int | Decimal | Fraction
DIGITS = 50


def share(part: Number, whole: Number) -> float | None:
    """One number by another; nothing when there is nothing to divide by."""
    return float(Fraction(part) / Fraction(whole)) if whole else None


def mean(values: Sequence[Number]) -> float | None:
    """The arithmetic mean; nothing of no values."""
    return share(sum(map(Fraction, values)), len(values))


def weighted_mean(values: Sequence[Number], weights: Sequence[Number]) -> float | None:
    """Sum of value times weight by the sum of weights; nothing when the weights sum to 0."""
    products = (Fraction(value) * Fraction(weight) for value, weight in zip(values, weights, strict=True))
    return share(sum(products), sum(map(Fraction, weights)))


def deviation(values: Sequence[int]) -> float | None:
    """The population standard deviation: the root of the mean square less the squared mean; nothing of no values."""
    if not values:
        return None
    count = len(values)
    variance = Fraction(sum(value * value for value in values), count) - Fraction(sum(values), count) ** 2
    with localcontext(prec=DIGITS):
        return float((Decimal(variance.numerator) / Decimal(variance.denominator)).sqrt())


def decay(days: int, scale: int) -> Fraction:
    """The base of natural logarithms to the power of -days/scale, to fifty digits."""
    with localcontext(prec=DIGITS):
        return Fraction((-Decimal(days) / Decimal(scale)).exp())


def slope(values: Sequence[int]) -> float | None:
    """Least-squares slope of values in the order of time on 1, 2, ..., n; nothing of fewer than two."""
    count = len(values)
    if count < 2:
        return None
    numbers = range(1, count + 1)
    middle, level = Fraction(sum(numbers), count), Fraction(sum(values), count)
    together = sum((x - middle) * (y - level) for x, y in zip(numbers, values, strict=True))
    return share(together, sum((x - middle) ** 2 for x in numbers))
