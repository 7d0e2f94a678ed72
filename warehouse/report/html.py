"""A page of the report as HTML: frame, filter bar, tiles, cards, and all that it needs to open without a network.

Every text that comes from data goes through html.escape or script_json; the content security policy refuses anything from elsewhere.
"""

import re
from collections.abc import Sequence
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from warehouse.report.charts.frame import Figure
from warehouse.report.encode import script_json
from warehouse.report.measures import Measure
from warehouse.report.theme import FONT, colors

POLICY = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"
Choices = Sequence[tuple[str, str]]


def document(title: str, header: str, filters: str, body: str, footer: str, data: dict[str, Any] | None) -> str:
    """A whole page.

    Args:
        title: of the window.
        header: HTML of the header.
        filters: HTML of the filter bar.
        body: HTML of the main part.
        footer: HTML of the footer.
        data: what the page's script reads; None leaves the script out. A page without charts does not carry the chart library.
    """
    scripts = "" if data is None else _scripts(data)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<link rel="icon" href="data:,">
<title>{escape(title)}</title>
<style>
{_variables()}
{_own("page.css")}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
{header}
<div class="bar"><form id="filters" aria-label="Filters">{filters}</form></div>
<main id="main">
<noscript><p>The figures of this page are drawn by its own script; allow it to run.</p></noscript>
{body}
</main>
<footer>{footer}</footer>
{scripts}</body>
</html>
"""


def _scripts(data: dict[str, Any]) -> str:
    """The data, the chart library if the page has charts, and our own script."""
    library = f'<script type="module">\n{_bundle()}\n</script>\n' if data["charts"] else ""
    own = f'<script type="module">\n{_own("page.js")}</script>\n'
    return f'<script type="application/json" id="page">{script_json(data)}</script>\n{library}{own}'


def select(name: str, title: str, choices: Choices, chosen: str) -> str:
    """One control of the filter bar."""
    options = "".join(
        f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(text)}</option>' for value, text in choices
    )
    return f'<label>{escape(title)}<select name="{name}" autocomplete="off">{options}</select></label>'


def tile(place: int, measure: Measure) -> str:
    """A key figure; the script fills it."""
    return (
        f'<article class="tile" data-tile="{place}" title="{escape(measure.text)}"><h2>{escape(measure.title)}</h2>'
        '<p><span class="value">–</span><span class="unit"></span></p><p class="change"></p></article>'
    )


def card(figure: Figure, currency: str, note: str) -> str:
    """A chart with its title, how to read it, what it does not follow, and its figures as a table."""
    return (
        f'<figure class="card{" wide" if figure.wide else ""}" id="{figure.name}">'
        f"<figcaption><h2>{worded(figure.title, currency)}</h2><p>{worded(figure.text, currency)}</p></figcaption>"
        '<p class="empty" hidden>Nothing to show for this choice: the release holds no such rows.</p>'
        '<div class="chart" role="img"></div>'
        f"{note}"
        f'<details class="data" data-chart="{figure.name}"><summary>Figures as a table</summary>'
        '<div class="figures" tabindex="0" role="region" aria-label="Figures"></div></details></figure>'
    )


def absent(figure: Figure, currency: str, sentence: str) -> str:
    """A card in place of a chart that the release cannot give."""
    return (
        f'<section class="card{" wide" if figure.wide else ""}"><h2>{worded(figure.title, currency)}</h2>'
        f'<p class="empty">{escape(sentence)}</p></section>'
    )


def worded(text: str, currency: str) -> str:
    """Text with its placeholders: {currency}, {rate} and {vintage} as chosen, {unit:COUNT|AMOUNT} by the chosen measure."""

    def placed(found: re.Match[str]) -> str:
        name, _, rest = found[1].partition(":")
        if name == "currency":
            return escape(currency)
        if name == "unit":
            count, _, amount = rest.partition("|")
            amount = amount or f"million {currency}"
            return f'<span class="by-count">{escape(count)}</span><span class="by-amount">{escape(amount)}</span>'
        return f'<span data-show="{name}" data-by="{name.removesuffix("_unit")}"></span>'

    return re.sub(r"\{([a-z_]+(?::[^}]*)?)\}", placed, text)


def table(names: Sequence[tuple[str, bool]], rows: Sequence[Sequence[Any]], identity: str = "") -> str:
    """A table of ready texts; of each column its title and whether it holds numbers."""
    head = "".join(f'<th scope="col"{_kind(is_number)}>{escape(name)}</th>' for name, is_number in names)
    lines = "".join(
        "<tr>"
        + "".join(f"<td{_kind(is_number)}>{escape(shown(value))}</td>" for value, (_, is_number) in zip(row, names, strict=True))
        + "</tr>"
        for row in rows
    )
    named = f' id="{identity}"' if identity else ""
    content = f"<table{named}><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"
    return f'<div class="scroll" tabindex="0" role="region" aria-label="Table">{content}</div>'


def section(title: str, text: str, content: str, wide: bool = False) -> str:
    """A card that holds something else than a chart."""
    return f'<section class="card{" wide" if wide else ""}"><h2>{escape(title)}</h2><p>{escape(text)}</p>{content}</section>'


def shown(value: Any) -> str:
    """A value as text: whole numbers with thousands marks, nothing for null."""
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _kind(is_number: bool) -> str:
    return ' class="number"' if is_number else ""


def _variables() -> str:
    """The colors as CSS variables: the reader's system decides, unless the button did."""

    def block(is_dark: bool) -> str:
        return "".join(f"--{name}: {color}; " for name, color in colors(is_dark).items())

    return (
        f":root {{ --font: {FONT}; {block(False)}}}\n"
        f"@media (prefers-color-scheme: dark) {{ :root:not([data-theme=light]) {{ {block(True)}}} }}\n"
        f":root[data-theme=dark] {{ {block(True)} color-scheme: dark; }}\n:root[data-theme=light] {{ color-scheme: light; }}"
    )


@cache
def _own(name: str) -> str:
    return files("warehouse.report").joinpath(name).read_text(encoding="utf-8")


@cache
def _bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed as one module that sets window.vegaEmbed; carried by vl-convert, so nothing is fetched."""
    import vl_convert

    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    if "</script" in bundle or "<!--" in bundle:
        raise ValueError("the chart library's bundle would end the script element that holds it; pin vl-convert-python to another version")
    return bundle
