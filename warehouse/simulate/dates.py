"""Calendar arithmetic on arrays of dates: months that clamp, Tet, and the seasons of lending.

The same rules as warehouse.clock, for numpy arrays: due dates are always counted from the first one, never from the one before.
"""

from datetime import date

import numpy as np
import numpy.typing as npt

Days = npt.NDArray[np.datetime64]

TET = np.array(
    ["2020-01-25", "2021-02-12", "2022-02-01", "2023-01-22", "2024-02-10", "2025-01-29", "2026-02-17"],
    dtype="datetime64[D]",
)
NEVER = np.datetime64("NaT", "D")
_DAY = np.timedelta64(1, "D")


def days(values: npt.ArrayLike) -> Days:
    """Anything date-like as an array of days."""
    return np.asarray(values, dtype="datetime64[D]")


def day(value: date) -> np.datetime64:
    """One date as a numpy day."""
    return np.datetime64(value, "D")


def shift(start: Days, count: npt.NDArray) -> Days:
    """Dates moved by whole days."""
    return start + count.astype("timedelta64[D]")


def add_months(start: Days, months: npt.ArrayLike) -> Days:
    """The same day of another month, clamped to that month's last day."""
    month = start.astype("datetime64[M]")
    position = start - month.astype("datetime64[D]")
    target = month + np.asarray(months).astype("timedelta64[M]")
    first = target.astype("datetime64[D]")
    last = (target + 1).astype("datetime64[D]") - first - _DAY
    return first + np.minimum(position, last)


def months_between(later: Days, earlier: Days) -> npt.NDArray[np.int64]:
    """Calendar months from the month of one date to the month of another."""
    return (later.astype("datetime64[M]") - earlier.astype("datetime64[M]")).astype(np.int64)


def quarter_end(when: Days) -> Days:
    """Last day of the quarter of each date."""
    month = when.astype("datetime64[M]")
    ahead = 3 - month.astype(np.int64) % 3
    following = (month + ahead.astype("timedelta64[M]")).astype("datetime64[D]")
    return following - _DAY


def near_tet(when: Days) -> npt.NDArray[np.bool_]:
    """Whether a date falls into the days around the lunar new year, when people pay late."""
    distance = (when[:, None] - TET[None, :]).astype(np.int64)
    return ((distance >= -2) & (distance <= 5)).any(axis=1)


def before_tet(when: Days) -> npt.NDArray[np.bool_]:
    """Whether a date falls into the weeks before the lunar new year, when bonuses are paid and people pay early."""
    ahead: npt.NDArray[np.int64] = (TET[None, :] - when[:, None]).astype(np.int64)
    return np.any((ahead > 2) & (ahead <= 30), axis=1)


def season(first: date, last: date) -> tuple[Days, npt.NDArray[np.float64]]:
    """All days of a period with the weight of lending on each: more before Tet and in August, less in June and July."""
    every = np.arange(day(first), day(last) + _DAY)
    month = every.astype("datetime64[M]").astype(np.int64) % 12 + 1
    ahead = (TET[None, :] - every[:, None]).astype(np.int64)
    weight = 1.0 + 0.35 * ((ahead > 0) & (ahead <= 60)).any(axis=1)
    return every, weight + 0.10 * (month == 8) - 0.08 * np.isin(month, (6, 7))
