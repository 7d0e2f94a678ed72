"""Features over several windows are put together from parts of the rows, and equal those over the rows themselves."""

from dataclasses import replace
from datetime import date

import ibis
import pytest

from features.asof import WITHIN, belongs
from features.declare import LIFETIME, Months
from features.lateness import MEAN_LATE_DAYS_LIFETIME, mean_late_days
from features.windows import aggregated

DAY = date(2024, 2, 29)
# Within three, twelve and no months, the last outside of the ledger; and a client without a row in the ledger.
ROWS = [
    ("a", 3, True, 5, 1), ("a", 3, True, 2, 4), ("a", 12, True, 7, 3), ("a", None, True, 1, 2), ("a", 3, False, 100, 0),
    ("b", None, True, 9, 1), ("c", 3, False, 6, 1),
]  # fmt: skip


@pytest.fixture(scope="module")
def rows(con):
    names = ("client_id", WITHIN, belongs("due"), "late_days", "place")
    kinds = ("string", "int64", "boolean", "int64", "int64")
    table = ibis.memtable([(DAY, *row) for row in ROWS], schema={"as_of_on": "date", **dict(zip(names, kinds, strict=True))})
    return con.create_table("rows_of_windows", obj=table, temp=True, overwrite=True)


def feature(name, expr, window):
    return replace(MEAN_LATE_DAYS_LIFETIME, name=f"{name}{window.suffix}", expr=expr, window=window)


def answers(con, rows, features):
    found = con.to_pyarrow(aggregated(rows, features)).to_pylist()
    return {row["client_id"]: tuple(row[feature.name] for feature in features) for row in found}


REDUCTIONS = {
    "mean": (mean_late_days, {"a": (3.5, 14 / 3, 15 / 4), "b": (None, None, 9.0)}),
    "count": (lambda due: due.count(), {"a": (2, 3, 4), "b": (None, None, 1)}),
    "max": (lambda due: due.late_days.max(), {"a": (5, 7, 7), "b": (None, None, 9)}),
    "min": (lambda due: due.late_days.min(), {"a": (2, 2, 1), "b": (None, None, 9)}),
    "argmin": (lambda due: due.late_days.argmin(due.place), {"a": (5, 5, 5), "b": (None, None, 9)}),
    # The feature's own condition holds beside the ledger and the window.
    "own": (lambda due: due.late_days.sum(where=due.place > 2), {"a": (2, 9, 9), "b": (None, None, None)}),
}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_windows_are_put_together_from_parts(con, rows, name):
    expr, expected = REDUCTIONS[name]
    found = answers(con, rows, [feature(name, expr, window) for window in (Months(3), Months(12), LIFETIME)])
    assert {client: found[client] for client in expected} == expected
    assert found["c"] in ((None, None, None), (0, 0, 0))


@pytest.mark.parametrize("name", REDUCTIONS)
def test_one_window_alone_gives_the_same(con, rows, name):
    expr, expected = REDUCTIONS[name]
    found = answers(con, rows, [feature(name, expr, Months(12))])
    assert {client: found[client][0] or None for client in expected} == {client: values[1] for client, values in expected.items()}


def test_what_cannot_be_put_together_is_refused_with_the_rule(rows):
    means = [feature("mean_late_days", lambda due: due.late_days.mean(), window) for window in (Months(3), Months(12))]
    with pytest.raises(ValueError, match=r"mean_late_days_3m: Mean over several windows cannot be put together .* make means"):
        aggregated(rows, means)
