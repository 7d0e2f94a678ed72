"""The parity gate passes on what was published, names every cell that differs, and its verdict is kept where scoring sees it."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from features.online.backend import EQUAL, UNEQUAL, OnlineGeneration, OnlineStoreMissing
from features.online.entity_key import keys_of
from features.online.packed import records_of
from features.online_of_settings import online_backend
from features.parity import check_parity
from features.parity_report import PARITY_REPORT, page
from features.publish import publish_online
from features.store import feature_store
from features.tables import CLIENT_REPAYMENT, CLIENT_REPAYMENT_SPEC
from serving import lookup as lookups
from serving.lookup import Lookup, LookupNotReady
from tests.features.releases import DAY, NEXT_DAY, feature_rows, release, settings_of
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


def served(settings: Settings) -> OnlineGeneration:
    found = online_backend(settings).generation()
    assert found is not None
    return found


def test_what_was_published_is_equal_cell_by_cell(settings: Settings, lake: Lake) -> None:
    publish_online(settings, lake)
    assert served(settings).parity == ""
    report = check_parity(settings, lake, sample=50)
    assert report.is_equal
    repayment, region = report.views
    assert (report.release_id, repayment.rows_online, repayment.rows_offline, repayment.changed_keys) == (1, 120, 120, 120)
    assert repayment.checked_keys == 120
    assert repayment.cells == {"reader": 120 * len(CLIENT_REPAYMENT), "feast": 50 * len(CLIENT_REPAYMENT)}
    assert (region.view, region.rows_online, region.rows_offline) == ("client_region", 0, 0)  # not in these releases
    assert served(settings).parity == EQUAL
    assert not publish_online(settings, lake).rows_written
    assert served(settings).parity == EQUAL  # nothing was written, so the verdict stays


def test_it_holds_after_unchanged_rows_and_after_a_rollback(settings: Settings, lake: Lake) -> None:
    publish_online(settings, lake)
    release(lake, {NEXT_DAY: {**CLIENTS, "c001": {"dpd": 5}, "new": {}}})
    publish_online(settings, lake)
    later = check_parity(settings, lake, sample=10).views[0]
    assert not later.mismatches
    assert (later.rows_online, later.changed_keys) == (121, 2)
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


def test_the_smallest_change_of_one_cell_is_found(settings: Settings, lake: Lake) -> None:
    publish_online(settings, lake)
    backend = online_backend(settings)
    (view,) = [view for view in backend.views() if view.name == "client_repayment"]
    (key,) = keys_of("client_id", "string", ["c012"])
    _, ((row,),) = backend.read([(view.name, [key])])
    assert row is not None
    block, place = view.schema.place["overdue_amount"]
    changed = records_of(view.schema, [row]).copy()
    changed[block][0, place] = np.nextafter(changed[block][0, place], np.inf)
    con = sqlite3.connect(settings.online_store, isolation_level=None)
    con.execute("UPDATE lending_client_repayment SET value = ? WHERE entity_key = ?", (changed.tobytes(), key))
    con.close()
    found = check_parity(settings, lake).mismatches
    assert [(cell.entity, cell.feature, cell.by, cell.offline) for cell in found] == [
        ("c012", "overdue_amount", "reader", 1.5),
        ("c012", "overdue_amount", "feast", 1.5),
    ]


def test_rows_on_one_side_only_are_named(settings: Settings, lake: Lake) -> None:
    publish_online(settings, lake)
    change(settings, "DELETE FROM lending_client_repayment WHERE entity_key = ?", "c007")
    change(settings, "UPDATE lending_client_repayment SET entity_key = ? WHERE entity_key = ?", "x009", "c009")
    found = {(row.entity, row.online, row.offline) for row in check_parity(settings, lake).mismatches}
    assert found == {("c007", "no row", "row"), ("c009", "no row", "row"), ("x009", "row", "no row")}


def test_a_row_of_an_older_generation_is_found(settings: Settings, lake: Lake) -> None:
    publish_online(settings, lake)
    con = sqlite3.connect(settings.online_store, isolation_level=None)
    (key,) = keys_of("client_id", "string", ["c005"])
    (old,) = con.execute("SELECT value FROM lending_client_repayment WHERE entity_key = ?", (key,)).fetchone()
    release(lake, {NEXT_DAY: {**CLIENTS, "c005": {"dpd": 6}}})
    publish_online(settings, lake)
    con.execute("UPDATE lending_client_repayment SET value = ? WHERE entity_key = ?", (old, key))
    con.close()
    found = {(cell.entity, cell.feature, cell.online, cell.offline) for cell in check_parity(settings, lake).mismatches}
    assert ("c005", "dpd", 5, 6) in found
    assert {entity for entity, *_ in found} == {"c005"}


def test_a_release_that_differs_does_not_count_until_it_is_mended(settings: Settings, lake: Lake) -> None:
    publish_online(settings, lake)
    check_parity(settings, lake, run_id="good")
    lookup = Lookup(online_backend(settings), ["dpd"])
    assert lookup.read(["c001"]).rows.values.tolist() == [[1]]
    change(settings, "DELETE FROM lending_client_repayment WHERE entity_key = ?", "c007")
    report = check_parity(settings, lake, run_id="bad")
    assert served(settings).parity == UNEQUAL
    with pytest.raises(LookupNotReady, match="release 1 differ from the release"):
        lookup.read([])
    assert "c007 | row | keys | no row | row" in page(report)
    assert "DIFFERS" in page(report)
    assert publish_online(settings, lake).rows_written == 1
    assert lookup.read(["c007"]).rows.found.all()  # not compared yet, which is no verdict
    assert check_parity(settings, lake, run_id="mended").is_equal
    kept = lake.ops(PARITY_REPORT).filter(lambda row: row.view_name == "client_repayment").order_by("checked_at")
    rows = kept.select("run_id", "is_equal", "mismatch_count", "mismatches", "reader_cell_count").to_pyarrow().to_pylist()
    count = len(CLIENT_REPAYMENT)
    assert [tuple(row.values()) for row in rows] == [
        ("good", True, 0, "", 120 * count),
        ("bad", False, 1, "c007 row (keys): 'no row', expected 'row'", 119 * count),
        ("mended", True, 0, "", 120 * count),
    ]


def test_a_rollback_past_a_new_feature_publishes_the_others(tmp_path: Path, redis_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The feature is absent online, not null, and a scorer that runs meanwhile sees it come and go."""
    file = settings_of(tmp_path)
    new = CLIENT_REPAYMENT_SPEC.column_names[-1]
    older = replace(CLIENT_REPAYMENT_SPEC, columns=CLIENT_REPAYMENT_SPEC.columns[:-1])
    monkeypatch.setattr(lookups, "_REBUILT_AFTER", 0.0)
    with Lake(file) as lake:
        candidate = lake.candidate("release", "older")
        candidate.write(older, feature_rows(DAY, CLIENTS).drop([new]), replace=[DAY])
        candidate.audit(older)
        candidate.publish(DAY)
        release(lake, {DAY: CLIENTS, NEXT_DAY: CLIENTS})
        lake.rollback(1)
        for settings in (file, replace(file, online_address=redis_address)):
            publish_online(settings, lake)
            report = check_parity(settings, lake, sample=50)
            assert not [str(cell) for cell in report.mismatches][:5]
            assert report.views[0].cells == {"reader": 120 * (len(CLIENT_REPAYMENT) - 1), "feast": 50 * (len(CLIENT_REPAYMENT) - 1)}
            lookup = Lookup(online_backend(settings), ["dpd", new])
            assert lookup.read(["c001"]).rows.absent.tolist() == [[False, True]]
            assert lookup.outdated()
        release(lake, {DAY: CLIENTS, NEXT_DAY: CLIENTS})
        publish_online(file, lake)
        assert check_parity(file, lake, sample=50).is_equal
        lookup = Lookup(online_backend(file), ["dpd", new])
        assert lookup.read(["c001"]).rows.missing == ()
        assert not lookup.outdated()
        lake.rollback(1)
        publish_online(file, lake)
        assert lookup.read(["c001", "nobody"]).rows.absent.tolist() == [[False, True], [False, False]]
        assert lookup.outdated()
        monkeypatch.setattr(lookups, "_REBUILT_AFTER", 3600.0)
        assert not lookup.outdated()  # made anew a moment ago


def test_a_view_that_is_no_longer_published_is_not_scored_from(settings: Settings, lake: Lake) -> None:
    publish_online(settings, lake)
    lookup = Lookup(online_backend(settings), ["dpd"])
    lookup.read(["c001"])
    con = sqlite3.connect(settings.online_store, isolation_level=None)
    con.execute("UPDATE packed_generation SET views = ?", ('["client_region"]',))
    con.close()
    with pytest.raises(LookupNotReady, match="feature view client_repayment is no longer published; promote a model"):
        lookup.read([])


def test_nothing_published_is_an_error(settings: Settings, lake: Lake) -> None:
    with pytest.raises(OnlineStoreMissing, match="publish the features first"):
        check_parity(settings, lake)


def test_the_gate_is_the_same_on_redis(tmp_path: Path, redis_address: str) -> None:
    settings = settings_of(tmp_path, online_address=redis_address)
    with Lake(settings) as lake:
        release(lake, {DAY: CLIENTS})
        publish_online(settings, lake)
        assert served(settings).parity == ""
        lookup = Lookup(online_backend(settings), ["dpd"])
        assert check_parity(settings, lake, sample=20).is_equal
        assert served(settings).parity == EQUAL
        store = feature_store(settings, lake=lake)
        row = feature_rows(DAY, {"c007": {"dpd": 8}}).to_pandas().drop(columns=["as_of_on", "computed_at"])
        store.write_to_online_store("client_repayment", row)  # the times are those of the served row, so it is written
        found = {(cell.entity, cell.feature, cell.online, cell.offline) for cell in check_parity(settings, lake).mismatches}
        assert ("c007", "dpd", 8, 7) in found
        assert {entity for entity, *_ in found} == {"c007"}
        assert served(settings).parity == UNEQUAL
        with pytest.raises(LookupNotReady, match="differ from the release"):
            lookup.read(["c001"])
        assert publish_online(settings, lake).rows_written == 1
        assert check_parity(settings, lake).is_equal
        assert lookup.read(["c007"]).rows.values.tolist() == [[7]]
