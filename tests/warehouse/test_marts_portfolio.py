"""Worked cases of marts.portfolio_by_region_month: what is known then, what is valued at the release, and where each thing lands."""

from decimal import Decimal

import pytest

from tests.warehouse.mart_rows import cells, d, dimensions, kept, stock_of, table
from warehouse.marts.attribution import AS_OF_MONTH, mart_months
from warehouse.marts.moves import contract_moves
from warehouse.marts.portfolio_by_region_month import KEY, PORTFOLIO_BY_REGION_MONTH, portfolio_by_region_month, portfolio_cells

BUSINESS_DATE = d("2024-03-15")
JANUARY, FEBRUARY, MARCH = "2024-01-31", "2024-02-29", "2024-03-31"


def portfolio(con, months=(), facts=(), events=(), installments=(), penalties=(), clients=({},)):
    """The mart of the given curated rows."""
    contracts = [{"start_date": d("2023-12-01"), **fact} for fact in facts]
    covered, dims = mart_months(d("2024-01-10"), BUSINESS_DATE), dimensions(clients)
    fact_contract_month = table("fact_contract_month", months)
    cells_of = portfolio_cells(
        covered,
        kept(con, contract_moves(fact_contract_month)),
        fact_contract_month,
        kept(con, stock_of(months, BUSINESS_DATE)),
        table("fact_contract", contracts),
        table("fact_contract_status", events),
        table("fact_installment", installments),
        table("fact_penalty", penalties),
        dims.pop("dim_client"),
    )
    return portfolio_by_region_month(kept(con, cells_of), AS_OF_MONTH, covered, **dims)


def found(con, **rows):
    return cells(con, portfolio(con, **rows), KEY)


# --- month-end measures


def test_only_open_contracts_are_outstanding(con):
    months = [
        {"month_on": d(JANUARY), "outstanding_principal_amount": 700, "overdue_amount": 30},
        {"month_on": d(JANUARY), "contract_number": "2", "outstanding_principal_amount": 200},
        {"month_on": d(JANUARY), "contract_number": "3", "status": "Written Off", "outstanding_principal_amount": 0, "dpd": 120},
    ]
    row = found(con, months=months)[JANUARY, "R1", "CL"]
    assert (row["open_contract_count"], row["client_count"]) == (2, 1)
    assert (row["outstanding_principal_amount"], row["overdue_amount"]) == (900, 30)


def test_a_contract_is_at_risk_from_the_thirtieth_day_with_its_whole_balance(con):
    months = [
        {"month_on": d(JANUARY), "contract_number": str(dpd), "dpd": dpd, "outstanding_principal_amount": 100}
        for dpd in (0, 29, 30, 59, 60, 89, 90, 400)
    ]
    row = found(con, months=months)[JANUARY, "R1", "CL"]
    assert [row[f"par{days}_amount"] for days in (30, 60, 90)] == [600, 400, 200]
    assert [row[f"par{days}_ratio"] for days in (30, 60, 90)] == [0.75, 0.5, 0.25]


def test_a_ratio_without_a_denominator_is_null(con):
    # Only a penalty in the cell: nothing outstanding, nothing due, nothing that could be settled.
    row = found(con, facts=[{}], penalties=[{"penalty_on": d("2024-02-01"), "penalty_amount": Decimal("12.50")}])[FEBRUARY, "R1", "CL"]
    assert row["penalty_amount"] == Decimal("12.50")
    ratios = ["par30_ratio", "par60_ratio", "par90_ratio", "late_ratio", "skipped_ratio", "early_settlement_ratio"]
    assert [row[name] for name in ratios] == [None] * 6


# --- installments due in the month


def test_installments_count_in_the_month_of_their_due_date(con):
    installments = [
        {"installment_id": "1", "due_date": d("2024-01-31"), "is_late": True, "paid_amount": 40, "is_skip_eligible": True},
        {"installment_id": "2", "due_date": d("2024-02-01"), "is_paid_early": True, "is_skip_eligible": False},
        {"installment_id": "3", "due_date": d("2024-02-29"), "is_late": True, "is_skipped": True, "paid_amount": 5},
        # Not due: of a contract that ended before, or not disbursed.
        {"installment_id": "4", "due_date": d("2024-02-15"), "is_due": False},
    ]
    rows = found(con, facts=[{}], installments=installments)
    names = [
        "installments_due_count",
        "due_amount",
        "paid_amount",
        "late_count",
        "skip_eligible_count",
        "skipped_count",
        "early_paid_count",
    ]
    assert [rows[JANUARY, "R1", "CL"][name] for name in names] == [1, 100, 40, 1, 1, 0, 0]
    assert [rows[FEBRUARY, "R1", "CL"][name] for name in names] == [2, 200, 105, 1, 1, 1, 1]
    assert rows[FEBRUARY, "R1", "CL"]["late_ratio"] == 0.5
    assert rows[FEBRUARY, "R1", "CL"]["skipped_ratio"] == 1.0


def test_an_installment_lands_in_the_region_of_its_month(con):
    clients = [{"valid_to": d("2024-02-15")}, {"region_id": "R2", "valid_from": d("2024-02-15")}]
    installments = [{"installment_id": str(n), "due_date": d(day)} for n, day in enumerate(["2024-01-20", "2024-02-01", "2024-03-01"])]
    rows = found(con, facts=[{"product_type_id": "TW"}], installments=installments, clients=clients)
    assert sorted(rows) == [(JANUARY, "R1", "TW"), (FEBRUARY, "R2", "TW"), (MARCH, "R2", "TW")]


# --- events


def test_early_settlement_is_measured_against_what_could_have_been_settled(con):
    months = [
        # Open at the end of January: contracts 1, 2 and 3; 1 and 2 have a row in February, too.
        *({"month_on": d(JANUARY), "contract_number": n} for n in "123"),
        {"month_on": d(JANUARY), "contract_number": "4", "status": "Paid-off", "outstanding_principal_amount": 0},
        *({"month_on": d(FEBRUARY), "contract_number": n, "status": "Paid-off", "outstanding_principal_amount": 0} for n in "12"),
    ]
    facts = [
        {"contract_number": "1", "is_early_settled": True, "early_settled_on": d("2024-02-01")},
        {"contract_number": "2", "is_early_settled": True, "early_settled_on": d("2024-02-29"), "is_refinanced": True},
        {"contract_number": "5", "start_date": d("2024-02-20")},
    ]
    row = found(con, months=months, facts=facts)[FEBRUARY, "R1", "CL"]
    assert (row["early_settled_count"], row["refinanced_count"]) == (2, 1)
    assert row["open_or_started_count"] == 4  # 1, 2, 3 were open, 5 started
    assert row["early_settlement_ratio"] == 0.5


def test_a_contract_open_before_counts_where_its_client_lives_this_month(con):
    # Moved in February: it could be settled in R2, so the denominator is there too.
    months = [{"month_on": d(JANUARY)}, {"month_on": d(FEBRUARY), "region_as_of_month_id": "R2", "outstanding_principal_amount": 400}]
    rows = found(con, months=months)
    assert rows[FEBRUARY, "R2", "CL"]["open_or_started_count"] == 1
    assert (FEBRUARY, "R1", "CL") not in rows
    assert rows[MARCH, "R2", "CL"]["open_or_started_count"] == 1


def test_a_loss_counts_once_by_the_event_that_ended_the_contract(con):
    ended = {"status": "Close", "ended_on": d("2024-02-10")}
    facts = [
        {"contract_number": "1", **ended, "written_off_principal_amount": 300},
        {"contract_number": "2", **ended, "sold_principal_amount": 50},
        {"contract_number": "3", **ended},
        # Nothing was owed any more at the write-off: the event counts, with 0.
        {"contract_number": "4", "status": "Written Off", "ended_on": d("2024-01-31")},
        {"contract_number": "5", "status": "Active"},
    ]
    events = [
        # Written off, sold two weeks later, closed: one write-off.
        {"contract_number": "1", "status_date": d("2024-02-10"), "status": "Written Off"},
        {"contract_number": "1", "status_date": d("2024-02-24"), "status": "Sold"},
        {"contract_number": "1", "status_date": d("2024-03-01"), "status": "Close"},
        # Sold and closed on one day: sold comes first.
        {"contract_number": "2", "status_date": d("2024-02-10"), "status": "Close"},
        {"contract_number": "2", "status_date": d("2024-02-10"), "status": "Sold"},
        # Paid off and written off on one day: paid off comes first.
        {"contract_number": "3", "status_date": d("2024-02-10"), "status": "Paid-off"},
        {"contract_number": "3", "status_date": d("2024-02-10"), "status": "Written Off"},
        {"contract_number": "4", "status_date": d("2024-01-31"), "status": "Written Off"},
        # Written off, then active again: no loss now.
        {"contract_number": "5", "status_date": d("2024-01-20"), "status": "Written Off"},
        {"contract_number": "5", "status_date": d("2024-02-20"), "status": "Active"},
    ]
    rows = found(con, facts=facts, events=events)
    names = ["written_off_count", "written_off_principal_amount", "sold_count", "sold_principal_amount"]
    assert [rows[FEBRUARY, "R1", "CL"][name] for name in names] == [1, 300, 1, 50]
    assert [rows[JANUARY, "R1", "CL"][name] for name in names] == [1, 0, 0, 0]
    assert (MARCH, "R1", "CL") not in rows


def test_penalties_land_in_the_month_of_their_date_in_the_open_month_too(con):
    penalties = [
        {"penalty_on": d(day), "penalty_amount": amount} for day, amount in (("2024-02-29", 1), ("2024-03-01", 2), ("2024-03-15", 4))
    ]
    rows = found(con, facts=[{}], penalties=penalties)
    assert {key[0]: row["penalty_amount"] for key, row in rows.items()} == {FEBRUARY: 1, MARCH: 6}
    assert (rows[MARCH, "R1", "CL"]["as_of_on"], rows[MARCH, "R1", "CL"]["is_complete_month"]) == (BUSINESS_DATE, False)


# --- the table as a whole

BOOK = {
    "months": [
        {"month_on": d(month), "contract_number": str(n), "region_as_of_month_id": f"R{1 + n % 2}",
         "product_type_id": ["CL", "TW"][n % 3 % 2], "client_id": "AB"[n % 2], "dpd": 31 * (n % 4), "outstanding_principal_amount": 10 * n}
        for month in (JANUARY, FEBRUARY) for n in range(12)
    ],
    "facts": [
        {"contract_number": str(n), "client_id": "AB"[n % 2], "product_type_id": ["CL", "TW"][n % 3 % 2], "start_date": d("2024-01-11")}
        for n in range(12)
    ],
    "installments": [
        {"installment_id": str(n), "contract_number": str(n), "client_id": "AB"[n % 2], "due_date": d("2024-02-10"), "is_late": n % 3 == 0}
        for n in range(12)
    ],
    "penalties": [
        {"contract_number": str(n), "client_id": "AB"[n % 2], "penalty_on": d("2024-02-11"), "penalty_amount": n} for n in range(12)
    ],
    "clients": [{"client_id": "A"}, {"client_id": "B", "region_id": "R2"}],
}  # fmt: skip


@pytest.fixture(scope="module")
def rows(con):
    return found(con, **BOOK)


@pytest.mark.parametrize(
    ("measure", "total"),
    [
        ("open_contract_count", 12),
        ("outstanding_principal_amount", 660),
        ("par30_amount", 660 - 10 * (0 + 4 + 8)),
        ("installments_due_count", 12),
        ("late_count", 4),
        ("due_amount", 1200),
        ("open_or_started_count", 12),
        ("penalty_amount", 66),
    ],
)
def test_the_sum_over_regions_and_types_is_the_portfolio(rows, measure, total):
    assert len({key[1:] for key in rows}) == 4  # it is spread over regions and types
    assert sum(row[measure] for key, row in rows.items() if key[0] == FEBRUARY) == total


def test_the_order_of_the_rows_changes_nothing(con, rows):
    turned = {name: rows[::-1] for name, rows in BOOK.items()}
    assert found(con, **turned) == rows


def test_no_row_is_zero_throughout(con):
    # Open with nothing outstanding and not open: only the first is a row.
    months = [
        {"month_on": d(JANUARY), "outstanding_principal_amount": 0},
        {"month_on": d(JANUARY), "contract_number": "2", "product_type_id": "TW", "status": "Close", "outstanding_principal_amount": 0},
    ]
    rows = found(con, months=months, penalties=[{"penalty_on": d("2024-01-20"), "penalty_amount": 0}], facts=[{"product_type_id": "TW"}])
    assert [key for key in rows if key[0] == JANUARY] == [(JANUARY, "R1", "CL")]


def test_no_contract_gives_a_typed_empty_table(con):
    empty = con.to_pyarrow(portfolio(con, clients=()))
    assert empty.num_rows == 0
    assert empty.schema.names == list(PORTFOLIO_BY_REGION_MONTH.column_names)


def test_the_table_has_the_declared_types(con):
    declared = PORTFOLIO_BY_REGION_MONTH.ibis_schema()
    assert {name: str(kind(nullable=True)) for name, kind in portfolio(con, **BOOK).schema().items()} == {
        name: str(kind(nullable=True)) for name, kind in declared.items()
    }
