"""Charts as the pages carry them: the Vega-Lite specification of a figure, what it follows, and what it lacks."""

from collections.abc import Mapping
from typing import Any

from warehouse.report.charts.frame import Figure
from warehouse.report.read import Data
from warehouse.report.restated import EARLIER

VIRTUAL = ("month_text", "is_complete_month", "product_name", "vintage_text")  # the page adds them to every row
TITLES = {
    "month": "As of",
    "product": "Product",
    "within": "Region",
    "level": "Show regions as",
    "attribution": "Region of the client",
    "measure": "Amounts or counts",
    "rate": "Rate",
    "vintage": "Cohorts by",
    "restated": "Restated measure",
}


def missing(figure: Figure, data: Data) -> list[str]:
    """Datasets and columns that a chart needs and the release does not hold."""
    lacking = []
    for name, columns in figure.needs.items():
        has = data.datasets[name].column_names if name in data.datasets else ()
        lacking += [f"{name}.{column}" for column in columns if column not in has and column not in VIRTUAL]
    return lacking


def follows(spec: Mapping[str, Any]) -> list[str]:
    """Filters that a chart follows, as its own declaration says."""
    return [param["name"] for param in spec.get("params", ()) if param["name"] in TITLES]


def spec_of(figure: Figure, data: Data, currency: str) -> dict[str, Any]:
    """The Vega-Lite specification of a chart, as wide as its card and without colors of its own."""
    chart: Any = figure.chart(currency)
    spec: dict[str, Any] = chart.properties(width="container", autosize={"type": "fit-x", "contains": "padding"}).to_dict()
    for name in ("config", "datasets"):
        spec.pop(name, None)
    _keep_colors(spec, _series(data))
    return spec


def _series(data: Data) -> dict[str, list[str]]:
    """Values of the fields that colors stand for and that only the data knows."""
    held = {
        name for table in data.datasets.values() if "product_type_id" in table.column_names for name in table["product_type_id"].to_pylist()
    }
    return {
        "product_name": sorted({data.products.get(one, one) for one in held}),
        "vintage_quarter": _values(data, "vintage", "vintage_quarter"),
        "cause": sorted(_values(data, "restatement", "cause"), key=EARLIER.__eq__),
    }


def _values(data: Data, dataset: str, column: str) -> list[str]:
    """Distinct values of a column, the last first."""
    return sorted(set(data.datasets[dataset][column].to_pylist()), reverse=True) if dataset in data.datasets else []


def _keep_colors(node: Any, series: Mapping[str, list[str]]) -> None:
    """Give every color scale over such a field all its values, so that a product keeps its color whatever is chosen."""
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _keep_colors(child, series)
    color = node.get("color") if isinstance(node, dict) else None
    if isinstance(color, dict) and color.get("field") in series:
        values = series[color["field"]]
        color |= {"scale": {**color.get("scale", {}), "domain": values}} if values else {"legend": None}  # an empty legend has no height
