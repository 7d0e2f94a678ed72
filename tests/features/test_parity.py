"""The parity gate passes on what was published and names every cell that differs."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from features.entity_key import keys_of
from features.online_backend import OnlineStoreMissing
from features.parity import check_parity
from features.publish import publish_online
from tests.features.releases import DAY, NEXT_DAY, release, settings_of
from warehouse.lake import Lake
from warehouse.settings import Settings

CLIENTS = {
    f"c{n:03d}": {"dpd": n, "overdue_amount": n / 8, "late_pay_ratio_3m": None if n % 3 else (n % 7) / 7} for n in range(120)
}  # every third client has a ratio, the others none


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of(tmp_path)


@pytest.fixture
def lake(settings: Settings) -> Iterator[Lake]:
    with Lake(settings) as opened:
        release(opened, {DAY: CLIENTS})
        yield opened


def change(settings: Settings, statement: str, *clients: str) -> None:
    """Run a statement on the online file, with the keys of some clients."""
    con = sqlite3.connect(settings.online_store, isolation_level=None)
    assert con.execute(statement, keys_of("client_id", "string", clients)).rowcount == 1
    con.close()


def test_what_was_published_is_equal_cell_by_cell(settings: Settings, lake: Lake) -> None:
    publish_online(settings, lake)
    report = check_parity(settings, lake, sample=50)
    assert report.is_equal
    assert (report.release_id, report.rows_online, report.rows_offline) == (1, 120, 120)
    assert (report.checked_keys, report.checked_cells) == (120, (120 + 50) * 21)


def test_it_holds_after_unchanged_rows_and_after_a_rollback(settings: Settings, lake: Lake) -> None:
    publish_online(settings, lake)
    release(lake, {NEXT_DAY: {**CLIENTS, "c001": {"dpd": 5}, "new": {}}})
    publish_online(settings, lake)
    later = check_parity(settings, lake, sample=10)
    assert later.is_equal
    assert later.rows_online == 121
    assert later.checked_keys in (11, 12)  # ten of the sample and the two that changed
    lake.rollback(1)
    assert check_parity(settings, lake).release_id == 2  # compared with what is served, not with what is newest
    publish_online(settings, lake)
    assert check_parity(settings, lake).is_equal


def test_a_wrong_value_is_named_by_both_ways_of_reading(settings: Settings, lake: Lake) -> None:
    publish_online(settings, lake)
    donor = "(SELECT value FROM lending_client_repayment WHERE entity_key = ?)"
    change(settings, f"UPDATE lending_client_repayment SET value = {donor} WHERE entity_key = ?", "c099", "c007")
    found = check_parity(settings, lake).mismatches
    assert {(cell.entity, cell.feature, cell.by, cell.online, cell.offline) for cell in found if cell.feature == "dpd"} == {
        ("c007", "dpd", "reader", 99, 7),
        ("c007", "dpd", "feast", 99, 7),
    }


def test_rows_on_one_side_only_are_named(settings: Settings, lake: Lake) -> None:
    publish_online(settings, lake)
    change(settings, "DELETE FROM lending_client_repayment WHERE entity_key = ?", "c007")
    change(settings, "UPDATE lending_client_repayment SET entity_key = ? WHERE entity_key = ?", "x009", "c009")
    found = {(row.entity, row.online, row.offline) for row in check_parity(settings, lake).mismatches}
    assert found == {("c007", "no row", "row"), ("c009", "no row", "row"), ("x009", "row", "no row")}


def test_nothing_published_is_an_error(settings: Settings, lake: Lake) -> None:
    with pytest.raises(OnlineStoreMissing, match="publish the features first"):
        check_parity(settings, lake)
