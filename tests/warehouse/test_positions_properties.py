"""What must hold of positions whatever a lender delivers.

One state per installment, facts that agree, and answers that depend neither on the order of rows nor on what comes later.
"""

import random
from collections import Counter
from datetime import date
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import stored
from tests.oracles.days import end_of_day
from tests.oracles.ledger import Ledger
from tests.strategies import Case, cases, examples
from warehouse.clock import as_of_dates
from warehouse.curated.fact_contract import with_outcomes
from warehouse.curated.installments import CLOSED_STATUSES, STATES
from warehouse.curated.positions import positions
from warehouse.terms import Terms

TERMS = Terms(grace_days=3)
Rows = list[dict[str, Any]]


def found(con, ledger: Ledger, *days: date) -> dict[str, Rows]:
    """All tables of positions as rows."""
    then = positions(stored(con, ledger.rows), as_of_dates(days, TERMS.time_zone), TERMS)
    tables = then._asdict() | {"contracts": with_outcomes(then)}
    return {name: con.to_pyarrow(table).to_pylist() for name, table in tables.items() if name != "arrears"}


def unordered(tables: dict[str, Rows]) -> dict[str, Counter]:
    return {name: Counter(tuple(row.items()) for row in rows) for name, rows in tables.items()}


def conditions(row: dict[str, Any], contract: dict[str, Any]) -> dict[str, bool]:
    """When an installment is in each state, each said on its own and not as the first of a list that holds."""
    settled, late = row["settled_on"] is not None, row["days_late"] > TERMS.grace_days
    ended_on, ended_status = contract["ended_on"], contract["ended_status"]
    closed = not settled and ended_on is not None and (ended_status in CLOSED_STATUSES or ended_on < row["due_date"])
    early = settled and row["settled_on"] < row["due_date"]
    waits = not settled and not closed and not row["is_skipped"]
    a_tenth = row["paid_amount"] * 10 >= row["due_amount"]
    return {
        "CLOSED": closed,
        "SKIPPED_RECOVERED": row["is_skipped"] and settled,
        "SKIPPED_OPEN": row["is_skipped"] and not settled and not closed,
        "PAID_EARLY": early and not row["is_skipped"],
        "PAID_LATE": settled and late and not row["is_skipped"],
        "PAID_ON_TIME": settled and not early and not late and not row["is_skipped"],
        "NOT_DUE": waits and not row["is_due"],
        "PARTIAL_OPEN": waits and row["is_due"] and a_tenth,
        "DUE_OPEN": waits and row["is_due"] and not a_tenth,
    }


@given(cases(as_ofs=4))
@examples(2)
def test_every_installment_is_in_one_state_and_facts_agree(con, case: Case):
    tables = found(con, case.ledger, *case.as_ofs)
    contracts = {(row["as_of_on"], row["contract_number"]): row for row in tables["contracts"]}
    for row in tables["installments"]:
        holds = conditions(row, contracts[row["as_of_on"], row["contract_number"]])
        assert tuple(holds) == STATES
        assert [state for state, is_so in holds.items() if is_so] == [row["state"]], row
        assert row["unpaid_amount"] + row["paid_amount"] == row["due_amount"]
        assert row["is_due"] or not (row["is_late"] or row["is_skip_eligible"])
        assert row["is_skip_eligible"] or not row["is_skipped"]
    for row in contracts.values():
        check_contract(row)
    check_money(tables, case.ledger)


def check_money(tables: dict[str, Rows], ledger: Ledger) -> None:
    """Rows of a repayment add up to what was delivered; rows of an installment to what is paid of it, and no part to more than was due."""
    allocated: Counter = Counter()
    paid: dict[tuple, Counter] = {}
    for row in tables["repayments"]:
        allocated[row["as_of_on"], row["repayment_id"]] += row["allocated_amount"]
        parts = {part: row[f"{part}_amount"] for part in ("principal", "interest", "fee")}
        paid.setdefault((row["as_of_on"], row["installment_id"]), Counter()).update(parts)
    for day in {day for day, _ in allocated}:
        held = {row["repayment_id"]: row for row in ledger.held("repayments", end_of_day(day, TERMS.time_zone))}
        mine = {repayment_id: amount for (other, repayment_id), amount in allocated.items() if other == day}
        assert mine == {key: held[key]["repayment_amount"] for key in mine}
    for row in tables["installments"]:
        parts = paid.get((row["as_of_on"], row["installment_id"]), Counter())
        assert sum(parts.values()) == row["paid_amount"], row
        assert all(0 <= parts[part] <= row[f"{part}_due_amount"] for part in parts), row
        assert row["paid_principal_amount"] == parts["principal"], row


def check_contract(row: dict[str, Any]) -> None:
    """What one fact of a contract says about another."""
    assert row["max_dpd"] >= row["dpd"] >= 0, row
    for days, name in ((30, "dpd30_on"), (90, "dpd90_on")):
        assert (row[name] is not None) == (row["max_dpd"] >= days), row
    if row["dpd90_on"] is not None:
        assert row["dpd30_on"] < row["dpd90_on"] <= row["as_of_on"] or row["ended_status"] in ("Written Off", "Sold"), row
    assert [row["is_fpd30"], row["is_spd30"], row["is_tpd30"]].count(True) <= 1, row
    assert (row["vn_debt_group"] >= 3) == (row["dpd"] > 90), row
    assert row["client_vn_debt_group"] >= row["vn_debt_group"], row
    assert (row["defaulted_on"] is None) == (row["dpd90_on"] is None and row["ended_status"] not in ("Written Off", "Sold")), row
    assert 0 <= row["defaulted_principal_amount"] <= row["principal_amount"], row
    lost = row["written_off_principal_amount"] + row["sold_principal_amount"]
    assert lost <= row["defaulted_principal_amount"], row  # what was paid between the default and the loss lowers the loss
    assert row["recovered_amount"] == 0 or row["ended_status"] == "Written Off", row
    assert not row["is_back_to_current"] or (row["is_open"] and row["dpd"] == 0), row
    assert row["cured_on"] is None or row["dpd30_on"] < row["cured_on"] <= (row["ended_on"] or row["as_of_on"]), row


@given(cases(clients=60, as_ofs=2), st.integers(0, 1000))
@examples(1)
def test_the_order_of_rows_changes_nothing(con, case: Case, seed: int):
    shuffled = Ledger({table: random.Random(seed).sample(rows, len(rows)) for table, rows in case.ledger.rows.items()})
    assert unordered(found(con, shuffled, *case.as_ofs)) == unordered(found(con, case.ledger, *case.as_ofs[::-1]))


@given(cases(clients=60, as_ofs=1))
@examples(1)
def test_what_comes_or_becomes_known_later_changes_nothing(con, case: Case):
    (day,) = case.as_ofs
    until = end_of_day(day, TERMS.time_zone)
    so_far = Ledger(
        {
            table: [row for row in rows if row["known_at"] <= until and row.get("repayment_date", day) <= day]
            for table, rows in case.ledger.rows.items()
        }
    )
    assert unordered(found(con, so_far, day)) == unordered(found(con, case.ledger, day))
