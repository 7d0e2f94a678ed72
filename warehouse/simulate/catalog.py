"""The catalog of dirty rows: what is done to which rows, how often, and what a platform must do with each.

Expectations are written here by the rules of the source contract, never by asking the platform; docs/simulator.md is made from this list.
"""

from typing import Literal, NamedTuple

import pyarrow as pa

from warehouse.simulate.changes import Change, behind, decomposed, in_thousands, one_of, times_thousand
from warehouse.simulate.rows import LEDGER, constant, replaced

NO_NUMBERS = ("abc", "12O0", "1,2,3", "1e5", "NaN", "1.000.000")
NO_DATES = ("2024-02-30", "31/04/2024", "2024-13-01", "20240115")
NO_CONTRACT, NO_INSTALLMENT, NO_REGION = "9999999999", "9999999999-01", "R9"
ATTACKS = (
    "'; DROP TABLE clients; --",
    "${jndi:ldap://127.0.0.1/a}",
    "<script>alert(1)</script>",
    "{{7*7}}",
    "=cmd|' /C calc'!A0",
    "../../etc/passwd",
)
HUGE = ("1" + "0" * 30, "99999999999999999999")

Mode = Literal["extra", "twice", "instead", "again"]


class Defect(NamedTuple):
    """One kind of dirty row.

    Attributes:
        id: D01 to D20; S6 for a shock of that name.
        table: table of the rows.
        rate: name of its share of rows in Rates.
        column: broken column; empty where the row as a whole is dirty.
        change: what becomes of the value; several make several rows.
        rule: rule that the platform must name; empty if there is nothing to notice.
        disposition: what must become of the row.
        what: one sentence for people.
        mode: `extra`: beside the right row, under a key of its own, or a delivery before it where the row may come twice; `twice`: the
            row comes twice; `instead`: in place of the right row; `again`: in place of it, and the right row comes with the next delivery.
        only: name of a condition in defects.py that a row must meet.
    """

    id: str
    table: str
    rate: str
    column: str
    change: tuple[Change, ...]
    rule: str
    disposition: str
    what: str
    mode: Mode = "extra"
    only: str = ""


def marked(table: pa.Table, defect: Defect, original: pa.Array | str) -> pa.Table:
    """Dirty rows with their lines of the ledger."""
    texts = (defect.id, defect.column, original, defect.rule, defect.disposition)
    values = [constant(text, len(table)) if isinstance(text, str) else text for text in texts]
    return replaced(table, dict(zip(LEDGER, values, strict=True)))


KEYS = {
    "clients": "client_id",
    "contracts": "contract_number",
    "contract_status_history": "contract_number",
    "installments": "installment_id",
    "repayments": "repayment_id",
    "penalties": "penalty_id",
}
TABLES = tuple(KEYS)

AMOUNT = {
    "contracts": "principal_amount",
    "installments": "inst_amt_principal",
    "repayments": "repayment_amount",
    "penalties": "penalty_amount",
}
CONFLICT = {"repayments": "repayment_amount", "installments": "inst_amt_principal"}
MISSING = {"contracts": "principal_amount", "installments": "due_date", "repayments": "repayment_amount"}
DATE = {"installments": "due_date", "repayments": "repayment_date"}
PARENT = {"repayments": "contract_number", "installments": "contract_number"}
COUNT = {"contracts": "tenor", "clients": "credit_score", "installments": "installment_number"}
REPAID = {"repayments": "repayment_amount"}
NAMES = ("client_name", "family_name")
TEXTS = (("clients", "client_name"), ("clients", "given_name"), ("contracts", "channel"))


def _all(
    id: str, rate: str, columns: dict[str, str], change: tuple[Change, ...], rule: str, what: str, disposition: str = "quarantined"
) -> list[Defect]:
    """One kind of defect in several tables."""
    return [Defect(id, table, rate, column, change, rule, disposition, what) for table, column in columns.items()]


DEFECTS: tuple[Defect, ...] = (
    *(Defect("D01", table, "duplicate", "", (), "duplicate", "duplicate", "The row comes twice.", "twice") for table in TABLES),
    *_all("D02", "key_conflict", CONFLICT, (behind("1"), behind("2")), "key_conflict", "Two rows with one key and other amounts."),
    *_all("D03", "missing", MISSING, (one_of(""),), "required_value_missing", "A value that every row needs is empty."),
    *_all("D05", "garbage", AMOUNT, (one_of(*NO_NUMBERS),), "bad_number", "Text where a number belongs."),
    *_all("D06", "negative", REPAID, (behind("-"),), "negative_amount", "A repayment below zero that reverses nothing."),
    Defect(
        "D07", "contracts", "unit_error", "principal_amount", (times_thousand,), "amount_out_of_range", "accepted",
        "An application with a principal a thousand times too large.", "again", "application",
    ),
    *_all("D08", "bad_date", DATE, (one_of(*NO_DATES),), "bad_date", "A date that does not exist or is not ISO."),
    *_all(
        "D09", "before_start", {"repayments": "repayment_date"}, (one_of("2010-12-31"),), "before_start_date",
        "A repayment dated before its contract began.",
    ),
    *_all("D11", "orphan", PARENT, (one_of(NO_CONTRACT),), "orphan", "The row names a contract that never comes.", "parked"),
    Defect(
        "D12", "contract_status_history", "transition", "status", (one_of("Written Off"),), "status_transition", "quarantined",
        "A contract is lost on the day on which it was paid off.", only="paid off",
    ),
    *(
        Defect(
            "D14", "clients", "decomposed", column, (decomposed,), "", "accepted",
            "A name in decomposed letters (Unicode NFD).", "instead", "name",
        )
        for column in NAMES
    ),
    *(
        Defect("D16", table, "injection", column, (one_of(*ATTACKS),), "", "accepted", "Text that attacks a careless reader.", "instead")
        for table, column in TEXTS
    ),
    *_all("D17", "extreme", AMOUNT, (one_of(*HUGE),), "number_too_large", "A number with more digits than any amount."),
    *_all("D17", "extreme", REPAID, (one_of("inf", "-inf", "1.5E+06"),), "bad_number", "Infinity, or an exponent."),
    *_all("D17", "extreme", COUNT, (one_of("NaN", "1e1", "1.2E+01"),), "bad_integer", "No number, or an exponent."),
    *_all(
        "D17", "extreme", {"penalties": "installment_id"}, (one_of("3.2E+09", "1.00E+10"),), "orphan",
        "An id as a spreadsheet writes it; nothing has this id.", "parked",
    ),
    Defect(
        "D19", "installments", "schedule_sum", "inst_amt_principal", (behind("1"),), "schedule_sum", "accepted",
        "The principal of a first schedule is not that of the loan.", "again", "first installment",
    ),
)  # fmt: skip

# What is done elsewhere than in break_rows, for the ledger and the docs.
LATE_PARENT = Defect(
    "D10", "", "late_parent", "", (), "orphan", "parked", "The row comes a day before the row that it names, and is accepted then."
)
NO_OPTIONAL = Defect(
    "D04", "clients", "optional_missing", "district_code", (), "", "accepted", "A client without district and commune.", "instead"
)
OTHER_REGION = Defect(
    "D13",
    "clients",
    "unknown_region",
    "region_id",
    (),
    "unknown_region",
    "accepted",
    "A client whose region is not on the list.",
    "instead",
)
NO_REGION_AT_ALL = Defect("D13", "clients", "unknown_region", "region_id", (), "", "accepted", "A client without a region.", "instead")
FALSE_PENALTY = Defect(
    "D18", "penalties", "false_penalty", "", (), "", "accepted",
    "A penalty for an installment that was paid in time; deleted with the next delivery.", "instead",
)  # fmt: skip
NO_DATES_IN_REGION = Defect(
    "D20", "repayments", "mass_days", "repayment_date", (one_of(""),), "required_value_missing", "quarantined",
    "On one day, no repayment of a region has its date.", "again",
)  # fmt: skip
THOUSANDS = Defect(
    "S6",
    "repayments",
    "",
    "repayment_amount",
    (in_thousands,),
    "",
    "accepted",
    "Amounts of one channel in thousands for some days.",
    "again",
)
ELSEWHERE = (NO_OPTIONAL, LATE_PARENT, OTHER_REGION, NO_REGION_AT_ALL, FALSE_PENALTY, NO_DATES_IN_REGION, THOUSANDS)
