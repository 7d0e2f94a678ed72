"""Writing the report: one HTML file a page, from one release, each complete in itself.

The same release and generated_at give the same bytes, whatever the machine. A page is replaced as a whole, so a reader never
sees half of one.
"""

from collections.abc import Sequence
from datetime import date, datetime
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from warehouse.lake import Release
from warehouse.report import html
from warehouse.report.charts.frame import SIGNALS, Figure
from warehouse.report.encode import columnar
from warehouse.report.health_page import health_cards
from warehouse.report.measures import RATES, RISK_TILES, TILES, Measure, columns_of
from warehouse.report.pages import PAGES, Page
from warehouse.report.read import TOP_CLIENTS, Data, Source, read
from warehouse.report.restated import TITLES as RESTATED
from warehouse.report.specs import TITLES, follows, missing, spec_of
from warehouse.report.theme import config
from warehouse.warehouse import Warehouse

FOLDER = "portfolio"
VINTAGES = {"ever30": "Ever 30 days past due", "ever90": "Ever 90 days past due", "defaulted": "Defaulted principal"}
ATTRIBUTIONS = {"as_of": "as of each month", "origination": "when the contract began", "current": "on today's map"}


class Report(NamedTuple):
    """What was written.

    Attributes:
        folder: of the pages.
        pages: their paths; the first is where to begin.
        release: that they show.
    """

    folder: Path
    pages: tuple[Path, ...]
    release: Release


class Frame(NamedTuple):
    """What all pages of a report share."""

    release: Release
    data: Data
    currency: str
    generated_at: datetime


def write_report(warehouse: Warehouse, folder: Path, currency: str, generated_at: datetime) -> Report:
    """Write the portfolio report of a release.

    Args:
        warehouse: opened at the release to show.
        folder: where the pages go; made if it is missing.
        currency: of all amounts.
        generated_at: moment that the pages state, UTC.

    Raises:
        NoRelease: nothing was published yet, or that release does not exist.
    """
    frame = Frame(warehouse.release, read(Source(warehouse.table, warehouse.tables())), currency, generated_at)
    folder.mkdir(parents=True, exist_ok=True)
    return Report(folder, tuple(replaced(folder / f"{page.name}.html", page_text(page, frame)) for page in PAGES), frame.release)


def replaced(path: Path, text: str) -> Path:
    """Write a file under another name and put it in place at once."""
    partial = path.with_suffix(".part")
    partial.write_text(text, encoding="utf-8")
    return partial.replace(path)


def page_text(page: Page, frame: Frame) -> str:
    """The HTML of one page."""
    held = [figure for figure in page.figures if not missing(figure, frame.data)]
    choices = _choices(page, frame.data)
    cards = "".join(_card(figure, page, frame) for figure in page.figures)
    (before, after), tiles = _tables(page, frame), _tiles(page)
    body = f'<p class="lead">{escape(page.text)}</p>'
    if tiles:
        body += (
            f'<section class="tiles" aria-label="Key figures">{"".join(html.tile(n, pair[0]) for n, pair in enumerate(tiles))}</section>'
        )
    body += f'<div class="grid">{before}{cards}{after}</div>' + _definitions(tiles)
    filters = "".join(html.select(name, TITLES[name], options, _default(name, options, frame.data)) for name, options in choices.items())
    return html.document(
        title=f"{page.title} · Portfolio report",
        header=_header(page, frame),
        filters=filters,
        body=body,
        footer=_footer(frame),
        data=_script_data(page, held, tiles, frame),
    )


def _tiles(page: Page) -> tuple[tuple[Measure, Measure], ...]:
    return tuple(pair for pair in (*TILES, *RISK_TILES) if pair[0].name in page.tiles)


def _card(figure: Figure, page: Page, frame: Frame) -> str:
    if missing(figure, frame.data):
        return html.absent(figure, frame.currency, page.lacking)
    ignored = [
        name
        for name in page.filters
        if name not in follows(spec_of(figure, frame.data, frame.currency)) and name not in ("level", "rate", "vintage", "restated")
    ]
    reasons = [f"{TITLES[name]}{f' ({figure.why[name]})' if name in figure.why else ''}" for name in ignored]
    note = f'<p class="note">Does not follow: {escape("; ".join(reasons))}.</p>' if reasons else ""
    return html.card(figure, frame.currency, note)


def _choices(page: Page, data: Data) -> dict[str, list[tuple[str, str]]]:
    """The options of each filter of a page."""
    tops = sorted({labels[0] for labels in data.regions.labels.values()})
    months = [(day.isoformat(), month_text(day, is_complete)) for day, is_complete in reversed(data.months.items())]
    held = set(data.datasets["portfolio"]["attribution"].to_pylist()) if "portfolio" in data.datasets else set()
    options = {
        "month": months,
        "product": [("", "All products"), *data.products.items()],
        "within": [("", "All regions"), *((top, top) for top in tops)],
        "level": [(f"level_{place}", title) for place, title in enumerate(data.regions.levels, start=1)],
        "attribution": [(name, text) for name, text in ATTRIBUTIONS.items() if name in held],
        "measure": [("amount", "Amounts"), ("count", "Counts")],
        "rate": [(one.name, one.title) for one in RATES if _has(one, data)],
        "vintage": [*VINTAGES.items()],
        "restated": [*RESTATED.items()] if "restatement" in data.datasets else [],
    }
    least = {name: 2 if name in ("level", "attribution") else 1 for name in options}  # these two say nothing when there is no choice
    return {name: options[name] for name in page.filters if len(options[name]) >= least[name]}


def _has(measure: Measure, data: Data) -> bool:
    return measure.dataset in data.datasets and {measure.top, measure.bottom or measure.top} <= set(
        data.datasets[measure.dataset].column_names
    )


def _default(name: str, options: Sequence[tuple[str, str]], data: Data) -> str:
    """The option that a page begins with: the last complete month, else the first option."""
    complete = [day for day, is_complete in data.months.items() if is_complete]
    return complete[-1].isoformat() if name == "month" and complete else options[0][0]


def month_text(day: date, is_complete: bool = True) -> str:
    """A month as people write it; one that is still open says so."""
    return f"{day:%b %Y}" if is_complete else f"{day:%b %Y} (open)"


def _script_data(page: Page, figures: Sequence[Figure], tiles: Sequence[tuple[Measure, Measure]], frame: Frame) -> dict[str, Any]:
    """What the page's script reads; only the datasets and columns that the page shows."""
    data = frame.data
    needs: dict[str, set[str]] = {}
    for figure in figures:
        for name, columns in figure.needs.items():
            needs.setdefault(name, set()).update(columns)
    for measure in (one for pair in tiles for one in pair):
        cell = {"attribution", "month_on", "region_id", "product_type_id"}
        needs.setdefault(measure.dataset, set()).update({measure.top, measure.bottom, *cell})
    if "portfolio" in needs:
        needs["portfolio"] |= {"region_id", *(columns_of(RATES) if "rate" in page.filters else ())}
    if page.name == "risk":
        needs["likeliest"] = set(data.datasets["likeliest"].column_names) if "likeliest" in data.datasets else set()
    unasked = {name: value for name, value in SIGNALS.items() if name not in ("rate", "dark")}
    latest = _default("month", [("", "")], data)
    return {
        "currency": frame.currency,
        "months": [
            {"on": day.isoformat(), "text": month_text(day, is_complete), "is_complete": is_complete}
            for day, is_complete in data.months.items()
        ],
        "vintages": {day.replace(day=1).isoformat(): month_text(day) for day in data.months},
        "products": data.products,
        "regions": data.regions.labels,
        "levels": data.regions.levels,
        "datasets": {name: columnar(data.datasets[name], sorted(columns)) for name, columns in needs.items() if name in data.datasets},
        "charts": {figure.name: spec_of(figure, frame.data, frame.currency) for figure in figures},
        "needs": {figure.name: sorted(figure.needs) for figure in figures},
        "values": {figure.name: figure.value for figure in figures},
        "tiles": [{"amount": amount.as_json(), "count": count.as_json()} for amount, count in tiles],
        "rates": {one.name: one.as_json() for one in RATES},
        "names": {
            "rate": {one.name: one.title for one in RATES},
            "vintage": VINTAGES,
            "restated": RESTATED,
            "restated_unit": _restated_units(frame.currency),
        },
        "unasked": unasked | {"month": latest, "rate": RATES[0].name},
        "themes": {"light": config(False), "dark": config(True)},
        "top_clients": TOP_CLIENTS,
    }


def _restated_units(currency: str) -> dict[str, str]:
    return {name: "contracts" if name.endswith("_count") else f"million {currency}" for name in RESTATED}


def _header(page: Page, frame: Frame) -> str:
    links = "".join(
        f'<a href="{one.name}.html"{" aria-current=page" if one.name == page.name else ""}>{escape(one.title)}</a>' for one in PAGES
    )
    release = frame.release
    return (
        "<header><h1>Portfolio report</h1>"
        f"<p>Release {release.release_id} · business date {release.business_date} · amounts in million {escape(frame.currency)}</p>"
        '<button id="theme" type="button">Light or dark</button>'
        f'<nav aria-label="Pages">{links}</nav></header>'
    )


def _footer(frame: Frame) -> str:
    release = frame.release
    return (
        f"Release {release.release_id} of business date {release.business_date}, published {release.created_at:%Y-%m-%d %H:%M} UTC; "
        f"generated {frame.generated_at:%Y-%m-%d %H:%M} UTC. Month-end figures are as they were known then; figures of installments, "
        "events and cohorts are valued at the release. Rates are sums divided by sums under every filter."
    )


def _definitions(tiles: Sequence[tuple[Measure, Measure]]) -> str:
    if not tiles:
        return ""
    rows = "".join(f"<dt>{escape(pair[0].title)}</dt><dd>{escape(pair[0].text)}</dd>" for pair in tiles)
    return f"<details><summary>What the key figures mean</summary><dl>{rows}</dl></details>"


def _tables(page: Page, frame: Frame) -> tuple[str, str]:
    """What else a page shows, before its charts and after them."""
    if page.name == "health":
        return health_cards(frame.data, frame.release)
    has_clients = page.name == "risk" and "likeliest" in frame.data.datasets
    return "", _likeliest(frame) if has_clients else ""


def _likeliest(frame: Frame) -> str:
    """The list of the clients who are most likely to default; the script fills it for the chosen product and region."""
    scored = frame.data.datasets["risk"].select(["business_date", "model_name", "model_version"]).slice(0, 1).to_pylist()
    of = f"{scored[0]['model_name']} {scored[0]['model_version']}, as of {scored[0]['business_date']}" if scored else "no scores"
    names = ("Client", "Probability", "Grade", "Score", "Region", "Product", "Outstanding", "Overdue", "What raises the risk")
    numbers = ("Probability", "Score", "Outstanding", "Overdue")
    text = (
        f"The first {TOP_CLIENTS} clients of the chosen product and region who owe something, by {of}. Amounts in million {frame.currency}."
    )
    content = html.table([(name, name in numbers) for name in names], [], identity="likeliest")
    content += '<p class="empty" id="likeliest-empty" hidden>No scored client for this choice.</p>'
    return html.section("Clients most likely to default", text, content, wide=True)
