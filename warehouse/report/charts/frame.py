"""What all charts share: the figure record, the signals that the filter bar sets, and the parts of charts that repeat.

A chart is an Altair declaration over a named dataset that the page carries once. Filters are Vega signals of the same name in every chart,
so the page sets a signal and Vega filters, adds up and divides again; no figure is computed anywhere else.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import altair as alt

from warehouse.report.measures import LATE
from warehouse.terms import WILSON_Z

SIGNALS: dict[str, Any] = {
    "month": "",
    "product": "",
    "within": "",
    "level": "level_1",
    "attribution": "as_of",
    "measure": "amount",
    "rate": LATE.as_json(),
    "vintage": "ever30",
    "restated": "outstanding_principal_amount",
    "dark": False,
}
FILTERS = {
    "month": "datum.month_on == month",
    "product": "product == '' || datum.product_type_id == product",
    "within": "within == '' || datum.level_1 == within",
    "attribution": "datum.attribution == attribution",
}
SERIES = "datum.is_complete_month || datum.month_on == month"  # a month that has just begun would look like a collapse
SLICE = ("product", "within", "attribution")
MONTH_AXIS = alt.Axis(
    labelExpr="slice(datum.label, 0, 3) + ' ' + slice(datum.label, 6, 8)", labelOverlap=True, labelAngle=0, title=None, grid=False
)
PERCENT = ".1%"


@dataclass(frozen=True)
class Figure:
    """A chart with the words around it.

    Attributes:
        name: of its element in the page.
        title: what it shows.
        text: how to read it; one or two sentences. `{unit}` becomes the unit of the chosen measure.
        chart: makes the Altair chart; the argument is the currency.
        needs: datasets, with the columns that it reads of each.
        value: field and title of the figure that its description for readers of a screen names.
        wide: takes the whole width of the page.
        why: why it does not follow a filter of its page, by filter.
    """

    name: str
    title: str
    text: str
    chart: Callable[[str], alt.TopLevelMixin]
    needs: dict[str, Sequence[str]]
    value: tuple[str, str]
    wide: bool = False
    why: dict[str, str] = field(default_factory=dict)


def signals(chart: Any, *names: str) -> Any:
    """The chart with signals that the filter bar sets."""
    return chart.add_params(*(alt.param(name=name, value=SIGNALS[name]) for name in names))


def filtered(chart: Any, *names: str) -> Any:
    """The chart over the rows that some filters let through, with their signals."""
    for name in names:
        chart = chart.transform_filter(FILTERS[name])
    return signals(chart, *names)


def monthly(chart: Any) -> Any:
    """The chart over the months of the filters' slice: complete ones, and the chosen one."""
    return filtered(chart, *SLICE).transform_filter(SERIES)


def data(name: str) -> alt.NamedData:
    """A dataset of the page."""
    return alt.NamedData(name=name)


def month_x(sort_field: str = "month_on") -> alt.X:
    """The month on a horizontal axis; a band of text and not a time scale, so that no time zone can move a month end."""
    return alt.X("month_text:N", sort=alt.EncodingSortField(sort_field, op="min"), axis=MONTH_AXIS)


def month_tip() -> alt.Tooltip:
    """The month in a tooltip."""
    return alt.Tooltip("month_text:N", title="Month")


def category(title: str | None = None, **options: Any) -> alt.Legend:
    """A legend above the plot."""
    return alt.Legend(orient="top", title=title, labelLimit=220, symbolType="square", symbolStrokeWidth=0, **options)


def money_text(field_name: str, currency: str) -> str:
    """An expression that shows an amount of money in millions."""
    value = f"datum.{field_name}"
    digits = f"abs({value}) < 1e7 ? ',.2f' : abs({value}) < 1e9 ? ',.1f' : ',.0f'"
    return f"format({value} / 1e6, {digits}) + {json.dumps(f' million {currency}')}"


def amount_text(field_name: str, currency: str, noun: str = "") -> str:
    """An expression that shows an amount of money, or a count when the page shows counts."""
    count = f"format(datum.{field_name}, ',') + {' ' + noun!r}" if noun else f"format(datum.{field_name}, ',')"
    return f"measure == 'count' ? {count} : {money_text(field_name, currency)}"


AMOUNT_AXIS = "measure == 'count' ? format(datum.value, ',') : format(datum.value / 1e6, ',.5~r')"
MONEY_AXIS = "format(datum.value / 1e6, ',.5~r')"


def by_measure(count: str, amount: str) -> str:
    """An expression for one of two columns."""
    return f"measure == 'count' ? datum.{count} : datum.{amount}"


def named(value: str, names: Mapping[str, Any], other: Any = "") -> str:
    """An expression that gives each key its name, or its number; the other one where no key is met."""
    return " : ".join(f"{value} == {key!r} ? {name!r}" for key, name in names.items()) + f" : {other!r}"


def chosen_outline() -> Any:
    """Bars of the chosen month have an outline, in the color of the style `month`."""
    return alt.condition("datum.month_on == month", alt.value(1.3), alt.value(0))


def chosen_rule() -> alt.Chart:
    """A rule at the chosen month; the others are there and not seen, so that all layers have the same months in the same order."""
    return (
        alt.Chart()
        .mark_rule(style="chosen")
        .encode(x=month_x(), opacity=alt.condition("datum.month_on == month", alt.value(1), alt.value(0)))
    )


def month_bars(chart: Any, color: alt.Color, axis: str, tips: Mapping[str, str], **options: Any) -> alt.Chart:
    """Stacked bars of the field `total`, a month each.

    Args:
        chart: has month_on, month_text and total.
        color: what the bars are stacked by.
        axis: expression of the labels of the axis.
        tips: fields of the tooltip after the month, with their titles.
        options: of the axis.
    """
    return chart.mark_bar(style="month").encode(
        x=month_x(),
        y=alt.Y("total:Q", axis=alt.Axis(labelExpr=axis, title=None, **options)),
        color=color,
        strokeWidth=chosen_outline(),
        tooltip=[month_tip(), *(alt.Tooltip(f"{name}:N", title=title) for name, title in tips.items())],
    )


def product_bars(chart: Any, y: alt.Y, *tips: alt.Tooltip) -> alt.Chart:
    """Bars of the field `total`, stacked by product.

    Args:
        chart: has total and product_name.
        y: what a bar stands for.
        tips: of the tooltip.
    """
    return chart.mark_bar().encode(
        x=alt.X("total:Q", axis=alt.Axis(labelExpr=AMOUNT_AXIS, title=None, orient="top")),
        y=y,
        color=alt.Color("product_name:N", legend=category()),
        tooltip=[*tips],
    )


def largest_region_first() -> alt.Y:
    """Regions by the field `region_total`."""
    return alt.Y("region:N", sort=alt.EncodingSortField("region_total", op="max", order="descending"), title=None)


def heat_text(share: str) -> Any:
    """Color of text on a cell whose shade is `share` (0..1) of the ramp; the ramp runs the other way on a dark page."""
    return alt.condition(f"({share} > 0.6) != dark", alt.value("#ffffff"), alt.value("#10151d"))


def wilson(top: str, bottom: str) -> dict[str, str]:
    """Expressions of the bounds of the 95 % Wilson interval of top / bottom: low and high.

    Reference: E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927).
    """
    square = WILSON_Z * WILSON_Z
    share = f"({top} / {bottom})"
    middle = f"({share} + {square} / (2 * {bottom}))"
    spread = f"{WILSON_Z} * sqrt({share} * (1 - {share}) / {bottom} + {square} / (4 * {bottom} * {bottom}))"
    scale = f"(1 + {square} / {bottom})"
    return {"low": f"max(0, ({middle} - {spread}) / {scale})", "high": f"min(1, ({middle} + {spread}) / {scale})"}
