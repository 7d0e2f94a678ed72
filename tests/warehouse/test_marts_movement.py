"""Movements of the outstanding principal: equal to the oracle on generated ledgers, and they explain every month end to the last unit."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.oracles import marts_movement
from tests.oracles.compare import check, keyed
from tests.strategies import Case, calendar, ledger
from tests.warehouse.test_oracle_curated import Built, build
from warehouse.marts import OUTSTANDING_MOVEMENT_BY_MONTH


def explained(row) -> Decimal:
    """What the movements make of the opening amount."""
    plus = ("opening_principal_amount", "new_principal_amount", "returned_principal_amount", "redated_amount", "correction_amount")
    minus = ("principal_paid_amount", "written_off_principal_amount", "sold_principal_amount", "released_principal_amount")
    return sum(row[name] for name in plus) - sum(row[name] for name in minus)


@pytest.fixture(scope="module", params=[3, 11])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    when = calendar(request.param)
    yield from build(Case(ledger(when, list(range(200, 260))), when, ()), tmp_path_factory.mktemp("lake"))


def test_every_month_end_is_explained(built: Built) -> None:
    found = built.candidate.table(OUTSTANDING_MOVEMENT_BY_MONTH.name).to_pyarrow().to_pylist()
    expected = marts_movement.outstanding_movement_by_month(built.months)
    check(OUTSTANDING_MOVEMENT_BY_MONTH.name, expected, keyed(found, ("month_on",)), built.case.ledger)
    assert any(row["correction_amount"] for row in found)
    for row in found:
        assert explained(row) == row["outstanding_principal_amount"], row
