"""Answers that were worked out by hand: first the oracle must give them, then the platform."""

from decimal import Decimal
from typing import Any

import pytest

from tests.oracles import answers, golden
from tests.oracles.features import client_repayment
from tests.oracles.labels import labels
from tests.oracles.months import Months
from tests.oracles.positions import Book
from warehouse.curated import FACT_CONTRACT, FACT_CONTRACT_MONTH, FACT_INSTALLMENT

AGREED = {  # delivered as they are, or what a row is of
    "contract_number",
    "client_id",
    "product_code",
    "product_type_id",
    "principal_amount",
    "interest_amount",
    "fee_amount",
    "tenor_months",
    "start_date",
    "installment_id",
    "installment_number",
    "principal_due_amount",
    "interest_due_amount",
    "fee_due_amount",
    "month_on",
}
FILES = ("waterfall", "edges", "schedules", "lenient", "outcomes", "months", "features", "labels")
PARTS = ("principal_amount", "interest_amount", "fee_amount", "penalty_amount")


def questions(kind: str) -> list[tuple[str, dict[str, Any]]]:
    """All expectations of a kind in all golden files."""
    return [(name, expected) for name in FILES for expected in golden.read(name).expect.get(kind, ())]


def name_of(value: Any) -> str:
    if isinstance(value, dict):
        return "-".join(str(part) for part in list(value.values())[:3])
    return str(value)


def assert_cells(expected: dict[str, Any], actual: dict[str, Any]) -> None:
    cells = {name: value for name, value in expected.items() if name not in ("as_of", "known_on")}
    assert {name: actual[name] for name in cells} == cells


def paid_rows(rows: list[dict[str, Any]]) -> list[list[Any]]:
    """What a repayment paid, in order: installment (empty for the rest), amount, principal, interest, fee, penalty."""
    ordered = sorted(rows, key=lambda row: row["allocation_number"])
    return [[row["installment_id"] or "", row["allocated_amount"], *(row[part] for part in PARTS)] for row in ordered]


def assert_paid(expected: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    told = [[paid, *map(Decimal, amounts)] for paid, *amounts in expected["rows"]]
    assert [row[: len(wanted)] for row, wanted in zip(paid_rows(rows), told, strict=True)] == told
    assert {row["is_reversed"] for row in rows} == {expected.get("is_reversed", False)}


def assert_month(expected: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """One month row, or that there is none."""
    key = ("month_on", "contract_number")
    mine = [row for row in rows if all(row[name] == expected[name] for name in key)]
    assert len(mine) == (0 if expected.get("absent") else 1)
    for row in mine:
        assert_cells(expected, row)


def book(name: str, expected: dict[str, Any]) -> Book:
    told = golden.read(name)
    return Book(told.ledger, expected["as_of"], told.terms, expected.get("known_on"))


@pytest.mark.parametrize(("name", "expected"), questions("contracts"), ids=name_of)
def test_oracle_contracts(name, expected):
    rows = answers.contracts(book(name, expected))
    assert_cells({k: v for k, v in expected.items() if k != "contract_number"}, rows[(expected["as_of"], expected["contract_number"])])


@pytest.mark.parametrize(("name", "expected"), questions("outcomes"), ids=name_of)
def test_oracle_outcomes(name, expected):
    rows = answers.outcomes(book(name, expected))
    assert_cells({k: v for k, v in expected.items() if k != "contract_number"}, rows[(expected["as_of"], expected["contract_number"])])


@pytest.mark.parametrize(("name", "expected"), questions("installments"), ids=name_of)
def test_oracle_installments(name, expected):
    rows = answers.installments(book(name, expected))
    assert_cells({k: v for k, v in expected.items() if k != "installment_id"}, rows[(expected["as_of"], expected["installment_id"])])


@pytest.mark.parametrize(("name", "expected"), questions("repayments"), ids=name_of)
def test_oracle_repayments(name, expected):
    rows = answers.repayments(book(name, expected))
    mine = [row | {"allocation_number": key[2]} for key, row in rows.items() if key[1] == expected["repayment_id"]]
    assert_paid(expected, mine)


@pytest.mark.parametrize(("name", "expected"), questions("max_dpd"), ids=name_of)
def test_oracle_max_dpd(name, expected):
    contract = book(name, expected).contracts[expected["contract_number"]]
    assert contract.max_dpd(expected["after"], expected["as_of"]) == expected["max_dpd"]


@pytest.mark.parametrize(("name", "expected"), questions("months"), ids=name_of)
def test_oracle_months(name, expected):
    told = golden.read(name)
    assert_month(expected, Months(told.ledger, told.business_date, told.terms).contract_months())


def test_every_fact_has_a_worked_contract():
    """Each column that says something about a contract, an installment or a month stands in an expectation, so no fact goes unreviewed."""
    expected = {
        kind: {name for _, wanted in questions(kind) for name in wanted} for kind in ("contracts", "outcomes", "installments", "months")
    }
    of_contracts = set(FACT_CONTRACT.column_names) - AGREED - {"vintage_month", "region_at_origination_id"}
    assert of_contracts - expected["contracts"] - expected["outcomes"] == set()
    assert set(FACT_INSTALLMENT.column_names) - AGREED - expected["installments"] == set()
    of_months = {name for name in FACT_CONTRACT_MONTH.column_names if not name.startswith("region_")}
    assert of_months - AGREED - expected["months"] == set()


@pytest.mark.parametrize(("name", "expected"), questions("features"), ids=name_of)
def test_oracle_features(name, expected):
    row = client_repayment(book(name, expected)).get(expected["client_id"])
    if expected.get("absent"):
        assert row is None
        return
    cells = {feature: value for feature, value in expected.items() if feature not in ("as_of", "client_id")}
    told = {feature: (value[0] / value[1] if value else None) if isinstance(value, list) else value for feature, value in cells.items()}
    assert {feature: row[feature] for feature in told} == told


@pytest.mark.parametrize(("name", "expected"), questions("labels"), ids=name_of)
def test_oracle_labels(name, expected):
    told = golden.read(name)
    found = labels(told.ledger, expected["as_of"], expected["known_on"], told.terms)
    for number, wanted in expected.items():
        if number in ("as_of", "known_on"):
            continue
        label = found.get(f"client-{number}")
        assert (label if label is None else label[0] if label[0] is not None else label[1]) == (None if wanted == "absent" else wanted), (
            number
        )
