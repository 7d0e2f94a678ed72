"""A zip that someone else made, through the command: three contracts, 42 installments, 17 repayments, optional columns absent, CRLF."""

import json
import os
import subprocess
import sys
import zipfile
from datetime import date
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

DAY = "2025-06-30"
LENDING = Path(sys.executable).parent / "lending"


def add_months(day: date, months: int) -> date:
    """The same day (up to the 28th) of a later month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return day.replace(year=year, month=month + 1)


def schedule(contract: str, start: date, months: int, principal: int) -> list[tuple]:
    """Equal installments, monthly after the start."""
    return [(f"{contract}-{n}", contract, n, add_months(start, n), principal // months) for n in range(1, months + 1)]


# A pays on the day for ten months and is two installments behind; B paid all six and early; C is new and pays nothing.
SCHEDULES = [
    *schedule("A", date(2024, 6, 20), 24, 24_000),
    *schedule("B", date(2024, 9, 10), 6, 6_000),
    *schedule("C", date(2025, 5, 1), 12, 12_000),
]
PAID = [
    *[(f"RA{n}", add_months(date(2024, 6, 20), n), 1_000, f"A-{n}") for n in range(1, 11)],
    *[(f"RB{n}", add_months(date(2024, 9, 10), n).replace(day=5), 1_000, f"B-{n}") for n in range(1, 7)],
    ("RA11", date(2025, 6, 1), 500, "A-11"),
]
FILES = {
    "raw_regions.csv": ["region_id,region_name", "N,North", "S,South"],
    "raw_product_types.csv": ["product_type_id,product_type_name", "CL,Cash loan"],
    "raw_products.csv": ["product_code,product_name,product_type_id", "P,Plain,CL"],
    "raw_customers.csv": ["client_id,region_id", "007,N", "008,S"],
    "raw_contracts.csv": [
        "contract_number,client_id,product_code,principal_amount,tenor,start_date,status",
        "A,007,P,24000,24,2024-06-20,Active",
        "B,008,P,6000,6,2024-09-10,Paid-off",
        "C,008,P,12000,12,2025-05-01,Active",
    ],
    "raw_installments.csv": [
        "installment_id,contract_number,installment_number,due_date,inst_amt_principal",
        *(",".join(map(str, row)) for row in SCHEDULES),
    ],
    "raw_repayments.csv": ["repayment_id,repayment_date,repayment_amount,installment_id", *(",".join(map(str, row)) for row in PAID)],
}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")


def lending(home: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run the command with its state in a folder of its own."""
    environment = os.environ | {"LENDING_HOME": str(home), "LENDING_TODAY": DAY}
    return subprocess.run([LENDING, *arguments], env=environment, capture_output=True, text=True, check=False, cwd=home)


def query(home: Path, sql: str) -> list[list]:
    """Rows of a query over the release."""
    done = lending(home, "sql", sql, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["rows"]


@pytest.fixture(scope="module")
def built(home) -> Path:
    """The home after the two commands that the README gives."""
    assert (len(SCHEDULES), len(PAID)) == (42, 17)
    archive = home / "data.zip"
    with zipfile.ZipFile(archive, "w") as out:
        for name, lines in FILES.items():
            out.writestr(name, "\r\n".join(lines))  # no final newline
    done = lending(home, "ingest", str(archive), "--business-date", DAY)
    assert done.returncode == 0, done.stderr
    assert "installments raw_installments.csv 42 42 0 0 0 0" in done.stdout
    done = lending(home, "build", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"release_id": 1, "changed": True, "business_date": DAY}
    return home


def test_before_the_first_delivery_the_command_says_what_to_do(tmp_path):
    done = lending(tmp_path, "build")
    assert done.returncode == 1
    assert "no delivery yet; run lending ingest PATH --business-date D" in done.stderr


def test_facts_and_marts_come_out_right(built):
    contracts = query(
        built,
        "select contract_number, status, dpd, overdue_amount, outstanding_principal_amount, is_early_settled "
        "from curated.fact_contract order by 1",
    )
    assert contracts == [
        # A-11 was due 2025-05-20 and half is paid, A-12 was due on the 20th of June: 41 days past due, 500 + 1000 overdue
        ["A", "Active", 41, "1500.00", "13500.00", False],
        ["B", "Paid-off", 0, "0.00", "0.00", False],  # the last installment was paid five days early: no early settlement
        ["C", "Active", 29, "1000.00", "12000.00", False],  # the first installment was due on the 1st of June
    ]
    june = query(
        built,
        "select region_name, open_contract_count, outstanding_principal_amount, par30_amount, installments_due_count, late_count "
        "from marts.portfolio_by_region_month where month_on = '2025-06-30' order by region_name",
    )
    assert june == [["North", 1, "13500.00", "13500.00", 1, 1], ["South", 1, "12000.00", "0.00", 1, 1]]
    distribution = query(
        built,
        "select region_name, status, contract_count, principal_amount from marts.loan_distribution_by_region "
        "where month_on = '2025-06-30' order by 1, 2",
    )
    assert distribution == [["North", "Active", 1, "24000.00"], ["South", "Active", 1, "12000.00"], ["South", "Paid-off", 1, "6000.00"]]


def test_features_come_out_right(built):
    rows = query(
        built,
        "select client_id, installments_due_count_lifetime, late_count_lifetime, late_pay_ratio_3m, dpd, early_pay_ratio_12m, "
        "open_contract_count, months_since_first_contract from features.client_repayment where as_of_on = '2025-06-30' order by 1",
    )
    assert rows == [
        ["007", 12, 2, pytest.approx(2 / 3), 41, 0.0, 1, 12],  # due in April, May, June; the last two are unpaid
        ["008", 7, 1, 1.0, 29, pytest.approx(6 / 7), 1, 9],  # six paid early, the first of C open
    ]


def test_training_refuses_with_a_sentence_and_breaks_nothing(built):
    done = lending(built, "train")
    assert done.returncode == 1
    assert "too few outcomes" in done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads(lending(built, "status", "--json").stdout)["release_id"] == 1


def test_again_changes_nothing(built):
    done = lending(built, "ingest", str(built / "data.zip"), "--business-date", DAY)
    assert (done.returncode, done.stdout.count("already delivered, nothing changed")) == (0, 8)
    done = lending(built, "build")
    assert (done.returncode, done.stdout.strip()) == (0, "release 1 is current")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("ingest", "nowhere.zip", "--business-date", DAY), 1, "nowhere.zip"),
        (("ingest", "broken.zip", "--business-date", DAY), 1, "cannot be read"),
        (("ingest", "data.zip", "--business-date", "30.06.2025"), 2, "is no date such as 2025-06-30"),
        (("ingest", "data.zip", "--business-date", "2999-01-01"), 2, "to today"),
        (("ingest", "data.zip", "--business-date", "1989-12-31"), 2, "must be from 1990-01-01"),
        (("ingest", "data.zip"), 2, "--business-date"),
        (("sql", "select * from marts.portfolio_by_region"), 1, "portfolio_by_region_month"),
        (("sql", "drop table x"), 2, "SELECT"),
        (("score",), 2, "CLIENT_ID"),
        (("score", "007"), 1, "run lending train"),
        (("rollback", "--to", "99"), 1, "no release 99"),
        (("backfill", "--from", "2025-07-01", "--to", "2025-07-02"), 2, "the last business date"),
    ],
)
def test_wrong_calls_get_a_sentence(built, arguments, code, sentence):
    (built / "broken.zip").write_bytes(b"PK\x03\x04 no zip")
    done = lending(built, *arguments)
    assert done.returncode == code, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
