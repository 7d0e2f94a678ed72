"""Staging is a function of the set of raw rows: order, repetition and splits do not matter, and no row is lost."""

import random
from collections import defaultdict
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from ibis.backends import BaseBackend

from tests.warehouse.judging import Delivered, Judged, judged

TABLES = ("clients", "contracts", "repayments")
FIRST = date(2024, 6, 28)
PLACE = ("source_file", "source_sha256", "source_row_number")
TIMES = st.sampled_from([None, "2024-06-01T00:00:00Z", "2024-06-02T00:00:00Z"])

clients = st.fixed_dictionaries(
    {
        "client_id": st.sampled_from(["C1", "C2"]),
        "region_id": st.sampled_from(["R1", "R2"]),
        "op": st.sampled_from(["U", "U", "D"]),
        "updated_at": TIMES,
    }
)
contracts = st.fixed_dictionaries(
    {
        "contract_number": st.sampled_from(["L1", "L2"]),
        "client_id": st.sampled_from(["C1", "C2", "C3"]),
        "product_code": st.just("P1"),
        "principal_amount": st.sampled_from(["100", "100.00", "-1", "x"]),
        "tenor": st.just("2"),
        "start_date": st.sampled_from(["2024-01-01", "2024-01-15"]),
        "status": st.just("Active"),
        "updated_at": TIMES,
    }
)
repayments = st.fixed_dictionaries(
    {
        "repayment_id": st.sampled_from(["Y1", "Y2", "Y3"]),
        "repayment_date": st.sampled_from(["2024-01-10", "2024-02-01", "2024-02-30"]),
        "repayment_amount": st.sampled_from(["5", "6"]),
        "contract_number": st.sampled_from(["L1", "L2", "L3"]),
        "reverses_repayment_id": st.sampled_from([None, None, "Y1", "Y2"]),
        "op": st.sampled_from([None, None, "D"]),
    }
)
ROWS = {"clients": clients, "contracts": contracts, "repayments": repayments}
deliveries = st.dictionaries(
    st.integers(0, 3).map(lambda days: FIRST + timedelta(days=days)),
    st.fixed_dictionaries({table: st.lists(rows, max_size=4) for table, rows in ROWS.items()}),
    min_size=1,
    max_size=3,
)


def content(result: Judged) -> dict[str, list[Any]]:
    """Staged rows without the place that they came from, in one order."""
    return {
        table: sorted(tuple((name, str(value)) for name, value in row.items() if name not in PLACE) for row in rows)
        for table, rows in result.staging.items()
    }


@settings(max_examples=12, deadline=None)
@given(deliveries, st.randoms(use_true_random=False))
def test_order_splits_and_repetition_do_not_matter(con: BaseBackend, delivered: dict[date, Any], chance: random.Random) -> None:
    """Dates arrive in another order, files are split in two and rows shuffled, whole deliveries come twice."""
    straight = [Delivered(day, list(files.items())) for day, files in sorted(delivered.items())]
    mixed = []
    for day, files in chance.sample(list(delivered.items()), len(delivered)):
        parts = []
        for table, rows in files.items():
            shuffled = chance.sample(rows, len(rows))
            middle = chance.randint(0, len(rows))
            parts += [(table, shuffled[:middle]), (table, shuffled[middle:])]
        mixed += [Delivered(day, chance.sample(parts, len(parts)))] * chance.randint(1, 2)
    expected, found = judged(con, straight, TABLES), judged(con, mixed, TABLES)
    assert content(found) == content(expected)


@settings(max_examples=12, deadline=None)
@given(deliveries)
def test_every_row_has_one_disposition_and_staging_keeps_its_promises(con: BaseBackend, delivered: dict[date, Any]) -> None:
    result = judged(con, [Delivered(day, list(files.items())) for day, files in sorted(delivered.items())], TABLES)
    rows_in: dict[str, int] = defaultdict(int)
    for files in delivered.values():
        for table, rows in files.items():
            rows_in[table] += len(rows)
    for table in TABLES:
        assert len(result.rows[table]) == rows_in[table]
        assert {row["disposition"] for row in result.rows[table]} <= {"accepted", "duplicate", "quarantined", "parked"}
    _check_references(result)
    _check_versions(result)


def _check_references(result: Judged) -> None:
    held = {table: {row[key] for row in result.staging[table] if not row["is_deleted"]} for table, key in KEYS.items()}
    for row in result.staging["contracts"]:
        assert row["is_deleted"] or row["client_id"] in held["clients"]
    for row in result.staging["repayments"]:
        assert row["is_deleted"] or row["contract_number"] in held["contracts"]
        assert row["reverses_repayment_id"] is None or row["reverses_repayment_id"] in held["repayments"]


def _check_versions(result: Judged) -> None:
    """One row per key and business date, and no version equal to the one before."""
    for table, key in KEYS.items():
        ignored = {*PLACE, "business_date", "known_at", "is_opening", "updated_at"}
        rows = sorted(result.staging[table], key=lambda row: (row[key], row["business_date"]))
        for before, after in pairwise(rows):
            if before[key] == after[key]:
                assert before["business_date"] < after["business_date"]
                assert any(before[name] != after[name] for name in before if name not in ignored)


KEYS = {"clients": "client_id", "contracts": "contract_number", "repayments": "repayment_id"}
