"""`lending report`: where the pages go, which release they show, and what it says when there is none."""

import re
from pathlib import Path

import pytest

from orchestration.cli import main
from tests.warehouse.report_book import book, publish
from warehouse.lake import Lake
from warehouse.report.pages import PAGES
from warehouse.settings import Settings


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """The home of the command, empty."""
    monkeypatch.setenv("LENDING_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def published(home: Path) -> None:
    """A release in that home."""
    with Lake(Settings.from_env({"LENDING_HOME": str(home)})) as lake:
        publish(lake, book())


def test_before_the_first_release_it_says_what_to_run(home, capsys):
    assert main(["report"]) == 1
    assert capsys.readouterr() == ("", "lending report: no release yet; run lending build\n")
    assert not (home / "reports").exists()


def test_it_writes_every_page_and_prints_where_to_begin(home, tmp_path, capsys):
    published(home)
    assert main(["report"]) == 0
    path = Path(re.fullmatch(r"portfolio report of release 1, 6 pages: (.*)\n", capsys.readouterr().out)[1])
    assert path == home / "reports" / "portfolio" / "index.html"
    assert {page.name for page in path.parent.iterdir()} == {f"{page.name}.html" for page in PAGES}
    assert "portfolio/index.html" in (home / "reports" / "index.html").read_text()
    assert main(["report", "--out", str(tmp_path / "out"), "--release", "1"]) == 0
    assert (tmp_path / "out" / "health.html").is_file()
    assert main(["report", "--release", "7"]) == 1
    assert "no release 7" in capsys.readouterr().err


def test_a_folder_that_cannot_be_one_is_a_sentence(home, tmp_path, capsys):
    published(home)
    (tmp_path / "file").write_text("")
    assert main(["report", "--out", str(tmp_path / "file")]) == 1
    assert str(tmp_path / "file") in capsys.readouterr().err


def test_a_release_is_a_number_from_one(home, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["report", "--release", "0"])
    assert ended.value.code == 2
