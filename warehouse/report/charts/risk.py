"""Charts of expected defaults: how many clients, how much money, in which regions and products."""

import altair as alt

from warehouse.report.charts.frame import (
    AMOUNT_AXIS,
    PERCENT,
    Figure,
    amount_text,
    by_measure,
    data,
    filtered,
    heat_text,
    largest_region_first,
    money_text,
    product_bars,
    signals,
)
from warehouse.terms import MIN_CLIENTS

CELL = (
    "region_id",
    "product_type_id",
    "grade",
    "client_count",
    "expected_default_count",
    "expected_default_amount",
    "outstanding_principal_amount",
)
GRADES = ("A", "B", "C", "D", "E")
SCORED_ONCE = "scores are those of one business date"
BY_CLIENT = "clients are counted where they live on that date"
WHY = {"month": SCORED_ONCE, "attribution": BY_CLIENT}
EXPECTED = {"expected": "sum(expected_default_count)", "lost": "sum(expected_default_amount)"}
SIZE = {"clients": "sum(client_count)", "owed": "sum(outstanding_principal_amount)"}


def grades(currency: str) -> alt.LayerChart:
    """Clients and what they owe by grade, with the mean probability."""
    x = alt.X("grade:N", title=None, axis=alt.Axis(labelAngle=0), scale=alt.Scale(domain=[*GRADES]))
    bar = alt.Chart().mark_bar().encode(
        x=x,
        y=alt.Y("total:Q", axis=alt.Axis(labelExpr=AMOUNT_AXIS, title=None)),
        color=alt.Color("grade:O", scale=alt.Scale(domain=[*GRADES]), legend=None),
        tooltip=[
            alt.Tooltip("grade:N", title="Grade"),
            alt.Tooltip("total_text:N", title="Total"),
            alt.Tooltip("mean:Q", title="Mean probability", format=PERCENT),
            alt.Tooltip("expected_text:N", title="Expected to default"),
        ],
    )  # fmt: skip
    text = alt.Chart().mark_text(style="label", dy=-7, fontSize=12).encode(x=x, y="total:Q", text=alt.Text("mean:Q", format=PERCENT))
    chart = filtered(alt.layer(bar, text, data=data("risk")), "product", "within").transform_filter("datum.grade != 'none'")
    chart = chart.transform_aggregate(**SIZE, **EXPECTED, groupby=["grade"]).transform_calculate(
        total=by_measure("clients", "owed"),
        total_text=amount_text("total", currency, "clients"),
        mean="datum.expected / datum.clients",
        expected_text="format(datum.expected, ',.1f') + ' clients, ' + " + money_text("lost", currency),
    )
    return signals(chart, "measure").properties(height=240)


def expected(currency: str) -> alt.Chart:
    """Expected defaults by region and product."""
    chart = filtered(alt.Chart(data("risk")), "product", "within").transform_calculate(
        region="datum[level]",
        cell=by_measure("expected_default_count", "expected_default_amount"),
        size=by_measure("client_count", "outstanding_principal_amount"),
    )
    chart = (
        chart.transform_aggregate(total="sum(cell)", size="sum(size)", groupby=["region", "product_name"])
        .transform_filter("datum.total > 0")
        .transform_joinaggregate(region_total="sum(total)", region_size="sum(size)", groupby=["region"])
        .transform_calculate(
            total_text="measure == 'count' ? format(datum.total, ',.1f') + ' clients' : " + money_text("total", currency),
            ratio="datum.total / datum.size",
            region_ratio="datum.region_total / datum.region_size",
        )
    )
    chart = product_bars(
        chart,
        largest_region_first(),
        alt.Tooltip("region:N", title="Region"),
        alt.Tooltip("product_name:N", title="Product"),
        alt.Tooltip("total_text:N", title="Expected to default"),
        alt.Tooltip("ratio:Q", title="Of region and product", format=PERCENT),
        alt.Tooltip("region_ratio:Q", title="Of the region", format=PERCENT),
    )
    return signals(chart, "level", "measure").properties(height=alt.Step(27))


def probability(currency: str) -> alt.LayerChart:
    """Mean probability of default by region and product, weighted by what is owed when the page shows amounts."""
    x = alt.X("product_name:N", title=None, axis=alt.Axis(labelAngle=0, orient="top", labelLimit=160))
    y = alt.Y("region:N", sort="ascending", title=None)
    cell = alt.Chart().mark_rect().encode(
        x=x,
        y=y,
        color=alt.Color("ratio:Q", legend=None),
        tooltip=[
            alt.Tooltip("region:N", title="Region"),
            alt.Tooltip("product_name:N", title="Product"),
            alt.Tooltip("ratio:Q", title="Mean probability", format=PERCENT),
            alt.Tooltip("clients:Q", title="Clients", format=","),
            alt.Tooltip("owed_text:N", title="Outstanding principal"),
        ],
    )  # fmt: skip
    text = alt.Chart().mark_text(fontSize=11).encode(
        x=x, y=y, text=alt.Text("ratio:Q", format=PERCENT), color=heat_text("datum.ratio / max(datum.greatest, 0.0001)")
    )  # fmt: skip
    chart = filtered(alt.layer(cell, text, data=data("risk")), "product", "within").transform_filter("datum.grade != 'none'")
    chart = (
        chart.transform_calculate(region="datum[level]")
        .transform_aggregate(**SIZE, **EXPECTED, groupby=["region", "product_name"])
        .transform_filter(f"datum.clients >= {MIN_CLIENTS} && datum.owed > 0")
        .transform_calculate(
            ratio="measure == 'count' ? datum.expected / datum.clients : datum.lost / datum.owed",
            owed_text=money_text("owed", currency),
        )
        .transform_joinaggregate(greatest="max(ratio)")
    )
    return signals(chart, "level", "measure", "dark").properties(height=alt.Step(24))


RISK = (
    Figure(
        "grades",
        "Clients by grade",
        "Clients who owe something, from A (safest) to E, in {unit:clients}; above each bar the mean probability of default.",
        grades,
        {"risk": CELL},
        ("total", "Total"),
        why=WHY,
    ),
    Figure(
        "expected",
        "Expected defaults by region and product",
        "Sum of the probabilities of default within twelve months, times what is owed when amounts are shown, in {unit:clients}.",
        expected,
        {"risk": CELL},
        ("total", "Expected to default"),
        why=WHY,
    ),
    Figure(
        "probability",
        "Mean probability of default by region and product",
        f"Per {{unit:client|unit of outstanding principal}}. Cells with fewer than {MIN_CLIENTS} clients are left out.",
        probability,
        {"risk": CELL},
        ("ratio", "Mean probability"),
        wide=True,
        why=WHY,
    ),
)
