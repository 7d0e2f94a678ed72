"""A small book of marts whose figures can be added up by hand: three provinces in two regions, two products, four months.

Names are chosen to hurt: markup, quotes, and a province called like its region. The marts are written into a real lake, so that the
report reads them as it reads a lender's.
"""

import random
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from tests.conftest import arrow
from warehouse import clock
from warehouse.curated.dim_product import DIM_PRODUCT
from warehouse.curated.dim_region import DIM_REGION
from warehouse.lake import Lake
from warehouse.marts import (
    CLIENT_DEFAULT_RISK,
    LOAN_DISTRIBUTION_BY_CURRENT_REGION_MONTH,
    LOAN_DISTRIBUTION_BY_ORIGINATION_REGION_MONTH,
    LOAN_DISTRIBUTION_BY_REGION,
    PORTFOLIO_BY_CURRENT_REGION_MONTH,
    PORTFOLIO_BY_ORIGINATION_REGION_MONTH,
    PORTFOLIO_BY_REGION_MONTH,
    RESTATEMENT,
    ROLL_RATE_BY_REGION,
    VINTAGE_BY_REGION,
)
from warehouse.report.read import BUCKETS
from warehouse.staging.ledger import DELIVERY_LEDGER
from warehouse.staging.quarantine import QUARANTINE
from warehouse.table import TableSpec

Row = dict[str, Any]
BUSINESS_DATE = date(2025, 7, 10)
GENERATED_AT = datetime(2025, 7, 11, 3, tzinfo=UTC)
MONTHS = (date(2025, 4, 30), date(2025, 5, 31), date(2025, 6, 30), date(2025, 7, 31))
RESTATED_ON = (date(2025, 7, 8), date(2025, 7, 3))  # the first is the business date of a delivery
LAST = MONTHS[2]  # the last complete one
MARKUP = "<script>document.title = 'taken'</script>"
QUOTED = "Ha \"Nam\" & 'Co' \u2028"
REGIONS = {
    "L": ("Land", None),
    "R1": ("North", "L"),
    "R2": ("South", "L"),
    "P1": (MARKUP, "R1"),
    "P2": (QUOTED, "R1"),
    "P3": ("South", "R2"),
}
PARENTS = {"P1": "North", "P2": "North", "P3": "South (R2)", "Unknown": "Unknown"}
PRODUCTS = {"CL": "Cash loan", "TW": "Two-Wheeler loan"}
PLACES = ("P1", "P2", "P3", "Unknown")
PORTFOLIOS = {
    "as_of": PORTFOLIO_BY_REGION_MONTH,
    "origination": PORTFOLIO_BY_ORIGINATION_REGION_MONTH,
    "current": PORTFOLIO_BY_CURRENT_REGION_MONTH,
}
DISTRIBUTIONS = {
    "as_of": LOAN_DISTRIBUTION_BY_REGION,
    "origination": LOAN_DISTRIBUTION_BY_ORIGINATION_REGION_MONTH,
    "current": LOAN_DISTRIBUTION_BY_CURRENT_REGION_MONTH,
}
DIMENSIONS: dict[str, list[Row]] = {
    DIM_REGION.name: [
        {
            "region_id": region_id,
            "region_name": name,
            "parent_region_id": parent,
            "region_level": "province" if region_id.startswith("P") else "macro_region",
            "valid_from": date(1900, 1, 1),
            "is_current": True,
        }
        for region_id, (name, parent) in REGIONS.items()
    ],
    DIM_PRODUCT.name: [
        {"product_code": code, "product_name": name, "product_type_id": code, "product_type_name": name} for code, name in PRODUCTS.items()
    ],
}
SPECS = {spec.name: spec for spec in (DIM_REGION, DIM_PRODUCT, *PORTFOLIOS.values(), *DISTRIBUTIONS.values())} | {
    spec.name: spec for spec in (VINTAGE_BY_REGION, ROLL_RATE_BY_REGION, CLIENT_DEFAULT_RISK, RESTATEMENT)
}


def money(draw: random.Random, most: int = 40_000_000) -> Decimal:
    """An amount with cents."""
    return Decimal(draw.randrange(100, most * 100)) / 100


def portfolio_rows(seed: int) -> list[Row]:
    """Rows of a portfolio mart; the last province has few clients and few cases."""
    draw, rows = random.Random(seed), []
    for month in MONTHS:
        for place in PLACES:
            for product in PRODUCTS:
                due = draw.randrange(40, 400) if place != "Unknown" else 3
                amounts = {f"bucket_{bucket}_amount": money(draw) for bucket in BUCKETS}
                rows.append(
                    {
                        "month_on": month,
                        "region_id": place,
                        "product_type_id": product,
                        "is_complete_month": month <= BUSINESS_DATE,
                        "open_contract_count": draw.randrange(20, 90),
                        "client_count": draw.randrange(10, 80) if place != "Unknown" else 2,
                        **amounts,
                        "outstanding_principal_amount": sum(amounts.values()),
                        "par30_amount": sum(list(amounts.values())[2:]),
                        "par60_amount": sum(list(amounts.values())[3:]),
                        "par90_amount": amounts["bucket_90_plus_amount"],
                        "npl_amount": amounts["bucket_90_plus_amount"],
                        "installments_due_count": due,
                        "late_count": draw.randrange(due),
                        "skip_eligible_count": due,
                        "skipped_count": draw.randrange(due),
                        "due_amount": money(draw) + 40_000_000,
                        "paid_amount": money(draw),
                        "early_settled_count": draw.randrange(3),
                        "open_or_started_count": draw.randrange(50, 99),
                        "written_off_count": draw.randrange(3),
                        "written_off_principal_amount": money(draw),
                        "penalty_amount": money(draw, 900_000),
                    }
                )
    return rows


def distribution_rows(seed: int) -> list[Row]:
    """Rows of a distribution mart."""
    draw = random.Random(seed)
    return [
        {
            "month_on": month,
            "region_id": place,
            "product_type_id": product,
            "status": status,
            "is_complete_month": month <= BUSINESS_DATE,
            "contract_count": draw.randrange(9, 99),
            "principal_amount": money(draw),
            "new_contract_count": draw.randrange(9),
            "new_principal_amount": money(draw),
        }
        for month in MONTHS
        for place in PLACES
        for product in PRODUCTS
        for status in ("New", "Active", "Paid-off", "Cancel")
    ]


def vintage_rows() -> list[Row]:
    """Cohorts of April to June, each as old as it can be by the business date, and a month more that is not mature."""
    draw, rows = random.Random(3), []
    for number, month in enumerate(MONTHS[:3]):
        for place in PLACES:
            for mob in range(4 - number):
                is_mature = mob < 3 - number
                bad = {"ever30_count": mob + 1, "ever90_count": mob, "defaulted_principal_amount": money(draw, 9_000_000)}
                rows.append(
                    {
                        "vintage_month": month.replace(day=1),
                        "mob": mob,
                        "region_id": place,
                        "product_type_id": "CL",
                        "contract_count": draw.randrange(20, 60),
                        "principal_amount": money(draw) + 10_000_000,
                        "is_mature": is_mature,
                        **(bad if is_mature else {}),
                    }
                )
    return rows


def roll_rows() -> list[Row]:
    """Moves from April to May and from May to June."""
    draw = random.Random(4)
    return [
        {
            "month_on": month,
            "region_id": place,
            "product_type_id": product,
            "from_bucket": before,
            "to_bucket": after,
            "contract_count": draw.randrange(1, 50),
            "outstanding_principal_amount": money(draw),
        }
        for month in MONTHS[:2]
        for place in PLACES[:3]
        for product in PRODUCTS
        for before in BUCKETS
        for after in (*BUCKETS, "paid_off", "written_off")
    ]


def risk_rows() -> list[Row]:
    """Scores of two business dates; only those of the last one count, and of these only clients who owe something."""
    draw, rows = random.Random(6), []
    for day in (date(2025, 7, 9), BUSINESS_DATE):
        for number in range(120):
            probability = draw.random()
            rows.append(
                {
                    "client_id": f"{number:05}",
                    "business_date": day,
                    "region_id": PLACES[number % 3],
                    "product_type_id": "CL" if number % 2 else "TW",
                    "probability": probability,
                    "score": 500,
                    "grade": "ABCDE"[min(4, int(probability * 5))],
                    "status": "scored",
                    "reason_codes": "LATE_PAYMENTS,CURRENT_ARREARS",
                    "model_name": "default_risk",
                    "model_version": "1",
                    "release_id": 1,
                    "outstanding_principal_amount": money(draw) if number % 10 else Decimal(0),
                }
            )
    return rows


def restatement_rows() -> list[Row]:
    """Changes of two measures of every complete month, through two deliveries."""
    draw = random.Random(8)
    return [
        {
            "known_on": day,
            "month_on": month,
            "region_id": place,
            "product_type_id": "CL",
            "measure": measure,
            "change_amount": money(draw, 900_000) - 400_000,
            "contract_count": 1,
        }
        for day in RESTATED_ON
        for month in MONTHS[:3]
        for place in PLACES
        for measure in ("outstanding_principal_amount", "par30_amount")
    ]


def book() -> dict[str, list[Row]]:
    """Rows of every table that the report reads from a release."""
    families = {spec.name: portfolio_rows(10 + n) for n, spec in enumerate(PORTFOLIOS.values())}
    families |= {spec.name: distribution_rows(20 + n) for n, spec in enumerate(DISTRIBUTIONS.values())}
    marts = {VINTAGE_BY_REGION.name: vintage_rows(), ROLL_RATE_BY_REGION.name: roll_rows(), CLIENT_DEFAULT_RISK.name: risk_rows()}
    marts[RESTATEMENT.name] = restatement_rows()
    return {**DIMENSIONS, **families, **marts}


def publish(lake: Lake, rows: Mapping[str, Iterable[Row]]) -> None:
    """A delivery ledger with two files and a broken rule, then a release of the given tables."""
    files = [{"delivery_seq": 1, "table_name": name, "source_file": f"{name}.csv", "status": "ingested"} for name in ("clients", MARKUP)]
    counts = {"business_date": date(2025, 7, 8), "rows_in": 1200, "accepted": 1200, "ingested_at": GENERATED_AT}
    intake = lake.candidate("intake", "intake", fresh=True)
    intake.write(DELIVERY_LEDGER, filled(DELIVERY_LEDGER, [{**file, **counts} for file in files]))
    broken = {"table_name": "repayments", "rule": "bad_date", "severity": "reject", "disposition": "quarantined"}
    intake.write(QUARANTINE, filled(QUARANTINE, [{**broken, "business_date": BUSINESS_DATE, "source_row_number": n} for n in range(7)]))
    for spec in (DELIVERY_LEDGER, QUARANTINE):
        intake.audit(spec)
    intake.publish(BUSINESS_DATE)
    candidate = lake.candidate("release", "release", fresh=True)
    for name, table_rows in rows.items():
        candidate.write(SPECS[name], filled(SPECS[name], table_rows))
        candidate.audit(SPECS[name])
    candidate.publish(BUSINESS_DATE)


def filled(spec: TableSpec, rows: Iterable[Row]) -> pa.Table:
    """Rows with 0, an empty text, or whatever is the least, in the required columns that they leave out."""
    nothing = {"string": "", "int64": 0, "int32": 0, "float64": 0.0, "boolean": False, "date": date(1900, 1, 1)}
    defaults = {
        column.name: column.values[0] if column.values else nothing.get(column.dtype, Decimal(0) if "decimal" in column.dtype else None)
        for column in spec.columns
        if not column.nullable
    }
    if "month_on" in defaults:
        rows = [{"as_of_on": min(row["month_on"], BUSINESS_DATE), **row} if "as_of_on" in defaults else row for row in rows]
    return arrow(spec, list(rows), defaults)


def total(rows: Iterable[Row], column: str, **equal: Any) -> Decimal | int:
    """Sum of a column over the rows whose other columns have the given values; a set allows any of its members."""

    def fits(row: Row) -> bool:
        return all(row[name] in value if isinstance(value, set) else row[name] == value for name, value in equal.items())

    return sum(row[column] for row in rows if fits(row))


def month_before(month: date) -> date:
    """The month end before a month end."""
    return clock.month_end(clock.add_months(month, -1))
