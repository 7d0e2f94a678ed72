"""Worked cases of vintages, roll rates and client histories: which month, which bucket, and what is not known yet."""

from decimal import Decimal

from tests.warehouse.mart_rows import cells, d, dimensions, kept, table
from warehouse.marts import vintage_by_region as vintages
from warehouse.marts.attribution import mart_months
from warehouse.marts.client_repayment_history import client_repayment_history
from warehouse.marts.moves import contract_moves
from warehouse.marts.roll_rate_by_region import KEY as ROLL
from warehouse.marts.roll_rate_by_region import roll_rate_by_region
from warehouse.marts.vintage_by_region import vintage_by_region

BUSINESS_DATE = d("2024-03-15")
JANUARY, FEBRUARY = "2024-01-31", "2024-02-29"


def covered():
    return mart_months(d("2024-01-10"), BUSINESS_DATE)


# --- vintages


def vintage(con, *contracts):
    rows = [{"contract_number": str(n), "vintage_month": d("2024-01-01"), **row} for n, row in enumerate(contracts)]
    dims = dimensions()
    mart = vintage_by_region(covered(), table("fact_contract", rows), dims["dim_region"], dims["dim_product"])
    return {key[1]: row for key, row in cells(con, mart, vintages.KEY).items()}


def test_an_event_counts_from_the_month_in_which_it_happened(con):
    found = vintage(con, {"dpd30_on": d("2024-02-29")}, {}, {"client_id": "B", "start_date": d("2024-01-31")})
    assert [(found[mob]["contract_count"], found[mob]["ever30_count"], found[mob]["ever90_count"]) for mob in (0, 1)] == [
        (3, 0, 0),
        (3, 1, 0),
    ]
    assert (found[1]["ever30_ratio"], found[1]["client_count"]) == (1 / 3, 2)


def test_a_month_that_is_not_complete_is_null(con):
    found = vintage(con, {"dpd30_on": d("2024-03-02"), "defaulted_on": d("2024-03-02"), "defaulted_principal_amount": 7})
    assert max(found) == 2
    assert [found[mob]["is_mature"] for mob in (0, 1, 2)] == [True, True, False]
    assert {found[2][name] for name in ("ever30_count", "ever90_ratio", "ever30_ratio_low", "defaulted_principal_amount")} == {None}
    assert (found[2]["contract_count"], found[1]["ever30_count"], found[1]["defaulted_principal_amount"]) == (1, 0, 0)


def test_new_cancelled_and_future_contracts_are_in_no_cohort(con):
    future = {"start_date": d("2024-03-16"), "vintage_month": d("2024-03-01")}
    assert vintage(con, {"status": "New"}, {"status": "Cancel"}, future) == {}


def test_a_contract_that_was_paid_back_stays_in_its_cohort(con):
    found = vintage(con, {"status": "Close", "ended_on": d("2024-01-20"), "dpd30_on": d("2024-01-15")}, {})
    assert [found[mob]["contract_count"] for mob in (0, 1)] == [2, 2]
    assert [found[mob]["ever30_count"] for mob in (0, 1)] == [1, 1]


# --- roll rates


def rolls(con, *rows):
    months = table("fact_contract_month", rows)
    dims = dimensions()
    moves = kept(con, contract_moves(months))
    return cells(con, roll_rate_by_region(covered(), moves, months, dims["dim_region"], dims["dim_product"]), ROLL)


def from_january(number, owed=100, **then):
    """An open contract of January and its row of February."""
    january = {"month_on": d(JANUARY), "contract_number": number, "outstanding_principal_amount": owed}
    return january, {"month_on": d(FEBRUARY), "contract_number": number, **then}


def test_a_contract_goes_by_what_ended_it(con):
    found = rolls(
        con,
        *from_january("1", dpd=29, dpd_bucket="1_29"),
        *from_january("2", status="Close", ended_status="Written Off"),
        *from_january("3", status="Sold", ended_status="Sold"),
        *from_january("4", status="Cancel", ended_status="Cancel"),
        *from_january("5", status="Close", ended_status="Close"),
        *from_january("6", status="Paid-off", ended_status="Paid-off"),
    )
    counts = {key[4]: row["contract_count"] for key, row in found.items()}
    assert counts == {"1_29": 1, "written_off": 1, "sold": 1, "paid_off": 3}
    assert {row["roll_ratio"] for row in found.values()} == {1 / 6, 0.5}
    assert {(row["from_contract_count"], row["from_client_count"], row["is_few_clients"]) for row in found.values()} == {(6, 1, True)}


def test_shares_are_of_principal(con):
    found = rolls(con, *from_january("1", owed=300, dpd_bucket="1_29"), *from_january("2", owed=100))
    assert {key[4]: row["roll_ratio"] for key, row in found.items()} == {"1_29": 0.75, "0": 0.25}


def test_what_was_deleted_or_is_new_again_is_in_neither_part(con):
    found = rolls(con, from_january("1")[0], *from_january("2", status="New"), *from_january("3"))
    assert [(key[4], row["contract_count"], row["from_contract_count"]) for key, row in found.items()] == [("0", 1, 1)]


def test_only_complete_months_roll(con):
    march = {"month_on": d("2024-03-31")}
    assert {key[0] for key in rolls(con, *from_january("1"), march)} == {JANUARY}


# --- client histories


def test_a_clients_contracts_are_added_up_and_their_worst_day_kept(con):
    months = [
        {"month_on": d(JANUARY), "dpd": 3, "max_dpd": 9, "due_amount": 10, "paid_amount": 4, "penalty_amount": 1},
        {"month_on": d(JANUARY), "contract_number": "2", "dpd": 5, "max_dpd": 6, "due_amount": 20, "paid_amount": 20},
        {
            "month_on": d(JANUARY),
            "contract_number": "3",
            "status": "Paid-off",
            "outstanding_principal_amount": 0,
            "due_amount": 5,
            "paid_amount": 5,
        },
    ]
    installments = [
        {"installment_id": "1", "due_date": d("2024-01-20"), "is_late": True},
        {"installment_id": "2", "due_date": d("2024-02-20"), "is_skipped": True},  # no contract was known to run in February
    ]
    moved = [{"valid_to": d("2024-02-15")}, {"region_id": "R2", "valid_from": d("2024-02-15")}]
    settled = [{"is_early_settled": True, "early_settled_on": d("2024-02-03")}]
    mart = client_repayment_history(
        covered(),
        table("fact_contract_month", months),
        table("fact_contract", settled),
        table("fact_installment", installments),
        table("dim_client", moved),
    )
    found = cells(con, mart, ("client_id", "month_on"))
    january, february = found["A", JANUARY], found["A", FEBRUARY]
    assert (january["open_contract_count"], january["outstanding_principal_amount"], january["due_amount"]) == (2, 2000, 35)
    assert (january["paid_amount"], january["penalty_amount"], january["dpd"], january["max_dpd"]) == (29, Decimal(1), 5, 9)
    assert (january["installments_due_count"], january["late_count"], january["region_id"]) == (1, 1, "R1")
    assert (february["installments_due_count"], february["skipped_count"], february["early_settled_count"]) == (1, 1, 1)
    assert (february["region_id"], february["open_contract_count"], february["dpd"]) == ("R2", 0, 0)
