"""The first page of the report server: the portfolio report and the drift reports that are in the folder of reports."""

from html import escape
from pathlib import Path

from warehouse.report.html import document
from warehouse.report.pages import PAGES
from warehouse.report.write import FOLDER, replaced

DRIFT = "drift_*.html"


def write_index(reports: Path) -> Path:
    """Write index.html of the folder of reports, from the files that are there.

    Args:
        reports: folder of report pages; made if it is missing.
    """
    reports.mkdir(parents=True, exist_ok=True)
    header = "<header><h1>Reports</h1><p>Written by lending report and lending drift.</p></header>"
    body = f'<div class="grid">{_portfolio(reports)}{_drift(reports)}</div>'
    return replaced(reports / "index.html", document("Reports", header, "", body, "", None))


def _portfolio(reports: Path) -> str:
    held = [page for page in PAGES if (reports / FOLDER / f"{page.name}.html").is_file()]
    links = [(f"{FOLDER}/{page.name}.html", page.title, page.text) for page in held]
    return _card("Portfolio report", links, "Not written yet; run lending report.")


def _drift(reports: Path) -> str:
    found = sorted(reports.glob(DRIFT), reverse=True)
    links = [(path.name, path.stem.removeprefix("drift_"), "features and probabilities beside the model's sample") for path in found]
    return _card("Drift reports", links, "Not written yet; run lending drift.")


def _card(title: str, links: list[tuple[str, str, str]], none: str) -> str:
    items = "".join(f'<li><a href="{escape(to)}">{escape(name)}</a> <span>{escape(text)}</span></li>' for to, name, text in links)
    content = f'<ul class="links">{items}</ul>' if links else f'<p class="empty">{escape(none)}</p>'
    return f'<section class="card"><h2>{escape(title)}</h2>{content}</section>'
