"""`lending ingest` of a delivery that looks wrong as a whole: what it prints, its exit codes, and the alerts that follow."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from orchestration.alerts import AlertBook
from orchestration.cli import main
from tests.orchestration.webhooks import webhook
from warehouse.lake import Lake
from warehouse.settings import Settings

FIRST = date(2024, 7, 1)


def deliver(folder: Path, day: date, rows: int, *options: str) -> int:
    folder.mkdir(exist_ok=True)
    lines = [f"R{row},Region {row} of {day}" for row in range(rows)]
    (folder / "regions.csv").write_text("\n".join(["region_id,region_name", *lines]) + "\n")
    return main(["ingest", str(folder), "--business-date", day.isoformat(), *options])


@pytest.mark.integration
def test_e59_a_blocked_delivery_from_the_command_line(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    folder, day = tmp_path / "delivered", FIRST + timedelta(days=5)
    monkeypatch.setenv("LENDING_HOME", str(settings.home))
    with webhook() as hook:
        monkeypatch.setenv("LENDING_ALERT_URLS", hook.address)
        for number in range(5):
            assert deliver(folder, FIRST + timedelta(days=number), 60) == 0
        capsys.readouterr()
        assert deliver(folder, day, 10) == 1
        said = capsys.readouterr()
        assert "lending ingest: nothing was taken: regions: 10 rows; usual are 60 (median of 5 business dates) (row_count_low)" in said.err
        assert "--accept row_count_low:regions" in said.err
        assert said.out.startswith("regions regions.csv 10 0 0 0 0 10 (regions: 10 rows")
        assert deliver(folder, day, 10) == 1  # again: nothing new is told
        assert [told["title"] for told in hook.received] == [f"[lending local] delivery blocked: {day}"]

        assert deliver(folder, day, 10, "--accept", "row_count_lower") == 2
        assert deliver(folder, day, 10, "--accept", "row_count_low:regions") == 0
        assert deliver(folder, day, 60) == 0  # the whole file comes after all, under the same name
        assert [told["title"] for told in hook.received[1:]] == [f"[lending local] file replaced: regions.csv of {day}"]
    capsys.readouterr()
    assert main(["sql", "select distinct kind from ops.alert order by kind", "--csv"]) == 0  # before there is a release
    assert capsys.readouterr().out == "kind\ndelivery_blocked\nfile_replaced\n"
    assert main(["status", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["open_alerts"], facts["unsent_alerts"]) == ([], 0)
    with Lake(settings) as lake:
        assert [state.raised["kind"] for state in AlertBook(lake, settings).states().values()] == ["delivery_blocked", "file_replaced"]
