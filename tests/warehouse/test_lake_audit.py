"""Audits: every rule finds its rows, counts them exactly, and a check that cannot run is a failed check."""

from datetime import UTC, datetime
from decimal import Decimal

import ibis
import ibis.expr.types as ir
import pytest
from ibis.backends import BaseBackend

from tests.warehouse.lake_book import rows
from warehouse.lake.audit import audit_table, pandera_schema, rules
from warehouse.table import MONEY, TIMESTAMP, TableSpec, columns

SPEC = TableSpec(
    "marts.checked",
    "A table with every rule.",
    ("key", "month"),
    columns(
        [
            ("key", "string", "Key."),
            ("month", "int32", "Month.", {"bounds": (1, 12)}),
            ("amount", MONEY, "Money.", {"bounds": (0, None)}),
            ("ratio", "float64?", "Share.", {"bounds": (None, 1)}),
            ("state", "string?", "State.", {"values": ("OPEN", "CLOSED")}),
            ("at", TIMESTAMP, "When."),
        ]
    ),
)
GOOD = {"key": "a", "month": 1, "amount": Decimal("0.00"), "ratio": 1.0, "state": "OPEN", "at": datetime(2025, 1, 1, tzinfo=UTC)}


def stored(con: BaseBackend, values: list[dict]) -> ir.Table:
    """The rows as a stored table, as pandera wants them."""
    nullable = ibis.schema({name: dtype.copy(nullable=True) for name, dtype in SPEC.ibis_schema().items()})
    return con.create_table(ibis.util.gen_name("audit"), rows(SPEC, values).to_pyarrow(), schema=nullable, temp=True)


def failed(con: BaseBackend, *values: dict) -> dict[str, int]:
    """Failed rules and their counts for these rows beside a good one."""
    return {result.rule: result.failed_rows for result in audit_table(SPEC, stored(con, [GOOD, *values])) if not result.passed}


def test_good_table_passes_every_rule(con: BaseBackend) -> None:
    results = audit_table(SPEC, stored(con, [GOOD, GOOD | {"month": 12, "ratio": None, "state": None}]))
    assert {result.rule: (result.passed, result.failed_rows) for result in results} == dict.fromkeys(
        ["structure", "not_null", "grain", "bounds(month)", "bounds(amount)", "bounds(ratio)", "values(state)"], (True, 0)
    )


def test_empty_table_passes(con: BaseBackend) -> None:
    assert all(result.passed for result in audit_table(SPEC, stored(con, [])))


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"month": 0}, "bounds(month)"),
        ({"month": 13}, "bounds(month)"),
        ({"month": 2, "amount": Decimal("-0.01")}, "bounds(amount)"),
        ({"month": 2, "ratio": 1.0000001}, "bounds(ratio)"),
        ({"month": 2, "ratio": float("nan")}, "bounds(ratio)"),  # not a number is no share
        ({"month": 2, "state": "open"}, "values(state)"),
        ({"month": 2, "at": None}, "not_null(at)"),
        ({"month": None}, "not_null(month)"),
    ],
)
def test_one_broken_row(con: BaseBackend, change: dict, rule: str) -> None:
    assert failed(con, GOOD | change) == {rule: 1}


def test_all_broken_rules_are_found_and_counted(con: BaseBackend) -> None:
    bad = GOOD | {"amount": Decimal("-1.00"), "state": "x", "ratio": 2.0}
    assert failed(con, bad, bad | {"month": 2, "at": None}) == {
        "grain": 2,  # both rows that share a key
        "not_null(at)": 1,
        "bounds(amount)": 2,
        "bounds(ratio)": 2,
        "values(state)": 2,
    }


def test_repeated_keys_are_found_where_pandera_alone_passes_them(con: BaseBackend) -> None:
    table = stored(con, [GOOD, GOOD, GOOD])
    assert [result.failed_rows for result in audit_table(SPEC, table) if result.rule == "grain"] == [3]
    assert {column.unique for column in pandera_schema(SPEC, rules(SPEC)).columns.values()} == {False}


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.mutate(extra=1),
        lambda table: table.mutate(month=table.month.cast("int64")),
        lambda table: table.select("month", "key", "amount", "ratio", "state", "at"),
    ],
    ids=["more columns", "other type", "other order"],
)
def test_structure_is_checked(con: BaseBackend, change) -> None:
    table = con.create_table(ibis.util.gen_name("audit"), change(stored(con, [GOOD])), temp=True)
    results = {result.rule: result for result in audit_table(SPEC, table)}
    assert not results["structure"].passed
    assert results["structure"].message


def test_e54_check_that_cannot_run_is_a_failed_check(con: BaseBackend) -> None:
    results = {result.rule: result for result in audit_table(SPEC, stored(con, [GOOD]).drop("state"))}
    assert not results["structure"].passed
    assert not results["values(state)"].passed
    assert "failed to run" in results["values(state)"].message


def test_messages_hold_no_values(con: BaseBackend) -> None:
    person = GOOD | {"key": "Nguyen Van A", "state": "Nguyen Van A", "amount": Decimal("-1.00")}
    results = audit_table(SPEC, stored(con, [person, person]))
    assert not any("Nguyen" in result.message for result in results)


def test_many_broken_rows_are_counted_not_listed(con: BaseBackend) -> None:
    # pandera builds failure cases row by row: half a million of them took 85 s
    table = ibis.range(200_000).unnest().name("n").as_table()
    many = table.select(
        key=table.n.cast("string"),
        month=ibis.literal(99).cast("int32"),
        amount=ibis.literal(-1).cast(MONEY),
        ratio=ibis.null("float64"),
        state=ibis.literal("x"),
        at=ibis.literal(GOOD["at"]).cast(TIMESTAMP),
    )
    stored_rows = con.create_table(ibis.util.gen_name("audit"), many, temp=True)
    counts = {result.rule: result.failed_rows for result in audit_table(SPEC, stored_rows) if not result.passed}
    assert counts == {"bounds(month)": 200_000, "bounds(amount)": 200_000, "values(state)": 200_000}
