"""Worked cases of marts.loan_distribution_by_region: what counts as stock, what as new, and in which region."""

import pytest

from tests.warehouse.mart_rows import cells, d, dimensions, kept, table
from warehouse.curated.fact_contract_stock import fact_contract_stock
from warehouse.marts.attribution import AS_OF_MONTH, mart_months
from warehouse.marts.loan_distribution_by_region import (
    KEY,
    LOAN_DISTRIBUTION_BY_REGION,
    loan_distribution_by_region,
    loan_distribution_cells,
)

BUSINESS_DATE = d("2024-03-15")
AS_OFS = [d("2024-01-31"), d("2024-02-29"), BUSINESS_DATE]


def stock(contracts, regions=None):
    """fact_contract_stock of contracts that are the same at each as-of date unless told, all clients in R1 unless told."""
    rows = [{"as_of_on": day, **row} for day in AS_OFS for row in contracts if row.get("as_of_on", day) == day]
    clients = {row.get("client_id", "A") for row in contracts}
    places = regions or [{"as_of_on": day, "client_id": client} for day in AS_OFS for client in clients]
    starts = {row.get("start_date", d("2024-01-10")) for row in contracts}
    origins = [{"as_of_on": day, "client_id": client, "start_date": start} for day in AS_OFS for client in clients for start in starts]
    return fact_contract_stock(table("contracts", rows), table("regions", places), table("origins", origins))


def mart(con, months, contracts, facts, events=(), regions=None, clients=({},)):
    dims = dimensions(clients)
    cells_of = loan_distribution_cells(
        months,
        kept(con, stock(contracts, regions)),
        table("fact_contract", facts),
        table("fact_contract_status", events),
        dims.pop("dim_client"),
    )
    return loan_distribution_by_region(kept(con, cells_of), AS_OF_MONTH, months, **dims)


def distribution(con, contracts, facts, events=(), regions=None, clients=({},)):
    return cells(con, mart(con, mart_months(d("2024-01-10"), BUSINESS_DATE), contracts, facts, events, regions, clients), KEY)


def test_a_contract_counts_in_every_month_from_its_start_and_is_new_once(con):
    found = distribution(con, [{}], [{}])
    assert {key[0] for key in found} == {"2024-01-31", "2024-02-29", "2024-03-31"}
    january, march = found["2024-01-31", "R1", "CL", "Active"], found["2024-03-31", "R1", "CL", "Active"]
    assert (january["contract_count"], january["client_count"], january["new_contract_count"]) == (1, 1, 0)
    # No status event was given: before the first event a contract is New.
    new = found["2024-01-31", "R1", "CL", "New"]
    assert (new["contract_count"], new["new_contract_count"], new["new_principal_amount"]) == (0, 1, 1000)
    # The open month is measured on the business date.
    assert (march["as_of_on"], march["is_complete_month"]) == (BUSINESS_DATE, False)
    assert (january["as_of_on"], january["is_complete_month"]) == (d("2024-01-31"), True)


def test_an_ended_contract_stays_in_the_stock_under_its_status(con):
    contracts = [
        {"as_of_on": AS_OFS[0]},
        *({"as_of_on": day, "status": "Paid-off", "outstanding_principal_amount": 0} for day in AS_OFS[1:]),
    ]
    found = distribution(con, contracts, [])
    row = found["2024-03-31", "R1", "CL", "Paid-off"]
    assert (row["contract_count"], row["principal_amount"], row["outstanding_principal_amount"]) == (1, 1000, 0)
    assert ("2024-02-29", "R1", "CL", "Active") not in found


def test_a_contract_that_starts_later_is_not_in_the_stock(con):
    found = distribution(con, [{"start_date": d("2024-02-29")}], [])
    assert {key[0] for key in found} == {"2024-02-29", "2024-03-31"}  # started on the month's last day: in


def test_a_new_contract_takes_its_status_at_the_months_end(con):
    # Active on the 10th, cancelled on the 20th of January: new under Cancel. Of one day, Active comes before Cancel.
    events = [
        {"status_date": d("2024-01-10"), "status": "Active"},
        {"status_date": d("2024-01-20"), "status": "Cancel"},
        {"contract_number": "2", "status_date": d("2024-02-05"), "status": "Cancel"},
        {"contract_number": "2", "status_date": d("2024-02-05"), "status": "Active"},
        # Written off in March, after the month in which it is new.
        {"contract_number": "3", "status_date": d("2024-02-06"), "status": "Active"},
        {"contract_number": "3", "status_date": d("2024-03-01"), "status": "Written Off"},
    ]
    facts = [
        {"principal_amount": 10},
        {"contract_number": "2", "start_date": d("2024-02-05"), "principal_amount": 20},
        {"contract_number": "3", "start_date": d("2024-02-06"), "principal_amount": 40},
    ]
    found = distribution(con, [], facts, events)
    assert {key: row["new_principal_amount"] for key, row in found.items()} == {
        ("2024-01-31", "R1", "CL", "Cancel"): 10,
        ("2024-02-29", "R1", "CL", "Cancel"): 20,
        ("2024-02-29", "R1", "CL", "Active"): 40,
    }


def test_a_contract_that_starts_after_the_business_date_is_not_new_yet(con):
    assert distribution(con, [], [{"start_date": d("2024-03-16")}]) == {}
    assert len(distribution(con, [], [{"start_date": BUSINESS_DATE}])) == 1


def test_a_client_who_moves_leaves_earlier_months_where_they_were(con):
    regions = [{"as_of_on": AS_OFS[0]}, *({"as_of_on": day, "region_id": "R2"} for day in AS_OFS[1:])]
    found = distribution(con, [{}], [], regions=regions)
    assert {key[:2] for key in found} == {("2024-01-31", "R1"), ("2024-02-29", "R2"), ("2024-03-31", "R2")}


def test_new_contracts_land_in_the_region_that_the_release_knows_for_the_month(con):
    # Moved on 15 February: a contract of 2 February counts in the region at the end of February.
    clients = [{"valid_to": d("2024-02-15")}, {"region_id": "R2", "valid_from": d("2024-02-15")}]
    facts = [{}, {"contract_number": "2", "start_date": d("2024-02-02")}]
    found = distribution(con, [], facts, clients=clients)
    assert {key[:2] for key in found} == {("2024-01-31", "R1"), ("2024-02-29", "R2")}


def test_a_client_first_told_later_has_its_first_region_before(con):
    found = distribution(con, [], [{}], clients=[{"region_id": "R2", "valid_from": d("2024-03-01")}])
    assert {key[:2] for key in found} == {("2024-01-31", "R2")}


def test_a_region_has_the_name_that_was_valid_then(con):
    found = distribution(con, [{}], [])
    names = {key[0]: row["region_name"] for key, row in found.items()}
    assert names == {"2024-01-31": "North", "2024-02-29": "North East", "2024-03-31": "North East"}


def test_an_unknown_region_or_type_is_a_row_like_any_other(con):
    regions = [{"as_of_on": day, "region_id": "Unknown"} for day in AS_OFS]
    found = distribution(con, [{"product_type_id": "Unknown"}], [], regions=regions)
    row = found["2024-01-31", "Unknown", "Unknown", "Active"]
    assert (row["region_name"], row["product_type_name"], row["contract_count"]) == ("Unknown", "Unknown", 1)


def test_a_client_with_two_contracts_is_one_client_of_a_cell(con):
    contracts = [{}, {"contract_number": "2", "principal_amount": 500}, {"contract_number": "3", "client_id": "B"}]
    row = distribution(con, contracts, [])["2024-01-31", "R1", "CL", "Active"]
    assert (row["contract_count"], row["client_count"], row["principal_amount"]) == (3, 2, 2500)


@pytest.mark.parametrize("part", ["contract_count", "principal_amount", "outstanding_principal_amount"])
def test_the_sum_over_regions_types_and_statuses_is_the_book(con, part):
    contracts = [
        {
            "contract_number": str(n),
            "client_id": "AB"[n % 2],
            "product_type_id": ["CL", "TW"][n % 2],
            "status": ["Active", "Close"][n // 2 % 2],
        }
        for n in range(8)
    ]
    regions = [{"as_of_on": day, "client_id": c, "region_id": r} for day in AS_OFS for c, r in (("A", "R1"), ("B", "R2"))]
    found = distribution(con, contracts, [], regions=regions)
    february = [row[part] for key, row in found.items() if key[0] == "2024-02-29"]
    assert sum(february) == 8 * (1 if part == "contract_count" else 1000)


def test_no_contract_gives_a_typed_empty_table(con):
    found = con.to_pyarrow(mart(con, mart_months(BUSINESS_DATE, BUSINESS_DATE), [], [], clients=()))
    assert found.num_rows == 0
    assert found.schema.names == list(LOAN_DISTRIBUTION_BY_REGION.column_names)


def test_the_table_has_the_declared_types(con):
    found = mart(con, mart_months(d("2024-01-10"), BUSINESS_DATE), [{}], [{}])
    declared = LOAN_DISTRIBUTION_BY_REGION.ibis_schema()
    assert {name: str(kind(nullable=True)) for name, kind in found.schema().items()} == {
        name: str(kind(nullable=True)) for name, kind in declared.items()
    }
