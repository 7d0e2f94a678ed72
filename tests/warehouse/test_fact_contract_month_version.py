"""What became known of months after their end: worked cases in one book, what they changed, and a book without any."""

import ibis
import pytest
from ibis import _

from tests.warehouse.staging_rows import TERMS, by, contract, day, installment, joined, repayment, staged
from tests.warehouse.test_curated_build import delivered
from warehouse.build import build_curated, build_marts
from warehouse.curated.fact_contract_month_version import FACT_CONTRACT_MONTH_VERSION, months_as_known, months_as_known_now
from warehouse.lake import Lake
from warehouse.marts import RESTATEMENT
from warehouse.settings import Settings

OPENING, TODAY = "2024-01-02", day("2024-05-15")
JANUARY, FEBRUARY, MARCH, APRIL = "2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"
TABLE = FACT_CONTRACT_MONTH_VERSION.name


def loan(number, *versions, paid=(), on=OPENING, **more):
    """Three installments of 1,000,000 from 2024-01-31 on; payments as (id, day, amount, delivered on)."""
    first = contract(number, on=on, **more)
    return {
        "contracts": [first, *(first | version for version in versions)],
        "installments": [
            installment(place, due, contract_number=number, on=on) for place, due in enumerate((JANUARY, FEBRUARY, MARCH), start=1)
        ],
        "repayments": [repayment(f"{number}-{key}", date, amount, number, on=known) for key, date, amount, known in paid],
    }


IN_TIME = ("a", JANUARY, 1_000_000, JANUARY)
BOOK = joined(
    loan("IN_TIME", paid=[IN_TIME, ("b", FEBRUARY, 1_000_000, FEBRUARY)]),
    loan("BACKDATED", paid=[IN_TIME, ("b", FEBRUARY, 1_000_000, "2024-03-05")]),
    loan("TWICE", paid=[("a", JANUARY, 400_000, "2024-02-05"), ("b", JANUARY, 100_000, "2024-02-06")]),
    loan("CORRECTED", paid=[IN_TIME, ("a", JANUARY, 900_000, "2024-02-05"), ("a", JANUARY, 1_000_000, "2024-02-06")]),
    loan("REVERSED", paid=[IN_TIME]),
    {"repayments": [repayment("r", "2024-02-10", -1_000_000, "REVERSED", reverses_repayment_id="REVERSED-a", on="2024-03-05")]},
    loan("DELIVERED_LATE", on="2024-02-05", start_date="2024-01-10"),
    loan("LOST", {"status": "Written Off", "last_status_change_date": "2024-02-20", "on": "2024-04-10"}),
    loan("MOVED", client_id="C2"),
    loan("DELETED", {"deleted": True, "on": "2024-04-05"}),
    loan("OF_TWO", client_id="C3"),
    loan("OTHER_OF_TWO", client_id="C3", paid=[("a", JANUARY, 3_000_000, "2024-05-05")]),
    {
        "clients": [
            {"client_id": "C1", "region_id": "R1"},
            {"client_id": "C2", "region_id": "R1"},
            {"client_id": "C2", "region_id": "R2", "updated_at": "2024-02-20", "on": "2024-03-10"},
            {"client_id": "C3", "region_id": "R1"},
        ]
    },
)  # fmt: skip


def built_from(home, rows):
    """A candidate with all tables of a book, in an open lake."""
    lake = Lake(Settings(home=home, catalog_uri=f"sqlite:///{home}/catalog.db"))
    delivered(lake, rows, TODAY)
    candidate = lake.candidate("release", "build")
    build_curated(candidate, TODAY, TERMS)
    build_marts(candidate, TODAY, TERMS)
    return lake, candidate


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    lake, candidate = built_from(tmp_path_factory.mktemp("lake"), staged(OPENING, **BOOK))
    candidate.publish(TODAY)  # every table is staged and every audit passed
    yield candidate
    lake.close()


@pytest.fixture(scope="module")
def versions(built):
    return by(built.table(TABLE), "contract_number", "month_on", "known_on")


@pytest.fixture(scope="module")
def now(built):
    return by(months_as_known_now(built.table("curated.fact_contract_month"), built.table(TABLE)), "contract_number", "month_on")


def of(versions, number):
    """Month and day of knowledge of the versions of a contract."""
    return sorted((month, known) for name, month, known in versions if name == number)


def test_what_was_known_in_time_has_no_version(versions):
    assert of(versions, "IN_TIME") == []


def test_a_payment_delivered_after_the_month(versions, now, built):
    assert of(versions, "BACKDATED") == [(FEBRUARY, "2024-03-05")]
    then = by(built.table("curated.fact_contract_month"), "contract_number", "month_on")["BACKDATED", FEBRUARY]
    assert (then["outstanding_principal_amount"], now["BACKDATED", FEBRUARY]["outstanding_principal_amount"]) == (2_000_000, 1_000_000)


def test_two_deliveries_restate_one_month(versions, now):
    assert of(versions, "TWICE") == [(JANUARY, "2024-02-05"), (JANUARY, "2024-02-06")]
    paid = [versions["TWICE", JANUARY, known]["paid_amount"] for known in ("2024-02-05", "2024-02-06")]
    assert (paid, now["TWICE", JANUARY]["paid_amount"]) == ([400_000, 500_000], 500_000)


def test_a_correction_that_returns_to_the_first_value_is_two_versions(versions, now):
    assert of(versions, "CORRECTED") == [(JANUARY, "2024-02-05"), (JANUARY, "2024-02-06")]
    assert now["CORRECTED", JANUARY]["outstanding_principal_amount"] == 2_000_000


def test_a_reversal_counts_from_its_date(versions):
    assert of(versions, "REVERSED") == [(FEBRUARY, "2024-03-05")]
    row = versions["REVERSED", FEBRUARY, "2024-03-05"]
    assert (row["dpd"], row["outstanding_principal_amount"]) == (29, 3_000_000)


def test_a_contract_delivered_late_counts_from_its_start(versions, now):
    assert of(versions, "DELIVERED_LATE") == [(JANUARY, "2024-02-05")]
    assert now["DELIVERED_LATE", JANUARY]["status"] == "Active"


def test_a_write_off_known_late_moves_to_its_month(versions, now, built):
    assert of(versions, "LOST") == [(FEBRUARY, "2024-04-10"), (MARCH, "2024-04-10")]
    february, march = (versions["LOST", month, "2024-04-10"] for month in (FEBRUARY, MARCH))
    assert (february["status"], february["written_off_principal_amount"], february["is_counted"]) == ("Written Off", 3_000_000, True)
    assert (march["is_counted"], march["status"]) == (False, "Active")  # with the values of the version before
    assert [month for name, month in sorted(now) if name == "LOST"] == [JANUARY, FEBRUARY]
    assert ("LOST", APRIL) in by(built.table("curated.fact_contract_month"), "contract_number", "month_on")  # as it was reported


def test_a_move_told_late_counts_from_its_day(versions):
    assert of(versions, "MOVED") == [(FEBRUARY, "2024-03-10")]
    row = versions["MOVED", FEBRUARY, "2024-03-10"]
    assert (row["region_as_of_month_id"], row["region_at_origination_id"]) == ("R2", "R1")


def test_a_deleted_contract_leaves_all_months(versions, now):
    assert of(versions, "DELETED") == [(month, "2024-04-05") for month in (JANUARY, FEBRUARY, MARCH)]
    assert not any(versions[key]["is_counted"] for key in versions if key[0] == "DELETED")
    assert not any(name == "DELETED" for name, _month in now)


def test_what_is_late_of_one_contract_concerns_the_debt_group_of_the_client(versions):
    # Both are 90 days past due at the end of April; one turns out to have been paid back, the other keeps the client's group.
    assert of(versions, "OTHER_OF_TWO") == [(month, "2024-05-05") for month in (JANUARY, FEBRUARY, MARCH, APRIL)]
    assert of(versions, "OF_TWO") == []


def test_months_as_known_on_a_day(built):
    tables = built.table("curated.fact_contract_month"), built.table(TABLE)
    then = by(months_as_known(*tables, ibis.literal(day("2024-02-05"))), "contract_number", "month_on")
    assert {month for _name, month in then} == {JANUARY}
    assert then["TWICE", JANUARY]["paid_amount"] == 400_000


def totals(table, measure):
    rows = table.filter(_.status == "Active").group_by("month_on").agg(total=_[measure].sum()).to_pyarrow().to_pylist()
    return {row["month_on"]: row["total"] for row in rows}


@pytest.mark.parametrize("measure", ["outstanding_principal_amount", "overdue_amount"])
def test_changes_add_up_to_what_is_known_now(built, measure):
    rows = built.table(RESTATEMENT.name).filter(_.measure == measure).to_pyarrow().to_pylist()
    months, versions = built.table("curated.fact_contract_month"), built.table(TABLE)
    first, last = totals(months, measure), totals(months_as_known_now(months, versions), measure)
    assert {row["known_on"].isoformat() for row in rows} >= {"2024-03-05", "2024-04-10"}
    for month in first:
        assert first[month] + sum(row["change_amount"] for row in rows if row["month_on"] == month) == last[month]


def test_a_cell_says_what_it_was_worth(built):
    changes = by(built.table(RESTATEMENT.name), "known_on", "month_on", "region_id", "product_type_id", "measure")
    row = changes["2024-03-10", FEBRUARY, "R2", "CASH", "outstanding_principal_amount"]
    assert (row["region_name"], row["product_type_name"], row["unit"], row["contract_count"]) == ("South", "Cash loan", "money", 1)
    assert (row["value_before"], row["value_after"], row["change_amount"]) == (0, 3_000_000, 3_000_000)
    assert changes["2024-03-10", FEBRUARY, "R1", "CASH", "open_contract_count"]["change_amount"] == -1


def test_a_book_without_late_facts_has_no_versions(tmp_path):
    lake, candidate = built_from(tmp_path, staged(OPENING, **loan("IN_TIME", paid=[IN_TIME])))
    for spec in (FACT_CONTRACT_MONTH_VERSION, RESTATEMENT):
        table = candidate.table(spec.name)
        assert table.count().to_pyarrow().as_py() == 0
        assert table.columns == spec.column_names
        assert all(result.passed for result in candidate.audit(spec))
    lake.close()
