"""What the platform is compared with: plain DuckDB statements over the same files, with none of its guarantees.

They are given the same number of threads and the same memory as the platform's engine.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import duckdb

from warehouse.raw.delivery import find_delivery
from warehouse.settings import Settings

SQL_KINDS = {
    "text": "VARCHAR",
    "money": "DECIMAL(18, 2)",
    "ratio": "DECIMAL(9, 6)",
    "integer": "INTEGER",
    "date": "DATE",
    "timestamp": "TIMESTAMPTZ",
    "flag": "BOOLEAN",
}


def connect() -> duckdb.DuckDBPyConnection:
    """A connection as the platform's engine has it."""
    con = duckdb.connect()
    con.execute(f"SET threads = {Settings.threads}; SET memory_limit = '{Settings.memory_limit}'; SET TimeZone = 'UTC'")
    con.execute("SET preserve_insertion_order = false")
    return con


def files_sql(files: Sequence[str]) -> str:
    """Parquet files as a table expression."""
    return f"read_parquet([{', '.join(_text(file) for file in files)}])"


def scan(con: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str]) -> int:
    """Read every value of some columns once, cheaply, and return the number of rows.

    Sums, because a count, a minimum or a maximum may be answered from the statistics of the file.
    """
    kinds = {row[0]: row[1] for row in con.execute(f"DESCRIBE SELECT * FROM {table}").fetchall()}
    parts = ", ".join(_sum(name, kinds[name]) for name in columns)
    return con.execute(f"SELECT count(*), {parts} FROM {table}").fetchone()[0]


def _sum(name: str, kind: str) -> str:
    column = f'"{name}"'
    if kind == "VARCHAR":
        return f"sum(strlen({column}))"
    if kind == "BOOLEAN":
        return f"sum({column}::INTEGER)"
    if kind == "DATE":
        return f"sum({column} - DATE '1970-01-01')"
    if kind.startswith("TIMESTAMP"):
        return f"sum(epoch_us({column}))"
    return f"sum({column})"


def type_delivery(con: duckdb.DuckDBPyConnection, folder: Path, out: Path) -> int:
    """Every delivered file as typed Parquet; a value that does not fit its type is null. The number of rows."""
    out.mkdir(parents=True)
    rows = 0
    for file in find_delivery(folder, out).files:
        kinds = {column.name: SQL_KINDS[column.kind] for column in file.source.all_columns}
        path = _text(file.path)
        read = f"read_parquet({path})" if file.format == ".parquet" else f"read_csv({path}, all_varchar = true, header = true)"
        names = [row[0] for row in con.execute(f"DESCRIBE SELECT * FROM {read}").fetchall()]
        typed = ", ".join(f'TRY_CAST("{name}" AS {kinds.get(name, "VARCHAR")}) AS "{name}"' for name in names)
        done = con.execute(f"COPY (SELECT {typed} FROM {read}) TO {_text(out / f'{file.path.stem}.parquet')} (FORMAT parquet)")
        rows += done.fetchone()[0]
    return rows


def snapshot_sql(tables: Mapping[str, str], on: date, known_until: str) -> str:
    """One statement with 43 aggregates a client as of a date: the last versions known, payments by installment, windows on due dates.

    It leaves out what costs: allocation of payments that name no installment, reversals, tolerance, peaks of days past due, spells of
    statuses, moves between contracts. So it is what a careful analyst writes in an hour, not the same answer.
    """
    day = f"DATE '{on}'"
    known = f"known_at <= TIMESTAMPTZ '{known_until}' AND NOT is_deleted"
    return f"""
    WITH contract AS (
        SELECT contract_number, arg_max(client_id, known_at) AS client_id, arg_max(principal_amount, known_at) AS principal_amount,
               arg_max(start_date, known_at) AS start_date
        FROM {tables["contracts"]} WHERE {known} AND start_date <= {day} GROUP BY contract_number),
    installment AS (
        SELECT installment_id, arg_max(contract_number, known_at) AS contract_number, arg_max(due_date, known_at) AS due_date,
               arg_max(coalesce(inst_amt_principal, 0) + coalesce(inst_amt_interest, 0) + coalesce(inst_amt_fee, 0), known_at) AS due,
               arg_max(coalesce(inst_amt_principal, 0), known_at) AS principal
        FROM {tables["installments"]} WHERE {known} GROUP BY installment_id),
    paid AS (
        SELECT installment_id, sum(amount) AS paid, max(paid_on) AS paid_on FROM (
            SELECT repayment_id, arg_max(installment_id, known_at) AS installment_id, arg_max(repayment_amount, known_at) AS amount,
                   arg_max(repayment_date, known_at) AS paid_on
            FROM {tables["repayments"]} WHERE {known} AND repayment_date <= {day} GROUP BY repayment_id)
        GROUP BY installment_id),
    ledger AS (
        SELECT c.client_id, c.contract_number, c.start_date, i.due_date, i.due, i.principal, coalesce(p.paid, 0) AS paid,
               p.paid >= i.due * 0.99 AS is_settled, i.due_date <= {day} AS is_due,
               CASE WHEN p.paid >= i.due * 0.99 THEN p.paid_on ELSE {day} END - i.due_date AS days_late
        FROM installment i JOIN contract c USING (contract_number) LEFT JOIN paid p USING (installment_id))
    SELECT client_id, {", ".join(_aggregates(day))}
    FROM ledger GROUP BY client_id
    """


def _aggregates(day: str) -> list[str]:
    """43 aggregates: nine over four windows each, and seven of the state on the day."""
    found = []
    for months in (3, 6, 12, 1200):
        inside = f"FILTER (is_due AND due_date > {day} - INTERVAL {months} MONTH)"
        found += [
            f"count(*) {inside} AS due_{months}",
            f"avg((days_late > 0)::INTEGER) {inside} AS late_ratio_{months}",
            f"sum((days_late > 0)::INTEGER) {inside} AS late_{months}",
            f"sum((paid < due * 0.1)::INTEGER) {inside} AS skipped_{months}",
            f"avg((is_settled AND days_late < 0)::INTEGER) {inside} AS early_ratio_{months}",
            f"max(days_late) {inside} AS worst_{months}",
            f"avg(days_late) {inside} AS mean_days_{months}",
            f"sum(due) {inside} AS due_amount_{months}",
            f"sum(paid) {inside} AS paid_amount_{months}",
        ]
    unpaid = "FILTER (is_due AND NOT coalesce(is_settled, false))"
    return [
        *found,
        f"greatest(0, {day} - min(due_date) {unpaid}) AS dpd",
        f"coalesce(sum(due - paid) {unpaid}, 0) AS overdue_amount",
        f"count(*) {unpaid} AS unpaid_count",
        "sum(principal) FILTER (NOT coalesce(is_settled, false)) AS outstanding_principal_amount",
        "count(DISTINCT contract_number) AS contract_count",
        "count(DISTINCT contract_number) FILTER (NOT coalesce(is_settled, false)) AS open_contract_count",
        f"datediff('month', min(start_date), {day}) AS months_since_first_contract",
    ]


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"
