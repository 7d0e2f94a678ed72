"""The plain scan: every column of the staging tables that positions and features read, summed once.

Lineage columns (file, hash, row number) are left out, which makes the reference cheaper and a ratio to it harder to reach.
"""

from collections.abc import Sequence
from typing import Any

from tests.benchmarks.bench import settings_of
from tests.benchmarks.harness import Meter

READ = {
    "contracts": (
        "contract_number", "client_id", "product_code", "principal_amount", "interest_amount", "fee_amount", "tenor", "start_date",
        "status", "last_status_change_date", "known_at", "is_deleted", "business_date",
    ),
    "contract_status_history": ("contract_number", "status", "status_date", "known_at", "is_deleted", "business_date"),
    "installments": (
        "installment_id", "contract_number", "installment_number", "due_date", "inst_amt_principal", "inst_amt_interest",
        "inst_amt_fee", "penalty_amount", "known_at", "is_deleted", "business_date",
    ),
    "repayments": (
        "repayment_id", "repayment_date", "repayment_amount", "installment_id", "contract_number", "booked_at",
        "reverses_repayment_id", "known_at", "is_deleted", "business_date",
    ),
    "penalties": ("penalty_id", "installment_id", "penalty_date", "penalty_amount", "known_at", "is_deleted", "business_date"),
}  # fmt: skip


def scan_columns(meter: Meter, home: str, tables: Sequence[str], repeats: int) -> dict[str, Any]:
    """Read the columns of some staging tables of the newest intake."""
    from tests.benchmarks.plain_sql import connect, files_sql, scan
    from warehouse.lake import Lake

    with Lake(settings_of(home)) as lake:
        pinned = lake.intake()
        if pinned is None:
            raise LookupError(f"{home}: nothing was ingested")
        held = {name: pinned.files(f"staging.{name}") for name in tables if f"staging.{name}" in pinned.tables()}
    con = connect()
    for _ in range(repeats):
        with meter.run() as facts:
            facts["rows"] = sum(scan(con, files_sql(files), READ[name]) for name, files in held.items() if files)
    return {}
