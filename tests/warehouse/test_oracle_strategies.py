"""The generated ledgers hold what they promise: rows that staging could hold, and every state that a contract can be in."""

from collections import Counter
from itertools import pairwise

import pytest

from tests.oracles.ledger import KEYS, Ledger
from tests.oracles.outcomes import outcome_row
from tests.oracles.positions import Book
from tests.strategies import Calendar, as_of_days, calendar, ledger
from warehouse.terms import STATUSES, Terms

SEEDS = range(8)
META = {"business_date", "updated_at", "is_opening", "known_at"}


@pytest.fixture(scope="module")
def ledgers() -> list[tuple[Calendar, Ledger]]:
    return [(calendar(seed), ledger(calendar(seed), list(range(seed * 1000, seed * 1000 + 40)))) for seed in SEEDS]


def test_versions_follow_each_other(ledgers):
    for _, found in ledgers:
        for table, chains in found.chains.items():
            for chain in chains.values():
                for before, after in pairwise(chain):
                    assert before["business_date"] < after["business_date"], (table, before, after)
                    assert before["known_at"] <= after["known_at"], (table, before, after)
                    assert any(before[name] != after[name] for name in after if name not in META), (table, before, after)
                assert not chain[0]["is_deleted"], (table, chain)


def test_rows_are_such_as_staging_accepts(ledgers):
    for when, found in ledgers:
        contracts = {row["contract_number"]: row for row in found.rows["contracts"]}
        numbers = {row["repayment_id"] for row in found.rows["repayments"]}
        for row in found.rows["repayments"]:
            assert contracts[row["contract_number"]]["start_date"] <= row["repayment_date"] <= row["business_date"]
            assert row["repayment_amount"] >= 0 or row["reverses_repayment_id"] in numbers
        for table in KEYS:
            assert {row["business_date"] for row in found.rows[table]} <= set(when.dates)


def test_every_outcome_occurs(ledgers):
    seen: Counter[tuple] = Counter()
    for when, found in ledgers:
        book = Book(found, when.last, Terms())
        for contract in book.contracts.values():
            row = outcome_row(book, contract)
            seen.update(
                (name, row[name]) for name in ("is_spd30", "is_tpd30", "vn_debt_group", "client_vn_debt_group", "is_back_to_current")
            )
            seen.update((name, bool(row[name])) for name in ("dpd30_on", "dpd90_on", "defaulted_on", "recovered_amount", "cured_on"))
            seen[("worse by another debt", row["client_vn_debt_group"] > row["vn_debt_group"])] += 1
    wanted = {(name, answer) for name in ("is_spd30", "is_tpd30") for answer in (True, False, None)}
    wanted |= {(name, group) for name in ("vn_debt_group", "client_vn_debt_group") for group in range(1, 6)}
    flags = ("is_back_to_current", "dpd30_on", "dpd90_on", "defaulted_on", "recovered_amount", "cured_on", "worse by another debt")
    wanted |= {(name, answer) for name in flags for answer in (True, False)}
    assert not [case for case in wanted if not seen[case]]


def test_every_state_occurs(ledgers):
    seen: Counter[tuple] = Counter()
    for seed, (when, found) in zip(SEEDS, ledgers, strict=True):
        for as_of in as_of_days(when, seed, 3):
            for contract in Book(found, as_of, Terms()).contracts.values():
                seen[("status", contract.now.status)] += 1
                seen[("reason", contract.close_reason)] += 1
                seen[("early", contract.early_settled_on is not None, contract.refinanced)] += 1
                seen[("fpd30", contract.is_fpd30)] += 1
                seen[("bad", contract.dpd(as_of) >= 90)] += 1
                seen.update(("state", contract.state(i)) for i in contract.installments)
                seen.update(("reversed", row["is_reversed"]) for row in contract.repayments)
                seen.update(("penalty paid", row["penalty_amount"] > 0) for row in contract.repayments)
    wanted = {("status", status) for status in STATUSES}
    wanted |= {("reason", reason) for reason in ("paid", "written_off", "sold", "cancel", "unknown", None)}
    wanted |= {("early", True, True), ("early", True, False), ("early", False, False)}
    wanted |= {("fpd30", answer) for answer in (True, False, None)}
    wanted |= {(name, answer) for name in ("bad", "reversed", "penalty paid") for answer in (True, False)}
    states = "CLOSED SKIPPED_RECOVERED SKIPPED_OPEN PAID_EARLY PAID_LATE PAID_ON_TIME NOT_DUE PARTIAL_OPEN DUE_OPEN"
    wanted |= {("state", state) for state in states.split()}
    assert not [case for case in wanted if not seen[case]]
