"""The PKDD'99 Berka data (a Czech bank, 1993 to 1998) as a delivery in the source contract.

A delivery says what the bank knew on its date: loans granted by then, the outcome of those that had run out, and the payments the data
holds (they end on 1994-03-31). docs/berka.md gives every choice with its reason. Birth numbers are never read into a row.
"""

import csv
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from warehouse.clock import add_months

LAST_LOAN_YEAR_END = date(1998, 12, 31)
LAST_PAYMENT = date(1994, 3, 31)

FILES = ("account.asc", "client.asc", "disp.asc", "district.asc", "loan.asc", "trans_part.asc")
LOAN_PAYMENT = "UVER"
PRODUCT_TYPE = ("CL", "Cash loan")
# What the bank's letter says of a loan that has run out; C and D still run.
FINISHED = {"A": "Paid-off", "B": "Written Off"}
RUNNING = ("C", "D")
NO_REPAYMENT = ["repayment_id", "repayment_date", "repayment_amount", "contract_number"]  # only repayments can be without rows

Row = dict[str, str]


class Loan(NamedTuple):
    """A loan with the client who owns its account."""

    loan_id: str
    account_id: str
    client_id: str
    granted_on: date
    amount: str
    duration: int
    payment: str
    status: str

    @property
    def last_due_on(self) -> date:
        """Due date of the last installment."""
        return add_months(self.granted_on, self.duration)

    def status_on(self, as_of: date) -> tuple[str, date]:
        """Contract status as known on a day, and since when."""
        if self.status in FINISHED and self.last_due_on <= as_of:
            return FINISHED[self.status], self.last_due_on
        return "Active", self.granted_on


def berka_delivery(source: Path, out: Path, as_of: date = LAST_LOAN_YEAR_END) -> Path:
    """Write the seven files of a delivery.

    Args:
        source: folder of the .asc files.
        out: folder to write to; files of the same names are replaced.
        as_of: business date of the delivery; loans granted and payments made later are left out.

    Returns:
        The folder written to.

    Raises:
        FileNotFoundError: a file of the data is missing.
        ValueError: a loan has a status other than A to D or an account without an owner, or there is no loan by that date.
    """
    missing = [name for name in FILES if not (source / name).is_file()]
    if missing:
        raise FileNotFoundError(f"{source}: {', '.join(missing)} missing; the folder must hold the PKDD'99 files {', '.join(FILES)}")
    loans = [loan for loan in _loans(source) if loan.granted_on <= as_of]
    if not loans:
        raise ValueError(f"no loan was granted by {as_of}; the first one is of July 1993")
    out.mkdir(parents=True, exist_ok=True)
    for table, rows in (
        ("regions", _regions(source)),
        ("product_types", [dict(zip(("product_type_id", "product_type_name"), PRODUCT_TYPE, strict=True))]),
        ("products", _products(loans)),
        ("clients", _clients(source, loans)),
        ("contracts", _contracts(loans, as_of)),
        ("installments", _installments(loans)),
        ("repayments", _repayments(source, loans, as_of)),
    ):
        _write(out / f"{table}.csv", list(rows))
    return out


def _read(source: Path, name: str) -> Iterator[Row]:
    with (source / f"{name}.asc").open(encoding="ascii", newline="") as text:
        yield from csv.DictReader(text, delimiter=";")


def _write(path: Path, rows: list[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as text:
        writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else NO_REPAYMENT, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _day(text: str) -> date:
    """A yymmdd date; all years are of the twentieth century."""
    return date(1900 + int(text[:2]), int(text[2:4]), int(text[4:]))


def _loans(source: Path) -> list[Loan]:
    owner = {row["account_id"]: row["client_id"] for row in _read(source, "disp") if row["type"] == "OWNER"}
    loans = []
    for row in _read(source, "loan"):
        if row["status"] not in (*FINISHED, *RUNNING):
            raise ValueError(f"loan {row['loan_id']}: status {row['status']!r} is not one of A, B, C, D")
        if row["account_id"] not in owner:
            raise ValueError(f"loan {row['loan_id']}: account {row['account_id']} has no owner in disp.asc")
        loans.append(
            Loan(
                loan_id=row["loan_id"],
                account_id=row["account_id"],
                client_id=owner[row["account_id"]],
                granted_on=_day(row["date"]),
                amount=row["amount"],
                duration=int(row["duration"]),
                payment=row["payments"],
                status=row["status"],
            )
        )
    return loans


def _region_id(name: str) -> str:
    return f"region-{name.lower().replace(' ', '-')}"


def _regions(source: Path) -> Iterator[Row]:
    districts = list(_read(source, "district"))
    for name in sorted({row["A3"] for row in districts}):
        yield {"region_id": _region_id(name), "region_name": name, "parent_region_id": "", "region_level": "region"}
    for row in districts:
        yield {"region_id": row["A1"], "region_name": row["A2"], "parent_region_id": _region_id(row["A3"]), "region_level": "district"}


def _product_code(duration: int) -> str:
    return f"{PRODUCT_TYPE[0]}{duration:02d}"


def _products(loans: list[Loan]) -> Iterator[Row]:
    for duration, _ in groupby(sorted(loan.duration for loan in loans)):
        yield {
            "product_code": _product_code(duration),
            "product_name": f"Cash loan, {duration} months",
            "product_type_id": PRODUCT_TYPE[0],
            "min_tenor": str(duration),
            "max_tenor": str(duration),
        }


def _clients(source: Path, loans: list[Loan]) -> Iterator[Row]:
    """Owners of the loans: where they live and when the account was opened, nothing else of them."""
    district = {row["client_id"]: row["district_id"] for row in _read(source, "client")}
    opened = {row["account_id"]: row["date"] for row in _read(source, "account")}
    for loan in sorted(loans, key=lambda loan: int(loan.client_id)):
        yield {
            "client_id": loan.client_id,
            "region_id": district[loan.client_id],
            "join_date": _day(opened[loan.account_id]).isoformat(),
        }


def _contracts(loans: list[Loan], as_of: date) -> Iterator[Row]:
    for loan in loans:
        status, since = loan.status_on(as_of)
        yield {
            "contract_number": loan.loan_id,
            "client_id": loan.client_id,
            "product_code": _product_code(loan.duration),
            "principal_amount": loan.amount,
            "tenor": str(loan.duration),
            "start_date": loan.granted_on.isoformat(),
            "status": status,
            "last_status_change_date": since.isoformat(),
        }


def _installments(loans: Iterable[Loan]) -> Iterator[Row]:
    """The payment of every month after the grant; payments times duration is the amount, so all of it is principal."""
    for loan in loans:
        for number in range(1, loan.duration + 1):
            yield {
                "installment_id": f"{loan.loan_id}-{number:02d}",
                "contract_number": loan.loan_id,
                "installment_number": str(number),
                "due_date": add_months(loan.granted_on, number).isoformat(),
                "inst_amt_principal": loan.payment,
            }


def _repayments(source: Path, loans: list[Loan], as_of: date) -> Iterator[Row]:
    """Transfers marked as loan payments, each of the loan of its account."""
    loan_of = {loan.account_id: loan.loan_id for loan in loans}
    for row in _read(source, "trans_part"):
        if row["k_symbol"] == LOAN_PAYMENT and row["account_id"] in loan_of and _day(row["date"]) <= as_of:
            yield {
                "repayment_id": row["trans_id"],
                "repayment_date": _day(row["date"]).isoformat(),
                "repayment_amount": row["amount"],
                "contract_number": loan_of[row["account_id"]],
            }
