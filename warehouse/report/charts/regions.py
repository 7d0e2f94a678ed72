"""Charts by region: where the book is, which regions pay worse with how much certainty, and since when."""

import altair as alt

from warehouse.report.charts.frame import (
    PERCENT,
    SLICE,
    Figure,
    amount_text,
    by_measure,
    data,
    filtered,
    heat_text,
    largest_region_first,
    month_tip,
    monthly,
    product_bars,
    signals,
    wilson,
)
from warehouse.report.measures import LATE
from warehouse.terms import MIN_CLIENTS, MIN_OBSERVATIONS, STATUSES

CELL = ["month_on", "region_id", "product_type_id", "attribution"]
ROW = alt.Step(21)


def distribution(currency: str) -> alt.Chart:
    """Stacked bars by region and product, the largest region first."""
    chart = filtered(alt.Chart(data("portfolio")), "month", *SLICE).transform_calculate(
        region="datum[level]", cell=by_measure("open_contract_count", "outstanding_principal_amount")
    )
    chart = (
        chart.transform_aggregate(total="sum(cell)", groupby=["region", "product_name"])
        .transform_filter("datum.total > 0")
        .transform_joinaggregate(region_total="sum(total)", groupby=["region"])
        .transform_joinaggregate(whole="sum(total)")
        .transform_calculate(
            total_text=amount_text("total", currency, "open contracts"),
            region_share="datum.region_total / datum.whole",
        )
    )
    chart = product_bars(
        chart,
        largest_region_first(),
        alt.Tooltip("region:N", title="Region"),
        alt.Tooltip("product_name:N", title="Product"),
        alt.Tooltip("total_text:N", title="Total"),
        alt.Tooltip("region_share:Q", title="Region's share of the book", format=PERCENT),
    )
    return signals(chart, "level", "measure").properties(height=ROW)


def statuses(currency: str) -> alt.Chart:
    """Every contract ever started, by its status at the month end."""
    chart = filtered(alt.Chart(data("status")), "month", "product", "within")
    chart = (
        chart.transform_calculate(cell=by_measure("contract_count", "principal_amount"))
        .transform_aggregate(total="sum(cell)", groupby=["status", "product_name"])
        .transform_filter("datum.total > 0")
        .transform_joinaggregate(whole="sum(total)")
        .transform_calculate(total_text=amount_text("total", currency, "contracts"), share="datum.total / datum.whole")
    )
    chart = product_bars(
        chart,
        alt.Y("status:N", sort=[*STATUSES], title=None),
        alt.Tooltip("status:N", title="Status"),
        alt.Tooltip("product_name:N", title="Product"),
        alt.Tooltip("total_text:N", title="Total"),
        alt.Tooltip("share:Q", title="Of all contracts", format=PERCENT),
    )
    return signals(chart, "measure").properties(height=alt.Step(24))


def _rated(chart: alt.Chart | alt.LayerChart, *keys: str) -> alt.Chart | alt.LayerChart:
    """Numerator, denominator, ratio and clients of the chosen rate by region (and keys); cells of few clients are left out.

    Clients are added over regions, where each has one, but the greatest count of a product is taken, since a client may have two.
    """
    return (
        chart.transform_calculate(region="datum[level]", top="datum[rate.top]", bottom="datum[rate.bottom]")
        .transform_aggregate(
            top="sum(top)", bottom="sum(bottom)", clients="max(client_count)", groupby=["region", "region_id", *keys]
        )
        .transform_aggregate(top="sum(top)", bottom="sum(bottom)", clients="sum(clients)", groupby=["region", *keys])
        .transform_filter(f"datum.bottom > 0 && datum.clients >= {MIN_CLIENTS}")
        .transform_calculate(
            ratio="datum.top / datum.bottom",
            is_small=f"rate.is_counted && datum.bottom < {MIN_OBSERVATIONS}",
            cases="rate.is_counted ? format(datum.top, ',') + ' of ' + format(datum.bottom, ',') : ''",
        )
    )  # fmt: skip


def dots(currency: str) -> alt.LayerChart:
    """The chosen rate by region, sorted, with 95 % Wilson intervals and the average of all as a rule."""
    y = alt.Y("region:N", sort=alt.EncodingSortField("ratio", op="max", order="descending"), title=None, axis=alt.Axis(grid=True))
    tooltip = [
        alt.Tooltip("region:N", title="Region"),
        alt.Tooltip("ratio:Q", title="Rate", format=PERCENT),
        alt.Tooltip("low:Q", title="95 % from", format=PERCENT),
        alt.Tooltip("high:Q", title="95 % to", format=PERCENT),
        alt.Tooltip("cases:N", title="Cases"),
        alt.Tooltip("is_small:N", title="Too few to judge"),
    ]
    faint = alt.condition("datum.is_small", alt.value(0.35), alt.value(1))
    x = alt.X("ratio:Q", axis=alt.Axis(format=".0%", title=None, orient="top"), scale=alt.Scale(zero=True))
    average = alt.Chart().mark_rule(style="chosen", strokeDash=[4, 3]).encode(x="average:Q").transform_aggregate(average="max(average)")
    interval = alt.Chart().mark_rule(strokeWidth=2, style="interval").encode(y=y, x=alt.X("low:Q"), x2="high:Q", opacity=faint)
    dot = alt.Chart().mark_circle(size=70, opacity=1).encode(y=y, x=x, opacity=faint, tooltip=tooltip)
    chart = filtered(alt.layer(average, interval, dot, data=data("portfolio")), "month", *SLICE)
    chart = (
        _rated(chart)
        .transform_joinaggregate(all_top="sum(top)", all_bottom="sum(bottom)")
        .transform_calculate(
            average="datum.all_top / datum.all_bottom",
            **{bound: f"rate.is_counted ? {text} : null" for bound, text in wilson("min(datum.top, datum.bottom)", "datum.bottom").items()},
        )
    )
    return signals(chart, "level", "rate").properties(height=ROW)


def months(currency: str) -> alt.Chart:
    """Heat map of the chosen rate, region by month."""
    chart = _rated(monthly(alt.Chart(data("portfolio"))), "month_on", "month_text")
    chart = chart.mark_rect().encode(
        x=alt.X("month_text:N", sort=alt.EncodingSortField("month_on"), axis=alt.Axis(labelOverlap=True, title=None, labelAngle=0)),
        y=alt.Y("region:N", sort="ascending", title=None),
        color=alt.Color("ratio:Q", legend=alt.Legend(format=".0%", title=None, orient="top", gradientLength=220)),
        opacity=alt.condition("datum.is_small", alt.value(0.35), alt.value(1)),
        stroke=alt.condition("datum.month_on == month", alt.value("#8a94a3"), alt.value(None)),
        tooltip=[
            alt.Tooltip("region:N", title="Region"),
            month_tip(),
            alt.Tooltip("ratio:Q", title="Rate", format=PERCENT),
            alt.Tooltip("cases:N", title="Cases"),
            alt.Tooltip("is_small:N", title="Too few to judge"),
        ],
    )
    return signals(chart, "month", "level", "rate").properties(height=ROW)


def products(currency: str) -> alt.LayerChart:
    """Heat map of the chosen rate, region by product."""
    x = alt.X("product_name:N", title=None, axis=alt.Axis(labelAngle=0, orient="top", labelLimit=140))
    y = alt.Y("region:N", sort="ascending", title=None)
    cell = alt.Chart().mark_rect().encode(
        x=x,
        y=y,
        color=alt.Color("ratio:Q", legend=None),
        opacity=alt.condition("datum.is_small", alt.value(0.1), alt.value(1)),
        tooltip=[
            alt.Tooltip("region:N", title="Region"),
            alt.Tooltip("product_name:N", title="Product"),
            alt.Tooltip("ratio:Q", title="Rate", format=PERCENT),
            alt.Tooltip("cases:N", title="Cases"),
            alt.Tooltip("is_small:N", title="Too few to judge"),
        ],
    )  # fmt: skip
    text = alt.Chart().mark_text(fontSize=11).encode(x=x, y=y, text=alt.Text("label:N"), color=heat_text("datum.shade"))
    chart = _rated(filtered(alt.layer(cell, text, data=data("portfolio")), "month", *SLICE), "product_name")
    chart = chart.transform_joinaggregate(least="min(ratio)", greatest="max(ratio)").transform_calculate(
        label="format(datum.ratio, '.1%') + (datum.is_small ? ' (few)' : '')",
        shade="datum.is_small ? 0 : (datum.ratio - datum.least) / max(datum.greatest - datum.least, 0.0001)",
    )
    return signals(chart, "level", "rate", "dark").properties(height=alt.Step(24))


SMALL = f"Pale: fewer than {MIN_OBSERVATIONS} cases. Cells with fewer than {MIN_CLIENTS} clients are left out."

REGIONS = (
    Figure(
        "distribution",
        "Where the book is",
        "Contracts open at the month end by region and product, in {unit:open contracts}.",
        distribution,
        {"portfolio": (*CELL, "open_contract_count", "outstanding_principal_amount")},
        ("total", "Total"),
    ),
    Figure(
        "dots",
        "{rate} by region",
        "The highest rate first, with its 95 % Wilson interval where it counts cases; the dashed rule is the rate of all regions shown. "
        + SMALL,
        dots,
        {"portfolio": (*CELL, "client_count", LATE.top, LATE.bottom)},
        ("ratio", "Rate"),
    ),
    Figure(
        "months",
        "{rate} by region and month",
        "A darker cell is a higher rate (a brighter one on the dark page). " + SMALL,
        months,
        {"portfolio": (*CELL, "client_count", LATE.top, LATE.bottom)},
        ("ratio", "Rate"),
        wide=True,
    ),
    Figure(
        "products",
        "{rate} by region and product",
        "Whether a region is worse for the same product, or only sells more of a riskier one. "
        f"Few: fewer than {MIN_OBSERVATIONS} cases. Cells with fewer than {MIN_CLIENTS} clients are left out.",
        products,
        {"portfolio": (*CELL, "client_count", LATE.top, LATE.bottom)},
        ("ratio", "Rate"),
    ),
    Figure(
        "statuses",
        "Contracts by status",
        "All contracts started by the month end, ended ones included, by their status then, in {unit:contracts} (principal at the start).",
        statuses,
        {"status": ("month_on", "region_id", "product_type_id", "status", "contract_count", "principal_amount")},
        ("total", "Total"),
        why={"attribution": "regions are those of the month"},
    ),
)
