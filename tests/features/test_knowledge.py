"""No feature knows the future, and no order, split or second computation changes an answer.

Poisoning replaces every value that was known only after T by garbage, truncation removes it: the row of T must be the same to the bit.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.tables import CLIENT_REPAYMENT_SPEC, client_repayment
from tests.conftest import STAGING, stored
from tests.oracles.ledger import KEYS, Row
from tests.strategies import Case, cases
from warehouse.clock import end_of_day
from warehouse.terms import Terms

TERMS = Terms()
KEPT = {"business_date", "known_at", "is_opening", "is_deleted", "source_file", "source_sha256", "source_row_number"}
GARBAGE = {
    "string": "garbage",
    "int32": 7777,
    "date": date(2001, 1, 1),
    "decimal(18, 2)": Decimal("999999.99"),
    "decimal(9, 6)": Decimal("0.5"),
    "boolean": True,
}
# A computation costs seconds whatever its size, so ledgers are few and of many clients.
few_ledgers = settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))

Rows = Mapping[str, Sequence[Row]]


def answers(con: Any, rows: Rows, days: Sequence[date]) -> list[dict[str, Any]]:
    """Feature rows of some dates, in the order of their key, without the wall clock."""
    table = client_repayment(stored(con, rows), days, TERMS).drop("computed_at").order_by("as_of_on", "client_id")
    return con.to_pyarrow(table).to_pylist()


def changed(rows: Rows, change: Callable[[str, Row], Row | None]) -> dict[str, list[Row]]:
    """Rows after a change of each; those that it answers with None are left out."""
    return {table: [new for row in found if (new := change(table, row)) is not None] for table, found in rows.items()}


def poisoned(table: str, row: Row, until: datetime) -> Row:
    """A row with garbage in place of everything but its key, if it became known after an instant."""
    if row["known_at"] <= until:
        return row
    kinds = {column.name: column.dtype for column in STAGING[table].columns}
    garbage = {name: GARBAGE.get(kinds[name]) for name in row if name not in KEPT and name not in KEYS[table]}
    if "status" in garbage:
        garbage["status"] = "Written Off"
    return row | garbage


@few_ledgers
@given(case=cases(clients=60, as_ofs=1))
def test_what_became_known_after_a_date_does_not_change_its_row(con, case: Case):
    for day in case.as_ofs:
        until = end_of_day(day, TERMS.time_zone)
        truth = answers(con, case.ledger.rows, [day])
        assert answers(con, changed(case.ledger.rows, lambda table, row, until=until: poisoned(table, row, until)), [day]) == truth
        truncated = changed(case.ledger.rows, lambda _, row, until=until: row if row["known_at"] <= until else None)
        assert answers(con, truncated, [day]) == truth


@settings(few_ledgers, max_examples=2)
@given(case=cases(clients=60, as_ofs=2), seed=st.integers(0, 1000))
def test_neither_the_order_of_rows_nor_the_split_into_dates_or_clients_changes_a_row(con, case: Case, seed: int):
    rows = case.ledger.rows
    truth = answers(con, rows, case.as_ofs)

    shuffled = {table: random.Random(seed).sample(found, len(found)) for table, found in rows.items()}
    assert answers(con, shuffled, case.as_ofs[::-1]) == truth

    one_by_one = [row for day in case.as_ofs for row in answers(con, rows, [day])]
    assert one_by_one == truth

    clients = sorted({row["client_id"] for row in rows["clients"]})
    half = set(clients[::2])
    halves = [row for part in (half, set(clients) - half) for row in answers(con, case.ledger.of_clients(part).rows, case.as_ofs)]
    assert sorted(halves, key=lambda row: (row["as_of_on"], row["client_id"])) == truth


@few_ledgers
@given(case=cases(clients=60, as_ofs=3))
def test_values_keep_their_declared_bounds_and_nulls(con, case: Case):
    for row in answers(con, case.ledger.rows, case.as_ofs):
        for column in CLIENT_REPAYMENT_SPEC.columns:
            if column.name == "computed_at":
                continue
            value = row[column.name]
            assert column.nullable or value is not None, column.name
            least, greatest = column.bounds or (None, None)
            assert value is None or least is None or value >= least, (column.name, value)
            assert value is None or greatest is None or value <= greatest, (column.name, value)
        # Windows lie in one another, and today is a day of the last twelve months.
        assert row["dpd"] <= row["max_dpd_12m"] <= row["max_dpd_lifetime"]
        assert row["installments_due_count_3m"] <= row["installments_due_count_lifetime"]
        assert row["skipped_count_3m"] <= row["skipped_count_12m"]
        assert row["early_settlement_count_12m"] <= row["early_settlement_count_lifetime"]


def test_no_rows_give_a_typed_empty_table(con):
    found = con.to_pyarrow(client_repayment(stored(con, {}), [date(2024, 2, 29)], TERMS))
    assert found.num_rows == 0
    assert found.column_names == list(CLIENT_REPAYMENT_SPEC.column_names)
    schema = CLIENT_REPAYMENT_SPEC.ibis_schema().to_pyarrow()
    assert [field.type for field in found.schema] == [field.type for field in schema]
