"""Worked cases of lateness, trend, newest installments, exposure, products, first payments and tenure on 2024-02-29.

The clients share one book and one computation; each case says what its client shows. What concerns late ratios, skips, early payment and
windows in general is in test_client_repayment.py.
"""

from math import exp, isclose, sqrt

import pytest

from tests.features.books import book, d, feature_rows, known, loan, paid
from warehouse.terms import Terms

T = "2024-02-29"
PAID_OFF = {"status": "Paid-off"}


def amounts(rows, principals, interest):
    """The same loan with other amounts."""
    for row, principal in zip(rows["installments"], principals, strict=True):
        row |= {"inst_amt_principal": principal, "inst_amt_interest": interest}
    return rows


BOOK = book(
    # Days late -5, 5, 6, 30, -3, and 0 for the one that is due on T; the seventh is not due. The third is due on the start of 3 months.
    loan("payer", "A", "2023-08-31", ["2023-09-30", "2023-10-31", "2023-11-30", "2023-12-31", "2024-01-31", T, "2024-03-31"]),
    *(
        paid(f"A-{place}", day)
        for place, day in enumerate(["2023-09-25", "2023-11-05", "2023-12-06", "2024-01-30", "2024-01-28"], 1)
    ),
    # 100 paid 5 days late, 300 one day late, a penalty of 8 on the first; the other penalty is of a day after T.
    amounts(loan("weights", "W", "2024-01-01", ["2024-01-10", "2024-02-10"]), [90, 290], 10),
    paid("W-1", "2024-01-15"),
    paid("W-2", "2024-02-11", 300),
    {
        "penalties": [
            {"penalty_id": "1", "installment_id": "W-1", "penalty_date": d("2024-02-20"), "penalty_amount": 8},
            {"penalty_id": "2", "installment_id": "W-1", "penalty_date": d("2024-03-01"), "penalty_amount": 50},
        ]
    },
    # Nothing to divide by.
    amounts(loan("zero", "Z", "2024-01-01", ["2024-02-10"], principal_amount=0), [0], 0),
    loan("new client", "N", T, ["2024-03-31", "2024-04-01"]),
    # Days late stop on the day of the write-off, 60 after the due date.
    loan("written off", "V", "2023-10-01", ["2023-11-01"], status="Written Off", last_status_change_date=d("2023-12-31")),
    # One repayment of 200 pays two installments; one is received on the start of 3 months; one is reversed, whatever the reversal's sign.
    loan("repayments", "R", "2023-11-15", ["2024-01-15", "2024-02-15", "2024-03-15"]),
    paid("R-1", "2024-01-10", 199),
    paid("R-1", "2023-11-30", 1),
    paid("R-3", "2024-01-20", 50, repayment_id="back"),
    paid("R-3", "2024-01-21", 50, repayment_id="reversal", reverses_repayment_id="back"),
    # One contract a product, of which the last is not delivered: paid off at full term, closed as paid early, running, running.
    {
        "product_types": [
            {"product_type_id": "CD", "product_type_name": "CONSUMER durable-loan"},
            {"product_type_id": "TW", "product_type_name": "Two Wheeler Loan"},
        ],
        "products": [
            {"product_code": "P2", "product_name": "Durable", "product_type_id": "CD"},
            {"product_code": "P3", "product_name": "Wheels", "product_type_id": "TW"},
        ],
    },
    loan("products", "Q1", "2023-01-10", ["2023-02-10", "2023-03-10"], **PAID_OFF, last_status_change_date=d("2023-03-10")),
    paid("Q1-1", "2023-02-10"),
    paid("Q1-2", "2023-03-10"),
    loan(
        "products", "Q2", "2023-06-10", ["2023-07-10", "2023-08-10", "2023-09-10"],
        product_code="P2", status="Close", last_status_change_date=d("2023-07-10"),
    ),
    *(paid(f"Q2-{place}", "2023-07-10") for place in (1, 2, 3)),
    loan("products", "Q3", "2024-01-31", ["2024-03-31"], product_code="P3", principal_amount=1200, interest_amount=120, tenor=6),
    loan("products", "Q4", "2023-12-31", ["2024-03-31"], product_code="P9"),
    # Settled early, seven days before another contract began.
    loan("refinanced", "F", "2023-12-01", ["2024-01-01", "2024-06-01"], **PAID_OFF, last_status_change_date=d("2024-02-10")),
    *(paid(f"F-{place}", "2024-02-10") for place in (1, 2)),
    loan("refinanced", "FA", "2024-02-17", ["2024-03-17"]),
    # Two contracts of one day with installments of one day: the greater contract number is the newer.
    loan("tie", "T1", "2024-01-15", ["2024-02-15"]),
    loan("tie", "T2", "2024-01-15", ["2024-02-15"]),
    paid("T1-1", "2024-02-20"),
    paid("T2-1", "2024-02-15"),
    # Paid in time, then two days late, then 16 days late and unpaid.
    loan("worse", "L", "2023-11-13", ["2023-12-13", "2024-01-13", "2024-02-13"]),
    paid("L-1", "2023-12-13"),
    paid("L-2", "2024-01-15"),
    loan("always late", "G", "2023-12-13", ["2024-01-13", "2024-02-13"]),
    paid("G-1", "2024-01-15"),
    loan("never late", "H", "2023-12-13", ["2024-01-13", "2024-02-13"]),
    paid("H-1", "2024-01-13"),
    paid("H-2", "2024-02-10"),
    # The first installment by number falls due after the second.
    loan("first later", "O", "2024-01-15", ["2024-03-15", "2024-02-15"]),
    # 30 and 29 days past due.
    loan("at risk", "X1", "2023-12-30", ["2024-01-30"]),
    loan("at risk", "X2", "2023-12-31", ["2024-01-31"]),
    # Its last day past due was 2023-11-30, the start of 3 months.
    loan("spell before", "B", "2023-10-01", ["2023-11-01"]),
    paid("B-1", "2023-12-01"),
    # Paid in time, but told five days after T; the name of the product type changes then too.
    loan("told later", "K", "2023-12-31", ["2024-01-31"], product_code="P5"),
    paid("K-1", "2024-01-31", **known("2024-03-05")),
    {
        "product_types": [
            {"product_type_id": "RN", "product_type_name": "Cash-Loan"},
            {"product_type_id": "RN", "product_type_name": "Bicycle loan", **known("2024-03-05")},
        ],
        "products": [{"product_code": "P5", "product_name": "Renamed", "product_type_id": "RN"}],
    },
    # What falls due until 2024-03-31, and from 2024-03-04 until 2024-04-04.
    loan("scheduled", "S", "2024-02-29", ["2024-03-31", "2024-04-04", "2024-04-05"]),
)  # fmt: skip


@pytest.fixture(scope="module")
def found(con):
    return feature_rows(con, BOOK, [T, "2024-03-04", "2024-03-05"], Terms())


# Ages on T of the installments due on 2023-12-31, 2024-01-31 and T.
W60, W29, W0 = exp(-60 / 90), exp(-29 / 90), 1.0

WORKED = {
    "payer": {
        "installments_due_count_6m": 6,
        "installments_due_count_12m": 6,
        "late_count_3m": 1,
        "late_count_12m": 3,
        # Five days late is not more than five, 30 is 30 or more.
        "late_over_5_days_ratio_3m": 1 / 3,
        "late_over_5_days_ratio_6m": 2 / 6,
        "late_over_5_days_ratio_12m": 2 / 6,
        "late_over_5_days_ratio_lifetime": 2 / 6,
        "late_30_days_ratio_lifetime": 1 / 6,
        "skipped_count_6m": 0,
        # Days before the due date count as 0 in the mean, and as they are in the deviation.
        "mean_late_days_3m": 30 / 3,
        "mean_late_days_6m": 41 / 6,
        "mean_late_days_12m": 41 / 6,
        "mean_late_days_lifetime": 41 / 6,
        "late_days_deviation_lifetime": sqrt(995 / 6 - (33 / 6) ** 2),
        "amount_weighted_late_days_3m": 10.0,
        "amount_weighted_late_days_6m": 41 / 6,
        "paid_ratio_3m": 200 / 300,
        "paid_ratio_6m": 500 / 600,
        "paid_ratio_12m": 500 / 600,
        # Three days early is early enough.
        "paid_3_days_early_ratio_3m": 1 / 3,
        "paid_3_days_early_ratio_12m": 2 / 6,
        "repayment_count_3m": 3,
        "repayment_count_12m": 5,
        "penalty_ratio_3m": 0.0,
        "decayed_late_days_3m": 30 * W60 / (W60 + W29 + W0),
        # The last late one was settled in January.
        "months_since_last_late": 1.0,
        "late_pay_ratio_change_12m": 1 / 3 - 1 / 2,
        "late_pay_ratio_growth_12m": (1 / 3 + 0.01) / (1 / 2 + 0.01),
        # A line through (1, -5), (2, 5), (3, 6), (4, 30), (5, -3), (6, 0).
        "late_days_slope_6_12m": 5 / 7,
        "late_days_slope_12_12m": 5 / 7,
        "on_time_run_count_12m": 2,
        "late_run_count_12m": 0,
        "last_late_days_12m": 0.0,
        "last_3_mean_late_days_12m": 27 / 3,
        "last_5_max_late_days_12m": 30.0,
        "latest_contract_late_ratio": 3 / 6,
        # Due today and not paid yet.
        "unpaid_installment_count": 1,
        "overdue_ratio": 0.0,
        "outstanding_principal_ratio": 180 / 630,
        "next_month_due_amount": 100.0,
        "longest_open_contract_months": 6.0,
        "par30_amount": 0.0,
        "latest_contract_first_late_days": -5.0,
        "fpd30_count_lifetime": 0,
    },
    "weights": {
        "mean_late_days_3m": 3.0,
        "amount_weighted_late_days_3m": (5 * 100 + 1 * 300) / 400,
        "penalty_ratio_3m": 8 / 400,
        "penalty_ratio_12m": 8 / 400,
        "paid_ratio_3m": 1.0,
    },
    "zero": {
        "installments_due_count_12m": 1,
        "mean_late_days_3m": 0.0,
        "amount_weighted_late_days_3m": None,
        "paid_ratio_3m": None,
        "penalty_ratio_3m": None,
        "overdue_ratio": None,
        "outstanding_principal_ratio": None,
        "latest_principal_ratio_lifetime": None,
        "latest_interest_ratio": None,
    },
    # Without history, means and shares are null and counts are 0; what a contract says of itself is known.
    "new client": {
        **dict.fromkeys(
            (
                "late_over_5_days_ratio_3m",
                "late_over_5_days_ratio_lifetime",
                "late_30_days_ratio_lifetime",
                "mean_late_days_3m",
                "mean_late_days_lifetime",
                "late_days_deviation_lifetime",
                "amount_weighted_late_days_12m",
                "paid_ratio_12m",
                "paid_3_days_early_ratio_12m",
                "penalty_ratio_12m",
                "decayed_late_days_12m",
                "months_since_last_late",
                "late_pay_ratio_change_12m",
                "late_pay_ratio_growth_12m",
                "late_days_slope_6_12m",
                "late_days_slope_12_12m",
                "last_late_days_12m",
                "last_3_mean_late_days_12m",
                "last_5_max_late_days_12m",
                "latest_contract_late_ratio",
                "latest_interest_ratio",
                "latest_contract_first_late_days",
            )
        ),
        **dict.fromkeys(
            (
                "installments_due_count_12m",
                "late_count_12m",
                "skipped_count_6m",
                "repayment_count_12m",
                "max_dpd_3m",
                "max_dpd_6m",
                "on_time_run_count_12m",
                "late_run_count_12m",
                "unpaid_installment_count",
                "refinanced_count_lifetime",
                "months_since_latest_contract",
                "fpd30_count_lifetime",
                "paid_off_contract_count_lifetime",
                "full_term_ratio_lifetime",
                "par30_amount",
                "overdue_ratio",
                "longest_open_contract_months",
            ),
            0,
        ),
        "contract_count_lifetime": 1,
        "cash_loan_ratio_lifetime": 1.0,
        "two_wheeler_loan_ratio_lifetime": 0.0,
        "latest_principal_ratio_lifetime": 1.0,
        "latest_tenor_months": 2,
        "max_tenor_months_lifetime": 2,
        "max_principal_amount_lifetime": 180.0,
        "outstanding_principal_ratio": 1.0,
        # The month ahead of a month end ends on a month end: 2024-04-01 is not in it.
        "next_month_due_amount": 100.0,
    },
    # Late until the write-off in December, which was two months ago; first payment default; nothing is open.
    "written off": {
        "mean_late_days_6m": 60.0,
        "months_since_last_late": 2.0,
        "fpd30_count_lifetime": 1,
        "latest_contract_first_late_days": 60.0,
        "unpaid_installment_count": 0,
        "par30_amount": 0.0,
        "overdue_ratio": None,
        "outstanding_principal_ratio": None,
        "longest_open_contract_months": None,
        "paid_off_contract_count_lifetime": 0,
    },
    "repayments": {"repayment_count_3m": 1, "repayment_count_6m": 2, "repayment_count_12m": 2, "paid_ratio_3m": 1.0},
    "products": {
        "contract_count_lifetime": 4,
        "cash_loan_ratio_lifetime": 1 / 4,
        "consumer_durable_loan_ratio_lifetime": 1 / 4,
        "two_wheeler_loan_ratio_lifetime": 1 / 4,
        "latest_principal_ratio_lifetime": 1200 / ((180 + 270 + 1200 + 90) / 4),
        "latest_tenor_months": 6,
        # 120 on 1200 for half a year.
        "latest_interest_ratio": 0.2,
        "months_since_latest_contract": 1,
        "max_principal_amount_lifetime": 1200.0,
        "max_tenor_months_lifetime": 6,
        "refinanced_count_lifetime": 0,
        # Q1 and Q2, of which Q2 was settled early.
        "paid_off_contract_count_lifetime": 2,
        "full_term_ratio_lifetime": 1 / 4,
        # Q3 and Q4 are open, since January and December.
        "longest_open_contract_months": 2.0,
    },
    "refinanced": {"refinanced_count_lifetime": 1, "paid_off_contract_count_lifetime": 1, "full_term_ratio_lifetime": 0.0},
    "tie": {
        "last_late_days_12m": 0.0,
        "on_time_run_count_12m": 1,
        "late_run_count_12m": 0,
        "latest_contract_late_ratio": 0.0,
        "latest_contract_first_late_days": 0.0,
        "late_days_slope_6_12m": -5.0,
    },
    # Days late 0, 2, 16.
    "worse": {"late_days_slope_6_12m": 8.0, "late_run_count_12m": 2, "on_time_run_count_12m": 0, "last_3_mean_late_days_12m": 6.0},
    "always late": {
        "late_run_count_12m": 2,
        "on_time_run_count_12m": 0,
        "late_pay_ratio_change_12m": 0.0,
        "late_pay_ratio_growth_12m": 1.0,
    },
    "never late": {"late_run_count_12m": 0, "on_time_run_count_12m": 2, "months_since_last_late": None, "late_pay_ratio_growth_12m": 1.0},
    # The second installment is late, but the first one is not due: one point makes no line.
    "first later": {"latest_contract_first_late_days": None, "latest_contract_late_ratio": 1.0, "late_days_slope_6_12m": None},
    "at risk": {
        "par30_amount": 90.0,
        "overdue_ratio": 200 / 180,
        "unpaid_installment_count": 2,
        "months_since_last_late": 0.0,
        "outstanding_principal_ratio": 1.0,
    },
    "spell before": {"max_dpd_3m": 0, "max_dpd_6m": 29},
    "told later": {"last_late_days_12m": 29.0, "unpaid_installment_count": 1, "repayment_count_3m": 0, "cash_loan_ratio_lifetime": 1.0},
    "scheduled": {"next_month_due_amount": 100.0},
}


@pytest.mark.parametrize("client", WORKED)
def test_worked_case(found, client):
    row = found[client, T]
    assert {name: (row[name], value) for name, value in WORKED[client].items() if not same(row[name], value)} == {}


def same(found: float | None, expected: float | None) -> bool:
    """Equal, but for the last digits of what several divisions and roots give."""
    return found == expected or (None not in (found, expected) and isclose(found, expected, rel_tol=1e-12))


def test_a_month_ahead_ends_on_the_same_day_of_the_next_month(found):
    assert found["scheduled", "2024-03-04"]["next_month_due_amount"] == 200.0
    assert found["scheduled", "2024-03-05"]["next_month_due_amount"] == 300.0


def test_what_is_told_later_changes_later_rows_only(found):
    before, after = found["told later", "2024-03-04"], found["told later", "2024-03-05"]
    assert (before["last_late_days_12m"], after["last_late_days_12m"]) == (33.0, 0.0)
    assert (before["repayment_count_3m"], after["repayment_count_3m"]) == (0, 1)
    assert (before["cash_loan_ratio_lifetime"], after["cash_loan_ratio_lifetime"]) == (1.0, 0.0)
    assert (before["unpaid_installment_count"], after["unpaid_installment_count"]) == (1, 0)
