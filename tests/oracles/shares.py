"""Bounds of shares and the small-cell rule, from their definitions."""

from math import sqrt
from statistics import NormalDist
from typing import Any


def bounds(part: int, whole: int) -> tuple[float | None, float | None]:
    """The shares p that lie at most 1.96 of their own standard errors from the observed one: roots of (x - p)² = z² p (1 - p) / n."""
    if not whole:
        return None, None
    z, x = NormalDist().inv_cdf(0.975), min(part, whole) / whole
    a, b, c = 1 + z * z / whole, -(2 * x + z * z / whole), x * x
    root = sqrt(max(b * b - 4 * a * c, 0.0))
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


def add_shares(cell: dict[str, Any], shares: tuple[tuple[str, str, str], ...]) -> None:
    for name, part, whole in shares:
        cell[name] = cell[part] / cell[whole] if cell[whole] else None
        cell[f"{name}_low"], cell[f"{name}_high"] = bounds(cell[part], cell[whole])


def add_flags(cell: dict[str, Any], wholes: tuple[str, ...], clients: str = "client_count") -> None:
    cell["is_small_sample"] = any(0 < cell[name] < 30 for name in wholes)
    cell["is_few_clients"] = cell[clients] < 5
