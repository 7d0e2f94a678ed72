"""Worked cases of every feature on 2024-02-29, a month end of a leap year: one client shows one rule.

The clients share one book and one computation, so that a case costs nothing; each test says what its client shows.
"""

import pytest

from tests.features.books import book, d, feature_rows, known, loan, paid
from warehouse.terms import Terms

T = "2024-02-29"
ENDS_2023 = ["2023-01-31", "2023-02-28", "2023-03-31", "2023-08-31", "2023-09-30", "2023-11-30", "2023-12-31"]

BOOK = book(
    # Window starts for this T: 2023-11-30, 2023-08-31, 2023-02-28, each left out of its window.
    loan("edges", "E", "2022-12-31", [*ENDS_2023, "2024-01-31", T, "2024-03-31"]),
    *(paid(f"E-{place}", day) for place, day in enumerate([*ENDS_2023, "2024-01-31"], 1)),
    # Due yesterday and unpaid.
    loan("one day", "D", "2024-01-28", ["2024-02-28", "2024-03-28"]),
    # Paid five days late and cured: late for ever, but not past due.
    loan("cured", "C", "2023-12-31", ["2024-01-31", "2024-03-31"]),
    paid("C-1", "2024-02-05"),
    # Nothing but 9.99 by the next due date is a skip, 10.00 is not; both are late.
    loan("skipped", "S", "2023-11-30", ["2023-12-31", "2024-01-31"]),
    paid("S-1", "2024-01-31", "9.99"),
    paid("S-2", T),
    loan("not skipped", "N", "2023-11-30", ["2023-12-31", "2024-01-31"]),
    paid("N-1", "2024-01-31", "10.00"),
    paid("N-2", T),
    # A skip that was made good afterwards stays a skip.
    loan("recovered", "R", "2023-11-30", ["2023-12-31", "2024-01-31"]),
    paid("R-1", "2024-02-01"),
    paid("R-2", "2024-02-01"),
    # Nine days before the due date; the second is settled before it falls due and is not due yet.
    loan("early", "Y", "2024-01-20", [T, "2024-03-31"]),
    paid("Y-1", "2024-02-20"),
    paid("Y-2", "2024-02-20"),
    # Disbursed, nothing due so far.
    loan("new client", "W", T, ["2024-03-31"]),
    # No row: not disbursed, cancelled, not started.
    loan("undisbursed", "U", "2024-01-01", ["2024-01-31"], status="New"),
    loan("cancelled", "X", "2024-01-01", ["2024-01-31"], status="Cancel", last_status_change_date=d("2024-01-10")),
    loan("not started", "Z", "2024-03-01", ["2024-03-31"]),
    # Settled within the tolerance of 1 %: cured, yet one unit is still past due.
    loan("tolerated", "O", "2024-01-10", ["2024-02-10", "2024-03-10"]),
    paid("O-1", "2024-02-10", 99),
    # Settled at once, a long time before the last due date: own money, in and out of twelve months, and refinanced.
    loan(
        "settled", "Q", "2023-12-01", ["2024-01-01", "2024-02-01", "2024-03-01"], status="Paid-off", last_status_change_date=d("2024-01-20")
    ),
    *(paid(f"Q-{place}", "2024-01-20") for place in (1, 2, 3)),
    loan("settled", "QA", "2022-01-01", ["2023-01-31", "2023-12-31"], status="Paid-off", last_status_change_date=d("2023-02-28")),
    *(paid(f"QA-{place}", "2023-02-28") for place in (1, 2)),
    loan("refinanced", "F", "2023-12-01", ["2024-01-01", "2024-06-01"], status="Paid-off", last_status_change_date=d("2024-02-10")),
    *(paid(f"F-{place}", "2024-02-10") for place in (1, 2)),
    loan("refinanced", "FA", "2024-02-17", ["2024-03-17"]),
    # A spell that began before the window of twelve months: its last day past due is 2023-03-04, day 63.
    loan("long spell", "L", "2022-11-30", ["2022-12-31"]),
    paid("L-1", "2023-03-05"),
    # Cured on 2023-03-01, so that 2023-02-28, the excluded start of the window, was its last day past due.
    loan("spell before", "B", "2022-11-30", ["2022-12-31"]),
    paid("B-1", "2023-03-01"),
    # Written off on day 60: frozen there, nothing open, nothing overdue.
    loan("written off", "V", "2023-10-01", ["2023-11-01"], status="Written Off", last_status_change_date=d("2023-12-31")),
    # Two contracts: the worst counts for dpd, amounts add up.
    loan("two", "T1", "2024-01-15", ["2024-02-15", "2024-03-15"]),
    loan("two", "T2", "2023-12-20", ["2024-01-20", "2024-02-20", "2024-03-20"]),
    paid("T2-1", "2024-01-20"),
    # Penalties: in the window, on its excluded start, and after the as-of date.
    loan("penalized", "P", "2022-12-31", ["2023-01-31"]),
    {
        "penalties": [
            {"penalty_id": "1", "installment_id": "P-1", "penalty_date": d("2023-03-01"), "penalty_amount": 7},
            {"penalty_id": "2", "installment_id": "P-1", "penalty_date": d("2023-02-28"), "penalty_amount": 11},
            {"penalty_id": "3", "installment_id": "P-1", "penalty_date": d("2024-03-01"), "penalty_amount": 13},
        ]
    },
    # Paid in time, but told five days after the as-of date.
    loan("told later", "K", "2023-12-31", ["2024-01-31", "2024-03-31"]),
    paid("K-1", "2024-01-31", **known("2024-03-05")),
    # Told as paid on the 10th, corrected in March to have been paid on 31 January.
    loan("corrected", "M", "2023-12-31", ["2024-01-31", "2024-03-31"]),
    paid("M-1", "2024-02-10", repayment_id="M"),
    paid("M-1", "2024-01-31", repayment_id="M", **known("2024-03-05")),
)


@pytest.fixture(scope="module")
def found(con):
    return feature_rows(con, BOOK, [T, "2024-03-04", "2024-03-05"], Terms())


COUNTED = {
    "edges": {
        # 2023-12-31, 2024-01-31 and T itself; the one due on the window's start is left out.
        "installments_due_count_3m": 3,
        # All that fell due; 2024-03-31 has not.
        "installments_due_count_lifetime": 9,
        # Due today and unpaid is due, not late.
        "late_pay_ratio_3m": 0.0,
        "late_count_lifetime": 0,
        "dpd": 0,
        "overdue_amount": 0.0,
        # Paid on the day is neither early nor late.
        "early_pay_ratio_12m": 0.0,
        # From December 2022 to February 2024.
        "months_since_first_contract": 14,
        # Ten installments of 90 principal, eight paid.
        "outstanding_principal_amount": 180.0,
        "open_contract_count": 1,
    },
    "one day": {
        "dpd": 1,
        "late_count_lifetime": 1,
        "late_pay_ratio_3m": 1.0,
        "overdue_amount": 100.0,
        "max_dpd_12m": 1,
        "skipped_count_3m": 0,
    },
    # Settled on day 5, so day 4 was the worst.
    "cured": {"dpd": 0, "late_pay_ratio_3m": 1.0, "late_count_lifetime": 1, "max_dpd_12m": 4, "max_dpd_lifetime": 4, "overdue_amount": 0.0},
    # Both have come to their next due date; the second was paid on it, a month late.
    "skipped": {"skipped_count_3m": 1, "skipped_count_12m": 1, "skipped_ratio_lifetime": 0.5, "late_count_lifetime": 2},
    "not skipped": {"skipped_count_3m": 0, "skipped_ratio_lifetime": 0.0, "late_count_lifetime": 2},
    "recovered": {"skipped_count_3m": 1, "late_count_lifetime": 2, "dpd": 0},
    "early": {"early_pay_ratio_12m": 1.0, "installments_due_count_3m": 1, "late_pay_ratio_3m": 0.0},
    # A client without history is no good payer: ratios are null, counts are 0.
    "new client": {
        "late_pay_ratio_3m": None,
        "late_pay_ratio_6m": None,
        "late_pay_ratio_12m": None,
        "late_pay_ratio_lifetime": None,
        "skipped_ratio_lifetime": None,
        "early_pay_ratio_12m": None,
        "installments_due_count_3m": 0,
        "installments_due_count_lifetime": 0,
        "late_count_lifetime": 0,
        "skipped_count_3m": 0,
        "skipped_count_12m": 0,
        "early_settlement_count_12m": 0,
        "early_settlement_count_lifetime": 0,
        "max_dpd_12m": 0,
        "max_dpd_lifetime": 0,
        "dpd": 0,
        "overdue_amount": 0.0,
        "open_contract_count": 1,
        "outstanding_principal_amount": 90.0,
        "months_since_first_contract": 0,
        "penalty_amount_12m": 0.0,
    },
    "tolerated": {"dpd": 0, "late_pay_ratio_3m": 0.0, "overdue_amount": 1.0},
    # Two settled with own money, the older on the excluded start of the window; the contracts are closed and owe nothing.
    "settled": {
        "early_settlement_count_12m": 1,
        "early_settlement_count_lifetime": 2,
        "open_contract_count": 0,
        "outstanding_principal_amount": 0.0,
    },
    # Another contract began seven days after: that money was borrowed.
    "refinanced": {"early_settlement_count_12m": 0, "early_settlement_count_lifetime": 0, "open_contract_count": 1},
    "long spell": {"max_dpd_12m": 63, "max_dpd_lifetime": 63, "dpd": 0},
    "spell before": {"max_dpd_12m": 0, "max_dpd_lifetime": 59, "dpd": 0},
    "written off": {"dpd": 60, "max_dpd_12m": 60, "open_contract_count": 0, "overdue_amount": 0.0, "outstanding_principal_amount": 0.0},
    # T1: 14 days since the 15th. T2: 9 days since the 20th. Outstanding 2 and 3 installments of 90, one paid.
    "two": {
        "dpd": 14,
        "overdue_amount": 200.0,
        "open_contract_count": 2,
        "outstanding_principal_amount": 360.0,
        "late_pay_ratio_3m": 2 / 3,
    },
    "penalized": {"penalty_amount_12m": 7.0},
    # Not known on T: unpaid, 29 days past due.
    "told later": {"dpd": 29, "late_pay_ratio_3m": 1.0, "overdue_amount": 100.0, "outstanding_principal_amount": 180.0},
    # On T the payment was the one of 10 February.
    "corrected": {"dpd": 0, "late_pay_ratio_3m": 1.0, "max_dpd_12m": 9},
}


@pytest.mark.parametrize("client", COUNTED)
def test_worked_case(found, client):
    row = found[client, T]
    assert {name: row[name] for name in COUNTED[client]} == COUNTED[client]


def test_a_window_leaves_out_its_start_and_holds_its_end(found):
    row = found["edges", T]
    # One installment is due on each window start; late ratios over 6 and 12 months stand on what is inside.
    assert row["installments_due_count_3m"] == 3
    assert (row["late_pay_ratio_6m"], row["late_pay_ratio_12m"], row["late_pay_ratio_lifetime"]) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("client", ["undisbursed", "cancelled", "not started"])
def test_a_client_without_a_disbursed_contract_has_no_row(found, client):
    assert (client, T) not in found


def test_a_row_appears_on_the_start_date_of_the_first_contract(found):
    assert ("not started", "2024-03-04") in found


def test_a_payment_told_later_counts_from_the_day_it_was_told(found):
    assert found["told later", "2024-03-04"]["dpd"] == 33
    after = found["told later", "2024-03-05"]
    assert (after["dpd"], after["late_pay_ratio_3m"], after["max_dpd_12m"]) == (0, 0.0, 0)


def test_a_correction_changes_later_rows_only(found):
    assert found["corrected", "2024-03-04"]["max_dpd_12m"] == 9
    assert found["corrected", "2024-03-05"]["max_dpd_12m"] == 0
    assert found["corrected", "2024-03-05"]["late_pay_ratio_3m"] == 0.0


def test_both_timestamps_are_the_end_of_the_day_in_the_lenders_time_zone(found):
    for (_, day), row in found.items():
        assert row["event_timestamp"] == row["created_timestamp"]
        # Ho Chi Minh City is seven hours ahead, all year.
        assert row["event_timestamp"].isoformat() == f"{day}T16:59:59.999999+00:00"
