"""The point-in-time join over arrays: for each asked row the place of the newest feature row that had happened and was known by then.

Two ways, both exact. A history with few different times, such as one of daily snapshots, is swept in order of time: the newest row of each
key is kept, and every asked time is answered when it is passed. Any other history is put in order of key and time and searched.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# A sweep takes some 20 microseconds a step, sorting a row about 0.1: this many rows a step make the sweep the cheaper way.
ROWS_A_STEP = 500
_BITS = 62  # that two numbers may have in one


@dataclass(frozen=True)
class History:
    """Feature rows of asked keys.

    Attributes:
        key: number of the key, int32.
        event: UTC microseconds, int64.
        created: the same; the array of event itself where they are equal.
        place: of the row in its source.
    """

    key: np.ndarray
    event: np.ndarray
    created: np.ndarray
    place: np.ndarray

    @property
    def known_from(self) -> np.ndarray:
        """When each row had happened and was known."""
        return self.event if self.created is self.event else np.maximum(self.event, self.created)


@dataclass(frozen=True)
class Asked:
    """Asked rows: the number of the key, -1 for one that has no history, and UTC microseconds."""

    key: np.ndarray
    at: np.ndarray


Ranks = Callable[[np.ndarray], np.ndarray]


def newest(history: History, asked: Asked, keys: int, ttl: int | None, ranks: Ranks) -> np.ndarray:
    """The place of each asked row's answer, -1 where there is none.

    Args:
        history: rows in any order.
        asked: rows in any order.
        keys: number of different keys.
        ttl: microseconds that a row may be old, both ends included; None for any age.
        ranks: the order by features of rows at some places, which decides between rows that are equal in key and times.
    """
    found = _swept(history, asked, keys)
    if found is None:
        found = _searched(history, asked, keys, ranks)
    if ttl is not None and len(history.event):
        found[(found >= 0) & (history.event[found] < asked.at - ttl)] = -1
    return np.where(found >= 0, history.place[found], -1) if len(history.place) else found


def _swept(history: History, asked: Asked, keys: int) -> np.ndarray | None:
    """Rows of history by a sweep over time; None if there are too many times, rows that were known later, or equal ones."""
    if history.created is not history.event and (history.created > history.event).any():
        return None
    order = _order(history.event)
    if order is None and not _is_sorted(history.event):
        return None
    key, event = (history.key, history.event) if order is None else (history.key[order], history.event[order])
    starts = np.concatenate([[0], np.flatnonzero(event[1:] != event[:-1]) + 1, [len(event)][: len(event)]])
    if len(starts) > 1 + max(100, len(event) // ROWS_A_STEP):
        return None
    turn = np.argsort(asked.at)
    asked_key, at = asked.key[turn], asked.at[turn]
    ends = np.append(np.searchsorted(at, event[starts[1:-1]]), len(at)) if len(event) else np.array([], "i8")
    answered = int(np.searchsorted(at, event[0])) if len(event) else len(at)
    numbers = np.arange(len(event), dtype="i4")
    last = np.full(keys + 1, -1, "i4")  # the last one stays, for asked rows without a key
    found = np.full(len(at), -1, "i8")
    for start, end, until in zip(starts[:-1], starts[1:], ends, strict=True):
        rows, whose = numbers[start:end], key[start:end].astype("i8")
        last[whose] = rows
        if not np.array_equal(last[whose], rows):
            return None
        found[answered:until] = last[asked_key[answered:until]]
        answered = until
    if order is not None and len(order):
        found = np.where(found >= 0, order[found], -1)
    answer = np.empty(len(at), "i8")
    answer[turn] = found
    return answer


def _order(event: np.ndarray) -> np.ndarray | None:
    """The order of time; None if it is the order already, or if there are too many times for a sweep."""
    if _is_sorted(event):
        return None
    sample = event[:: max(1, len(event) // 10_000)]
    if len(np.unique(sample)) > max(100, len(event) // ROWS_A_STEP):
        return None
    return np.argsort(event, kind="stable")


def _searched(history: History, asked: Asked, keys: int, ranks: Ranks) -> np.ndarray:
    """Rows of history by a search in order of key and time."""
    if not len(history.key):
        return np.full(len(asked.key), -1, "i8")
    first = np.full(keys + 1, -1, "i8")
    first[history.key[::-1]] = np.arange(len(history.key))[::-1]
    turn = np.empty(keys + 1, "i8")
    turn[np.argsort(first, kind="stable")] = np.arange(keys + 1)  # keys in the order of their first row: a sorted source stays sorted
    known = history.known_from
    at = asked.at
    if not _fits(turn, known):
        times, known = np.unique(known, return_inverse=True)
        at = np.searchsorted(times, at, side="right") - 1
    low, high = int(known.min()), int(known.max())
    number = _joined(turn[history.key], known)
    order = _ordered(number, history, ranks)
    order = order[_not_overtaken(turn[history.key[order]], history.event[order])] if history.created is not history.event else order
    last = np.flatnonzero(np.append(number[order][1:] != number[order][:-1], True))
    order = order[last]
    bits = (high - low).bit_length()
    question = (turn[asked.key] << bits) | (np.clip(at, low, high) - low)
    sorted_questions = np.argsort(question)
    place = np.empty(len(question), "i8")
    place[sorted_questions] = np.searchsorted(number[order], question[sorted_questions], side="right") - 1
    found = order[place]
    is_answer = (place >= 0) & (asked.key >= 0) & (at >= low) & (history.key[found] == asked.key)
    return np.where(is_answer, found, -1)


def _fits(turn: np.ndarray, time: np.ndarray) -> bool:
    """Whether key and time can be one number."""
    return (int(time.max()) - int(time.min())).bit_length() + int(turn.max()).bit_length() <= _BITS


def _joined(turn: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Key and time as one number, in their order."""
    low, high = int(time.min()), int(time.max())
    return (turn << (high - low).bit_length()) | (time - low)


def _ordered(number: np.ndarray, history: History, ranks: Ranks) -> np.ndarray:
    """Rows in order of key, known_from, event time, created time and features."""
    order = np.arange(len(number)) if _is_sorted(number) else np.argsort(number)
    tied = _tied(number[order])
    if len(tied):
        rows = order[tied]
        by_time = [history.created[rows], history.event[rows], number[rows]]
        rows = rows[np.lexsort(by_time)]
        equal = _tied(number[rows], history.event[rows], history.created[rows])
        if len(equal):
            same = rows[equal]
            rank = ranks(history.place[same])
            rows[equal] = same[np.lexsort([rank, history.created[same], history.event[same], number[same]])]
        order[tied] = rows
    return order


def _tied(*columns: np.ndarray) -> np.ndarray:
    """Places of rows in an order that are equal to a neighbor in all columns."""
    equal = np.ones(max(0, len(columns[0]) - 1), bool)
    for column in columns:
        equal &= column[1:] == column[:-1]
    return np.flatnonzero(np.append(equal, False) | np.append(False, equal))


def _not_overtaken(turn: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Which rows, in the order in which they became known, are not older than one of their key that was known before."""
    number = _joined(turn, event if _fits(turn, event) else np.unique(event, return_inverse=True)[1])
    return number >= np.maximum.accumulate(number)


def _is_sorted(numbers: np.ndarray) -> bool:
    """Whether numbers never fall."""
    return bool((numbers[1:] >= numbers[:-1]).all())
