"""Dimensions: validity of regions and clients over time, products, and the calendar."""

from datetime import date

import pytest

from tests.warehouse.staging_rows import TERMS, at, by, contract, staged
from warehouse.clock import as_of_dates
from warehouse.curated.dim_client import dim_client
from warehouse.curated.dim_date import dim_date
from warehouse.curated.dim_product import dim_product
from warehouse.curated.dim_region import dim_region
from warehouse.curated.regions import current_map, regions_on


def region(key, name, parent=None, **more):
    return {"region_id": key, "region_name": name, "parent_region_id": parent, **more}


def client(key, region_id, **more):
    return {"client_id": key, "region_id": region_id, **more}


def texts(row, *names):
    return tuple(str(row[name]) if isinstance(row[name], date) else row[name] for name in names)


@pytest.fixture(scope="module")
def rows():
    return staged(
        "2024-01-31",
        regions=[
            region("VN", "Vietnam"),
            region("N", "North", "VN"),
            region("N1", "Ha Nam", "N", successor_region_id="N2", on="2024-07-01"),
            region("N1", "Ha Nam", "N"),
            region("N2", "Ninh Binh", "N"),
            region("N", "Northern Delta", "VN", on="2024-03-01"),
            region("GONE", "Old", "VN"),
            region("GONE", "Old", "VN", deleted=True, on="2024-05-01"),
            region("LOOP_A", "A", "LOOP_B"),
            region("LOOP_B", "B", "LOOP_A"),
            region("NEXT", "Next", successor_region_id="N1"),
            region("LOST", "Lost", successor_region_id="NOWHERE"),
        ],
        clients=[
            client("STAYS", "N1", credit_score=700),
            client("MOVES", "N1"),
            client("MOVES", "N2", on="2024-05-20", updated_at="2024-05-15 03:00:00"),
            client("MOVES_BACK", "N1"),
            client("MOVES_BACK", "N2", on="2024-05-20"),
            client("MOVES_BACK", "N1", on="2024-05-25", updated_at="2024-05-20 03:00:00"),
            client("FUTURE_CHANGE", "N1"),
            client("FUTURE_CHANGE", "N2", on="2024-05-20", updated_at="2024-06-15 03:00:00"),
            client("RENAMED", "N1", client_name="before"),
            client("RENAMED", "N1", client_name="after", on="2024-05-20"),
            client("EMPTY", None),
            client("STRANGE", "R99"),
            client("LATE", "N2", on="2024-05-20"),
            client("DELETED", "N2"),
            client("DELETED", None, deleted=True, on="2024-05-20"),
        ],
        products=[
            {"product_code": "P1", "product_name": "Cash 12", "product_type_id": "CASH", "active_flag": True},
            {"product_code": "P2", "product_name": "Strange", "product_type_id": "T9"},
            {"product_code": "P3", "product_name": "Gone", "product_type_id": "CASH", "active_flag": True},
            {"product_code": "P3", "product_name": "Gone", "product_type_id": "CASH", "deleted": True, "on": "2024-05-01"},
        ],
        contracts=[contract("A", product_code="P3"), contract("B", product_code="P2"), contract("C", product_code="P9")],
    )


def test_region_paths_follow_renamed_parents(rows):
    found = by(dim_region(rows.regions), "region_id", "valid_from")
    assert found["N1", "1900-01-01"]["region_path"] == "Vietnam > North > Ha Nam"
    assert texts(found["N1", "1900-01-01"], "valid_to", "is_current") == ("2024-03-01", False)
    assert found["N1", "2024-03-01"]["region_path"] == "Vietnam > Northern Delta > Ha Nam"
    assert texts(found["N1", "2024-07-01"], "valid_to", "is_current", "successor_region_id") == (None, True, "N2")
    assert ("N2", "2024-07-01") not in found  # nothing changed for it


def test_region_edges(rows):
    found = by(dim_region(rows.regions), "region_id", "valid_from")
    unknown = found["Unknown", "1900-01-01"]
    assert texts(unknown, "region_name", "region_path", "valid_to", "is_current") == ("Unknown", "Unknown", None, True)
    assert texts(found["GONE", "1900-01-01"], "valid_to", "is_current") == ("2024-05-01", False)
    assert found["LOOP_A", "1900-01-01"]["region_path"] == "B > A"  # a circle ends where it would meet a region again


def test_e40_clients_over_time(rows):
    spans: dict[str, list] = {}
    for row in dim_client(rows.clients, rows.regions, TERMS).order_by("client_id", "valid_from").to_pyarrow().to_pylist():
        spans.setdefault(row["client_id"], []).append(texts(row, "region_id", "valid_from", "valid_to", "is_current"))
    assert spans == {
        "DELETED": [("N2", "1900-01-01", "2024-05-20", False)],
        "EMPTY": [("Unknown", "1900-01-01", None, True)],
        # A change dated after its delivery counts from the delivery.
        "FUTURE_CHANGE": [("N1", "1900-01-01", "2024-05-20", False), ("N2", "2024-05-20", None, True)],
        "LATE": [("N2", "2024-05-20", None, True)],
        "MOVES": [("N1", "1900-01-01", "2024-05-15", False), ("N2", "2024-05-15", None, True)],
        # The correction holds from the day of the move it corrects, so the move never was.
        "MOVES_BACK": [("N1", "1900-01-01", None, True)],
        "RENAMED": [("N1", "1900-01-01", None, True)],  # a name is no part of the table
        "STAYS": [("N1", "1900-01-01", None, True)],
        "STRANGE": [("Unknown", "1900-01-01", None, True)],
    }
    assert "client_name" not in dim_client(rows.clients, rows.regions, TERMS).columns


def test_region_on_a_day_by_what_was_known(rows):
    as_ofs = as_of_dates([date(2024, 5, 19), date(2024, 5, 31)], TERMS.time_zone)
    asked = as_ofs.select("as_of_on").cross_join(rows.clients.select("client_id").distinct())
    days = asked.mutate(start_date=asked.as_of_on.year().cast("string") + "-05-17").mutate(
        start_date=lambda row: row.start_date.cast("date")
    )
    found = by(regions_on(days, "start_date", rows, as_ofs, TERMS), "as_of_on", "client_id")
    assert found["2024-05-19", "MOVES"]["region_id"] == "N1"  # the move of 05-15 was delivered on 05-20
    assert found["2024-05-31", "MOVES"]["region_id"] == "N2"
    assert ("2024-05-19", "LATE") not in found
    assert found["2024-05-31", "LATE"]["region_id"] == "N2"  # before its first value: that value
    assert found["2024-05-31", "STRANGE"]["region_id"] == "Unknown"


def test_e40_current_map_follows_successors(rows):
    then, now = date(2024, 6, 30), date(2024, 7, 1)
    found = by(current_map(rows, as_of_dates([then, now], TERMS.time_zone)), "as_of_on", "region_id")
    assert found["2024-06-30", "N1"]["region_current_map_id"] == "N1"
    assert found["2024-07-01", "N1"]["region_current_map_id"] == "N2"
    assert found["2024-07-01", "NEXT"]["region_current_map_id"] == "N2"  # two steps
    assert found["2024-07-01", "LOST"]["region_current_map_id"] == "Unknown"  # a successor that nobody delivered


def test_products(rows):
    found = by(dim_product(rows.products, rows.product_types), "product_code")
    assert texts(found["P1"], "product_type_id", "product_type_name", "is_active") == ("CASH", "Cash loan", True)
    assert texts(found["P2"], "product_type_id", "product_type_name", "is_active") == ("Unknown", "Unknown", None)
    assert texts(found["P3"], "product_type_id", "is_active") == ("CASH", False)  # deleted: still names its contracts
    assert texts(found["Unknown"], "product_name", "product_type_id", "product_type_name") == ("Unknown", "Unknown", "Unknown")


def test_contracts_of_unknown_products(rows):
    found = by(at(rows, "2024-06-30").contracts, "contract_number")
    placed = {number: (row["product_code"], row["product_type_id"]) for number, row in found.items()}
    assert placed == {"A": ("P3", "CASH"), "B": ("P2", "Unknown"), "C": ("Unknown", "Unknown")}


def test_calendar():
    found = by(dim_date(date(2024, 2, 1), date(2024, 3, 31)), "date")
    assert len(found) == 60
    assert texts(found["2024-02-29"], "month_on", "month_start_on", "year", "month", "is_month_end") == (
        "2024-02-29",
        "2024-02-01",
        2024,
        2,
        True,
    )
    assert not found["2024-02-28"]["is_month_end"]
