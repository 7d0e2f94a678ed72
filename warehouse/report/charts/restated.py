"""Charts of restatements: by how much reported months changed since, and through which delivery."""

from typing import Any

import altair as alt

from warehouse.report.charts.frame import Figure, category, data, filtered, money_text, month_tip, month_x, signals

CELL = ("month_on", "region_id", "product_type_id", "measure")
CHOSEN = "datum.measure == restated"
WHY = {"month": "every reported month is shown"}


def _value_text(field: str, currency: str) -> str:
    """An expression that shows a value of the chosen measure, which may count contracts."""
    return f"restated == 'open_contract_count' ? format(datum.{field}, ',') + ' contracts' : {money_text(field, currency)}"


VALUE_AXIS = "restated == 'open_contract_count' ? format(datum.value, ',') : format(datum.value / 1e6, ',.5~r')"


def changes(currency: str) -> alt.Chart:
    """Changes of each reported month, by the delivery that caused them."""
    chart: Any = filtered(alt.Chart(data("restatement")), "product", "within").transform_filter(CHOSEN)
    chart = (
        chart.transform_aggregate(
            change="sum(change_amount)", contracts="sum(contract_count)", groupby=["month_on", "month_text", "cause"]
        )
        .transform_calculate(change_text="(datum.change > 0 ? '+' : '') + (" + _value_text("change", currency) + ")")
        .mark_bar()
        .encode(
            x=month_x(),
            y=alt.Y("change:Q", axis=alt.Axis(labelExpr=VALUE_AXIS, title=None)),
            color=alt.Color("cause:N", legend=category("Known since", titleOrient="left", columns=3)),
            tooltip=[
                month_tip(),
                alt.Tooltip("cause:N", title="Known since"),
                alt.Tooltip("change_text:N", title="Change"),
                alt.Tooltip("contracts:Q", title="Contracts", format=","),
            ],
        )
    )  # fmt: skip
    return signals(chart, "restated").properties(height=260)


def shares(currency: str) -> alt.Chart:
    """What is known now beside what was first reported, as a share of the latter."""
    chart: Any = filtered(alt.Chart(data("reported")), "product", "within").transform_filter(CHOSEN)
    chart = (
        chart.transform_aggregate(reported="sum(reported_amount)", change="sum(change_amount)", groupby=["month_on", "month_text"])
        .transform_filter("datum.reported != 0")
        .transform_calculate(now="datum.reported + datum.change", ratio="datum.change / datum.reported")
        .transform_calculate(reported_text=_value_text("reported", currency), now_text=_value_text("now", currency))
        .mark_bar(style="part")
        .encode(
            x=month_x(),
            y=alt.Y("ratio:Q", axis=alt.Axis(labelExpr="datum.value == 0 ? '0%' : format(datum.value, '+.2~%')", title=None)),
            tooltip=[
                month_tip(),
                alt.Tooltip("reported_text:N", title="First reported"),
                alt.Tooltip("now_text:N", title="Known now"),
                alt.Tooltip("ratio:Q", title="Change", format="+.2%"),
            ],
        )
    )
    return signals(chart, "restated").properties(height=260)


RESTATED = (
    Figure(
        "restated_shares",
        "{restated}: known now against first reported",
        "Change of each complete month since its end, in percent of what was reported then; 0 means that the report still holds.",
        shares,
        {"reported": (*CELL, "reported_amount", "change_amount")},
        ("ratio", "Change"),
    ),
    Figure(
        "restated_changes",
        "{restated}: which delivery changed it",
        "Changes since the first report, by the business date of the delivery that told so, in {restated_unit}.",
        changes,
        {"restatement": (*CELL, "cause", "change_amount", "contract_count")},
        ("change", "Change"),
    ),
)
