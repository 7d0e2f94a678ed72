"""Versions of the data contracts: which one a header shows, and ids that a later version spells in another way."""

from datetime import date

import pytest
from ibis.backends import BaseBackend

from tests.warehouse.judging import Delivered, judged
from warehouse.raw.header import match_header
from warehouse.sources import SOURCES
from warehouse.sources.clients import CLIENTS
from warehouse.sources.installments import INSTALLMENTS

DAY, NEXT_DAY = date(2024, 5, 31), date(2024, 6, 1)
CONTRACT = {
    "contract_number": "1", "product_code": "P", "principal_amount": "100", "tenor": "1", "start_date": "2024-01-01", "status": "Active",
}  # fmt: skip


@pytest.mark.parametrize(
    ("titles", "version"),
    [
        (["client_id", "region_id"], "v1"),
        (["client_id", "region_id", "client_name", "district_code", "op", "updated_at"], "v1"),
        (["client_id", "region_id", "Family Name", "given_name", "district_code"], "v3"),
        (["client_id", "region_id", "family_name", "given_name", "commune_code"], "v4"),
        (["client_id", "region_id", "commune_code"], "v4"),
    ],
)
def test_a_header_shows_the_newest_version_of_which_it_has_a_column(titles: list[str], version: str) -> None:
    header = match_header(titles, CLIENTS)

    assert header.schema_version == version
    assert not header.unknown


@pytest.mark.parametrize(("title", "version"), [("penalty_amount", "v1"), ("late_fee", "v2"), ("Late Fee", "v2")])
def test_a_renamed_column_shows_its_version_and_goes_where_the_old_one_went(title: str, version: str) -> None:
    required = [column.name for column in INSTALLMENTS.columns if column.required]

    header = match_header([*required, title], INSTALLMENTS)

    assert (header.schema_version, header.names[-1]) == (version, "penalty_amount")


def test_versions_name_columns_that_are_declared() -> None:
    for source in SOURCES:
        declared = {column.name for column in source.all_columns}
        aliases = {alias: column.name for column in source.all_columns for alias in column.aliases}
        for version in source.versions:
            assert {*version.adds, *version.drops} <= declared
            assert all(old in declared and aliases[new] == old for old, new in version.renames)
            assert not any(column.required for column in source.columns if column.name in (*version.adds, *version.drops))


@pytest.mark.parametrize(
    ("delivered", "held"),
    [
        ("KH-00000012", "00000012"),
        (" KH-00000012 ", "00000012"),
        ("00000012", "00000012"),
        ("KH-0000012", "KH-0000012"),  # seven digits
        ("KH-000000123", "KH-000000123"),  # nine
        ("kh-00000012", "kh-00000012"),
        ("KH00000012", "KH00000012"),
        ("XKH-00000012", "XKH-00000012"),
        ("KH-00000012-D17", "KH-00000012-D17"),
        ("KH-0000001A", "KH-0000001A"),
    ],
)
def test_only_the_prefix_and_eight_digits_are_the_id_of_older_files(con: BaseBackend, delivered: str, held: str) -> None:
    """The same in clients and contracts, so that a reference finds its parent in whichever spelling each came."""
    files = [("clients", [{"client_id": delivered, "region_id": None}]), ("contracts", [{**CONTRACT, "client_id": delivered}])]

    result = judged(con, [Delivered(DAY, files)], ["clients", "contracts"])

    assert [row["client_id"] for row in result.staging["clients"]] == [held]
    assert [row["client_id"] for row in result.staging["contracts"]] == [held]


def test_a_key_in_the_new_spelling_is_the_next_version_or_the_end_of_the_old_one(con: BaseBackend) -> None:
    old = [("clients", [{"client_id": "00000012", "region_id": "A"}, {"client_id": "00000013", "region_id": "A"}])]
    new = [("clients", [{"client_id": "KH-00000012", "region_id": "B"}, {"client_id": "KH-00000013", "region_id": None, "op": "D"}])]

    staged = judged(con, [Delivered(DAY, old), Delivered(NEXT_DAY, new)], ["clients"]).staging["clients"]

    assert sorted((row["client_id"], row["business_date"], row["region_id"], row["is_deleted"]) for row in staged) == [
        ("00000012", DAY, "A", False),
        ("00000012", NEXT_DAY, "B", False),
        ("00000013", DAY, "A", False),
        ("00000013", NEXT_DAY, None, True),
    ]


def test_both_spellings_in_one_delivery_are_one_key(con: BaseBackend) -> None:
    rows = [{"client_id": "00000012", "region_id": "A"}, {"client_id": "KH-00000012", "region_id": "A"}]

    result = judged(con, [Delivered(DAY, [("clients", rows)])], ["clients"])

    assert sorted(disposition for disposition, _ in result.of("clients").values()) == ["accepted", "duplicate"]


def test_parts_of_a_name_are_masked_like_the_name(con: BaseBackend) -> None:
    row = {"client_id": "C1", "region_id": "R9", "family_name": "Nguyễn", "given_name": "Văn An"}

    (entry,) = judged(con, [Delivered(DAY, [("clients", [row])])], ["clients"]).quarantine

    assert entry["raw_row"] == '{"client_id": "C1", "region_id": "R9", "family_name": "***", "given_name": "***"}'
