"""Colors and type of the pages and their charts, light and dark.

Categories are the colors of Okabe and Ito, which stay apart for color-blind readers (lightened where a dark page needs it); ordered
values run along one hue, from close to the page's ground to far from it, so that more is always further from the ground.
"""

from typing import Any

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif"
LIGHT = {
    "ground": "#f4f6f9",
    "card": "#ffffff",
    "text": "#1b212b",
    "muted": "#596273",
    "line": "#dde2ea",
    "grid": "#e9edf2",
    "accent": "#0b63b0",
    "good": "#0a6e4f",
    "bad": "#b3402a",
    "whole": "#cfd8e3",
}
DARK = {
    "ground": "#0e1218",
    "card": "#171d27",
    "text": "#e7ebf1",
    "muted": "#9ba6b6",
    "line": "#2b3442",
    "grid": "#252d3a",
    "accent": "#63b0f2",
    "good": "#4fc79b",
    "bad": "#f0937c",
    "whole": "#3a4658",
}
CATEGORIES = {
    "light": ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#8a94a3"],
    "dark": ["#3d9fe0", "#f0b429", "#22c493", "#f0803c", "#8fd0f7", "#e09ac2", "#8a94a3"],
}
# From the ground outwards: not past due is quiet, 90 days is loud.
ORDERED = {
    "light": ["#cfd8e3", "#fdd49e", "#fc8d59", "#d7301f", "#7f0000"],
    "dark": ["#3a4658", "#7a5230", "#c8702f", "#f59a5b", "#ffd9b8"],
}
RAMP = {
    "light": ["#e8f1fa", "#b5d3ee", "#6aa8da", "#2a78b8", "#0a3f75"],
    "dark": ["#1c2634", "#214a70", "#2f78b4", "#6db3e8", "#d3ebff"],
}
# Of lines in an order, the last first: it is the strongest, and even the ninth is seen on its ground.
LINES = {
    "light": ["#06294d", "#0a437b", "#135ea3", "#2a7abf", "#4a93d0", "#6aaadc", "#89bee6", "#a5cfee", "#bfddf4"],
    "dark": ["#f0f8ff", "#cfe8ff", "#a9d4fb", "#82bef3", "#5fa7e4", "#4690cf", "#387ab6", "#2e669a", "#27547e"],
}


def colors(is_dark: bool) -> dict[str, str]:
    """The page's own colors by name."""
    return DARK if is_dark else LIGHT


def config(is_dark: bool) -> dict[str, Any]:
    """The Vega-Lite configuration of the charts."""
    name, own = ("dark", DARK) if is_dark else ("light", LIGHT)
    accent = CATEGORIES[name][0]
    return {
        "background": None,
        "font": FONT,
        "view": {"stroke": None, "continuousWidth": 400},
        "axis": {
            "labelColor": own["muted"],
            "titleColor": own["muted"],
            "titleFontWeight": "normal",
            "labelFontSize": 11.5,
            "titleFontSize": 11.5,
            "gridColor": own["grid"],
            "domainColor": own["line"],
            "tickColor": own["line"],
            "labelLimit": 230,
            "labelSeparation": 8,
        },
        "axisY": {"domain": False, "ticks": False, "labelPadding": 6},
        "legend": {
            "labelColor": own["text"],
            "titleColor": own["muted"],
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
        },
        "line": {"stroke": accent},
        "point": {"fill": accent},
        "circle": {"fill": accent},
        "bar": {"fill": accent},
        "rect": {"stroke": own["card"], "strokeWidth": 1},
        "range": {
            "category": CATEGORIES[name],
            "ordinal": ORDERED[name],
            "heatmap": RAMP[name],
            "ramp": LINES[name],
        },
        "rule": {"color": own["muted"]},
        "style": {
            "chosen": {"color": own["muted"], "strokeWidth": 1.2, "strokeDash": [4, 3]},
            "label": {"color": own["text"]},
            "interval": {"color": accent},
            "month": {"stroke": own["text"]},
            "whole": {"color": own["whole"]},
            "part": {"color": accent},
        },
    }
