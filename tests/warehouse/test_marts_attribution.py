"""Movers, mergers, hierarchies and renamed regions: where a contract counts, by each attribution, from deliveries to marts."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.conftest import STAGING, staging_tables
from tests.warehouse.mart_rows import cells, d, table
from warehouse.build import build_curated, build_marts
from warehouse.clock import end_of_day
from warehouse.lake import Candidate, Lake
from warehouse.marts.attribution import AT_ORIGINATION, ATTRIBUTIONS, todays_map
from warehouse.marts.hierarchy import ancestors, rolled_up
from warehouse.settings import Settings
from warehouse.terms import Terms

TERMS = Terms()
OPENING, MOVE, MERGER, LAST = d("2025-03-31"), d("2025-05-15"), d("2025-07-01"), d("2025-07-31")
APRIL, MAY, JUNE, JULY = d("2025-04-30"), d("2025-05-31"), d("2025-06-30"), d("2025-07-31")
ADDITIVE = ("open_contract_count", "outstanding_principal_amount", "overdue_amount", "installments_due_count", "due_amount")


def at(row: dict[str, Any], business_date: date = OPENING) -> dict[str, Any]:
    """A row of a delivery; those of the opening one have been known for ever."""
    known = datetime(1900, 1, 1, tzinfo=UTC) if business_date == OPENING else end_of_day(business_date, TERMS.time_zone)
    return {**row, "business_date": business_date, "is_opening": business_date == OPENING, "known_at": known}


def contract(number: str, client: str, start: str) -> list[dict[str, Any]]:
    terms = {"product_code": "P", "principal_amount": 1200, "tenor": 12, "start_date": d(start), "status": "Active"}
    return [at({"contract_number": number, "client_id": client, **terms})]


def schedule(number: str, start: date) -> list[dict[str, Any]]:
    months = [(start.year * 12 + start.month - 1 + k) for k in range(1, 13)]
    return [
        at(
            {
                "installment_id": f"{number}-{k}",
                "contract_number": number,
                "installment_number": k,
                "due_date": date(month // 12, month % 12 + 1, 10),
                "inst_amt_principal": 100,
            }
        )
        for k, month in enumerate(months, start=1)
    ]


ROWS = {
    # South and Delta merge on 1 July; a macro region above both, and a country above that.
    "regions": [
        at({"region_id": "VN", "region_name": "Country", "region_level": "country"}),
        at({"region_id": "M", "region_name": "Macro", "region_level": "macro", "parent_region_id": "VN"}),
        at({"region_id": "A", "region_name": "North", "region_level": "province", "parent_region_id": "VN"}),
        at({"region_id": "B", "region_name": "South", "region_level": "province", "parent_region_id": "M"}),
        at({"region_id": "C", "region_name": "Delta", "region_level": "province", "parent_region_id": "M"}),
        at({"region_id": "C1", "region_name": "Ward", "region_level": "ward", "parent_region_id": "C"}),
        at({"region_id": "A", "region_name": "Far North", "region_level": "province", "parent_region_id": "M"}, MERGER),
        at(
            {"region_id": "C", "region_name": "Delta", "region_level": "province", "parent_region_id": "M", "successor_region_id": "B"},
            MERGER,
        ),
    ],
    "product_types": [at({"product_type_id": "T", "product_type_name": "Cash loan"})],
    "products": [at({"product_code": "P", "product_name": "Cash", "product_type_id": "T"})],
    "clients": [
        at({"client_id": "mover", "region_id": "A"}),
        at({"client_id": "mover", "region_id": "B", "updated_at": datetime(2025, 5, 15, 3, tzinfo=UTC)}, MOVE),
        at({"client_id": "south", "region_id": "B"}),
        at({"client_id": "delta", "region_id": "C"}),
        at({"client_id": "nowhere", "region_id": None}),
        at({"client_id": "gone", "region_id": "A"}),
        at({"client_id": "gone", "region_id": "A", "is_deleted": True}, MOVE),
    ],
    # The mover has a contract from each home: one client, two regions at origination.
    "contracts": [
        *contract("1", "mover", "2025-01-10"),
        *contract("2", "mover", "2025-06-10"),
        *contract("3", "south", "2025-01-10"),
        *contract("4", "delta", "2025-01-10"),
        *contract("5", "nowhere", "2025-01-10"),
        *contract("6", "gone", "2025-01-10"),
    ],
    "installments": [row for number in "13456" for row in schedule(number, d("2025-01-10"))] + schedule("2", d("2025-06-10")),
    "repayments": [
        at({"repayment_id": "p1", "repayment_date": d("2025-02-10"), "repayment_amount": 100, "contract_number": "3"}),
    ],
}


@pytest.fixture(scope="module")
def candidate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Candidate]:
    home = tmp_path_factory.mktemp("lake")
    with Lake(Settings(home=home, catalog_uri=f"sqlite:///{home}/catalog.db")) as lake:
        intake = lake.candidate("intake", "stage")
        for name, rows in staging_tables(ROWS).items():
            intake.write(STAGING[name], rows)
            intake.audit(STAGING[name])
        intake.publish(LAST)
        release = lake.candidate("release", "build")
        build_curated(release, LAST, TERMS)
        build_marts(release, LAST, TERMS)
        release.publish(LAST)
        yield release


def rows(candidate: Candidate, attribution: str, base: str = "portfolio_by_region_month") -> list[dict[str, Any]]:
    name = next(each for each in ATTRIBUTIONS if each.name == attribution).table(base)
    return candidate.table(f"marts.{name}").to_pyarrow().to_pylist()


def counts(candidate: Candidate, attribution: str, month_on: date, measure: str = "open_contract_count") -> dict[str, Any]:
    found: Counter = Counter()
    for row in rows(candidate, attribution):
        if row["month_on"] == month_on:
            found[row["region_id"]] += row[measure]
    return {region: value for region, value in found.items() if value}


def test_a_mover_counts_where_it_lives_at_the_months_end(candidate: Candidate) -> None:
    assert counts(candidate, "month", APRIL) == {"A": 2, "B": 1, "C": 1, "Unknown": 1}
    assert counts(candidate, "month", MAY) == {"B": 2, "C": 1, "Unknown": 2}  # the deleted client lives nowhere from then on


def test_origination_stays_where_it_was(candidate: Candidate) -> None:
    assert counts(candidate, "origination", APRIL) == counts(candidate, "origination", MAY) == {"A": 2, "B": 1, "C": 1, "Unknown": 1}
    assert counts(candidate, "origination", JUNE) == {"A": 2, "B": 2, "C": 1, "Unknown": 1}


def test_the_vintage_of_a_mover_stays_at_its_first_home(candidate: Candidate) -> None:
    found = candidate.table("marts.vintage_by_region").to_pyarrow().to_pylist()
    by_region = {(row["vintage_month"], row["region_id"]): row["contract_count"] for row in found if row["mob"] == 0}
    january, june = d("2025-01-01"), d("2025-06-01")
    assert by_region == {(january, "A"): 2, (january, "B"): 1, (january, "C"): 1, (january, "Unknown"): 1, (june, "B"): 1}


def test_a_client_with_two_regions_at_origination_is_one_client_of_the_month(candidate: Candidate) -> None:
    assert counts(candidate, "month", JUNE, "client_count") == {"B": 2, "C": 1, "Unknown": 2}
    assert counts(candidate, "origination", JUNE, "client_count") == {"A": 2, "B": 2, "C": 1, "Unknown": 1}
    assert counts(candidate, "current", JUNE, "client_count") == {"B": 3, "Unknown": 2}


@pytest.mark.parametrize("measure", ADDITIVE)
@pytest.mark.parametrize("month_on", [APRIL, MAY, JUNE, JULY])
def test_all_attributions_add_up_to_the_same(candidate: Candidate, measure: str, month_on: date) -> None:
    totals = {name: sum(counts(candidate, name, month_on, measure).values()) for name in ("month", "origination", "current")}
    assert len(set(totals.values())) == 1
    assert totals["month"] > 0


def test_a_series_on_todays_map_survives_a_merger(candidate: Candidate) -> None:
    """On 30 June two provinces, on 1 July one: by today's map both months have one, with the same contracts."""
    assert counts(candidate, "month", JUNE) == {"B": 3, "C": 1, "Unknown": 2}
    assert counts(candidate, "current", JUNE) == counts(candidate, "current", JULY) == {"B": 4, "Unknown": 2}
    owed = [counts(candidate, "current", month, "outstanding_principal_amount")["B"] for month in (JUNE, JULY)]
    assert owed == [Decimal(4700), Decimal(4700)]


def test_a_region_has_its_name_of_the_month(candidate: Candidate) -> None:
    names = {(row["month_on"], row["region_id"]): row["region_name"] for row in rows(candidate, "origination")}
    assert (names[JUNE, "A"], names[JULY, "A"]) == ("North", "Far North")


def test_tables_are_named_after_their_attribution() -> None:
    assert AT_ORIGINATION.table("portfolio_by_region_month") == "portfolio_by_origination_region_month"
    assert AT_ORIGINATION.table("loan_distribution_by_region") == "loan_distribution_by_origination_region_month"


# --- the hierarchy


def test_regions_roll_up_to_any_level(candidate: Candidate) -> None:
    dim_region = candidate.table("curated.dim_region")

    def above(level: str, on: date | None = None) -> dict[str, str]:
        return {row["region_id"]: row["ancestor_id"] for row in ancestors(dim_region, level, on).to_pyarrow().to_pylist()}

    assert above("macro") == {"VN": "VN", "M": "M", "A": "M", "B": "M", "C": "M", "C1": "M", "Unknown": "Unknown"}
    assert above("macro", on=JUNE)["A"] == "A"  # its parent was the country then
    assert above("country") == dict.fromkeys(("VN", "M", "A", "B", "C", "C1"), "VN") | {"Unknown": "Unknown"}
    assert above("province")["C1"] == "C"


def test_a_rolled_up_mart_keeps_the_sum(candidate: Candidate) -> None:
    mart, dim_region = candidate.table("marts.portfolio_by_region_month"), candidate.table("curated.dim_region")
    raised = rolled_up(mart, ancestors(dim_region, "macro"), ("month_on", "region_id"), ("open_contract_count", "due_amount"))
    found = {row["region_id"]: row["open_contract_count"] for row in raised.to_pyarrow().to_pylist() if row["month_on"] == JUNE}
    assert found == {"M": 4, "Unknown": 2}


def test_a_circle_of_parents_ends(con: Any) -> None:
    circle = [{"region_id": a, "region_name": a, "parent_region_id": b, "region_level": "ward"} for a, b in (("X", "Y"), ("Y", "X"))]
    found = con.to_pyarrow(ancestors(table("dim_region", circle), "macro")).to_pylist()
    assert {row["region_id"]: row["ancestor_id"] for row in found} == {"X": "X", "Y": "Y"}


def test_todays_map_follows_chains_and_survives_circles(con: Any) -> None:
    chain = {"A": "B", "B": "C", "C": None, "X": "Y", "Y": "X", "L": "nobody"}
    regions = [{"region_id": one, "region_name": one, "successor_region_id": other} for one, other in chain.items()]
    found = cells(con, todays_map(table("dim_region", regions)), ("region_id",))
    mapped = {key[0]: row["region_current_map_id"] for key, row in found.items()}
    assert mapped == {"A": "C", "B": "C", "C": "C", "X": "Y", "Y": "X", "L": "Unknown"}
