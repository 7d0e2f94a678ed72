"""The parity gate on the simulator's dirty history: all ways and a plain-Python oracle agree on every cell."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import NamedTuple

import pytest

from features.build import FEATURE_TABLES, build_features
from features.online.backend import EQUAL, UNEQUAL
from features.online.reader import OnlineReader
from features.online_of_settings import online_backend
from features.parity import check_parity
from features.parity_report import ParityReport, page
from features.publish import publish_online
from features.region import CLIENT_REGION, month_ends_before
from features.tables import CLIENT_REPAYMENT, CLIENT_REPAYMENT_SPEC
from orchestration.cli import main
from tests.features.releases import settings_of
from tests.oracles import features as oracle
from tests.oracles import features_region as region_oracle
from tests.oracles.compare import same
from tests.oracles.ledger import KEYS, Ledger
from tests.oracles.positions import Book
from tests.warehouse.test_simulate_platform import DIRTY
from warehouse.curated.dim_date import DIM_DATE, dim_date
from warehouse.ingest import ingest_delivery
from warehouse.lake import Lake, Release
from warehouse.settings import Settings
from warehouse.simulate import Profile, simulate

LENDER = Profile("dirty", clients=150, months=16, days=1, last=date(2025, 6, 27), rates=DIRTY, shocks=("S1",), file_format="parquet")
NAMES = [feature.name for feature in (*CLIENT_REPAYMENT, *CLIENT_REGION)]


class Served(NamedTuple):
    """A home whose online store serves the last of two releases."""

    settings: Settings
    lake: Lake
    report: ParityReport
    day: date


def build(lake: Lake, run: str) -> Release:
    """A release of the features of everything ingested; as the commands do it, without the marts."""
    intake = lake.intake()
    assert intake is not None
    day, terms = intake.release.business_date, lake.settings.terms
    candidate = lake.candidate("release", run)
    candidate.write(DIM_DATE, dim_date(day, day))  # a release pins the staging tables that its curated tables were made of
    candidate.audit(DIM_DATE)
    build_features(candidate, sorted({day, *month_ends_before(day)}), terms)
    return candidate.publish(day)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Every delivery ingested; the store was published before the last one, and again after it."""
    settings = settings_of(tmp_path_factory.mktemp("home"))
    deliveries = simulate(LENDER, 11, tmp_path_factory.mktemp("lender")).deliveries
    with Lake(settings) as lake:
        for number, (day, folder) in enumerate(deliveries):
            ingest_delivery(lake, settings, folder, day, f"ingest-{number}", allow_partial=True)
            if number == len(deliveries) - 2:
                build(lake, "first")
                publish_online(settings, lake)
        release = build(lake, "second")
        publish_online(settings, lake)
        yield Served(settings, lake, check_parity(settings, lake), release.business_date)


def test_all_ways_agree_on_every_cell(served: Served) -> None:
    assert not [str(cell) for cell in served.report.mismatches][:5]
    repayment, region = served.report.views
    assert (repayment.view, region.view) == ("client_repayment", "client_region")
    assert 100 < repayment.rows_online == repayment.rows_offline == region.rows_online == repayment.checked_keys
    assert 10 < repayment.changed_keys < repayment.rows_online
    for view, features in ((repayment, CLIENT_REPAYMENT), (region, CLIENT_REGION)):
        assert view.cells == dict.fromkeys(("reader", "feast", "staging"), view.rows_online * len(features))


def test_a_release_of_other_terms_or_code_is_right_by_those(served: Served) -> None:
    """As after LENDING_GRACE_DAYS was changed, or a rollback past a corrected formula."""
    now = replace(served.settings, terms=replace(served.settings.terms, grace_days=5))
    report = check_parity(now, served.lake, sample=5)
    assert report.is_equal
    for view, before in zip(report.views, served.report.views, strict=True):
        assert (before.is_of_our_recipe, view.is_of_our_recipe) == (True, False)
        assert "staging" not in view.cells
    assert "client_repayment: computed by other code or terms, not worked out anew." in page(report)
    assert "worked out anew" not in page(served.report)


def test_the_oracle_agrees_on_every_cell(served: Served) -> None:
    """A third witness that shares no code with the platform, over every client."""
    intake = served.lake.intake()
    assert intake is not None
    held = [name for name in KEYS if f"staging.{name}" in intake.release.tables]
    ledger = Ledger({name: intake.table(f"staging.{name}").to_pyarrow().to_pylist() for name in held})
    now, month, quarter = (Book(ledger, day, served.settings.terms) for day in region_oracle.days(served.day))
    expected = oracle.client_repayment(now)
    for client, values in region_oracle.client_region(now, month, quarter).items():
        expected[client] = expected[client] | values
    reader = OnlineReader(online_backend(served.settings), features=NAMES)
    rows = reader.read(sorted(expected))
    assert rows.found.all()
    assert len(expected) == served.report.views[0].rows_online
    differing = [
        (client, name, value, expected[client][name])
        for client, values in zip(sorted(expected), rows.values.tolist(), strict=True)
        for name, value in zip(NAMES, values, strict=True)
        if not same(expected[client][name], None if value != value else value)
    ]
    assert not differing[:5]
    assert sum(value == value for value in rows.values.ravel().tolist()) > 5_000


def found_clients(served: Served) -> list[str]:
    rows = served.lake.at().table(CLIENT_REPAYMENT_SPEC.name)
    return sorted(rows.filter(rows.as_of_on == served.day, rows.open_contract_count > 0).client_id.to_pyarrow().to_pylist())


@pytest.mark.integration
def test_a_snapshot_that_its_staging_tables_contradict(
    served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Online and offline agree on the altered value, so only values worked out anew tell. The command fails, and a rollback helps."""
    client, good = found_clients(served)[3], served.lake.at().release.release_id
    candidate = served.lake.candidate("release", "altered")
    rows = served.lake.at().table(CLIENT_REPAYMENT_SPEC.name)
    of_day = rows.filter(rows.as_of_on == served.day)
    is_client = of_day.client_id == client
    altered = of_day.mutate(late_count_lifetime=of_day.late_count_lifetime + is_client.cast("int64"))
    candidate.write(CLIENT_REPAYMENT_SPEC, altered.select(*CLIENT_REPAYMENT_SPEC.column_names), replace=[served.day])
    for spec in FEATURE_TABLES:
        candidate.audit(spec)
    candidate.publish(served.day)
    monkeypatch.setenv("LENDING_HOME", str(served.settings.home))
    assert main(["materialize"]) == 1
    said = capsys.readouterr().err
    assert f"parity: {client} late_count_lifetime (staging)" in said
    assert online_backend(served.settings).generation().parity == UNEQUAL
    assert main(["status", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["online_parity"], facts["online_release_id"]) == (UNEQUAL, good + 1)
    assert any("parity" in line for line in facts["open_alerts"])
    assert main(["rollback", "--to", str(good)]) == 0
    assert online_backend(served.settings).generation().parity == EQUAL
    capsys.readouterr()
    assert main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["open_alerts"] == []
